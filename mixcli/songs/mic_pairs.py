"""Two microphones on one thing: how much later one hears it than the other, and whether upside down.

Legend: H hops of 100 ms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length, lufs_to_energy
from mixcli.songs.cross_spectra import (
    SEGMENT_S,
    CrossSpectrum,
    SpectraRequest,
    gather_spectra,
    segment_length,
)
from mixcli.songs.delay_estimate import Lag, agreement, common_phase, estimate_delay
from mixcli.songs.segment_spectra import Signal
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey

ENOUGH_S = 60.0  # of segments that sound: more change nothing
SOUNDING_LU = -20.0  # re its loudness; what is softer are pauses
FEWEST_SEGMENTS = 8  # of a pair; fewer prove nothing


@dataclass(frozen=True, kw_only=True)
class PairCandidate:
    """Two signals that may be one sound, and where to look for it.

    The lag of the second after the first is looked for from `lowest_ms` to `highest_ms`, in `lag_band_hz`;
    the polarity is judged in `polarity_band_hz` at that lag. Only moments count in which the first is louder
    than its loudness plus `above_lu`, and the second sounds at all.
    """

    first: Signal
    second: Signal
    lowest_ms: float
    highest_ms: float
    lag_band_hz: tuple[float, float]
    polarity_band_hz: tuple[float, float]
    above_lu: float = -10.0


@dataclass(frozen=True)
class InStep:
    """Two signals in step: the second comes so much later than the first.

    `share` (0 to 1): how much of the common sound of the lag band is in step then. `agreement` (-1 to 1): the
    same of the polarity band; negative where it contradicts.
    """

    delay_ms: float = 0.0
    share: float = 0.0
    agreement: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PairMeasurement:
    """What was measured between two signals: how they are in step upright, and with the second inverted.

    `elsewhere` (0 to 1): the highest share at any lag more than 1 ms from the better of the two. `coherence`
    (0 to 1): how much of the polarity band is common at all. `correlation` (-1 to 1) is that of the polarity
    band without any delay: how the two add up as they lie.
    """

    upright: InStep = InStep()
    inverted: InStep = InStep()
    elsewhere: float = 0.0
    coherence: float = 0.0
    correlation: float = 0.0
    n_segments: int = 0


@dataclass(frozen=True)
class PairMeasurements:
    """All pairs that were measured, by their two signals."""

    pairs: Mapping[tuple[Signal, Signal], PairMeasurement] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def of(self, first: Signal, second: Signal) -> PairMeasurement:
        """The measurement of a pair; one that says nothing where it was not measured."""
        return self.pairs.get((first, second), PairMeasurement())


def measure_pairs(
    song: Song, survey: Survey, candidates: Sequence[PairCandidate], *, processes: int = 1
) -> PairMeasurements:
    """Measure the candidates in one more pass over their stems, in at most a minute of what sounds of each.

    Averaged over the song, so that memory does not grow with it. A pair that never sounds together is left
    out. Much is read in up to `processes` processes. Raises SongError where a file has changed since the
    survey.
    """
    rate = survey.sample_rate
    requests = [
        SpectraRequest(
            candidate.first,
            candidate.second,
            _union(candidate.lag_band_hz, candidate.polarity_band_hz),
            _common_segments(survey, candidate),
        )
        for candidate in candidates
    ]
    measured = {}
    spectra = gather_spectra(song, rate, requests, processes=processes)
    for candidate, spectrum in zip(candidates, spectra, strict=True):
        if spectrum.n_segments < FEWEST_SEGMENTS:
            continue
        lags = candidate.lowest_ms * rate / 1000, candidate.highest_ms * rate / 1000
        estimate = estimate_delay(spectrum.within(candidate.lag_band_hz), *lags)
        judged = spectrum.within(candidate.polarity_band_hz)
        measured[candidate.first, candidate.second] = PairMeasurement(
            upright=_in_step(estimate.upright, judged, 1),
            inverted=_in_step(estimate.inverted, judged, -1),
            elsewhere=estimate.elsewhere,
            coherence=float(np.abs(common_phase(judged)).mean()) if len(judged.cross_F) else 0.0,
            correlation=judged.correlation,
            n_segments=spectrum.n_segments,
        )
    return PairMeasurements(MappingProxyType(measured))


def loud_segments(
    hops_H: NDArray[np.float32],
    threshold: float,
    sample_rate: int,
    n_samples: int,
    segment_s: float = SEGMENT_S,
) -> NDArray[np.bool_]:
    """Which segments hold a hop above a threshold, [number of segments]; the last may reach over the end."""
    segment, hop = segment_length(sample_rate, segment_s), hop_length(sample_rate)
    step = segment // 2
    n_segments = max(0, -(-n_samples // step) - 1)
    before_H = np.concatenate([[0], np.cumsum(hops_H > threshold)])
    # The middle half of a segment holds 9/10 of its energy: what sounds there is what is heard of it.
    starts = np.arange(n_segments) * step + segment // 4
    first = np.minimum(starts // hop, len(hops_H))
    last = np.minimum((starts + step - 1) // hop + 1, len(hops_H))
    loud: NDArray[np.bool_] = before_H[last] > before_H[first]
    return loud


def _in_step(lag: Lag, judged: CrossSpectrum, polarity: int) -> InStep:
    delay_ms = lag.delay_samples * 1000 / judged.sample_rate
    return InStep(delay_ms, lag.share, polarity * agreement(judged, lag.delay_samples))


def _common_segments(survey: Survey, candidate: PairCandidate) -> frozenset[int]:
    """The segments in which both signals sound; spread evenly, where there are more than enough."""
    loud = []
    for signal, above_lu in ((candidate.first, candidate.above_lu), (candidate.second, SOUNDING_LU)):
        stem = survey.stems[signal.name]
        threshold = lufs_to_energy(stem.loudness_lufs + above_lu) if np.isfinite(stem.loudness_lufs) else 0.0
        loud.append(loud_segments(stem.hop_energies, threshold, survey.sample_rate, survey.n_samples))
    numbers = np.flatnonzero(loud[0] & loud[1])
    most = int(ENOUGH_S * survey.sample_rate / (segment_length(survey.sample_rate) // 2))
    if len(numbers) > most:
        numbers = numbers[np.arange(most) * len(numbers) // most]
    return frozenset(numbers.tolist())


def _union(first_hz: tuple[float, float], second_hz: tuple[float, float]) -> tuple[float, float]:
    return min(first_hz[0], second_hz[0]), max(first_hz[1], second_hz[1])
