"""Loudness as ITU-R BS.1770-5 and EBU Tech 3341/3342 define it, measured block by block in bounded memory.

Legend: `T` samples, `C` channels, `H` hops, `S` slots. A *hop* is 100 ms, the step of the gating blocks;
a *slot* is a tenth of it.
"""

from collections.abc import Sequence
from copy import copy
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter

ABSOLUTE_GATE_LUFS = -70.0  # BS.1770-5, annex 1
RELATIVE_GATE_LU = -10.0  # BS.1770-5, annex 1
RANGE_GATE_LU = -20.0  # EBU Tech 3342
RANGE_PERCENTILES = (10.0, 95.0)  # EBU Tech 3342
MEAN_SQUARE_OFFSET_LU = -0.691  # BS.1770-5: makes a full-scale 997 Hz sine in one channel read -3.01
MOMENTARY_HOPS = 4  # 400 ms, also the gating block (75 % overlap)
SHORT_TERM_HOPS = 30  # 3 s
# The K filter's prototypes: gain, frequency and Q of the shelf and of the high pass.
SHELF_DB, SHELF_HZ, SHELF_Q = 3.99984385397, 1681.9744509555319, 0.7071752369554193
SHELF_MIDDLE = 0.499666774155  # the shelf's gain at its frequency is its whole gain to this power
HIGH_PASS_HZ, HIGH_PASS_Q = 38.13547087613982, 0.5003270373253953
SLOTS_PER_HOP = 10  # maxima are taken every 10 ms: at 100 ms a burst of 400 ms may read 0.5 LU low
FIVE_CHANNEL_WEIGHTS = (1.0, 1.0, 1.0, 1.41, 1.41)  # BS.1770-5: left, right, centre, left and right surround
GRIDS_AT_ONCE = 8  # filtered side by side; bounds the work memory for any block length

Energies = NDArray[np.float64]
Samples = NDArray[np.float32]
Weighted = NDArray[np.floating]


