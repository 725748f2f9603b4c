"""Which microphones may hear one thing, so that it is worth measuring how they lie to each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mixcli.console.sources import Source, is_wet, microphone_of
from mixcli.songs.mic_pairs import PairCandidate
from mixcli.songs.segment_spectra import Signal
from mixcli.songs.song import Stem

# What these hear comes late, and is meant to.
DISTANT_ROLES = ("drums.overhead", "drums.room", "room")
DISTANT_MICROPHONES = ("far", "room")
DIRECT_MICROPHONES = ("di", "direct")
OVERHEADS = "drums.overhead"
JUDGED_BY_OVERHEADS = {"drums.kick": (40.0, 200.0), "drums.snare": (100.0, 500.0)}  # Hz: where both sound
OVERHEAD_LAG_MS = (0.3, 12.0)  # a hand's width to four metres further away


@dataclass(frozen=True)
class Kind:
    """How two close microphones on one source are compared; only some kinds may be moved in time.

    The lag is looked for up to `limit_ms` either way; the rest as `PairCandidate` has it.
    """

    limit_ms: float
    lag_band_hz: tuple[float, float]
    polarity_band_hz: tuple[float, float]
    above_lu: float = -10.0
    moved: bool = False


DIRECT = Kind(10.0, (60.0, 5000.0), (60.0, 1000.0), moved=True)
KICK = Kind(3.0, (40.0, 5000.0), (40.0, 400.0), above_lu=0.0, moved=True)
SNARE = Kind(1.0, (100.0, 5000.0), (100.0, 500.0), above_lu=0.0)  # both are a hand from the drum
CLOSE = Kind(3.0, (80.0, 5000.0), (80.0, 1000.0))
SIDES = Kind(3.0, (100.0, 5000.0), (100.0, 500.0))


def pair_candidates(sources: Sequence[Source]) -> list[PairCandidate]:
    """The pairs to measure: microphones of one source, both overheads, kick and snare against those."""
    candidates = [
        _candidate(Signal(leader.name), Signal(stem.name), kind_of(leader, stem))
        for leader, stem in microphones(sources)
    ]
    overheads = overhead_signals(sources)
    candidates += [_candidate(left, right, SIDES) for left, right in overhead_sides(sources)]
    for source in judged_sources(sources):
        band_hz = JUDGED_BY_OVERHEADS[source.role]
        candidates += [
            PairCandidate(
                first=Signal(source.leader.name),
                second=overhead,
                lowest_ms=OVERHEAD_LAG_MS[0],
                highest_ms=OVERHEAD_LAG_MS[1],
                lag_band_hz=(band_hz[0], 5000.0),
                polarity_band_hz=band_hz,
                above_lu=0.0,
            )
            for overhead in overheads
        ]
    return candidates


def _candidate(first: Signal, second: Signal, kind: Kind) -> PairCandidate:
    return PairCandidate(
        first=first,
        second=second,
        lowest_ms=-kind.limit_ms,
        highest_ms=kind.limit_ms,
        lag_band_hz=kind.lag_band_hz,
        polarity_band_hz=kind.polarity_band_hz,
        above_lu=kind.above_lu,
    )


def kind_of(leader: Stem, stem: Stem) -> Kind:
    """How two microphones of one source are compared."""
    if (microphone_of(leader) in DIRECT_MICROPHONES) != (microphone_of(stem) in DIRECT_MICROPHONES):
        return DIRECT
    return {"drums.kick": KICK, "drums.snare": SNARE}.get(leader.role, CLOSE)


def microphones(sources: Sequence[Source]) -> Iterator[tuple[Stem, Stem]]:
    """Leading microphones, each with every other close one of its source."""
    for source in sources:
        if source.role not in DISTANT_ROLES and _is_close(source.leader):
            yield from ((source.leader, stem) for stem in source.stems[1:] if _is_close(stem))


def judged_sources(sources: Sequence[Source]) -> list[Source]:
    """The kicks and snares, of which the overheads tell whether they are the right way up."""
    return [each for each in sources if each.role in JUDGED_BY_OVERHEADS and _is_close(each.leader)]


def overhead_signals(sources: Sequence[Source]) -> list[Signal]:
    """Every channel of every overhead."""
    stems = [
        stem for source in sources if source.role == OVERHEADS for stem in source.stems if not is_wet(stem)
    ]
    return [
        Signal(stem.name, channel)
        for stem in stems
        for channel in ((0, 1) if stem.n_channels == 2 else (None,))
    ]


def overhead_sides(sources: Sequence[Source]) -> list[tuple[Signal, Signal]]:
    """The left and the right of the overheads: two mono stems, or the channels of a stereo one."""
    overheads = [source for source in sources if source.role == OVERHEADS]
    pairs = [
        (Signal(source.leader.name, 0), Signal(source.leader.name, 1))
        for source in overheads
        if source.leader.n_channels == 2
    ]
    mono = {source.side: source for source in reversed(overheads) if source.leader.n_channels == 1}
    if "L" in mono and "R" in mono:
        pairs.append((Signal(mono["L"].leader.name), Signal(mono["R"].leader.name)))
    return pairs


def _is_close(stem: Stem) -> bool:
    return microphone_of(stem) not in DISTANT_MICROPHONES and not is_wet(stem)
