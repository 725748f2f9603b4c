"""The attack and release of compressors and expanders: a reduction that follows its target.

Legend: `M` hops. A *reduction* is a level in dB, ≥ 0.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.hops import control_hop

# A reduction that goes to zero has ended here: the gain is 1 and the samples pass bit for bit.
SETTLED_DB = 1e-3
# A reduction so near to another target has reached it: all that is left is rounding.
REACHED_DB = 1e-12
# A run of the smoother ends where e to the minus this is left of its start, or after so many hops.
SMALLEST_SHARE = 460.0
LONGEST_RUN, SHORTEST_RUN = 4096, 128
MOST_ROUNDS = 16  # three or four are usual

Levels = NDArray[np.float64]


class Smoother:
    """Lets a reduction follow its target exponentially in dB, with one time constant up and another down.

    One time constant after a step of the target, 1 - 1/e of the way in dB is done. SOURCE: the smooth
    branching detector of the paper named in `dynamics`; the branch is chosen for each hop.

    Which branch it is follows from where the reduction is, so each value hangs on the last. But for known
    branches all values of a run have a closed form, and branches that agree with their own values are the
    right ones, from the first hop to the last: few rounds find them, and how many it were leaves no trace.
    """

    def __init__(self, up_ms: float, down_ms: float, sample_rate: int, *, start_db: float = 0.0) -> None:
        hop_ms = 1e3 * control_hop(sample_rate) / sample_rate
        self._up = math.exp(-hop_ms / up_ms) if up_ms else 0.0
        self._down = math.exp(-hop_ms / down_ms) if down_ms else 0.0
        fastest_ms = min(up_ms, down_ms)
        self._longest_run = min(LONGEST_RUN, int(SMALLEST_SHARE * fastest_ms / hop_ms))
        self._now = start_db
        self._rests = True  # until the target is another
        self._begin_run()

    def push(self, target_M: Levels) -> Levels:
        """Follow the targets, [M]; return the reductions at the ends of their hops, [M].

        The target is that of the end of a hop, taken for all of it: half a hop early. The mean over the
        detector's SMOOTHING_HOPS is of so many values, half a hop younger than one over all samples. Together
        they make up for the hop that passes until the gain is reached.
        """
        if self._longest_run < SHORTEST_RUN:
            return self._each(target_M)
        reached_M = np.empty(len(target_M))
        place = 0
        while place < len(target_M):
            if self._rests:
                moved_M = target_M[place:] != self._now
                n_resting = int(np.argmax(moved_M)) if moved_M.any() else len(moved_M)
                reached_M[place : place + n_resting] = self._now
                place += n_resting
                if place == len(target_M):
                    break
                self._begin_run()
            part = slice(place, place + self._longest_run - self._n_run)
            reached_M[part] = self._follow(target_M[part])
            place += self._settle(target_M[part], reached_M[part])
        return reached_M

    def _begin_run(self) -> None:
        # In a run the reduction is share · (start + gained), share being the product of all factors so far.
        self._start, self._share, self._gained, self._n_run = self._now, 1.0, 0.0, 0

    def _settle(self, target_M: Levels, reached_M: Levels) -> int:
        """Go on from what was reached, the target itself where it rests; how many hops were used."""
        n_used = len(target_M)
        settled_M = np.abs(reached_M - target_M) < np.where(target_M == 0, SETTLED_DB, REACHED_DB)
        self._rests = bool(settled_M.any())
        if self._rests:
            n_used = int(np.argmax(settled_M)) + 1
            reached_M[n_used - 1] = target_M[n_used - 1]
        self._now = float(reached_M[n_used - 1])
        if self._n_run >= self._longest_run:
            self._begin_run()
        return n_used

    def _follow(self, target_M: Levels) -> Levels:
        """The reductions of a run's next hops, [M]."""
        reached_M, n_done = np.empty(len(target_M)), 0
        is_up_M = self._guess(target_M)
        for _ in range(MOST_ROUNDS):
            factor_M = np.where(is_up_M[n_done:], self._up, self._down)
            share_M = factor_M.copy()
            share_M[0] *= self._share
            np.multiply.accumulate(share_M, out=share_M)
            gained_M = (1 - factor_M) * target_M[n_done:] / share_M
            gained_M[0] += self._gained
            np.add.accumulate(gained_M, out=gained_M)
            reached_M[n_done:] = share_M * (self._start + gained_M)
            found_M = target_M[n_done + 1 :] > reached_M[n_done:-1]
            wrong_M = found_M != is_up_M[n_done + 1 :]
            n_right = int(np.argmax(wrong_M)) + 1 if wrong_M.any() else len(share_M)
            is_up_M[n_done + 1 :] = found_M
            n_done += n_right
            self._now = float(reached_M[n_done - 1])
            self._share, self._gained = float(share_M[n_right - 1]), float(gained_M[n_right - 1])
            self._n_run += n_right
            if n_done == len(target_M):
                return reached_M
        reached_M[n_done:] = self._follow_each(target_M[n_done:])
        return reached_M

    def _guess(self, target_M: Levels) -> NDArray[np.bool_]:
        """Which hops go up, [M]: right for the first; the rest as the target went when it last moved."""
        before_M = np.concatenate([[self._now], target_M[:-1]])
        last_moved_M = np.maximum.accumulate(np.where(target_M != before_M, np.arange(len(target_M)), 0))
        is_up_M: NDArray[np.bool_] = (target_M > before_M)[last_moved_M]
        return is_up_M

    def _each(self, target_M: Levels) -> Levels:
        """The definition, hop by hop: for times that are short beside a hop."""
        now, reached = self._now, []
        for target in target_M.tolist():
            now = target + (self._up if target > now else self._down) * (now - target)
            if now < SETTLED_DB and target == 0:
                now = 0.0
            reached.append(now)
        self._now = now
        return np.array(reached)

    def _follow_each(self, target_M: Levels) -> Levels:
        """What `_follow` gives, to the bit, hop by hop: where target and reduction are hardly apart."""
        now, share, gained = self._now, self._share, self._gained
        reached = []
        for target in target_M.tolist():
            factor = self._up if target > now else self._down
            share *= factor
            gained += (1 - factor) * target / share
            now = share * (self._start + gained)
            reached.append(now)
        self._share, self._gained = share, gained
        self._n_run += len(target_M)
        return np.array(reached)
