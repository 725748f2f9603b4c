"""The spectra of short segments of stems, each brought to one energy in a band.

Legend: T samples, C channels of one stem, F frequency bins of a band, R segments transformed at once.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader

SILENCE = 1e-30  # energy of a segment in a band: what float32 can still bring to 1

Band = tuple[int, int]  # its first bin, and the one after its last


@dataclass(frozen=True, order=True)
class Signal:
    """One channel of a stem, by its name; None is the sum of its channels."""

    name: str
    channel: int | None = None


@dataclass(frozen=True)
class Heard:
    """Some segments of a signal in one band, each of energy 1 there; those that hold nothing are left out.

    `rows` says by a segment's number which row it is.
    """

    rows: dict[int, int]
    spectra_RF: NDArray[np.complex64]


def hear_segments(
    stems: Sequence[Stem],
    sample_rate: int,
    wanted: Mapping[Signal, set[int]],
    bands: Mapping[Signal, Sequence[Band]],
    segment: int,
    ranges: Sequence[range],
) -> Generator[tuple[list[tuple[tuple[Signal, Band], dict[int, int]]], tuple[NDArray[np.complex64], ...]]]:
    """The spectra that are wanted of some stems: for each range and stem those of its signals and bands.

    They come as what they are, and which row a segment's number is, with the rows beside them, [R, F].
    """
    with ExitStack() as open_files:
        segments = [
            SegmentListener(
                open_files.enter_context(StemReader(stem, sample_rate, repair=True)),
                {signal: numbers for signal, numbers in wanted.items() if signal.name == stem.name},
                bands,
                segment,
            )
            for stem in stems
        ]
        for numbers in ranges:
            for each in segments:
                heard = each.hear(numbers)
                what = [(key, found.rows) for key, found in heard.items()]
                yield what, tuple(found.spectra_RF for found in heard.values())


class SegmentListener:
    """The spectra of one stem's signals in the segments that are wanted of them."""

    def __init__(
        self,
        reader: StemReader,
        wanted: Mapping[Signal, set[int]],
        bands: Mapping[Signal, Sequence[Band]],
        segment: int,
    ) -> None:
        self._reader, self._wanted, self._bands, self._segment = reader, wanted, bands, segment
        self._fade_T = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(segment) / segment)).astype(np.float32)
        self._last_TC = np.zeros((0, reader.n_channels), np.float32)  # before the reader's place

    def hear(self, numbers: range) -> dict[tuple[Signal, Band], Heard]:
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


def _of_energy_one(spectra_RF: NDArray[np.complex64], numbers: Sequence[int]) -> Heard:
    """The rows that hold any sound, each divided by the root of its energy."""
    parts = spectra_RF.view(np.float32)
    energy_R = np.einsum("rp,rp->r", parts, parts).astype(np.float64)
    sounding = np.flatnonzero(energy_R > SILENCE)
    rows = {numbers[place]: row for row, place in enumerate(sounding.tolist())}
    if len(sounding) < len(energy_R):
        spectra_RF, energy_R = spectra_RF[sounding], energy_R[sounding]
    return Heard(rows, spectra_RF * (1 / np.sqrt(energy_R[:, None])).astype(np.float32))


def _channel(signal_TC: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """One channel, or the sum of all, [T]."""
    if channel is not None:
        return signal_TC[:, channel]
    sum_T = signal_TC[:, 0]
    for other in range(1, signal_TC.shape[1]):
        sum_T = sum_T + signal_TC[:, other]
    return sum_T
