"""What compressors and expanders are made of: level detectors, static curves, smoothing, a gliding gain.

The level is found once per *hop*, a quarter of a millisecond, and all that follows runs at that rate. Hops
are counted from the start of the stream, so the cuts of the stream leave no trace.

Legend: `T` samples, `C` channels, `M` hops. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that
makes it.

SOURCE: Giannoulis, Massberg, Reiss, "Digital Dynamic Range Compressor Design - A Tutorial and Analysis",
J. Audio Eng. Soc. 60(6), 2012: feed-forward, the gain computer and the smoothing in the log domain (there a
level per sample).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

HOP_MS = 0.25
# Both detectors look back over 10 ms: a steady tone from 50 Hz up shows its peak in any such window.
WINDOW_HOPS = 40
# The mean square is averaged once more, over 2.5 ms, for what the window's edges leave of a tone's ripple:
# less than 0.05 dB from 300 Hz up.
SMOOTHING_HOPS = 10
FLOOR_DB = -200.0  # what silence reads
# A reduction that goes to zero has ended here: the gain is 1 and the samples pass bit for bit.
SETTLED_DB = 1e-3
# So few make a product that the BLAS library does in the calling thread (fewer than 2^18 multiplications).
HOPS_AT_ONCE = 4096
LONG_REST = 64  # hops without anything to turn down that are worth being worked out at once

Detector = Literal["rms", "peak"]
Block = NDArray[np.float32]
Levels = NDArray[np.float64]
Curve = Callable[[Levels], Levels]


def control_hop(sample_rate: int) -> int:
    """The samples of one hop, at least 1."""
    return max(1, round(HOP_MS * 1e-3 * sample_rate))


def hops_in(time_ms: float, sample_rate: int) -> int:
    """The whole number of hops nearest to a time."""
    return round(time_ms * 1e-3 * sample_rate / control_hop(sample_rate))


def compress_curve(level_M: Levels, threshold_db: float, ratio: float, knee_db: float) -> Levels:
    """The reduction of a compressor at rest, [M]: over the threshold the level rises by 1 / ratio dB per dB.

    Across the knee, `knee_db` wide and centred on the threshold, the slope changes evenly. A ratio of
    infinity holds the level. SOURCE: the paper's gain computer with a soft knee.
    """
    return (1 - 1 / ratio) * _bend(level_M - threshold_db, knee_db)


def expand_curve(
    level_M: Levels, threshold_db: float, ratio: float, knee_db: float, range_db: float
) -> Levels:
    """The reduction of a downward expander at rest, [M], never more than `range_db`.

    Under the threshold the level falls by `ratio` dB per dB. The knee is that of the compressor, mirrored.
    """
    return np.minimum((ratio - 1) * _bend(threshold_db - level_M, knee_db), range_db)


def _bend(beyond_M: Levels, knee_db: float) -> Levels:
    """Zero up to the knee, `beyond_M` itself after it and a parabola that joins them with their slopes."""
    if knee_db == 0:
        return np.maximum(beyond_M, 0.0)
    into_knee_M = np.clip(beyond_M + knee_db / 2, 0.0, knee_db)
    return into_knee_M**2 / (2 * knee_db) + np.maximum(beyond_M - knee_db / 2, 0.0)


class LevelDetector:
    """The level of a stream over the last 10 ms, once per hop, in dB: that of its loudest channel.

    `rms`: ten times the logarithm of the mean square, so a full-scale sine reads -3.01 dB. `peak`: the
    highest sample, so it reads 0 dB. Before the stream there was silence.
    """

    def __init__(self, detector: Detector, sample_rate: int, n_channels: int) -> None:
        self._detector = detector
        self._hop = control_hop(sample_rate)
        self._open_TC: Block = np.zeros((0, n_channels), np.float32)
        n_past = WINDOW_HOPS - 1 + (SMOOTHING_HOPS - 1 if detector == "rms" else 0)
        self._past_CM: Levels = np.zeros((n_channels if detector == "rms" else 1, n_past))

    def push(self, block_TC: Block) -> Levels:
        """Take samples, [T, C]; return the levels of the hops that end in them, [M]."""
        n_open, n_channels = self._open_TC.shape
        n_whole = (n_open + len(block_TC)) // self._hop * self._hop
        if not n_whole:
            self._open_TC = np.concatenate([self._open_TC, block_TC])
            return np.zeros(0)
        signal_CT = np.empty((n_channels, n_whole))
        signal_CT[:, :n_open] = self._open_TC.T
        signal_CT[:, n_open:] = block_TC[: n_whole - n_open].T
        self._open_TC = block_TC[n_whole - n_open :].copy()
        of_hops = self._squares if self._detector == "rms" else self._peaks
        known_CM = np.concatenate([self._past_CM, of_hops(signal_CT)], axis=1)
        self._past_CM = known_CM[:, n_whole // self._hop :].copy()
        if self._detector == "peak":
            return _decibels(20, over_last(known_CM, WINDOW_HOPS, np.maximum))
        sums_CM = over_last(over_last(known_CM, WINDOW_HOPS, np.add), SMOOTHING_HOPS, np.add)
        return _decibels(10, sums_CM / (WINDOW_HOPS * SMOOTHING_HOPS * self._hop))

    def _squares(self, signal_CT: Levels) -> Levels:
        """The sum of squares in each hop, [C, M], each hop's in the same order."""
        hops_CMT = signal_CT.reshape(len(signal_CT), -1, self._hop)
        return np.asarray(np.einsum("cmt,cmt->cm", hops_CMT, hops_CMT))

    def _peaks(self, signal_CT: Levels) -> Levels:
        """The highest sample in each hop, of the loudest channel, [1, M]."""
        highest_T = np.abs(signal_CT).max(axis=0)
        found_M: Levels = highest_T[:: self._hop].copy()
        for place in range(1, self._hop):
            np.maximum(found_M, highest_T[place :: self._hop], out=found_M)
        return found_M[None]