class LoudnessMeter:
    """Measures the loudness of a stream of blocks; no result depends on how the stream is cut.

    Only whole hops count, a shorter rest at the end is dropped as the gating rule says. Memory is one
    float64 per hop. A hop is `sample_rate / 10` samples, rounded half up where that is no whole number
    (libebur128 does the same), so at 11,025 Hz it is 0.045 % long, far below 0.01 LU.

    A mono stream is measured as ONE channel and so reads 3.01 LU less than the same signal in two
    channels. `channel_weights` are all 1 if not given; for five channels see `FIVE_CHANNEL_WEIGHTS`. Without
    `double` the samples are weighted in float32, in a quarter of the time and within 0.0001 LU.
    """

    def __init__(
        self,
        sample_rate: int,
        n_channels: int,
        *,
        channel_weights: Sequence[float] | None = None,
        double: bool = True,
    ) -> None:
        self.sample_rate = sample_rate
        self.n_channels = n_channels
        self._hop = hop_length(sample_rate)
        self._weights_C = np.ones(n_channels) if channel_weights is None else np.array(channel_weights, float)
        if self._weights_C.shape != (n_channels,):
            raise ValueError(f"{n_channels} channel weights needed, not {len(self._weights_C)}")
        self._filter = GridFilter(k_filter(sample_rate, double=double), n_channels)
        self._waiting_CT: Samples = np.zeros((n_channels, 0), np.float32)  # for the filter: less than a grid
        dtype = np.float64 if double else np.float32
        self._open_CT: Weighted = np.zeros((n_channels, 0), dtype)  # weighted already: less than a hop
        self._slot_starts = np.arange(SLOTS_PER_HOP) * self._hop // SLOTS_PER_HOP
        self._recent_slots = np.zeros(0)
        self._hop_energies: list[Energies] = []
        self._max_momentary = 0.0
        self._max_short_term = 0.0

    def push(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples, [T, C] of any length."""
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block must be [T, {self.n_channels}], not {list(block_TC.shape)}")
        signal_CT = block_TC.T
        if self._waiting_CT.shape[1]:
            signal_CT = np.concatenate([self._waiting_CT, signal_CT], axis=1)
        n_whole = signal_CT.shape[1] // GRID * GRID
        for start in range(0, n_whole, GRIDS_AT_ONCE * GRID):
            grids_CT = signal_CT[:, start : min(start + GRIDS_AT_ONCE * GRID, n_whole)]
            self._take(self._weight(grids_CT))
        self._waiting_CT = signal_CT[:, n_whole:].copy()

    def hop_energies(self) -> Energies:
        """Mean square of the K-weighted signal per hop, summed over the weighted channels, [n_hops]."""
        return self._finished()._energies()

    def integrated_lufs(self) -> float:
        """Gated loudness of everything so far; -inf under 400 ms or where nothing is above the gate."""
        return integrated_lufs(self.hop_energies())

    def loudness_range_lu(self) -> float | None:
        """Loudness range so far; None under 3 s or where nothing is above the gate."""
        return loudness_range_lu(self.hop_energies())

    def max_momentary_lufs(self) -> float:
        """Highest loudness of any 400 ms, looked at every 10 ms; -inf under 400 ms and for silence."""
        return energy_to_lufs(self._finished()._max_momentary)

    def max_short_term_lufs(self) -> float:
        """Highest loudness of any 3 s, looked at every 10 ms; -inf under 3 s and for silence."""
        return energy_to_lufs(self._finished()._max_short_term)

    def _finished(self) -> "LoudnessMeter":
        """As this meter would be after the samples that wait for their grid; it goes on as if not asked."""
        n_waiting = self._waiting_CT.shape[1]
        if not n_waiting:
            return self
        meter = copy(self)
        meter._filter, meter._hop_energies = copy(self._filter), [*self._hop_energies]
        meter._take(meter._weight(np.pad(self._waiting_CT, ((0, 0), (0, GRID - n_waiting))))[:, :n_waiting])
        return meter

    def _energies(self) -> Energies:
        return np.concatenate([*self._hop_energies, np.zeros(0)])

    def _weight(self, grids_CT: Samples) -> Weighted:
        """Filter whole grids; silence after a filter that has died away costs next to nothing."""
        if not self._filter.state_CN.any() and not grids_CT.any():
            return np.zeros(grids_CT.shape, self._open_CT.dtype)
        return self._filter.push(grids_CT)

    def _take(self, weighted_CT: Weighted) -> None:
        """Gather weighted samples into slots and hops; what is less than a hop waits."""
        if self._open_CT.shape[1]:
            weighted_CT = np.concatenate([self._open_CT, weighted_CT], axis=1)
        n_hops = weighted_CT.shape[1] // self._hop
        n_whole = n_hops * self._hop
        self._open_CT = weighted_CT[:, n_whole:].copy()
        if not n_hops:
            return
        energy_T = self._sum_squares(weighted_CT[:, :n_whole])
        starts = (np.arange(n_hops)[:, None] * self._hop + self._slot_starts).ravel()
        slots = np.add.reduceat(energy_T, starts).astype(np.float64, copy=False)
        self._hop_energies.append(_add_up(slots.reshape(n_hops, SLOTS_PER_HOP)) / self._hop)
        self._take_maxima(slots)

    def _sum_squares(self, weighted_CT: Weighted) -> Weighted:
        energy_T = np.zeros(weighted_CT.shape[1], weighted_CT.dtype)
        for weight, weighted_T in zip(self._weights_C, weighted_CT, strict=True):
            squares_T = np.square(weighted_T)
            energy_T += squares_T if weight == 1.0 else weighted_CT.dtype.type(weight) * squares_T
        return energy_T

    def _take_maxima(self, slots: Energies) -> None:
        slots = np.concatenate([self._recent_slots, slots])
        self._recent_slots = slots[-(SHORT_TERM_HOPS * SLOTS_PER_HOP - 1) :]
        momentary = _sliding_sum(slots, MOMENTARY_HOPS * SLOTS_PER_HOP) / (MOMENTARY_HOPS * self._hop)
        short_term = _sliding_sum(slots, SHORT_TERM_HOPS * SLOTS_PER_HOP) / (SHORT_TERM_HOPS * self._hop)
        self._max_momentary = max(self._max_momentary, momentary.max(initial=0.0))
        self._max_short_term = max(self._max_short_term, short_term.max(initial=0.0))


def hop_length(sample_rate: int) -> int:
    """Samples in 100 ms, rounded half up."""
    return (sample_rate + 5) // 10


@cache
def k_filter(sample_rate: int, *, double: bool) -> FilterMatrices:
    """The K filter's matrices, made once for each rate and precision."""
    return FilterMatrices(k_weighting_sos(sample_rate), double=double)


def k_weighting_sos(sample_rate: int) -> NDArray[np.float64]:
    """The K filter of BS.1770-5 at any rate: high shelf, then high pass, [2, 6] second-order sections.

    SOURCE: the analogue prototypes that B. De Man found behind the standard's coefficients ("Evaluation of
    Implementations of the EBU R128 Loudness Measurement", AES convention 145, 2018), by the bilinear
    transform; at 48 kHz they give the standard's own. libebur128 and pyloudnorm's `DeMan` class do the same.
    """
    gain = db_to_gain(SHELF_DB)
    middle = gain**SHELF_MIDDLE
    k = np.tan(np.pi * SHELF_HZ / sample_rate)
    k_by_q, k_squared = k / SHELF_Q, k * k
    shelf = [gain + middle * k_by_q + k_squared, 2 * (k_squared - gain), gain - middle * k_by_q + k_squared]
    shelf_poles = [1 + k_by_q + k_squared, 2 * (k_squared - 1), 1 - k_by_q + k_squared]
    k = np.tan(np.pi * HIGH_PASS_HZ / sample_rate)
    k_by_q, k_squared = k / HIGH_PASS_Q, k * k
    high_poles = [1 + k_by_q + k_squared, 2 * (k_squared - 1), 1 - k_by_q + k_squared]
    high_pass = [high_poles[0] * b for b in (1, -2, 1)]
    sections: NDArray[np.float64] = np.array([shelf + shelf_poles, high_pass + high_poles])
    sections /= sections[:, 3:4].copy()
    return sections


def integrated_lufs(hop_energies: Energies) -> float:
    """Gate and average mean squares of 100 ms by BS.1770-5, [n_hops] to LUFS; -inf if nothing is left."""
    blocks = _sliding_sum(np.asarray(hop_energies, np.float64), MOMENTARY_HOPS) / MOMENTARY_HOPS
    blocks = blocks[blocks > lufs_to_energy(ABSOLUTE_GATE_LUFS)]
    if not len(blocks):
        return -np.inf
    gated = blocks[blocks > blocks.mean() * 10 ** (RELATIVE_GATE_LU / 10)]
    return energy_to_lufs(float(gated.mean()))


def loudness_range_lu(hop_energies: Energies) -> float | None:
    """Loudness range of EBU Tech 3342 from mean squares of 100 ms, [n_hops] to LU.

    Windows of 3 s, ten a second, whole ones only. None where no window is above the gate.
    """
    windows = _sliding_sum(np.asarray(hop_energies, np.float64), SHORT_TERM_HOPS) / SHORT_TERM_HOPS
    windows = windows[windows >= lufs_to_energy(ABSOLUTE_GATE_LUFS)]
    if not len(windows):
        return None
    windows = np.sort(windows[windows >= windows.mean() * 10 ** (RANGE_GATE_LU / 10)])
    # Tech 3342 takes the nearest rank, not an interpolation.
    low, high = (windows[int((len(windows) - 1) * p / 100 + 0.5)] for p in RANGE_PERCENTILES)
    return float(10 * np.log10(high / low))


def energy_to_lufs(mean_square: float) -> float:
    """Loudness of a K-weighted, channel-summed mean square; -inf for zero."""
    return float(MEAN_SQUARE_OFFSET_LU + 10 * np.log10(mean_square)) if mean_square > 0 else -np.inf


def lufs_to_energy(loudness_lufs: float) -> float:
    """The K-weighted, channel-summed mean square that has this loudness."""
    return float(10 ** ((loudness_lufs - MEAN_SQUARE_OFFSET_LU) / 10))


def _add_up(parts_HS: Energies) -> Energies:
    """Sum over the last axis one column after the other: the same rounding for any number of rows."""
    total_H = parts_HS[:, 0].copy()
    for column in range(1, parts_HS.shape[1]):
        total_H += parts_HS[:, column]
    return total_H


def _sliding_sum(values: Energies, length: int) -> Energies:
    """Sums of every `length` neighbours, [max(0, n - length + 1)].

    Built from doubled windows, not from a running total: no rounding is carried along, so a quiet
    passage after a loud one is exact, and each sum is the same wherever the array starts.
    """
    if len(values) < length:
        return np.zeros(0)
    n_sums = len(values) - length + 1
    total = np.zeros(n_sums)
    window, width, offset = values, 1, 0
    while True:
        if length & width:
            total += window[offset : offset + n_sums]
            offset += width
        if offset == length:
            return total
        window, width = window[:-width] + window[width:], 2 * width
