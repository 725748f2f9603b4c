"""Recording sessions for training, rendered from samples, with the mix of a scripted engineer beside them.

`read_source` reads a source's text, `session_plans` lists what it stands for, and `render` makes one session
of the list. A `SoundBank` that is handed to every `render` of a process saves decoding the samples again.

Legend: T samples, C = 2 channels.
"""

from mixcli.synthesis.bands import band_sessions, render_band
from mixcli.synthesis.drum_sessions import drum_sessions, render_drums
from mixcli.synthesis.plans import Session, SessionOptions, SessionPlan
from mixcli.synthesis.sound_bank import SoundBank
from mixcli.synthesis.source_text import is_source, read_source

__all__ = [
    "Session",
    "SessionOptions",
    "SessionPlan",
    "SoundBank",
    "band_sessions",
    "drum_sessions",
    "is_source",
    "read_source",
    "render",
    "session_plans",
]


def session_plans(options: SessionOptions) -> list[SessionPlan]:
    """All sessions of a source, in order: headers and indexes are read, no sample is.

    Raises UsageError E241 where a package or program is missing, E243 for a kit that is not there, SongError
    E374 where a folder has nothing to play, E375 for a broken index, E376 for a broken MIDI file.
    """
    return drum_sessions(options) if options.kind == "drums" else band_sessions(options)


def render(plan: SessionPlan, bank: SoundBank | None = None) -> Session:
    """Make one session, float32 at `plan.sample_rate`, `plan.n_samples` long.

    The same plan gives the same bytes, with or without a bank, whatever was rendered before.
    """
    bank = SoundBank() if bank is None else bank
    return render_drums(plan, bank) if plan.options.kind == "drums" else render_band(plan, bank)
