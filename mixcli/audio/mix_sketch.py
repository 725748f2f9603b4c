"""What a limiter does to the loudness of a mix, estimated from a sketch of it that fits into memory.

Legend: `T` samples, `C` channels, `N` steps with a peak that stands out, `S` slots, `H` hops of 100 ms. A
*step* is a part of a millisecond, for which the gain is worked out; a *slot* is four of them.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.gain_curve import CHUNK, GainCurve
from mixcli.audio.interpolation import REACH
from mixcli.audio.loudness import GRIDS_AT_ONCE, hop_length, k_filter
from mixcli.audio.recursion import GRID, GridFilter
from mixcli.audio.true_peak import TruePeakMeter

HIGH_RATE_HZ = 32_000  # from there on a step is 16 samples, else 4
STEPS = 4  # of a slot

Energies = NDArray[np.float64]


class MixSketch:
    """Takes a mix block by block, [T, C], as it is rendered; keeps 3 kB for each second of it.

    It has the K-weighted energy of every slot and of every hop (those of `LoudnessMeter`), and the true peak.
    No result depends on how the stream is cut.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.sample_rate = sample_rate
        self.n_channels = n_channels
        self.step = step_length(sample_rate)
        self.true_peak = TruePeakMeter(sample_rate, n_channels)
        self._filter = GridFilter(k_filter(sample_rate, double=False), n_channels)
        self._waiting_CT: NDArray[np.float32] = np.zeros((n_channels, 0), np.float32)  # less than a grid
        self._hop = hop_length(sample_rate)
        self._n_samples = 0
        self._open_T: NDArray[np.float32] = np.zeros(0, np.float32)  # energies: less than a hop
        self._slots: list[NDArray[np.float32]] = []
        self._hops: list[Energies] = []
        exact = GainCurve(sample_rate, REACH)
        reach = -(-REACH // self.step)
        steps_per_s = sample_rate / self.step
        # The hold of the steps is as long as that of the samples.
        hold = exact.held / self.step - GainCurve(steps_per_s, reach).ahead
        self._curve = partial(GainCurve, steps_per_s, reach, hold_ms=1e3 * hold / steps_per_s)
        self._late = exact.early - self.step * self._curve().early - (self.step - 1) // 2
        self._finished = False
        self.true_peak_dbtp = -np.inf

    def push(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples, [T, C]."""
        self.true_peak.push(block_TC)
        signal_CT = block_TC.T
        if self._waiting_CT.shape[1]:
            signal_CT = np.concatenate([self._waiting_CT, signal_CT], axis=1)
        n_whole = signal_CT.shape[1] // GRID * GRID
        for start in range(0, n_whole, GRIDS_AT_ONCE * GRID):
            grids_CT = signal_CT[:, start : min(start + GRIDS_AT_ONCE * GRID, n_whole)]
            self._take(grids_CT, grids_CT.shape[1])
        self._waiting_CT = signal_CT[:, n_whole:].copy()

    def finish(self) -> None:
        """Take the samples that wait. Nothing may be pushed after it; once more does no harm."""
        if self._finished:
            return
        self._finished = True
        n_rest = self._waiting_CT.shape[1]
        if n_rest:
            self._take(np.pad(self._waiting_CT, ((0, 0), (0, GRID - n_rest))), n_rest)
        self.true_peak_dbtp = self.true_peak.finish()

    def hop_energies(self) -> Energies:
        """Mean square of the K-weighted mix per hop, summed over the channels, [H]; after `finish`."""
        return np.concatenate([*self._hops, np.zeros(0)])

    def steps_of(self, places_N: NDArray[np.int32]) -> NDArray[np.int32]:
        """The steps that peaks at these samples count in: their gains lie evenly about those of samples."""
        return (places_N - self._late) // self.step

    def limited(
        self, steps_N: NDArray[np.int32], peaks_N: NDArray[np.float32], ceiling: float
    ) -> tuple[Energies, NDArray[np.float32]]:
        """The energy and the highest reduction (dB) of each hop after a limiter, [H] each.

        For the reductions what is left at the end counts as a hop, too. The peaks are those above the ceiling
        (a factor) or more, each with its step, in order. The gain is that of the limiter for steps instead of
        samples, and a slot's energy goes with its square.
        """
        slots_S = np.concatenate([*self._slots, np.zeros(0, np.float32)])
        self._slots = [slots_S]  # in one piece from here on, not in two copies
        squares_S, lowest_S = self._gains(len(slots_S), steps_N, peaks_N, ceiling)
        squares_S *= slots_S
        energies_H = self.hop_energies()
        if not len(slots_S):
            return energies_H, np.zeros(0, np.float32)
        n_all = -(-self._n_samples // self._hop)
        starts_H = np.minimum(np.arange(n_all) * self._hop // (STEPS * self.step), len(slots_S) - 1)
        before_H = np.add.reduceat(slots_S, starts_H, dtype=np.float64)[: len(energies_H)]
        after_H = np.add.reduceat(squares_S, starts_H, dtype=np.float64)[: len(energies_H)]
        kept_H = np.divide(after_H, before_H, out=np.ones_like(before_H), where=before_H > 0)
        lowest_H = np.minimum.reduceat(lowest_S, starts_H)
        return energies_H * kept_H, -20 * np.log10(lowest_H)

    def _take(self, grids_CT: NDArray[np.float32], n_samples: int) -> None:
        """Weight whole grids and gather the energies of their first samples."""
        if not self._filter.state_CN.any() and not grids_CT.any():
            energy_T = np.zeros(grids_CT.shape[1], np.float32)
        else:
            weighted_CT = self._filter.push(grids_CT)
            np.square(weighted_CT, out=weighted_CT)
            energy_T = weighted_CT.sum(axis=0)
        energy_T[n_samples:] = 0.0
        self._n_samples += n_samples
        slot = STEPS * self.step
        n_slots = -(-n_samples // slot)
        self._slots.append(np.add.reduceat(energy_T, np.arange(0, n_slots * slot, slot)))
        open_T = np.concatenate([self._open_T, energy_T[:n_samples]])
        n_whole = len(open_T) // self._hop * self._hop
        hops_HT = open_T[:n_whole].reshape(-1, self._hop)
        self._hops.append(hops_HT.sum(axis=1, dtype=np.float64) / self._hop)
        self._open_T = open_T[n_whole:].copy()

    def _gains(
        self, n_slots: int, steps_N: NDArray[np.int32], peaks_N: NDArray[np.float32], ceiling: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The mean square and the lowest of the gain in each slot, [S] each."""
        curve = self._curve()
        over_N = peaks_N > ceiling
        reductions_N = 20 * np.log10(peaks_N[over_N].astype(np.float64) / ceiling)
        # As in the limiter: no reduction, led in, so that the gain is down in time for the first step.
        n_led_in = -(-curve.ahead // STEPS)
        steps_N = steps_N[over_N] + n_led_in * STEPS
        n_chunks = -(-(n_slots + n_led_in) * STEPS // CHUNK)
        # Slots in rows, so that memory holds no gain of every step.
        found = np.empty((2, n_chunks * CHUNK // STEPS), np.float32)
        for chunk in range(n_chunks + 1):
            first, stop = np.searchsorted(steps_N, (chunk * CHUNK, (chunk + 1) * CHUNK))
            required_T = None
            if first < stop:
                required_T = np.zeros(CHUNK)
                np.maximum.at(required_T, steps_N[first:stop] - chunk * CHUNK, reductions_N[first:stop])
            gain_T = curve.push(required_T)
            if gain_T is not None:
                square_S, lowest_S = found[:, (chunk - 1) * CHUNK // STEPS : chunk * CHUNK // STEPS]
                square_S[:], lowest_S[:] = np.square(gain_T[::STEPS]), gain_T[::STEPS]
                for place in range(1, STEPS):
                    square_S += np.square(gain_T[place::STEPS])
                    np.minimum(lowest_S, gain_T[place::STEPS], out=lowest_S)
        square_S, lowest_S = found[:, n_led_in : n_led_in + n_slots]
        square_S /= STEPS
        return square_S, lowest_S


def step_length(sample_rate: int) -> int:
    """The samples of a step."""
    return 16 if sample_rate >= HIGH_RATE_HZ else 4
