"""The gain of a limiter from the reductions its peaks ask for: held, released and smoothed, streamed.

Legend: `T` steps. A step is a sample, or several where an estimate is enough. A *reduction* is a level in dB,
≥ 0; a *gain* is the factor that makes it, a *loss* 1 less the gain.
"""

import numpy as np
from numpy.typing import NDArray

CHUNK = 8192  # steps; work is done at multiples of it, so the cuts of the stream leave no trace
LOOKAHEAD_MS = 5.0
# The reduction is held after a peak, too, so that it does not follow the waveform of a bass: 25 ms with the
# look-ahead, from peak to peak of a tone at 20 Hz, and at 40 Hz where only one peak in a period stands out.
HOLD_MS = 20.0
RELEASE_MS = 10.0  # after the hold of a single peak
SLOW_RELEASE_MS = 300.0  # after a long stretch of limiting, where a fast release would be heard as pumping
SETTLED_DB = 1e-3  # a release below this has ended: the gain is 1 and the samples pass bit for bit
LONGEST_GROWTH = 300.0  # natural logarithm: far from the largest float64
LARGEST_GROWTH = 3.0  # of what is summed up

Levels = NDArray[np.float64]


class GainCurve:
    """Makes the reduction required at each step a smooth gain that is never above the required one.

    The reduction is held over the look-ahead before a peak and for `hold_ms` after it, released exponentially
    in dB (fast after a single peak, slowly after long limiting) and smoothed by a bell that is shorter than
    the look-ahead, so the gain meets the required one exactly at the highest peak. It stays flat for `reach`
    steps on both sides of a peak.
    """

    def __init__(
        self,
        steps_per_s: float,
        reach: int,
        *,
        lookahead_ms: float = LOOKAHEAD_MS,
        hold_ms: float = HOLD_MS,
        release_ms: float = RELEASE_MS,
        slow_release_ms: float = SLOW_RELEASE_MS,
    ) -> None:
        """Before the first step nothing was required. Raises ValueError for a look-ahead past the chunk."""
        self._reach = reach
        # Three running means in a row make a bell like Hann's window and cost the same for any length.
        self._mean_length = round(lookahead_ms * 1e-3 * steps_per_s / 3) // 2 * 2 + 1
        self._smoothing_length = 3 * self._mean_length - 2
        # The gain is held flat over the reach of the interpolator on both sides of a peak: a gain that
        # moved there would move the peak between the samples.
        self.ahead = self._smoothing_length + 2 * reach
        if self.ahead > CHUNK:
            raise ValueError(f"a look-ahead of {lookahead_ms} ms is too long at {steps_per_s:g} Hz")
        self._past_T = np.zeros(round(hold_ms * 1e-3 * steps_per_s))
        # A peak alone is held so long; its gain falls through the middle so many steps before it.
        self.held, self.early = len(self._past_T) + self.ahead, self._smoothing_length // 2 + reach
        release = release_ms * 1e-3 * steps_per_s  # steps in which a reduction falls to 1/e
        self._growth_T = np.exp(np.arange(min(CHUNK, int(LONGEST_GROWTH * release) + 1) + 1) / release)
        slow_release = slow_release_ms * 1e-3 * steps_per_s
        pole, self._slow_pole = float(np.exp(-1 / release)), float(np.exp(-1 / slow_release))
        # Over so few steps the running sum of its mean keeps its digits.
        n_slow = min(CHUNK, int(LARGEST_GROWTH * slow_release) + 1)
        self._slow_growth_T = np.exp(np.arange(n_slow + 1) / slow_release)
        # With nothing held: what is left of the fast decay and of the slow mean, and what is passed on.
        places_T = np.arange(1, CHUNK + 1)
        self._decay_T, self._slow_decay_T = np.exp(-places_T / release), np.exp(-places_T / slow_release)
        share = pole * (1 - self._slow_pole) / (self._slow_pole - pole)
        self._passed_on_T = share * (self._slow_decay_T - self._decay_T)
        self._fast_carry = self._slow_carry = 0.0
        self._loss_carry_T = np.zeros(self._smoothing_length - 1 + reach)
        self._waiting_T: Levels | None = None

    def push(self, required_T: Levels | None) -> NDArray[np.float32] | None:
        """Take the reductions a chunk requires, [CHUNK] in dB (None: none); the gain of the chunk before it.

        None is no gain yet, before the second chunk. The array is kept and must not be changed any more.
        """
        required_T = np.zeros(CHUNK) if required_T is None else required_T
        previous_T, self._waiting_T = self._waiting_T, required_T
        if previous_T is None:
            return None
        return self._smooth(self._release(self._highest_around(previous_T, required_T)))

    def _highest_around(self, required_T: Levels, next_T: Levels) -> Levels | None:
        """The highest reduction required from the hold behind each step to `ahead` of it; None for none."""
        n_past = len(self._past_T)
        around_T = np.concatenate([self._past_T, required_T, next_T[: self.ahead]])
        self._past_T = around_T[CHUNK : CHUNK + n_past]
        if not around_T.any():
            return None
        return _sliding_max(around_T, n_past + self.ahead)[:CHUNK]

    def _release(self, held_T: Levels | None) -> Levels | None:
        """Let the reduction go back to 0 dB: the higher of a fast decay and of a slow mean; None for 0 dB.

        The decay d[n] = max(r[n], a d[n-1]) is a^n times a running maximum of r[n] / a^n.
        """
        if held_T is not None:
            fast_T = self._fast_decay(held_T)
            slow_T = self._slow_mean(fast_T)
        elif max(self._fast_carry, self._slow_carry) < SETTLED_DB:
            self._fast_carry = self._slow_carry = 0.0
            return None
        else:
            fast_T = self._fast_carry * self._decay_T
            slow_T = self._slow_carry * self._slow_decay_T
            slow_T += self._fast_carry * self._passed_on_T
            self._fast_carry, self._slow_carry = float(fast_T[-1]), float(slow_T[-1])
        reduction_T = np.maximum(fast_T, slow_T, out=slow_T)
        reduction_T[reduction_T < SETTLED_DB] = 0.0
        return reduction_T

    def _fast_decay(self, held_T: Levels) -> Levels:
        fast_T = np.empty(CHUNK)
        for start in range(0, CHUNK, len(self._growth_T) - 1):
            part_T = held_T[start : start + len(self._growth_T) - 1]
            growth_T = self._growth_T[: len(part_T) + 1]
            grown_T = np.concatenate([[self._fast_carry], part_T])
            grown_T *= growth_T
            decayed_T = np.maximum.accumulate(grown_T, out=grown_T)[1:]
            decayed_T /= growth_T[1:]
            np.maximum(decayed_T, part_T, out=fast_T[start : start + len(part_T)])
            self._fast_carry = float(fast_T[start + len(part_T) - 1])
        return fast_T

    def _slow_mean(self, fast_T: Levels) -> Levels:
        """The mean m[n] = a m[n-1] + (1 - a) r[n], which is a^n times a running sum of (1 - a) r[n] / a^n."""
        slow_T = np.empty(CHUNK)
        for start in range(0, CHUNK, len(self._slow_growth_T) - 1):
            part_T = fast_T[start : start + len(self._slow_growth_T) - 1]
            growth_T = self._slow_growth_T[1 : len(part_T) + 1]
            sums_T = np.multiply(part_T, growth_T, out=slow_T[start : start + len(part_T)])
            sums_T *= 1 - self._slow_pole
            sums_T[0] += self._slow_carry
            np.cumsum(sums_T, out=sums_T)
            sums_T /= growth_T
            self._slow_carry = float(sums_T[-1])
        return slow_T

    def _smooth(self, reduction_T: Levels | None) -> NDArray[np.float32]:
        """Turn dB into a gain and smooth it, [CHUNK]. What is smoothed is the loss, so that 1 stays 1."""
        if reduction_T is None:
            if not self._loss_carry_T.any():
                return np.ones(CHUNK, np.float32)
            loss_T = np.concatenate([self._loss_carry_T, np.zeros(CHUNK)])
        else:
            n_carried = len(self._loss_carry_T)
            loss_T = np.empty(n_carried + CHUNK)
            loss_T[:n_carried] = self._loss_carry_T
            new_T = np.multiply(reduction_T, -np.log(10) / 20, out=loss_T[n_carried:])
            np.negative(np.expm1(new_T, out=new_T), out=new_T)
        self._loss_carry_T = loss_T[CHUNK:].copy()
        smooth_T = loss_T[: len(loss_T) - self._reach]
        for _ in range(3):
            smooth_T = _sliding_sum(smooth_T, self._mean_length)
        smooth_T *= -(float(self._mean_length) ** -3)
        smooth_T += 1.0
        return smooth_T.astype(np.float32)


def _sliding_max(values_T: Levels, length: int) -> Levels:
    """The highest of every `length` neighbours, [T - length + 1], from windows that are doubled."""
    window_T, width = values_T, 1
    while 2 * width <= length:
        window_T, width = np.maximum(window_T[:-width], window_T[width:]), 2 * width
    n_windows = len(values_T) - length + 1
    return np.maximum(window_T[:n_windows], window_T[length - width :][:n_windows])


def _sliding_sum(values_T: Levels, length: int) -> Levels:
    """The sum of every `length` neighbours, [T - length + 1], from windows that are doubled: 0 stays 0."""
    n_sums = len(values_T) - length + 1
    window_T, width = values_T, 1
    sums_T, start = (values_T[:n_sums].copy(), 1) if length & 1 else (np.zeros(n_sums), 0)
    while start < length:
        window_T, width = window_T[:-width] + window_T[width:], 2 * width
        if length & width:
            sums_T += window_T[start : start + n_sums]
            start += width
    return sums_T
