"""Averaged spectra between stems: a second, streamed look at those stems and those moments that matter.

Legend: F frequency bins of a band, P real and imaginary parts of these in turn.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.process_streams import open_stream
from mixcli.songs.cores import share_out
from mixcli.songs.segment_spectra import Band, Heard, Signal, hear_segments
from mixcli.songs.song import Song

SEGMENT_S = 0.186  # resolves 11 Hz; a lag of 20 ms still has 97 % of it in common
SAMPLES_AT_ONCE = 131_072  # about so many are read and transformed side by side,
FEWEST_AT_ONCE = 4  # but not fewer segments than these
AS_SURVEYED = 3.0  # the time that a second of a segment takes, re one of a survey


@dataclass(frozen=True)
class SpectraRequest:
    """Which two signals are compared, in which band, and in which segments, by their numbers."""

    first: Signal
    second: Signal
    band_hz: tuple[float, float]
    segments: frozenset[int]


@dataclass(frozen=True)
class CrossSpectrum:
    """What two signals have in common, on average over segments, in the bins of one band.

    `cross_F` sums conjugate(first) × second, the powers sum the squares. In every segment both signals were
    brought to the same energy in the band, so that no single loud moment decides. Bin k of the whole spectrum
    is k / `segment` of the sample rate; `first_bin` is the first of the band.
    """

    cross_F: NDArray[np.complex128]
    first_power_F: NDArray[np.float64]
    second_power_F: NDArray[np.float64]
    n_segments: int
    first_bin: int
    segment: int
    sample_rate: int

    @property
    def frequencies_hz(self) -> NDArray[np.float64]:
        """The frequencies of the bins, [F]."""
        bins_F = self.first_bin + np.arange(len(self.cross_F), dtype=np.float64)
        return bins_F * (self.sample_rate / self.segment)

    @property
    def correlation(self) -> float:
        """The correlation of the two as they lie, -1 to 1; 0 if either is silent."""
        energy = math.sqrt(float(self.first_power_F.sum()) * float(self.second_power_F.sum()))
        return float(self.cross_F.sum().real) / energy if energy > 0 else 0.0

    def within(self, band_hz: tuple[float, float]) -> "CrossSpectrum":
        """The part of it that lies in a band."""
        first, last = np.searchsorted(self.frequencies_hz, band_hz)
        return replace(
            self,
            cross_F=self.cross_F[first:last],
            first_power_F=self.first_power_F[first:last],
            second_power_F=self.second_power_F[first:last],
            first_bin=self.first_bin + int(first),
        )


def segment_length(sample_rate: int, seconds: float = SEGMENT_S) -> int:
    """Samples of a segment: a power of two near so many seconds. Segments start every half of it."""
    return 1 << round(math.log2(seconds * sample_rate))


def gather_spectra(
    song: Song,
    sample_rate: int,
    requests: Sequence[SpectraRequest],
    *,
    segment_s: float = SEGMENT_S,
    processes: int = 1,
) -> list[CrossSpectrum]:
    """Read the stems that are asked for, side by side, and average what was asked for, in the same order.

    Nothing is kept but sums, and of the stems only what is asked for is read, in up to `processes` processes
    where that is much, which changes nothing. Raises SongError where a file has changed since the survey;
    what may be repaired is (the survey refused the rest).
    """
    segment = segment_length(sample_rate, segment_s)
    sums = [_Sums(request, segment, sample_rate) for request in requests]
    wanted = _segments_of(requests)
    bands: dict[Signal, set[Band]] = {}
    for each in sums:
        for signal in (each.request.first, each.request.second):
            bands.setdefault(signal, set()).add(each.band)
    ranges = _ranges(wanted, max(FEWEST_AT_ONCE, SAMPLES_AT_ONCE // segment))
    shares = share_out(_work_s(wanted, AS_SURVEYED * segment / sample_rate), processes)
    is_shared = len(shares) > 1
    with ExitStack() as open_streams:
        streams = []
        for share in shares:
            stems = [stem for stem in song.stems if stem.name in share]
            signals = {signal: numbers for signal, numbers in wanted.items() if signal.name in share}
            heard_bands = {signal: sorted(bands[signal]) for signal in signals}
            listening = (hear_segments, stems, sample_rate, signals, heard_bands, segment, ranges)
            streams.append(open_streams.enter_context(open_stream(*listening, apart=is_shared)))
        for here in ranges:
            heard: dict[tuple[Signal, Band], Heard] = {}
            for stream, share in zip(streams, shares, strict=True):
                for _ in share:
                    keys, spectra = next(stream)
                    for (key, rows), spectra_RF in zip(keys, spectra, strict=True):
                        heard[key] = Heard(rows, spectra_RF.copy() if is_shared else spectra_RF)
            for each in sums if heard else ():
                each.take(here, heard)
    return [each.result() for each in sums]


def _work_s(wanted: Mapping[Signal, set[int]], each_s: float) -> dict[str, float]:
    """The work on each stem, where a segment is as much as so many seconds of sound."""
    work_s = dict.fromkeys(sorted({signal.name for signal in wanted}), 0.0)
    for signal, numbers in wanted.items():
        work_s[signal.name] += len(numbers) * each_s
    return work_s


def _ranges(wanted: Mapping[Signal, set[int]], at_once: int) -> list[range]:
    """The numbers of all segments that are wanted, in pieces of so many."""
    if not wanted:
        return []
    start = min(min(numbers) for numbers in wanted.values())
    stop = max(max(numbers) for numbers in wanted.values()) + 1
    return [range(first, min(first + at_once, stop)) for first in range(start, stop, at_once)]


class _Sums:
    """The running sums of one request."""

    def __init__(self, request: SpectraRequest, segment: int, sample_rate: int) -> None:
        self.request = request
        self._segment, self._sample_rate = segment, sample_rate
        low_hz, high_hz = request.band_hz
        first = max(1, math.ceil(low_hz * segment / sample_rate))
        last = min(segment // 2 - 1, math.floor(high_hz * segment / sample_rate))
        self.band: Band = first, max(first, last + 1)
        n_bins = self.band[1] - self.band[0]
        self._cross_F = np.zeros(n_bins, np.complex128)
        self._first_P, self._second_P = np.zeros(2 * n_bins), np.zeros(2 * n_bins)
        self._n_segments = 0

    def take(self, numbers: range, heard: Mapping[tuple[Signal, Band], Heard]) -> None:
        """Add those segments of a range that are asked for and in which both signals sound."""
        first = heard.get((self.request.first, self.band))
        second = heard.get((self.request.second, self.band))
        if first is None or second is None:
            return
        asked = [
            number
            for number in numbers
            if number in self.request.segments and number in first.rows and number in second.rows
        ]
        if not asked:
            return
        spectra = []
        for one, power_P in ((first, self._first_P), (second, self._second_P)):
            rows = [one.rows[number] for number in asked]
            whole = rows == list(range(len(one.rows)))
            spectra.append(one.spectra_RF if whole else one.spectra_RF[rows])
            parts = spectra[-1].view(np.float32)  # real and imaginary parts in turn
            power_P += np.einsum("rp,rp->p", parts, parts)
        products_RF = np.conj(spectra[0])
        products_RF *= spectra[1]
        self._cross_F += products_RF.sum(axis=0)
        self._n_segments += len(asked)

    def result(self) -> CrossSpectrum:
        return CrossSpectrum(
            self._cross_F,
            self._first_P[::2] + self._first_P[1::2],
            self._second_P[::2] + self._second_P[1::2],
            self._n_segments,
            self.band[0],
            self._segment,
            self._sample_rate,
        )


def _segments_of(requests: Iterable[SpectraRequest]) -> dict[Signal, set[int]]:
    wanted: dict[Signal, set[int]] = {}
    for request in requests:
        for signal in (request.first, request.second):
            if request.segments:
                wanted.setdefault(signal, set()).update(request.segments)
    return wanted
