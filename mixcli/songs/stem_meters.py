"""The two filters of the survey: loudness per 100 ms, and energy of mid and side per band.

Legend: T samples, C channels, S segments, F frequency bins, H hops.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length, k_weighting_sos
from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter

BAND_EDGES_HZ = ((100.0, 200.0), (200.0, 500.0), (500.0, 2000.0), (2000.0, 6000.0), (6000.0, 12_000.0))
SEGMENT_S = 0.085  # of the band analysis: resolves 12 Hz
GRIDS_AT_ONCE = 8  # filtered side by side; bounds the work memory
SEGMENTS_AT_ONCE = 8  # transformed side by side; few enough to stay in the cache
ITEM_BYTES = 4  # of a float32

Block = NDArray[np.float32]


class HopMeter:
    """The K-weighted mean square of every 100 ms, summed over the channels: what a loudness is made of.

    It finds the hop energies of `LoudnessMeter` and nothing else, in a third of the time; they are the same
    bit for bit however the stream is cut. A silent block costs nothing once the filter is at rest.
    """

    def __init__(self, sample_rate: int, n_channels: int, k_filter: FilterMatrices | None = None) -> None:
        """`k_filter` are the K filter's matrices at that rate, where others have use for them too."""
        matrices = k_filter or FilterMatrices(k_weighting_sos(sample_rate))
        self._filter = GridFilter(matrices, n_channels)
        self._hop = hop_length(sample_rate)
        self._waiting_CT = np.zeros((n_channels, 0), np.float32)  # for the filter: less than a grid
        self._open_CT = np.zeros((n_channels, 0), np.float32)  # weighted already: less than a hop
        self._energies_H: list[NDArray[np.float64]] = []

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        signal_CT = block_TC.T
        if self._waiting_CT.shape[1]:
            silent = silent and not self._waiting_CT.any()
            signal_CT = np.concatenate([self._waiting_CT, signal_CT], axis=1)
        n_whole = signal_CT.shape[1] // GRID * GRID
        self._waiting_CT = signal_CT[:, n_whole:].copy()
        if silent and not self._filter.state_CN.any():
            self._collect(np.zeros((len(signal_CT), n_whole), np.float32))
            return
        for start in range(0, n_whole, GRIDS_AT_ONCE * GRID):
            part = slice(start, min(start + GRIDS_AT_ONCE * GRID, n_whole))
            self._collect(self._filter.push(signal_CT[:, part]))

    def finish(self) -> NDArray[np.float64]:
        """All whole hops, [H]; of a sound shorter than one, that hop with silence behind it."""
        n_channels, n_rest = self._waiting_CT.shape
        padded_CT = np.zeros((n_channels, GRID), np.float32)
        padded_CT[:, :n_rest] = self._waiting_CT
        self._collect(self._filter.push(padded_CT)[:, :n_rest])
        energies_H = np.concatenate([*self._energies_H, np.zeros(0)])
        if not len(energies_H) and self._open_CT.shape[1]:
            return np.array([float(np.square(self._open_CT).sum()) / self._hop])
        return energies_H

    def _collect(self, weighted_CT: NDArray[np.float32]) -> None:
        if self._open_CT.shape[1]:
            weighted_CT = np.concatenate([self._open_CT, weighted_CT], axis=1)
        n_hops = weighted_CT.shape[1] // self._hop
        energies_H = np.zeros(n_hops)
        for weighted_T in weighted_CT:
            hops_HT = weighted_T[: n_hops * self._hop].reshape(n_hops, self._hop)
            energies_H += np.square(hops_HT).sum(axis=1)
        self._energies_H.append(energies_H / self._hop)
        self._open_CT = weighted_CT[:, n_hops * self._hop :].copy()


class BandMeter:
    """Energy of mid and side in five bands, by short transforms.

    Segments overlap by an eighth, where one fades out as the next fades in with constant power: every sample
    counts once, and next to nothing of a loud bass leaks into the upper bands, as it would from hard cuts.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self._length = 2 ** round(math.log2(SEGMENT_S * sample_rate))
        self._overlap = self._length // 8
        self._step = self._length - self._overlap
        fade_T = np.sin((np.arange(self._overlap) + 0.5) * np.pi / 2 / self._overlap)
        plateau_T = np.ones(self._length - 2 * self._overlap)
        self._window_T = np.concatenate([fade_T, plateau_T, fade_T[::-1]]).astype(np.float32)
        frequencies_F = np.arange(self._length // 2 + 1) * sample_rate / self._length
        self._bands = [
            slice(*np.searchsorted(frequencies_F, (low, min(high, sample_rate / 2))).tolist())
            for low, high in BAND_EDGES_HZ
        ]
        lowest, highest = min(band.start for band in self._bands), max(band.stop for band in self._bands)
        self._needed = slice(lowest, highest)
        self._power_CF = np.zeros((n_channels, len(frequencies_F)))
        self._at_rest = True  # nothing but silence waits
        self._waiting_CT = self._silence()

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        if silent and self._at_rest:
            return
        signal_CT = np.concatenate([self._waiting_CT, block_TC.T], axis=1)
        n_pass = SEGMENTS_AT_ONCE * self._step
        n_passes = max(0, (signal_CT.shape[1] - self._overlap) // n_pass)
        for index in range(n_passes):
            self._add(signal_CT[:, index * n_pass : (index + 1) * n_pass + self._overlap])
        self._waiting_CT = signal_CT[:, n_passes * n_pass :].copy()
        self._at_rest = silent and not self._waiting_CT.any()
        if self._at_rest:
            self._waiting_CT = self._silence()  # after a rest the grid of segments begins anew

    def finish(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Energies of mid and side, per band: sums of squares of the samples."""
        n_channels = len(self._power_CF)
        if not self._at_rest:
            self.push(np.zeros((SEGMENTS_AT_ONCE * self._step, n_channels), np.float32))
        scale = 2.0 / self._length  # Parseval; no band reaches the one-sided bins at either end
        energies = [
            tuple(scale * float(power_F[band].sum()) for band in self._bands) for power_F in self._power_CF
        ]
        return energies[0], energies[1] if n_channels == 2 else (0.0,) * len(self._bands)

    def _silence(self) -> Block:
        return np.zeros((len(self._power_CF), self._overlap), np.float32)

    def _add(self, signal_CT: Block) -> None:
        """Add the power of one pass, [C, SEGMENTS_AT_ONCE * step + overlap]."""
        from scipy.fft import rfft

        if len(signal_CT) == 2:
            half, (left_T, right_T) = np.float32(0.5), signal_CT
            signal_CT = np.stack([(left_T + right_T) * half, (left_T - right_T) * half])
        for power_F, signal_T in zip(self._power_CF, signal_CT, strict=True):
            # A view of overlapping rows; numpy's own function for it takes as long as the transforms.
            shape, strides = (SEGMENTS_AT_ONCE, self._length), (self._step * ITEM_BYTES, ITEM_BYTES)
            segments_ST = np.ndarray(shape, np.float32, np.ascontiguousarray(signal_T), strides=strides)
            spectrum_SF = rfft(segments_ST * self._window_T, overwrite_x=True)
            parts_SF = spectrum_SF[:, self._needed].view(np.float32)  # real and imaginary parts side by side
            power_F[self._needed] += np.einsum("sf,sf->f", parts_SF, parts_SF).reshape(-1, 2).sum(axis=1)
