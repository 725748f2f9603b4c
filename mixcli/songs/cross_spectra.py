"""Averaged spectra between stems: a second, streamed look at those stems and those moments that matter.

Legend: T samples, C channels of one stem, F frequency bins of a band, R transformed at once.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.song import Song
from mixcli.songs.stem_reader import StemReader

SEGMENT_S = 0.186  # resolves 11 Hz; a lag of 20 ms still has 97 % of it in common
SAMPLES_AT_ONCE = 65_536  # about so many are read and transformed side by side,
FEWEST_AT_ONCE = 4  # but not fewer segments than these


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
    song: Song,
    sample_rate: int,
    requests: Sequence[SpectraRequest],
    *,
    segment_s: float = SEGMENT_S,
    threads: int | None = None,
) -> list[CrossSpectrum]:
    """Read the stems that are asked for, side by side, and average what was asked for, in the same order.

    Nothing is kept but sums, and of the stems only what is asked for is read, in `threads` threads (None: as
    many as there are cores), which changes nothing. Raises SongError where a file has changed since the
    survey; what may be repaired is (the survey refused the rest).
    """
    segment = segment_length(sample_rate, segment_s)
    sums = [_Sums(request, segment, sample_rate) for request in requests]
    wanted = _segments_of(requests)
    if not wanted:
        return [each.result() for each in sums]
    stems = {stem.name: stem for stem in song.stems}
    at_once = max(FEWEST_AT_ONCE, SAMPLES_AT_ONCE // segment)
    start = min(min(numbers) for numbers in wanted.values())
    stop = max(max(numbers) for numbers in wanted.values()) + 1
    with ExitStack() as open_files:
        pool = open_files.enter_context(ThreadPoolExecutor(threads or _n_cores()))
        segments = [
            _Segments(
                open_files.enter_context(StemReader(stems[name], sample_rate, repair=True)),
                {signal: numbers for signal, numbers in wanted.items() if signal.name == name},
                segment,
            )
            for name in sorted({signal.name for signal in wanted})
        ]
        for first in range(start, stop, at_once):
            numbers = range(first, min(first + at_once, stop))
            spectra: dict[tuple[Signal, int], NDArray[np.complex64]] = {}
            for found in pool.map(lambda each, numbers=numbers: each.spectra(numbers), segments):
                spectra |= found
            list(pool.map(lambda each, numbers=numbers, spectra=spectra: each.take(numbers, spectra), sums))
    return [each.result() for each in sums]


class _Segments:
    """The spectra of one stem's signals in the segments that are wanted of them."""

    def __init__(self, reader: StemReader, wanted: Mapping[Signal, set[int]], segment: int) -> None:
        self._reader, self._wanted, self._segment = reader, wanted, segment
        self._fade_T = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)).astype(np.float32)
        self._last_TC = np.zeros((0, reader.n_channels), np.float32)  # before the reader's place

    def spectra(self, numbers: range) -> dict[tuple[Signal, int], NDArray[np.complex64]]:
        """Those with a number in a range; ranges must follow one another."""
        from scipy.fft import rfft

        keys = [
            (signal, number)
            for signal, wanted in self._wanted.items()
            for number in numbers
            if number in wanted
        ]
        if not keys:
            return {}
        step = self._segment // 2
        first, last = min(number for _, number in keys), max(number for _, number in keys)
        stretch_TC = self._read(first * step, (last + 2) * step)
        signals = dict.fromkeys(signal for signal, _ in keys)
        heard = {signal: _channel(stretch_TC, signal.channel) for signal in signals}
        rows_RT = np.empty((len(keys), self._segment), np.float32)
        for row_T, (signal, number) in zip(rows_RT, keys, strict=True):
            row_T[:] = heard[signal][(number - first) * step :][: self._segment]
        rows_RT *= self._fade_T
        return dict(zip(keys, rfft(rows_RT, overwrite_x=True), strict=True))

    def _read(self, start: int, stop: int) -> NDArray[np.float32]:
        """The samples from start to stop; of what was before only half a segment is known."""
        reader, parts = self._reader, []
        if start < reader.position:
            parts.append(self._last_TC)
        else:
            reader.skip(start - reader.position)
        parts.append(reader.read(stop - reader.position))
        stretch_TC = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._last_TC = stretch_TC[-(self._segment // 2) :].copy()
        return stretch_TC


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

    def take(self, numbers: range, spectra: Mapping[tuple[Signal, int], NDArray[np.complex64]]) -> None:
        """Add those segments of a range that are asked for."""
        for number in numbers:
            if number in self.request.segments:
                self._add(spectra[self.request.first, number], spectra[self.request.second, number])

    def _add(self, first_F: NDArray[np.complex64], second_F: NDArray[np.complex64]) -> None:
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


def _channel(signal_TC: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """One channel, or the sum of all, [T]."""
    if channel is not None:
        return signal_TC[:, channel]
    sum_T = signal_TC[:, 0]
    for other in range(1, signal_TC.shape[1]):
        sum_T = sum_T + signal_TC[:, other]
    return sum_T


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _power(spectrum_F: NDArray[np.complex64]) -> NDArray[np.float64]:
    power_F: NDArray[np.float64] = (spectrum_F.real**2 + spectrum_F.imag**2).astype(np.float64)
    return power_F