def over_last(values_M: Levels, length: int, combine: np.ufunc) -> Levels:
    """Sum or maximum of each `length` neighbours, [..., M] to [..., M - length + 1].

    Runs of 1, 2, 4, … values are put together: few operations for any length, and the same ones at every
    place, which a running sum with its rounding errors from the start on is not.
    """
    n_results = values_M.shape[-1] - length + 1
    run, n_run, start = values_M, 1, 0
    found: Levels | None = None
    while True:
        if length & n_run:
            part = run[..., start : start + n_results]
            found = part if found is None else combine(found, part)
            start += n_run
        if 2 * n_run > length:
            return values_M if found is None else found
        run = combine(run[..., :-n_run], run[..., n_run:])
        n_run *= 2


def _decibels(factor: float, highest_CM: Levels) -> Levels:
    """Levels of amplitudes (20) or squares (10), of the highest channel, [C, M] to [M]."""
    smallest = 10 ** (FLOOR_DB / factor)
    level_M: Levels = factor * np.log10(np.maximum(highest_CM.max(axis=0), smallest))
    return level_M


class Smoother:
    """Lets a reduction follow its target exponentially in dB, with one time constant up and another down.

    One time constant after a step of the target, 1 - 1/e of the way in dB is done. SOURCE: the paper's smooth
    branching detector; the branch is chosen for each hop.
    """

    def __init__(self, up_ms: float, down_ms: float, sample_rate: int, *, start_db: float = 0.0) -> None:
        hop_ms = 1e3 * control_hop(sample_rate) / sample_rate
        self._up = math.exp(-hop_ms / up_ms) if up_ms else 0.0
        self._down = math.exp(-hop_ms / down_ms) if down_ms else 0.0
        self._now = start_db

    def push(self, target_M: Levels) -> Levels:
        """Follow the targets, [M]; return the reductions at the ends of their hops, [M].

        The target is that of the end of a hop, taken for all of it: half a hop early. The mean over
        SMOOTHING_HOPS is of so many values, half a hop younger than one over all samples. Together they make
        up for the hop that passes until the gain is reached.
        """
        if self._now == 0 and not target_M.any():
            return target_M
        reached = [np.zeros(0)]
        for start, stop in _stretches(target_M):
            if target_M[start:stop].any():
                reached.append(np.fromiter(self._follow(target_M[start:stop].tolist()), float, stop - start))
            else:
                reached.append(self._let_go(stop - start))
            self._now = float(reached[-1][-1])
        return np.concatenate(reached)

    def _follow(self, targets: Sequence[float]) -> Iterator[float]:
        now, up, down = self._now, self._up, self._down
        for target in targets:
            if target > now:
                now = target + up * (now - target)
            else:
                now = target + down * (now - target)
                if now < SETTLED_DB and target == 0:
                    now = 0.0
            yield now

    def _let_go(self, n_hops: int) -> Levels:
        """What `_follow` gives for targets of zero, to the bit: the same products, one after the other."""
        reached_M = np.full(n_hops + 1, self._down)
        reached_M[0] = self._now
        reached_M = np.multiply.accumulate(reached_M)[1:]
        if reached_M[-1] < SETTLED_DB:
            reached_M[np.argmax(reached_M < SETTLED_DB) :] = 0.0
        return reached_M


