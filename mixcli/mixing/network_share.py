"""How much of a network that mixes stems itself there is in a mix: as far as it knows such songs."""

import math
from dataclasses import replace

import numpy as np

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import LoudnessMeter
from mixcli.console.recipe import NetworkRecipe
from mixcli.console.render import mix_length, sounding_stems
from mixcli.errors import Notice
from mixcli.mixing.network_limit import HeardApart
from mixcli.mixing.plan import MixPlan
from mixcli.mixing.request import Progress
from mixcli.mixing.sound import console_share, network_share, render_apart

FAMILIAR = 0.95  # from here on a song counts as wholly known
BEFORE_MASTER = 0.85  # of a limit: the limiter works otherwise on another mix, and takes them apart
BLOCK = 65_536


def with_network_share(plan: MixPlan, on_progress: Progress | None = None) -> MixPlan:
    """The plan with the familiarity of the song to the network, what its mix is held to, and that one's gain.

    What is not familiar is left to the console, and so much of the rest that the mix lies no farther from the
    console's than mixes that the network learnt from. Where both are heard, the network's mix, whose level is
    that of the mixes it learnt from, is brought to the loudness of the console's (SOURCE: ITU-R BS.1770-5).
    The whole song is gone through for these, whatever part of it is wanted; what a recipe gave stays. Raises
    SongError.
    """
    model = plan.model
    if model is None or model.settings.outputs != "mix":
        return plan
    network = plan.recipe.network
    if model.familiarity is not None and network.familiarity is None:
        known = heard_share(plan)
        why = "all of it sounds like what the network learnt from"
        if known < 1:
            why = f"so much of it sounds like what the network learnt from ({100 * known:.0f} %)"
            plan = replace(plan, notices=(*plan.notices, _strange(model.name, known)))
        plan = _changed(plan, {"familiarity": known}, why)
    limits = {}
    if model.limits is not None and network.held_to is None:
        limits = {key: limit * BEFORE_MASTER for key, limit in model.limits.by_measure().items()}
    crossfaded = 0 < console_share(plan) < 1 and network.gain_db is None
    if network_share(plan) > 0 and (limits or crossfaded):
        plan = _compared(plan, model.name, limits, on_progress)
    return plan


def heard_share(plan: MixPlan) -> float:
    """How much of a song is like what its network learnt from, 0 to 1, in steps of a hundredth."""
    from mixcli.engine.input_levels import measure_input_gains
    from mixcli.engine.prepare import InputReader, plan_inputs
    from mixcli.engine.stretches import Stretches

    model = plan.model
    if model is None or model.familiarity is None:
        return 1.0
    inputs = plan_inputs(sounding_stems(plan.song, plan.recipe), model.settings, model_name=model.name)
    gains_K1 = measure_input_gains(inputs, model.settings, repair=plan.repair)[:, None]
    stretches = Stretches(len(inputs.inputs), inputs.sample_rate)
    with InputReader(inputs, repair=plan.repair) as reader:
        for first in range(0, reader.n_samples, BLOCK):
            block_TK = reader.read(min(BLOCK, reader.n_samples - first))
            stretches.push(np.ascontiguousarray(block_TK.T) * gains_K1)
    share = model.familiarity.share(stretches.values())
    return 1.0 if share >= FAMILIAR else round(share, 2)


def _compared(plan: MixPlan, name: str, limits: dict[str, float], on_progress: Progress | None) -> MixPlan:
    """The plan with what both mixes, side by side, tell: the gain of the network's and what it is held to."""
    meters = [LoudnessMeter(plan.sample_rate, 2, double=False) for _ in range(2)]
    heard = HeardApart(mix_length(plan.song, plan.sample_rate) if limits else 0, plan.sample_rate)
    for pair in render_apart(plan, on_progress):
        for meter, mix_TC in zip(meters, pair, strict=True):
            meter.push(mix_TC)
        heard.push(*pair)
    gain_db = meters[0].integrated_lufs() - meters[1].integrated_lufs()
    gain_db = round(gain_db, 2) if math.isfinite(gain_db) else 0.0
    if plan.recipe.network.gain_db is not None:
        gain_db = plan.recipe.network.gain_db
    if limits:
        most = max(1.0, network_share(plan))
        held_to, measure, distance = heard.largest_share(most, db_to_gain(gain_db), limits)
        why = "all of it lies as near to the console's mix as the mixes that the network learnt from"
        if measure:
            held_to = math.floor(100 * held_to) / 100
            unit = " dB" if measure.endswith("_db") else ""
            words = f"{measure.removesuffix('_db')} {distance:.2f}{unit}, at most {limits[measure]:.2f}"
            why = f"all of it would lie farther from the console's mix than mixes it learnt from ({words})"
            if held_to < network_share(plan):
                plan = replace(plan, notices=(*plan.notices, _far(name, held_to, words)))
        plan = _changed(plan, {"held_to": held_to}, why)
    if 0 < console_share(plan) < 1 and plan.recipe.network.gain_db is None:
        plan = _changed(plan, {"gain_db": gain_db}, "as loud as the console's mix, before they are added")
    return plan


def _changed(plan: MixPlan, change: dict[str, float], why: str) -> MixPlan:
    network: NetworkRecipe = plan.recipe.network
    reasons = network.reasons | dict.fromkeys(change, why)
    network = network.model_copy(update={**change, "reasons": reasons})
    return replace(plan, recipe=plan.recipe.model_copy(update={"network": network}))


def _strange(name: str, known: float) -> Notice:
    percent = f"{100 * known:.0f} %"
    message = f'{percent} of this song sounds like what "{name}" learnt from; the console makes the rest.'
    return Notice("W413", message)


def _far(name: str, held_to: float, words: str) -> Notice:
    message = (
        f'"{name}" goes far from the console\'s mix ({words}); {100 * held_to:.0f} % of its mix are taken.'
    )
    return Notice("W414", message)
