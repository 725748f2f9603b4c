"""Rides: a fader that moves through the song, in straight lines in dB between points.

Legend: T samples.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.console.recipe import RidePoint


class Rides:
    """The gain of every sample of a song by points {time_s, gain_db}, sorted by time, at least one.

    Between two points the gain in dB goes in a straight line, before the first and after the last it stays
    as it is there. Times are those of the song, so a sample's gain does not depend on the blocks or on where
    rendering starts.
    """

    def __init__(self, points: Sequence[RidePoint], sample_rate: int) -> None:
        self._times_s = np.array([point.time_s for point in points])
        self._levels = np.array([point.gain_db for point in points]) * (math.log(10) / 20)
        self._sample_rate = sample_rate

    def gain(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """The gains of samples from `start` on, counted from the song's start, [T]."""
        if not n_samples:
            return np.zeros(0, np.float32)
        first_s, last_s = start / self._sample_rate, (start + n_samples - 1) / self._sample_rate
        # The points in the block and one on either side: a song of many points is no slower.
        first = max(0, int(np.searchsorted(self._times_s, first_s, "right")) - 1)
        last = int(np.searchsorted(self._times_s, last_s, "left")) + 1
        times_s, levels = self._times_s[first:last], self._levels[first:last]
        if np.all(levels == levels[0]):
            return np.full(n_samples, np.exp(levels[:1]).astype(np.float32))
        at_s = np.arange(start, start + n_samples) / self._sample_rate
        return np.exp(np.interp(at_s, times_s, levels)).astype(np.float32)
