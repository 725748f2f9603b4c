"""How much of a network that mixes stems itself there is in a mix: as far as it knows such songs."""

import math
from dataclasses import replace

import numpy as np

from mixcli.audio.loudness import LoudnessMeter
from mixcli.console.recipe import NetworkRecipe
from mixcli.console.render import sounding_stems
from mixcli.errors import Notice
from mixcli.mixing.plan import MixPlan
from mixcli.mixing.request import Progress
from mixcli.mixing.sound import console_share, render_apart

FAMILIAR = 0.95  # from here on a song counts as wholly known
BLOCK = 65_536


def with_network_share(plan: MixPlan, on_progress: Progress | None = None) -> MixPlan:
    """The plan with the familiarity of the song to the network, and the gain of the network's mix.

    What is not familiar is left to the console. Where both are heard, the network's mix, whose level is that
    of the mixes it learnt from, is brought to the loudness of the console's (SOURCE: ITU-R BS.1770-5). The
    whole song is gone through for either, whatever part of it is wanted; what a recipe gave stays. Raises
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
    if 0 < console_share(plan) < 1 and network.gain_db is None:
        why = "as loud as the console's mix, before they are added"
        plan = _changed(plan, {"gain_db": _level_db(plan, on_progress)}, why)
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


def _level_db(plan: MixPlan, on_progress: Progress | None) -> float:
    """How much louder the console's mix is than the network's, LU; 0 where one of them is silent."""
    meters = [LoudnessMeter(plan.sample_rate, 2, double=False) for _ in range(2)]
    for pair in render_apart(plan, on_progress):
        for meter, mix_TC in zip(meters, pair, strict=True):
            meter.push(mix_TC)
    gain_db = meters[0].integrated_lufs() - meters[1].integrated_lufs()
    return round(gain_db, 2) if math.isfinite(gain_db) else 0.0


def _changed(plan: MixPlan, change: dict[str, float], why: str) -> MixPlan:
    network: NetworkRecipe = plan.recipe.network
    reasons = network.reasons | dict.fromkeys(change, why)
    network = network.model_copy(update={**change, "reasons": reasons})
    return replace(plan, recipe=plan.recipe.model_copy(update={"network": network}))


def _strange(name: str, known: float) -> Notice:
    percent = f"{100 * known:.0f} %"
    message = f'{percent} of this song sounds like what "{name}" learnt from; the console makes the rest.'
    return Notice("W413", message)
