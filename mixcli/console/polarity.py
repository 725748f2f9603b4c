"""Microphones that work against each other: which of them the rules invert."""

from collections.abc import Sequence

from mixcli.console.sources import Source
from mixcli.songs.song import Stem
from mixcli.songs.survey import Survey

CLEAR_CORRELATION = -0.3  # of two mids; above it an inversion is as likely to harm as to help
OVERHEAD_ROLE = "drums.overhead"
CLOSE_ROLES = ("drums.kick", "drums.snare", "drums.tom")


def polarity_moves(sources: Sequence[Source], survey: Survey) -> dict[str, str]:
    """Names of the stems to invert, each with the reason.

    A microphone is compared with the leading one of its source, then the whole source with the loudest
    overhead. Overheads are never inverted: they are what the close microphones have to fit.
    """
    reasons: dict[str, str] = {}
    overhead = _loudest_overhead(sources, survey)
    for source in sources:
        if source.role == OVERHEAD_ROLE:
            continue
        inverted = {}
        for stem in source.stems[1:]:
            correlation = survey.correlation(source.leader.name, stem.name)
            if correlation < CLEAR_CORRELATION:
                inverted[stem.name] = f'works against "{source.leader.name}": correlation {correlation:.2f}'
        if overhead is not None and source.role in CLOSE_ROLES:
            correlation = survey.correlation(source.leader.name, overhead.name)
            if correlation < CLEAR_CORRELATION:
                reason = f'works against the overhead "{overhead.name}": correlation {correlation:.2f}'
                inverted = {stem.name: reason for stem in source.stems if stem.name not in inverted}
        reasons |= inverted
    return reasons


def _loudest_overhead(sources: Sequence[Source], survey: Survey) -> Stem | None:
    overheads = [stem for source in sources if source.role == OVERHEAD_ROLE for stem in source.stems]
    return max(overheads, key=lambda stem: (survey.stems[stem.name].loudness_lufs, stem.name), default=None)
