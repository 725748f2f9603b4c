"""The level of a network's own mix beside the console's, so that a crossfade of the two is what it says."""

import math
from dataclasses import replace

from mixcli.audio.loudness import LoudnessMeter
from mixcli.mixing.plan import MixPlan
from mixcli.mixing.request import Progress
from mixcli.mixing.sound import console_share, render_apart


def with_network_level(plan: MixPlan, on_progress: Progress | None = None) -> MixPlan:
    """The plan with the gain that brings the network's mix to the loudness of the console's.

    Only where both are heard: an amount between 0 and 1 of a network that mixes stems itself, whose level is
    that of the mixes it was trained on. The whole song is gone through for it, whatever part is wanted. A
    gain that a recipe gave stays. SOURCE: ITU-R BS.1770-5. Raises SongError.
    """
    network = plan.recipe.network
    if not 0 < console_share(plan) < 1 or network.gain_db is not None:
        return plan
    meters = [LoudnessMeter(plan.sample_rate, 2, double=False) for _ in range(2)]
    for console_TC, network_TC in render_apart(plan, on_progress):
        meters[0].push(console_TC)
        meters[1].push(network_TC)
    gain_db = meters[0].integrated_lufs() - meters[1].integrated_lufs()
    levelled = network.model_copy(
        update={
            "gain_db": round(gain_db, 2) if math.isfinite(gain_db) else 0.0,
            "reasons": network.reasons | {"gain_db": "as loud as the console's mix, before they are added"},
        }
    )
    return replace(plan, recipe=plan.recipe.model_copy(update={"network": levelled}))
