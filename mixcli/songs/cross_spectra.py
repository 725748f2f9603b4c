"""Averaged spectra between stems: a second, streamed look at those stems and those moments that matter.

Legend: T samples, C channels of one stem, F frequency bins of a band, R transformed at once.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.cores import n_threads
from mixcli.songs.song import Song
from mixcli.songs.stem_reader import StemReader

SEGMENT_S = 0.186  # resolves 11 Hz; a lag of 20 ms still has 97 % of it in common
SAMPLES_AT_ONCE = 131_072  # about so many are read and transformed side by side,
FEWEST_AT_ONCE = 4  # but not fewer segments than these
SILENCE = 1e-30  # energy of a segment in a band: what float32 can still bring to 1

Band = tuple[int, int]  # its first bin, and the one after its last


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
    bands: dict[Signal, set[Band]] = {}
    for each in sums:
        for signal in (each.request.first, each.request.second):
            bands.setdefault(signal, set()).add(each.band)
    at_once = max(FEWEST_AT_ONCE, SAMPLES_AT_ONCE // segment)
    start = min(min(numbers) for numbers in wanted.values())
    stop = max(max(numbers) for numbers in wanted.values()) + 1
    with ExitStack() as open_files:
        pool = open_files.enter_context(ThreadPoolExecutor(threads or n_threads()))
        segments = [
            _Segments(
                open_files.enter_context(StemReader(stems[name], sample_rate, repair=True)),
                {signal: numbers for signal, numbers in wanted.items() if signal.name == name},
                bands,
                segment,
            )
            for name in sorted({signal.name for signal in wanted})
        ]
        for first in range(start, stop, at_once):
            numbers = range(first, min(first + at_once, stop))
            heard: dict[tuple[Signal, Band], _Heard] = {}
            for found in pool.map(lambda each, numbers=numbers: each.hear(numbers), segments):
                heard |= found
            if heard:
                list(pool.map(lambda each, numbers=numbers, heard=heard: each.take(numbers, heard), sums))
    return [each.result() for each in sums]


@dataclass(frozen=True)
class _Heard:
    """Some segments of a signal in one band, each of energy 1 there; those that hold nothing are left out.

    `rows` says by a segment's number which row it is.
    """

    rows: Mapping[int, int]
    spectra_RF: NDArray[np.complex64]


class _Segments:
    """The spectra of one stem's signals in the segments that are wanted of them."""

    def __init__(
        self,
        reader: StemReader,
        wanted: Mapping[Signal, set[int]],
        bands: Mapping[Signal, set[Band]],
        segment: int,
    ) -> None:
        self._reader, self._wanted, self._bands, self._segment = reader, wanted, bands, segment
        self._fade_T = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)).astype(np.float32)
        self._last_TC = np.zeros((0, reader.n_channels), np.float32)  # before the reader's place

    def hear(self, numbers: range) -> dict[tuple[Signal, Band], _Heard]:
        """Those with a number in a range; ranges must follow one another."""
        from scipy.fft import rfft

        found = {
            signal: [number for number in numbers if number in wanted]
            for signal, wanted in self._wanted.items()
        }
        found = {signal: here for signal, here in found.items() if here}
        if not found:
            return {}
        stretches = self._stretches(sorted(set().union(*found.values())))
        rows_RT = np.empty((sum(map(len, found.values())), self._segment), np.float32)
        row = 0
        for signal, here in found.items():
            for number in here:
                samples_T = _channel(stretches[number], signal.channel)
                np.multiply(samples_T, self._fade_T, out=rows_RT[row])
                row += 1
        spectra_RF = rfft(rows_RT, overwrite_x=True)
        heard, row = {}, 0
        for signal, here in found.items():
            for band in self._bands[signal]:
                part_RF = spectra_RF[row : row + len(here), band[0] : band[1]]
                heard[signal, band] = _of_energy_one(part_RF, here)
            row += len(here)
        return heard

    def _stretches(self, numbers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        """The samples of segments, [T, C] by their rising numbers; what lies between is skipped."""
        step, stretches = self._segment // 2, {}
        first = 0
        for last in range(len(numbers)):
            if last + 1 < len(numbers) and numbers[last + 1] <= numbers[last] + 2:
                continue
            run = numbers[first : last + 1]
            run_TC = self._read(run[0] * step, (run[-1] + 2) * step)
            for number in run:
                start = (number - run[0]) * step
                stretches[number] = run_TC[start : start + self._segment]
            first = last + 1
        return stretches

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
        self.band: Band = first, max(first, last + 1)
        n_bins = self.band[1] - self.band[0]
        self._cross_F = np.zeros(n_bins, np.complex128)
        self._first_P, self._second_P = np.zeros(2 * n_bins), np.zeros(2 * n_bins)
        self._n_segments = 0

    def take(self, numbers: range, heard: Mapping[tuple[Signal, Band], _Heard]) -> None:
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


def _of_energy_one(spectra_RF: NDArray[np.complex64], numbers: Sequence[int]) -> _Heard:
    """The rows that hold any sound, each divided by the root of its energy."""
    parts = spectra_RF.view(np.float32)
    energy_R = np.einsum("rp,rp->r", parts, parts).astype(np.float64)
    sounding = np.flatnonzero(energy_R > SILENCE)
    rows = {numbers[place]: row for row, place in enumerate(sounding.tolist())}
    if len(sounding) < len(energy_R):
        spectra_RF, energy_R = spectra_RF[sounding], energy_R[sounding]
    return _Heard(rows, spectra_RF * (1 / np.sqrt(energy_R[:, None])).astype(np.float32))


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