def _stretches(target_M: Levels) -> list[tuple[int, int]]:
    """The targets cut where LONG_REST or more of them are zero, as [start, stop)."""
    edges = np.flatnonzero(np.diff(target_M == 0, prepend=False, append=False))
    rests = [(start, stop) for start, stop in edges.reshape(-1, 2).tolist() if stop - start >= LONG_REST]
    cuts = sorted({0, len(target_M), *(edge for rest in rests for edge in rest)})
    return list(pairwise(cuts))


class GlidingGain:
    """The gain of each sample: from the end of a hop to that of the next in a straight line.

    A hop's reduction is known when the hop is over, so it is reached at the end of the hop after it.
    """

    def __init__(self, sample_rate: int, *, start_db: float = 0.0) -> None:
        hop = control_hop(sample_rate)
        # What the gain before a hop and its change in the hop give to each sample.
        self._ramp_2T = np.stack([np.ones(hop), np.arange(1, hop + 1) / hop])
        self._n_open = 0  # samples of the hop that is under way
        # The gains before the hop that is under way and at its end.
        self._ends = np.exp(np.full(2, start_db) * (-math.log(10) / 20))

    def push(self, reduction_M: Levels, n_samples: int) -> NDArray[np.float64]:
        """The gains of the next samples, [T], ≤ 1, with the reductions of the hops that end in them."""
        gains_M = np.concatenate([self._ends, np.exp(reduction_M * (-math.log(10) / 20))])
        self._ends = gains_M[-2:].copy()
        start, hop = self._n_open, self._ramp_2T.shape[1]
        self._n_open = (start + n_samples) % hop
        if np.all(gains_M == 1):
            return np.ones(n_samples)
        ends_M2 = np.stack([gains_M[:-1], np.diff(gains_M)], axis=1)
        glide_MT = np.empty((len(ends_M2), hop))
        for first in range(0, len(ends_M2), HOPS_AT_ONCE):
            part = slice(first, first + HOPS_AT_ONCE)
            np.matmul(ends_M2[part], self._ramp_2T, out=glide_MT[part])
        gain_T: NDArray[np.float64] = glide_MT.ravel()[start : start + n_samples]
        return np.minimum(gain_T, 1.0, out=gain_T)


def apply_gain(block_TC: Block, gain_T: Block) -> Block:
    """All channels of a block times one gain, [T, C]."""
    made_TC = np.empty_like(block_TC)
    for channel in range(block_TC.shape[1]):
        np.multiply(block_TC[:, channel], gain_T, out=made_TC[:, channel])
    return made_TC
