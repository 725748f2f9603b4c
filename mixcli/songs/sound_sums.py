"""Sums over frames and over bins, of which the statistics of a sound are made.

Legend: S frames, F frequency bins, B numbers of a frame, or ranges of bins.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Numbers = NDArray[np.float64]


class WeightedMean:
    """Weighted mean and standard deviation of some numbers, gathered as they come."""

    def __init__(self) -> None:
        self.total = 0.0
        self._squares = 0.0
        self._sums: Numbers = np.zeros(1)
        self._sums_of_squares: Numbers = np.zeros(1)

    def add(self, weights_S: Numbers, values_SB: Numbers) -> None:
        """Take some more frames, weights [S] and numbers [S, B]."""
        self.total += float(weights_S.sum())
        self._squares += float(weights_S @ weights_S)
        self._sums = self._sums + weights_S @ values_SB
        self._sums_of_squares = self._sums_of_squares + weights_S @ np.square(values_SB)

    def mean(self) -> Numbers:
        """The means, [B]; zeros where nothing has weight."""
        return self._sums / (self.total or 1.0)

    def spread(self) -> Numbers:
        """The standard deviations, [B]."""
        return np.sqrt(np.maximum(self._sums_of_squares / (self.total or 1.0) - self.mean() ** 2, 0.0))

    def number(self) -> float:
        """How many values of equal weight would count as much as these."""
        return self.total**2 / self._squares if self._squares else 0.0


class BinRanges:
    """Sums over successive ranges of bins."""

    def __init__(self, edges_hz: tuple[float, ...], spacing_hz: float, n_bins: int) -> None:
        borders = np.minimum(np.ceil(np.array(edges_hz) / spacing_hz).astype(int), n_bins)
        self.slices = [slice(int(start), int(stop)) for start, stop in pairwise(borders)]
        self.n = len(self.slices)
        self.counts = np.maximum(np.diff(borders), 1)
        self._filled = [index for index, part in enumerate(self.slices) if part.stop > part.start]
        self._whole = slice(int(borders[0]), int(borders[-1]))
        self._starts = borders[self._filled] - borders[0]

    def sums(self, values_SF: Samples) -> Numbers:
        """[S, F] to [S, B]; 0 where a range lies above the last bin."""
        sums_SB = np.zeros((len(values_SF), self.n))
        if self._filled:
            sums_SB[:, self._filled] = np.add.reduceat(values_SF[:, self._whole], self._starts, axis=1)
        return sums_SB
