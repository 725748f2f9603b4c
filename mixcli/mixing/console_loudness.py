"""How loud a song is before its master: what tells songs of an album apart."""

from mixcli.audio.loudness import LoudnessMeter
from mixcli.mixing.network_share import with_network_share
from mixcli.mixing.plan import plan_mix
from mixcli.mixing.request import MixRequest, Progress
from mixcli.mixing.sound import render_sound


def loudness_before_master(request: MixRequest, on_progress: Progress | None = None) -> float:
    """Integrated loudness of the console's mix with its network, in LUFS; −inf for one without any.

    The song is rendered and nothing is written. SOURCE: ITU-R BS.1770-5. Raises MixcliError.
    """
    plan = with_network_share(plan_mix(request, on_progress), on_progress)
    meter = LoudnessMeter(plan.sample_rate, 2, double=False)
    for block in render_sound(plan, on_progress):
        meter.push(block.mix_TC)
    return meter.integrated_lufs()
