"""Microphones of one source that work against each other: which of them the rules invert."""

from collections.abc import Sequence

from mixcli.console.sources import Source, is_wet, microphone_of
from mixcli.songs.song import Stem
from mixcli.songs.survey import Survey

CLEAR_CORRELATION = -0.3  # of two mids; above it an inversion is as likely to harm as to help
# What these hear comes late. Their correlation without a delay tells the delay as much as the polarity.
DISTANT_ROLES = ("drums.overhead", "drums.room", "room")
DISTANT_MICROPHONES = ("far", "room")


def polarity_moves(sources: Sequence[Source], survey: Survey) -> dict[str, str]:
    """Names of the stems to invert, each with the reason.

    Every close microphone is compared with the leading one of its own source, and with nothing else.
    """
    reasons: dict[str, str] = {}
    for source in sources:
        if source.role in DISTANT_ROLES or not _is_close(source.leader):
            continue
        for stem in source.stems[1:]:
            correlation = survey.correlation(source.leader.name, stem.name)
            if _is_close(stem) and correlation < CLEAR_CORRELATION:
                reasons[stem.name] = f'works against "{source.leader.name}": correlation {correlation:.2f}'
    return reasons


def _is_close(stem: Stem) -> bool:
    return microphone_of(stem) not in DISTANT_MICROPHONES and not is_wet(stem)
