"""Level differences of a sound stretched or squeezed, streamed.

Letters: T samples, C channels, H hops of 10 ms.
"""

import numpy as np
from numpy.typing import NDArray

HOP_S = 0.01
RISE_S, FALL_S = 0.02, 0.2  # of the level that is followed
FLOOR_DB = 45.0  # below the turning point; what is softer is treated as if it were at it

Block = NDArray[np.float32]


class BendDynamics:
    """A gain that follows the level: by `share` dB per dB above or below `level_db`.

    A positive share stretches (an expander), a negative one squeezes (a compressor); never by more than
    `most_db` either way. The level is the mean square over the channels in hops of 10 ms, followed with 20 ms
    up and 200 ms down; between hops the gain is a straight line. The hops count from the start of the stream:
    the cuts leave no trace.
    """

    def __init__(self, share: float, level_db: float, sample_rate: int, *, most_db: float) -> None:
        self._share, self._level_db, self._most_db = share, level_db, most_db
        self._hop = max(1, round(HOP_S * sample_rate))
        self._rise, self._fall = (1 - np.exp(-HOP_S / time_s) for time_s in (RISE_S, FALL_S))
        self._followed_db: float | None = None
        self._gain_db = 0.0  # at the last hop's end
        self._partial_T = np.zeros(0)  # squares of the hop that is not full yet
        self._slope_T = np.zeros(0)

    def push(self, block_TC: Block) -> Block:
        """The next samples with their gain, [T, C]."""
        if self._share == 0 or len(block_TC) == 0:
            return block_TC
        # The gain of a hop is known from the hop before it: nothing is looked ahead for.
        gain_T = np.empty(len(block_TC))
        squares_T = np.square(block_TC, dtype=np.float64).mean(axis=1)
        position = 0
        while position < len(block_TC):
            if len(self._slope_T) == 0:
                self._start_hop()
            n_taken = min(self._hop - len(self._partial_T), len(block_TC) - position)
            first = len(self._partial_T)
            gain_T[position : position + n_taken] = self._slope_T[first : first + n_taken]
            self._partial_T = np.concatenate([self._partial_T, squares_T[position : position + n_taken]])
            position += n_taken
            if len(self._partial_T) == self._hop:
                self._end_hop()
        bent_TC: Block = (block_TC * (10 ** (gain_T / 20))[:, None]).astype(np.float32)
        return bent_TC

    def _start_hop(self) -> None:
        """The line of gains in dB over the coming hop, from the last gain to the one that the level asks."""
        target_db = 0.0
        if self._followed_db is not None:
            away_db = max(self._followed_db - self._level_db, -FLOOR_DB)
            target_db = float(np.clip(self._share * away_db, -self._most_db, self._most_db))
        self._slope_T = np.linspace(self._gain_db, target_db, self._hop, endpoint=False)
        self._gain_db = target_db

    def _end_hop(self) -> None:
        level_db = float(10 * np.log10(self._partial_T.mean() + 1e-12))
        if self._followed_db is None:
            self._followed_db = level_db
        rate = self._rise if level_db > self._followed_db else self._fall
        self._followed_db += rate * (level_db - self._followed_db)
        self._partial_T, self._slope_T = np.zeros(0), np.zeros(0)
