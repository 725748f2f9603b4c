"""Averaged spectra between stems: a second, streamed look at those stems and those moments that matter.

Legend: T samples, C channels of one stem, F frequency bins of a band.
"""

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.song import Song
from mixcli.songs.stem_reader import StemReader

SEGMENT_S = 0.186  # resolves 11 Hz; a lag of 20 ms still has 97 % of it in common


@dataclass(frozen=True, order=True)
class Signal:
    """One channel of a stem, by its name; None is the sum of its channels."""

    name: str
    channel: int | None = None


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
    song: Song, sample_rate: int, requests: Sequence[SpectraRequest], *, segment_s: float = SEGMENT_S
) -> list[CrossSpectrum]:
    """Read the stems that are asked for, side by side, and average what was asked for, in the same order.

    Nothing is kept but sums, and no stem is read beyond its last segment. Raises SongError where a file has
    changed since the survey; what may be repaired is (the survey refused the rest).
    """
    segment = segment_length(sample_rate, segment_s)
    sums = [_Sums(request, segment, sample_rate) for request in requests]
    wanted = _segments_of(requests)
    if not wanted:
        return [each.result() for each in sums]
    fade_T = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)).astype(np.float32)
    stems = {stem.name: stem for stem in song.stems}
    step = segment // 2
    names = {signal.name for signal in wanted}
    start = min(min(numbers) for numbers in wanted.values())
    stop = max(max(numbers) for numbers in wanted.values()) + 1
    with ExitStack() as open_files:
        readers = {
            name: open_files.enter_context(
                StemReader(stems[name], sample_rate, start=start * step, repair=True)
            )
            for name in sorted(names)
        }
        halves_TC = {name: reader.read(step) for name, reader in readers.items()}
        for number in range(start, stop):
            new_TC = {name: reader.read(step) for name, reader in readers.items()}
            spectra = {
                signal: _spectrum(halves_TC[signal.name], new_TC[signal.name], signal.channel, fade_T)
                for signal, numbers in wanted.items()
                if number in numbers
            }
            for each in sums:
                if number in each.request.segments:
                    each.add(spectra[each.request.first], spectra[each.request.second])
            halves_TC = new_TC
    return [each.result() for each in sums]


class _Sums:
    """The running sums of one request."""

    def __init__(self, request: SpectraRequest, segment: int, sample_rate: int) -> None:
        self.request = request
        self._segment, self._sample_rate = segment, sample_rate
        low_hz, high_hz = request.band_hz
        first = max(1, math.ceil(low_hz * segment / sample_rate))
        last = min(segment // 2 - 1, math.floor(high_hz * segment / sample_rate))
        self._band = slice(first, max(first, last + 1))
        n_bins = self._band.stop - self._band.start
        self._cross_F = np.zeros(n_bins, np.complex128)
        self._first_F, self._second_F = np.zeros(n_bins), np.zeros(n_bins)
        self._n_segments = 0

    def add(self, first_F: NDArray[np.complex64], second_F: NDArray[np.complex64]) -> None:
        first_F, second_F = first_F[self._band], second_F[self._band]
        first_power_F, second_power_F = _power(first_F), _power(second_F)
        first, second = float(first_power_F.sum()), float(second_power_F.sum())
        if first <= 0.0 or second <= 0.0:
            return
        self._cross_F += np.conj(first_F) * second_F / math.sqrt(first * second)
        self._first_F += first_power_F / first
        self._second_F += second_power_F / second
        self._n_segments += 1

    def result(self) -> CrossSpectrum:
        return CrossSpectrum(
            self._cross_F,
            self._first_F,
            self._second_F,
            self._n_segments,
            self._band.start,
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


def _spectrum(
    old_TC: NDArray[np.float32],
    new_TC: NDArray[np.float32],
    channel: int | None,
    fade_T: NDArray[np.float32],
) -> NDArray[np.complex64]:
    from scipy.fft import rfft

    block_TC = np.concatenate([old_TC, new_TC])
    signal_T = block_TC.sum(axis=1) if channel is None else block_TC[:, channel]
    spectrum_F: NDArray[np.complex64] = rfft(signal_T * fade_T)
    return spectrum_F


def _power(spectrum_F: NDArray[np.complex64]) -> NDArray[np.float64]:
    power_F: NDArray[np.float64] = (spectrum_F.real**2 + spectrum_F.imag**2).astype(np.float64)
    return power_F
