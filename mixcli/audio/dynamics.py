"""What compressors and expanders are made of: level detectors, smoothing, a gliding gain.

The level is found once per *hop*, a quarter of a millisecond, and all that follows runs at that rate. Hops
are counted from the start of the stream, so the cuts of the stream leave no trace.

Legend: `T` samples, `C` channels, `M` hops. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that
makes it.

SOURCE: Giannoulis, Massberg, Reiss, "Digital Dynamic Range Compressor Design - A Tutorial and Analysis",
J. Audio Eng. Soc. 60(6), 2012: feed-forward, the gain computer and the smoothing in the log domain (there a
level per sample).
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.hops import HOP_MS, control_hop, hops_in
from mixcli.audio.level_curves import compress_curve, expand_curve
from mixcli.audio.smoother import Smoother

__all__ = [
    "FLOOR_DB",
    "HOP_MS",
    "SMOOTHING_HOPS",
    "WINDOW_HOPS",
    "Block",
    "Detector",
    "GlidingGain",
    "LevelDetector",
    "Levels",
    "Smoother",
    "apply_gain",
    "compress_curve",
    "control_hop",
    "expand_curve",
    "hops_in",
    "over_last",
]

# Both detectors look back over 10 ms: a steady tone from 50 Hz up shows its peak in any such window.
WINDOW_HOPS = 40
# The mean square is averaged once more, over 2.5 ms, for what the window's edges leave of a tone's ripple:
# less than 0.05 dB from 300 Hz up.
SMOOTHING_HOPS = 10
FLOOR_DB = -200.0  # what silence reads
# So few make a product that the BLAS library does in the calling thread (fewer than 2^18 multiplications).
HOPS_AT_ONCE = 256

Detector = Literal["rms", "peak"]
Block = NDArray[np.float32]
Levels = NDArray[np.float64]


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
        signal_CT = np.empty((n_channels, n_whole), np.float32)
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

    def _squares(self, signal_CT: Block) -> Levels:
        """The sum of squares in each hop, [C, M], each hop's in the same order."""
        hops_CMT = signal_CT.reshape(len(signal_CT), -1, self._hop)
        found_CM = np.einsum("cmt,cmt->cm", hops_CMT, hops_CMT)
        levels_CM: Levels = found_CM.astype(np.float64)
        beyond_CM = ~np.isfinite(found_CM)
        if beyond_CM.any():  # squares of more than float32 holds
            levels_CM[beyond_CM] = np.square(hops_CMT[beyond_CM].astype(np.float64)).sum(axis=1)
        return levels_CM

    def _peaks(self, signal_CT: Block) -> Levels:
        """The highest sample in each hop, of the loudest channel, [1, M]."""
        highest_T = np.abs(signal_CT).max(axis=0)
        found_M: Block = highest_T[:: self._hop].copy()
        for place in range(1, self._hop):
            np.maximum(found_M, highest_T[place :: self._hop], out=found_M)
        return found_M[None].astype(np.float64)


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


class GlidingGain:
    """The gain of each sample: from the end of a hop to that of the next in a straight line.

    A hop's reduction is known when the hop is over, so it is reached at the end of the hop after it.
    """

    def __init__(self, sample_rate: int, *, start_db: float = 0.0) -> None:
        hop = control_hop(sample_rate)
        # What the gain before a hop and its change in the hop give to each sample.
        self._ramp_2T = np.stack([np.ones(hop), np.arange(1, hop + 1) / hop]).astype(np.float32)
        self._n_open = 0  # samples of the hop that is under way
        # The gains before the hop that is under way and at its end.
        self._ends = np.exp(np.full(2, start_db) * (-math.log(10) / 20))
        self.lowest = float(self._ends[0])  # of all gains so far

    def push(self, reduction_M: Levels, n_samples: int) -> Block:
        """The gains of the next samples, [T], ≤ 1, with the reductions of the hops that end in them."""
        gains_M = np.concatenate([self._ends, np.exp(reduction_M * (-math.log(10) / 20))])
        self._ends = gains_M[-2:].copy()
        self.lowest = min(self.lowest, float(gains_M.min()))
        start, hop = self._n_open, self._ramp_2T.shape[1]
        self._n_open = (start + n_samples) % hop
        if np.all(gains_M == 1):
            return np.ones(n_samples, np.float32)
        # Products of one shape, so that a gain is rounded the same at every place.
        n_products = -(-(len(gains_M) - 1) // HOPS_AT_ONCE)
        ends_M2 = np.zeros((n_products * HOPS_AT_ONCE, 2), np.float32)
        ends_M2[: len(gains_M) - 1, 0] = gains_M[:-1]
        ends_M2[: len(gains_M) - 1, 1] = np.diff(gains_M)
        glide_PMT = ends_M2.reshape(n_products, HOPS_AT_ONCE, 2) @ self._ramp_2T
        gain_T: Block = glide_PMT.ravel()[start : start + n_samples]
        return np.minimum(gain_T, np.float32(1), out=gain_T)


def apply_gain(block_TC: Block, gain_T: Block) -> Block:
    """All channels of a block times one gain, [T, C]."""
    made_TC = np.empty_like(block_TC)
    for channel in range(block_TC.shape[1]):
        np.multiply(block_TC[:, channel], gain_T, out=made_TC[:, channel])
    return made_TC
