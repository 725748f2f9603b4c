"""Microphones that hear one thing: which wait so that all hear it at once, and which are turned over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from mixcli.console.microphones import (
    JUDGED_BY_OVERHEADS,
    Kind,
    judged_sources,
    kind_of,
    microphones,
    overhead_sides,
    overhead_signals,
)
from mixcli.console.sources import Source
from mixcli.songs.mic_pairs import PairMeasurement, PairMeasurements
from mixcli.songs.segment_spectra import Signal

# Chosen on three kits, 14 snares and 17 cabinets: below these the sign was not always the likely one.
CLEAR_PEAK = 0.25  # of the common sound, in step at one lag
CLEAR_OVER_RIVAL = 1.5  # times the highest peak of the other sign
CLEAR_COHERENCE = 0.2
CLEAR_SHARE = 0.4  # of a lag that a stem is moved by
CLEAR_OVER_ELSEWHERE = 1.5  # times the highest peak at quite another lag
CLEAR_LAG_AGREEMENT = 0.2  # in the polarity band, at the lag that a stem is moved by
CLEAR_AGREEMENT = 0.4  # in the polarity band
CLEAR_CORRELATION = 0.3  # as the two lie, without any delay
SHORTEST_DELAY_MS = 0.01  # less than half a sample: no move
EDGE = 0.98  # of the range of lags: a peak beyond lies on its edge, and its top outside


@dataclass(frozen=True)
class AlignmentMove:
    """What brings a stem into line with others: a delay, a polarity, and why of each in words."""

    delay_ms: float = 0.0
    polarity: Literal[1, -1] = 1
    reasons: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def alignment_moves(sources: Sequence[Source], pairs: PairMeasurements) -> dict[str, AlignmentMove]:
    """The moves by name of stem; whatever is not clear is left alone, and stems without a move are left out.

    Direct signals and amplifiers, and microphones in and before a kick drum, are brought together: the early
    one waits. Whatever is upside down against its source's leading microphone is turned over, and so are all
    microphones of a kick or snare that is upside down against the overheads; those are never moved in time.
    """
    delays, reasons = _delays(sources, pairs)
    turned: dict[str, str] = {}
    for leader, stem in microphones(sources):
        measured = pairs.of(Signal(leader.name), Signal(stem.name))
        if _is_upside_down(measured, kind_of(leader, stem)):
            turned[stem.name] = _against(leader.name, measured)
    wrong_side = _turned_overheads(sources, pairs)
    turned |= wrong_side
    for source in judged_sources(sources):
        reason = _against_overheads(source, sources, pairs, wrong_side)
        for stem in source.stems if reason is not None else ():
            if stem.name in turned:  # turned over twice: it was right all along
                del turned[stem.name]
            else:
                turned[stem.name] = str(reason)
    return {
        name: AlignmentMove(
            delays.get(name, 0.0),
            -1 if name in turned else 1,
            MappingProxyType(
                ({"delay_ms": reasons[name]} if name in delays else {})
                | ({"polarity": turned[name]} if name in turned else {})
            ),
        )
        for name in sorted({*delays, *turned})
    }


def _delays(sources: Sequence[Source], pairs: PairMeasurements) -> tuple[dict[str, float], dict[str, str]]:
    """By how much stems wait for the latest microphone of their source, in ms, and why."""
    lags: dict[str, dict[str, float]] = {}
    for leader, stem in microphones(sources):
        kind = kind_of(leader, stem)
        lag_ms = _clear_lag(pairs.of(Signal(leader.name), Signal(stem.name)), kind) if kind.moved else None
        if lag_ms is not None:
            lags.setdefault(leader.name, {leader.name: 0.0})[stem.name] = lag_ms
    delays, reasons = {}, {}
    for group in lags.values():
        latest = max(group, key=lambda name: (group[name], name))
        for name, lag_ms in group.items():
            delay_ms = round(group[latest] - lag_ms, 4)
            if delay_ms >= SHORTEST_DELAY_MS:
                delays[name] = delay_ms
                reasons[name] = f'waits for "{latest}", which hears the same {delay_ms:.2f} ms later'
    return delays, reasons


def _clear_lag(measured: PairMeasurement, kind: Kind) -> float | None:
    """By how much the second of two is later, in ms, or None where that is not clear.

    A cabinet smears a sound so that upside down it would fit nearly as well, a little earlier or later; then
    the lag is the one at which nothing need be turned over.
    """
    better = max(measured.upright.share, measured.inverted.share)
    chosen = measured.inverted if _sign(measured) < 0 else measured.upright
    clear = (
        measured.coherence >= CLEAR_COHERENCE
        and better >= CLEAR_OVER_ELSEWHERE * measured.elsewhere
        and chosen.share >= CLEAR_SHARE
        and chosen.agreement >= CLEAR_LAG_AGREEMENT
        and abs(chosen.delay_ms) < EDGE * kind.limit_ms
    )
    return chosen.delay_ms if clear else None


def _turned_overheads(sources: Sequence[Source], pairs: PairMeasurements) -> dict[str, str]:
    """The right overheads that are upside down against the left ones, where kick and snare do not object."""
    turned = {}
    for left, right in overhead_sides(sources):
        measured = pairs.of(left, right)
        if left.name == right.name or _sign(measured) >= 0 or measured.correlation > CLEAR_CORRELATION:
            continue
        signs = [
            [_sign(pairs.of(Signal(source.leader.name), side)) for side in (left, right)]
            for source in judged_sources(sources)
        ]
        if all(first * second <= 0 for first, second in signs):
            turned[right.name] = _against(left.name, measured)
    return turned


def _against_overheads(
    source: Source, sources: Sequence[Source], pairs: PairMeasurements, turned: Mapping[str, str]
) -> str | None:
    """Why a kick or snare is turned over: upside down in an overhead, and the right way up in none."""
    votes = []
    for overhead in overhead_signals(sources):
        measured = pairs.of(Signal(source.leader.name), overhead)
        turn = -1 if overhead.name in turned else 1
        lag = measured.inverted if turn > 0 else measured.upright
        votes.append((turn * _sign(measured), overhead.name, lag.agreement, lag.delay_ms))
        if turn * measured.correlation > CLEAR_CORRELATION:
            return None  # as the two lie, turning it over would take from their sum
    against = [vote for vote in votes if vote[0] < 0]
    if not against or any(vote[0] > 0 for vote in votes):
        return None
    _, name, agrees, delay_ms = min(against, key=lambda vote: (-vote[2], vote[1]))
    low_hz, high_hz = JUDGED_BY_OVERHEADS[source.role]
    return (
        f'upside down against "{name}": agreement {-agrees:.2f} from {low_hz:g} to {high_hz:g} Hz, '
        f"{delay_ms:.1f} ms apart"
    )


def _sign(measured: PairMeasurement) -> int:
    """1 for the right way up, -1 for upside down, 0 where it is not clear."""
    better, rival = measured.upright, measured.inverted
    if rival.share > better.share:
        better, rival = rival, better
    clear = (
        better.share >= CLEAR_PEAK
        and better.share >= CLEAR_OVER_RIVAL * rival.share
        and measured.coherence >= CLEAR_COHERENCE
        and better.agreement >= CLEAR_AGREEMENT
    )
    return 0 if not clear else (1 if better is measured.upright else -1)


def _is_upside_down(measured: PairMeasurement, kind: Kind) -> bool:
    """Whether a microphone is inverted against the leading one of its source."""
    if kind.moved:
        return _sign(measured) < 0
    # As these stay where they are in time, it is also how they add up there that counts.
    return (
        measured.correlation <= -CLEAR_CORRELATION
        and measured.coherence >= CLEAR_COHERENCE
        and measured.inverted.share >= max(CLEAR_PEAK, CLEAR_OVER_RIVAL * measured.upright.share)
        and measured.inverted.agreement > 0
    )


def _against(name: str, measured: PairMeasurement) -> str:
    return f'upside down against "{name}": agreement {-measured.inverted.agreement:.2f}'
