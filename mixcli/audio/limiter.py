"""A transparent look-ahead limiter that holds a ceiling between the samples too, streamed.

Legend: `T` samples, `C` channels. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that makes it.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.gain_curve import (
    CHUNK,
    HOLD_MS,
    LOOKAHEAD_MS,
    RELEASE_MS,
    SLOW_RELEASE_MS,
    GainCurve,
)
from mixcli.audio.loudness import hop_length
from mixcli.audio.peak_memory import PeakMemory, find_peaks
from mixcli.audio.true_peak import REACH, oversampling_factor

__all__ = ["CHUNK", "Contexts", "TruePeakLimiter", "lead_in"]


class Contexts:
    """A stream in chunks of `CHUNK` samples with `REACH` samples more on either side.

    Silence is led in, `lead` samples: the first chunk begins so long before the stream.
    """

    def __init__(self, lead: int, n_channels: int) -> None:
        self._input_TC: NDArray[np.float32] = np.zeros((lead + REACH, n_channels), np.float32)

    def push(self, block_TC: NDArray[np.float32], *, last: bool = False) -> Iterator[NDArray[np.float32]]:
        """Take samples, [T, C]; give the chunks that are whole, [CHUNK + 2 * REACH, C]. `last` gives all."""
        signal_TC = np.concatenate([self._input_TC, block_TC])
        if last:
            # Silence up to the end of a chunk, and one chunk more to push the waiting one out.
            n_silent = -(len(signal_TC) - 2 * REACH) % CHUNK + 2 * CHUNK
            signal_TC = np.pad(signal_TC, ((0, n_silent), (0, 0)))
        n_chunks = max((len(signal_TC) - 2 * REACH) // CHUNK, 0)
        self._input_TC = signal_TC[n_chunks * CHUNK :].copy()
        for start in range(0, n_chunks * CHUNK, CHUNK):
            yield signal_TC[start : start + CHUNK + 2 * REACH]


class TruePeakLimiter:
    """Keeps the true peak of a stream at or below a ceiling by one gain for all channels.

    The required reduction at each sample is that of its oversampled peak; `GainCurve` makes it the gain.
    Samples whose gain is 1 pass bit for bit. The output is as long as the input and in time with it.

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
        self._curve = GainCurve(
            sample_rate,
            REACH,
            lookahead_ms=lookahead_ms,
            hold_ms=hold_ms,
            release_ms=release_ms,
            slow_release_ms=slow_release_ms,
        )
        # Silence led in, so that the gain is down in time for a peak at, or just before, the first sample.
        self._contexts = Contexts(self._curve.ahead, n_channels)
        self._waiting_TC: NDArray[np.float32] = np.zeros((0, n_channels), np.float32)
        self._n_in = 0
        self._n_out = -self._curve.ahead
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
        signals = [np.zeros((0, self.n_channels), np.float32)]
        gains = [np.zeros(0, np.float32)]
        for context_TC in self._contexts.push(block_TC, last=last):
            gain_T = self._curve.push(self._required(context_TC))
            if gain_T is not None:
                signals.append(self._waiting_TC)
                gains.append(gain_T)
            self._waiting_TC = context_TC[REACH:-REACH]
        self._waiting_TC = self._waiting_TC.copy()
        return self._deliver(np.concatenate(signals), np.concatenate(gains), last=last)

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

    def _required(self, context_TC: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """The reduction that each sample of a chunk needs, [CHUNK] in dB; None where none does."""
        if self._peaks is None or self._peaks.floor > self._ceiling:
            places_N, peaks_N = find_peaks(context_TC, self._factor, self._ceiling)
        else:
            places_N, peaks_N = self._peaks.peaks(self._n_chunks, context_TC, self._factor)
        self._n_chunks += 1
        over_N = peaks_N > self._ceiling
        if not over_N.any():
            return None
        required_T = np.zeros(CHUNK)
        required_T[places_N[over_N]] = 20 * np.log10(peaks_N[over_N].astype(np.float64) / self._ceiling)
        return required_T

    def _deliver(
        self, signal_TC: NDArray[np.float32], gain_T: NDArray[np.float32], *, last: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Cut off the silence led in and what lies behind the end, and note the reductions."""
        first = max(0, -self._n_out) if len(gain_T) else 0
        self._n_out += len(gain_T)
        stop = len(gain_T) - max(0, self._n_out - self._n_in) if last else len(gain_T)
        gain_T = gain_T[first:stop]
        open_T = np.concatenate([self._open_hop_T, gain_T])
        n_whole = len(open_T) // self._hop * self._hop
        self._hop_min_gains.append(open_T[:n_whole].reshape(-1, self._hop).min(axis=1, initial=1.0))
        self._open_hop_T = open_T[n_whole:]
        return signal_TC[first:stop], gain_T


def lead_in(sample_rate: int) -> int:
    """The samples of silence that the limiter leads in, so that its first chunk begins before the stream."""
    return GainCurve(sample_rate, REACH).ahead
