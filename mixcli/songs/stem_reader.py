"""Reading a stem at the rate of the mix, as one stream without gaps and without an end."""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.files import AudioReader
from mixcli.audio.resample import StreamResampler
from mixcli.songs.song import Stem

NATIVE_BLOCK = 16_384  # samples read from a file at a time while resampling

Block = NDArray[np.float32]


def samples_at(stem: Stem, sample_rate: int) -> int:
    """The length of a stem in samples at a rate, rounded up."""
    return -(-stem.n_samples * sample_rate // stem.sample_rate)


class StemReader:
    """The samples of a stem at `sample_rate` from sample `start` of that rate on, [n, stem.n_channels].

    Pairs are joined, more than two channels folded to stereo, start times kept as silence in front, and after
    the end there is silence for ever. The samples are the same, bit for bit, for any sizes of blocks and any
    `start`: where the rate changes, the way to `start` is resampled and dropped. `on_native` is shown every
    block as it comes from the file, at its own rate and without the silence in front.
    """

    def __init__(
        self,
        stem: Stem,
        sample_rate: int,
        *,
        start: int = 0,
        repair: bool = False,
        on_native: Callable[[Block], None] | None = None,
    ) -> None:
        self.stem = stem
        self.n_channels = stem.n_channels
        self.n_samples = samples_at(stem, sample_rate)
        self._on_native = on_native
        self._same_rate = sample_rate == stem.sample_rate
        self._resampler = StreamResampler(stem.sample_rate, sample_rate, stem.n_channels)
        self._native_position = 0  # in samples of the stem's own rate, silence in front included
        self._waiting: list[Block] = []
        self._n_waiting = 0
        self.position = 0
        self._open_files = ExitStack()
        self._readers = [
            self._open_files.enter_context(AudioReader(file, repair=repair)) for file in stem.files
        ]
        if start > 0:
            self.skip(start)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; closing twice does no harm."""
        self._open_files.close()

    def read(self, n_samples: int) -> Block:
        """The next samples, always [n_samples, C]; SongError as AudioReader raises it."""
        wanted = max(0, min(n_samples, self.n_samples - self.position))
        self.position += n_samples
        if self._same_rate:
            block_TC = self._read_native(wanted)
        else:
            self._fill(wanted)
            block_TC = self._take(wanted)
        if len(block_TC) == n_samples:
            return block_TC
        silence_TC = np.zeros((n_samples - len(block_TC), self.n_channels), np.float32)
        return np.concatenate([block_TC, silence_TC])

    def skip(self, n_samples: int) -> None:
        """Pass over the next samples, which costs next to nothing where files have uncoded samples."""
        stop = self.position + n_samples
        if self._same_rate:
            for reader in self._readers:
                reader.seek(max(0, stop - self.stem.offset))
            self._native_position = min(stop, self.stem.n_samples)
            self.position = stop
            return
        while self.position < stop:
            self.read(min(NATIVE_BLOCK, stop - self.position))

    def _fill(self, n_samples: int) -> None:
        """Resample until so many samples wait, or the stem has ended."""
        while self._n_waiting < n_samples and self._native_position < self.stem.n_samples:
            n_native = min(NATIVE_BLOCK, self.stem.n_samples - self._native_position)
            block_TC = self._read_native(n_native)
            last = self._native_position >= self.stem.n_samples
            self._waiting.append(self._resampler.push(block_TC, last=last))
            self._n_waiting += len(self._waiting[-1])

    def _take(self, n_samples: int) -> Block:
        joined_TC = np.concatenate([*self._waiting, np.zeros((0, self.n_channels), np.float32)])
        taken_TC, rest_TC = joined_TC[:n_samples], joined_TC[n_samples:]
        self._waiting, self._n_waiting = [rest_TC], len(rest_TC)
        return taken_TC

    def _read_native(self, n_samples: int) -> Block:
        """Exactly so many samples at the stem's own rate, which must be there; silence before its offset."""
        n_silent = min(max(self.stem.offset - self._native_position, 0), n_samples)
        self._native_position += n_samples
        parts_TC = [np.zeros((n_silent, self.n_channels), np.float32)] if n_silent else []
        if n_samples > n_silent:
            sides = [
                _padded(reader.read(n_samples - n_silent), n_samples - n_silent) for reader in self._readers
            ]
            block_TC = sides[0] if len(sides) == 1 else np.concatenate(sides, axis=1)
            if self._on_native is not None:
                self._on_native(block_TC)
            parts_TC.append(block_TC)
        if len(parts_TC) == 1:
            return parts_TC[0]
        return np.concatenate([*parts_TC, np.zeros((0, self.n_channels), np.float32)])


def _padded(block_TC: Block, n_samples: int) -> Block:
    """A block with silence behind it; needed where one file of a pair is shorter."""
    if len(block_TC) == n_samples:
        return block_TC
    return np.concatenate([block_TC, np.zeros((n_samples - len(block_TC), block_TC.shape[1]), np.float32)])
