"""A transparent look-ahead limiter that holds a ceiling between the samples too, streamed.

Legend: `T` samples, `C` channels. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that makes it.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import hop_length
from mixcli.audio.peak_memory import PeakMemory, find_peaks
from mixcli.audio.true_peak import REACH, oversampling_factor

CHUNK = 8192  # samples; work is done at multiples of it, so the cuts of the stream leave no trace
LOOKAHEAD_MS = 5.0
# The reduction is held after a peak, too, so that it does not follow the waveform of a bass: 25 ms with the
# look-ahead, from peak to peak of a tone at 20 Hz, and at 40 Hz where only one peak in a period stands out.
HOLD_MS = 20.0
RELEASE_MS = 10.0  # after the hold of a single peak
SLOW_RELEASE_MS = 300.0  # after a long stretch of limiting, where a fast release would be heard as pumping
SETTLED_DB = 1e-3  # a release below this has ended: the gain is 1 and the samples pass bit for bit
ROUNDING = 1e-12
LONGEST_GROWTH = 300.0  # natural logarithm: far from the largest float64
LARGEST_GROWTH = 3.0  # of what is summed up


class TruePeakLimiter:
    """Keeps the true peak of a stream at or below a ceiling by one gain for all channels.

    The required reduction at each sample is that of its oversampled peak. It is held over the look-ahead
    before it and for `hold_ms` after it, released exponentially in dB (fast after a single peak, slowly
    after long limiting) and smoothed by a bell that is shorter than the look-ahead, so the gain is never
    above the required one and meets it exactly at the highest peak. Samples whose gain is 1 pass bit for
    bit. The output is as long as the input and in time with it.

    Meters still differ by some hundredths of a dB: who promises a ceiling under any meter passes one
    0.2 dB below it.
    """

    def __init__(
        self,
        sample_rate: int,
        n_channels: int,
        ceiling_dbtp: float,
        *,
        lookahead_ms: float = LOOKAHEAD_MS,
        hold_ms: float = HOLD_MS,
        release_ms: float = RELEASE_MS,
        slow_release_ms: float = SLOW_RELEASE_MS,
        peaks: PeakMemory | None = None,
    ) -> None:
        """`peaks` are those of the same stream, from an earlier pass or for a later one."""
        self.n_channels = n_channels
        self._peaks = peaks
        self._n_chunks = 0
        self._ceiling = db_to_gain(ceiling_dbtp)
        self._factor = oversampling_factor(sample_rate)
        # Three running means in a row make a bell like Hann's window and cost the same for any length.
        self._mean_length = round(lookahead_ms * 1e-3 * sample_rate / 3) // 2 * 2 + 1
        self._smoothing_length = 3 * self._mean_length - 2
        # The gain is held flat over the reach of the interpolator on both sides of a peak: a gain that
        # moved there would move the peak between the samples.
        self._hold = self._smoothing_length + 2 * REACH
        if self._hold > CHUNK:
            raise ValueError(f"a look-ahead of {lookahead_ms} ms is too long at {sample_rate} Hz")
        self._past_T = np.zeros(round(hold_ms * 1e-3 * sample_rate))
        release = release_ms * 1e-3 * sample_rate  # samples in which a reduction falls to 1/e
        self._growth_T = np.exp(np.arange(min(CHUNK, int(LONGEST_GROWTH * release) + 1) + 1) / release)
        slow_release = slow_release_ms * 1e-3 * sample_rate
        self._slow_pole = float(np.exp(-1 / slow_release))
        # Over so few samples the running sum of its mean keeps its digits.
        n_slow = min(CHUNK, int(LARGEST_GROWTH * slow_release) + 1)
        self._slow_growth_T = np.exp(np.arange(n_slow + 1) / slow_release)
        self._fast_carry = self._slow_carry = 0.0
        self._loss_carry_T = np.zeros(self._smoothing_length - 1 + REACH)  # 1 - gain
        # Silence led in, so that the gain is down in time for a peak at, or just before, the first sample.
        self._lead = self._hold
        self._input_TC: NDArray[np.float32] = np.zeros((self._lead + REACH, n_channels), np.float32)
        self._waiting: tuple[NDArray[np.float32], NDArray[np.float64]] | None = None
        self._n_in = 0
        self._n_out = -self._lead
        self._hop = hop_length(sample_rate)
        self._hop_min_gains: list[NDArray[np.float32]] = []
        self._open_hop_T: NDArray[np.float32] = np.zeros(0, np.float32)

    def push(self, block_TC: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """Take samples, [T, C]; return the limited samples that are ready, [T', C]. `last` empties it."""
        signal_TC, gain_T = self.push_for_gain(block_TC, last=last)
        return signal_TC * gain_T[:, None]

    def push_for_gain(
        self, block_TC: NDArray[np.float32], *, last: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `push`, but return the samples as they came in, [T', C], and the gain for them, [T'].

        What is summed from parts is limited part by part with the same gain.
        """
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block must be [T, {self.n_channels}], not {list(block_TC.shape)}")
        self._n_in += len(block_TC)
        signal_TC = np.concatenate([self._input_TC, block_TC])
        if last:
            # Silence up to the end of a chunk, and one chunk more to push the waiting one out.
            n_silent = -(len(signal_TC) - 2 * REACH) % CHUNK + 2 * CHUNK
            signal_TC = np.pad(signal_TC, ((0, n_silent), (0, 0)))
        ready: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
        start = 0
        while start + CHUNK + 2 * REACH <= len(signal_TC):
            ready += self._take_chunk(signal_TC[start : start + CHUNK + 2 * REACH])
            start += CHUNK
        self._input_TC = signal_TC[start:].copy()
        return self._deliver(ready, last=last)

    @property
    def reduction_hops(self) -> NDArray[np.float32]:
        """The highest reduction in each 100 ms delivered so far, in dB, [n_hops]; a rest counts as one."""
        rest = [self._open_hop_T.min(keepdims=True)] if len(self._open_hop_T) else []
        gains = np.concatenate([*self._hop_min_gains, *rest, np.zeros(0, np.float32)])
        return np.asarray(np.abs(20 * np.log10(gains)), np.float32)

    @property
    def max_reduction_db(self) -> float:
        """The highest reduction so far, in dB, ≥ 0."""
        return float(self.reduction_hops.max(initial=0.0))

    def _take_chunk(
        self, context_TC: NDArray[np.float32]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Find the reduction one chunk needs; finish the chunk before it, which can see ahead now."""
        required_T = np.zeros(CHUNK)
        if self._peaks is None or self._peaks.floor > self._ceiling:
            places_N, peaks_N = find_peaks(context_TC, self._factor, self._ceiling)
        else:
            places_N, peaks_N = self._peaks.peaks(self._n_chunks, context_TC, self._factor)
        self._n_chunks += 1
        over_N = peaks_N > self._ceiling
        if over_N.any():
            above_N = peaks_N[over_N].astype(np.float64) / self._ceiling
            required_T[places_N[over_N]] = 20 * np.log10(above_N)
        previous, self._waiting = self._waiting, (context_TC[REACH:-REACH].copy(), required_T)
        if previous is None:
            return []
        signal_TC, previous_T = previous
        return [(signal_TC, self._smooth(self._release(self._highest_around(previous_T, required_T))))]

    def _highest_around(
        self, required_T: NDArray[np.float64], next_T: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The highest reduction required from the hold behind each sample to the one before it, [CHUNK]."""
        n_past = len(self._past_T)
        around_T = np.concatenate([self._past_T, required_T, next_T[: self._hold]])
        self._past_T = around_T[CHUNK : CHUNK + n_past]
        if not around_T.any():
            return required_T
        return _sliding_max(around_T, n_past + self._hold)[:CHUNK]

    def _release(self, held_T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Let the reduction go back to 0 dB: the higher of a fast decay and of a slow mean, [CHUNK].

        The decay d[n] = max(r[n], a d[n-1]) is a^n times a running maximum of r[n] / a^n.
        """
        if max(self._fast_carry, self._slow_carry) < SETTLED_DB and not held_T.any():
            self._fast_carry = self._slow_carry = 0.0
            return held_T
        fast_T = np.empty(CHUNK)
        for start in range(0, CHUNK, len(self._growth_T) - 1):
            part_T = held_T[start : start + len(self._growth_T) - 1]
            growth_T = self._growth_T[: len(part_T) + 1]
            grown_T = np.concatenate([[self._fast_carry], part_T]) * growth_T
            decayed_T = np.maximum.accumulate(grown_T, out=grown_T)[1:] / growth_T[1:]
            fast_T[start : start + len(part_T)] = np.maximum(decayed_T, part_T)
            self._fast_carry = float(fast_T[start + len(part_T) - 1])
        reduction_T = np.maximum(fast_T, self._slow_mean(fast_T))
        reduction_T[reduction_T < SETTLED_DB] = 0.0
        return reduction_T

    def _slow_mean(self, fast_T: NDArray[np.float64]) -> NDArray[np.float64]:
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

    def _smooth(self, reduction_T: NDArray[np.float64]) -> NDArray[np.float32]:
        """Turn dB into a gain and smooth it, [CHUNK]. What is smoothed is 1 - gain, so that 1 stays 1."""
        from scipy.ndimage import uniform_filter1d

        loss_T = np.concatenate([self._loss_carry_T, 1 - np.exp(reduction_T * (-np.log(10) / 20))])
        self._loss_carry_T = loss_T[CHUNK:]
        if not loss_T.any():
            return np.ones(CHUNK, np.float32)
        smooth_T = loss_T[:-REACH]
        for _ in range(3):
            smooth_T = uniform_filter1d(smooth_T, self._mean_length, mode="constant")
        smooth_T = smooth_T[self._smoothing_length // 2 :][:CHUNK]
        # Running means leave 1e-16 of noise where the loss has ended.
        return (1 - np.where(smooth_T < ROUNDING, 0.0, smooth_T)).astype(np.float32)

    def _deliver(
        self, ready: list[tuple[NDArray[np.float32], NDArray[np.float32]]], *, last: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cut off the silence led in and what lies behind the end, and note the reductions."""
        signal_TC = np.concatenate([np.zeros((0, self.n_channels), np.float32), *(part[0] for part in ready)])
        gain_T = np.concatenate([np.zeros(0, np.float32), *(part[1] for part in ready)])
        first = max(0, -self._n_out) if len(gain_T) else 0
        self._n_out += len(gain_T)
        stop = len(gain_T) - max(0, self._n_out - self._n_in) if last else len(gain_T)
        gain_T = gain_T[first:stop]
        open_T = np.concatenate([self._open_hop_T, gain_T])
        n_whole = len(open_T) // self._hop * self._hop
        self._hop_min_gains.append(open_T[:n_whole].reshape(-1, self._hop).min(axis=1, initial=1.0))
        self._open_hop_T = open_T[n_whole:]
        return signal_TC[first:stop], gain_T


def _sliding_max(values_T: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """The highest of every `length` neighbours, [T - length + 1], from windows that are doubled."""
    window_T, width = values_T, 1
    while 2 * width <= length:
        window_T, width = np.maximum(window_T[:-width], window_T[width:]), 2 * width
    n_windows = len(values_T) - length + 1
    return np.maximum(window_T[:n_windows], window_T[length - width :][:n_windows])
