"""The bound on a residual: in every 50 ms it stays a part of the bus that it is added to.

Letters: K buses, M hops, T samples, C = 2 channels. Energies are sums of squares over both channels.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain

Block = NDArray[np.float32]

HOP_S = 0.0025
WINDOW_HOPS = 20  # 50 ms
DEFAULT_BOUND_DB = -6.0  # of a residual's energy against its bus's


class ResidualBound:
    """Scales residuals so that in every window their energy is at most `bound_db` of their bus's.

    Windows are 20 hops of 2.5 ms and start at every hop, counted from the first sample pushed; outside of
    the song is silence. A hop gets the smallest gain, at most 1, that any window over it asks for; within a
    hop the gain runs straight from one boundary to the next, where it is the smaller one of both sides. So
    where a window holds no sound of the bus at all, the residual is exactly zero. The result is the same to
    the bit for any sizes of blocks.
    """

    def __init__(self, sample_rate: int, n_buses: int, *, bound_db: float = DEFAULT_BOUND_DB) -> None:
        self._hop = max(1, round(HOP_S * sample_rate))
        self._bound_gain = db_to_gain(bound_db)
        self._waiting_KTC: Block = np.zeros((n_buses, 0, 2), np.float32)  # residual without a gain yet
        self._unmeasured_KTC: Block = np.zeros((n_buses, 0, 2), np.float32)  # of the bus, less than a hop
        # Energies of the hops from WINDOW_HOPS before the next one out.
        self._bus_KM = np.zeros((n_buses, WINDOW_HOPS))
        self._residual_KM = np.zeros((n_buses, WINDOW_HOPS))
        self._n_measured = 0  # samples of the waiting residual that have been measured

    def push(self, buses_KTC: Block, residual_KTC: Block, *, last: bool = False) -> Block:
        """Take the same samples of buses and residuals, `[K, T, 2]`; returns the bounded residual so far.

        With `last` the rest comes; over all calls as many samples come out as went in.
        """
        self._waiting_KTC = np.concatenate([self._waiting_KTC, residual_KTC], axis=1)
        self._unmeasured_KTC = np.concatenate([self._unmeasured_KTC, buses_KTC], axis=1)
        n_total = self._waiting_KTC.shape[1]
        if last:
            n_missing = -self._unmeasured_KTC.shape[1] % self._hop
            silence_KTC = np.zeros((len(self._waiting_KTC), n_missing, 2), np.float32)
            self._waiting_KTC = np.concatenate([self._waiting_KTC, silence_KTC], axis=1)
            self._unmeasured_KTC = np.concatenate([self._unmeasured_KTC, silence_KTC], axis=1)
        self._measure()
        if last:
            after_KM = np.zeros((len(self._waiting_KTC), WINDOW_HOPS))
            self._bus_KM = np.concatenate([self._bus_KM, after_KM], axis=1)
            self._residual_KM = np.concatenate([self._residual_KM, after_KM], axis=1)
        return self._take_bounded()[:, :n_total]

    def _measure(self) -> None:
        """Measure all whole hops that came."""
        n_new = self._unmeasured_KTC.shape[1] // self._hop * self._hop
        bus_KM = self._energies(self._unmeasured_KTC[:, :n_new])
        residual_KM = self._energies(self._waiting_KTC[:, self._n_measured : self._n_measured + n_new])
        self._bus_KM = np.concatenate([self._bus_KM, bus_KM], axis=1)
        self._residual_KM = np.concatenate([self._residual_KM, residual_KM], axis=1)
        self._unmeasured_KTC = self._unmeasured_KTC[:, n_new:]
        self._n_measured += n_new

    def _energies(self, block_KTC: Block) -> NDArray[np.float64]:
        hops_KMT = block_KTC.reshape(len(block_KTC), -1, self._hop * 2).astype(np.float64)
        energies_KM: NDArray[np.float64] = np.square(hops_KMT).sum(axis=2)
        return energies_KM

    def _take_bounded(self) -> Block:
        """Give out the hops whose windows are complete."""
        n_hops = self._bus_KM.shape[1] - 2 * WINDOW_HOPS
        n_samples = max(n_hops, 0) * self._hop
        if n_samples == 0:
            return self._waiting_KTC[:, :0]
        boundaries_KM = _gains_at_boundaries(self._bus_KM, self._residual_KM, self._bound_gain)
        share_T = (np.arange(self._hop) + 0.5) / self._hop
        rise_KM = np.diff(boundaries_KM, axis=1)
        gains_KMT = boundaries_KM[:, :-1, None] + rise_KM[:, :, None] * share_T
        gains_KT = gains_KMT.reshape(len(gains_KMT), n_samples)
        bounded_KTC = (self._waiting_KTC[:, :n_samples] * gains_KT[:, :, None]).astype(np.float32)
        self._waiting_KTC = self._waiting_KTC[:, n_samples:]
        self._n_measured -= n_samples
        self._bus_KM = self._bus_KM[:, n_hops:]
        self._residual_KM = self._residual_KM[:, n_hops:]
        return bounded_KTC


def _gains_at_boundaries(
    bus_KM: NDArray[np.float64], residual_KM: NDArray[np.float64], bound_gain: float
) -> NDArray[np.float64]:
    """Return the gains at the boundaries of all hops that have WINDOW_HOPS hops before and after them."""
    over_windows = np.lib.stride_tricks.sliding_window_view
    # Sums of their own, not running ones: silence must give exactly zero.
    bus_window_KM = over_windows(bus_KM, WINDOW_HOPS, axis=1).sum(axis=2)
    residual_window_KM = over_windows(residual_KM, WINDOW_HOPS, axis=1).sum(axis=2)
    ratio_KM = np.ones_like(bus_window_KM)
    np.divide(bus_window_KM, residual_window_KM, out=ratio_KM, where=residual_window_KM > 0)
    allowed_KM = np.where(residual_window_KM > 0, np.minimum(1.0, bound_gain * np.sqrt(ratio_KM)), 1.0)
    hop_KM = over_windows(allowed_KM, WINDOW_HOPS, axis=1).min(axis=2)
    boundaries_KM: NDArray[np.float64] = np.minimum(hop_KM[:, :-1], hop_KM[:, 1:])
    return boundaries_KM
