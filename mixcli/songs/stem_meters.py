"""The two filters of the survey: loudness per 100 ms, and energy of mid and side per band.

Legend: T samples, C channels, S segments, F frequency bins, H hops.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length, k_weighting_sos

BAND_EDGES_HZ = ((100.0, 200.0), (200.0, 500.0), (500.0, 2000.0), (2000.0, 6000.0), (6000.0, 12_000.0))
SEGMENT_S = 0.085  # of the band analysis: resolves 12 Hz
SEGMENTS_AT_ONCE = 16  # few enough to stay in the cache
NEGLIGIBLE_STATE = 1e-15  # filter state below -300 dBFS counts as rest

Block = NDArray[np.float32]


class HopMeter:
    """The K-weighted mean square of every 100 ms, summed over the channels: what a loudness is made of.

    It finds the hop energies of `LoudnessMeter` and nothing else, in half the time. A silent block costs
    nothing once the filter is at rest.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self._sos_S6 = k_weighting_sos(sample_rate)
        self._state_SC2 = np.zeros((len(self._sos_S6), n_channels, 2))
        self._hop = hop_length(sample_rate)
        self._energies_H: list[NDArray[np.float64]] = []
        self._open_energy = 0.0  # of the hop that is not full yet
        self._open_length = 0

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        from scipy.signal import sosfilt

        if silent and np.abs(self._state_SC2).max() < NEGLIGIBLE_STATE:
            self._state_SC2[:] = 0.0
            self._collect(np.zeros((1, len(block_TC))))
            return
        signal_CT = block_TC.T.astype(np.float64, order="C")
        weighted_CT, self._state_SC2 = sosfilt(self._sos_S6, signal_CT, zi=self._state_SC2)
        self._collect(weighted_CT)

    def finish(self) -> NDArray[np.float64]:
        """All whole hops, [H]; of a sound shorter than one, that hop with silence behind it."""
        if not self._energies_H and self._open_length:
            return np.array([self._open_energy / self._hop])
        return np.concatenate([*self._energies_H, np.zeros(0)])

    def _collect(self, weighted_CT: NDArray[np.float64]) -> None:
        n_samples = weighted_CT.shape[1]
        n_first = min((self._hop - self._open_length) % self._hop, n_samples)
        self._add_open(weighted_CT[:, :n_first])
        n_whole = (n_samples - n_first) // self._hop
        if n_whole:
            hops_CHT = weighted_CT[:, n_first : n_first + n_whole * self._hop].reshape(-1, n_whole, self._hop)
            self._energies_H.append(np.einsum("cht,cht->h", hops_CHT, hops_CHT) / self._hop)
        self._add_open(weighted_CT[:, n_first + n_whole * self._hop :])

    def _add_open(self, weighted_CT: NDArray[np.float64]) -> None:
        if not weighted_CT.shape[1]:
            return
        self._open_energy += float(np.einsum("ct,ct->", weighted_CT, weighted_CT))
        self._open_length += weighted_CT.shape[1]
        if self._open_length == self._hop:
            self._energies_H.append(np.array([self._open_energy / self._hop]))
            self._open_energy, self._open_length = 0.0, 0


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
        self._n_channels = n_channels
        self._power_F = np.zeros((n_channels, len(frequencies_F)))
        self._at_rest = True  # nothing but silence waits
        self._waiting_TC = self._silence()

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        if silent and self._at_rest:
            return
        signal_TC = np.concatenate([self._waiting_TC, block_TC])
        n_whole = max(0, (len(signal_TC) - self._overlap) // self._step)
        for first in range(0, n_whole, SEGMENTS_AT_ONCE):
            last = min(first + SEGMENTS_AT_ONCE, n_whole)
            self._add(signal_TC[first * self._step : last * self._step + self._overlap])
        self._waiting_TC = signal_TC[n_whole * self._step :].copy()
        self._at_rest = silent and not self._waiting_TC.any()
        if self._at_rest:
            self._waiting_TC = self._silence()  # after a rest the grid of segments begins anew

    def finish(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Energies of mid and side, per band: sums of squares of the samples."""
        if not self._at_rest:
            self.push(np.zeros((self._length, self._n_channels), np.float32))
        scale = 2.0 / self._length  # Parseval; no band reaches the one-sided bins at either end
        energies = [
            tuple(scale * float(power_F[band].sum()) for band in self._bands) for power_F in self._power_F
        ]
        return energies[0], energies[1] if self._n_channels == 2 else (0.0,) * len(self._bands)

    def _silence(self) -> Block:
        return np.zeros((self._overlap, self._n_channels), np.float32)

    def _add(self, signal_TC: Block) -> None:
        from scipy.fft import rfft

        if self._n_channels == 2:
            left_T, right_T = signal_TC[:, 0], signal_TC[:, 1]
            signals = [(left_T + right_T) * np.float32(0.5), (left_T - right_T) * np.float32(0.5)]
        else:
            signals = [np.ascontiguousarray(signal_TC[:, 0])]
        for row, signal_T in enumerate(signals):
            segments_ST = np.lib.stride_tricks.sliding_window_view(signal_T, self._length)[:: self._step]
            spectrum_SF = rfft(segments_ST * self._window_T, overwrite_x=True)
            parts_SF = spectrum_SF.view(np.float32)  # real and imaginary parts side by side
            self._power_F[row] += np.einsum("sf,sf->f", parts_SF, parts_SF).reshape(-1, 2).sum(axis=1)
