"""Reading a stem later by any time, so that all that follows has it where the recipe puts it.

Legend: T samples, C channels.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.delay import HALF_TAPS, FractionalDelay, delay_in_samples
from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader

Block = NDArray[np.float32]


class DelayedStem:
    """The samples of a stem `delay_ms` later, as a StemReader gives them from sample `start` on.

    Whole samples are only counted, so they pass bit for bit; for the rest of one the file is read as far
    ahead as the filter looks, so no sample is later than asked. The samples are the same for any sizes of
    blocks and any `start`.
    """

    def __init__(
        self, stem: Stem, sample_rate: int, *, delay_ms: float = 0.0, start: int = 0, repair: bool = False
    ) -> None:
        n_whole, fraction = delay_in_samples(delay_ms, sample_rate)
        self._filter = FractionalDelay(fraction, stem.n_channels) if fraction else None
        first = start - n_whole - (HALF_TAPS if fraction else 0)
        self._n_silent = max(0, -first)  # samples before the song's start
        self._n_channels = stem.n_channels
        self._reader = StemReader(stem, sample_rate, start=max(0, first), repair=repair)
        if fraction:
            try:
                self.read(2 * HALF_TAPS - 1)  # what the filter remembers at `start`
            except BaseException:
                self._reader.close()
                raise

    def close(self) -> None:
        """Close the files; closing twice does no harm."""
        self._reader.close()

    def read(self, n_samples: int) -> Block:
        """The next samples, always [n_samples, C]; SongError as StemReader raises it."""
        n_silent = min(self._n_silent, n_samples)
        self._n_silent -= n_silent
        block_TC = self._reader.read(n_samples - n_silent)
        if n_silent:
            block_TC = np.concatenate([np.zeros((n_silent, self._n_channels), np.float32), block_TC])
        return block_TC if self._filter is None else self._filter.push(block_TC)
