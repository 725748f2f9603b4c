"""The meters of the survey: loudness and peaks per 100 ms, and energy of mid and side per band.

Legend: T samples, C channels, S segments, F frequency bins, P their real and imaginary parts, H hops.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length, k_weighting_sos
from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter
from mixcli.songs.stem_sound import SoundMeter, StemSound
from mixcli.songs.third_octaves import EDGES_HZ, N_LOW, LowSpectrum, band_energies

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
        n_open = self._open_CT.shape[1]
        if n_open and n_open + weighted_CT.shape[1] >= self._hop:  # the hop that is open, then whole ones
            first_CT = np.concatenate([self._open_CT, weighted_CT[:, : self._hop - n_open]], axis=1)
            self._add_hops(first_CT)
            weighted_CT = weighted_CT[:, self._hop - n_open :]
        elif n_open:
            weighted_CT = np.concatenate([self._open_CT, weighted_CT], axis=1)
        n_whole = weighted_CT.shape[1] // self._hop * self._hop
        self._add_hops(weighted_CT[:, :n_whole])
        self._open_CT = weighted_CT[:, n_whole:].copy()

    def _add_hops(self, weighted_CT: NDArray[np.float32]) -> None:
        energies_H = np.zeros(weighted_CT.shape[1] // self._hop)
        for weighted_T in weighted_CT:
            hops_HT = weighted_T.reshape(-1, self._hop)
            energies_H += np.matmul(hops_HT[:, None], hops_HT[..., None])[:, 0, 0]
        self._energies_H.append(energies_H / self._hop)


class PeakMeter:
    """The highest |sample| of every 100 ms over the channels, on the hops of `HopMeter`."""

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self._hop = hop_length(sample_rate)
        self._open_TC = np.zeros((0, n_channels), np.float32)  # less than a hop
        self._peaks_H: list[Block] = []

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        n_open = len(self._open_TC)
        n_hops, n_rest = divmod(n_open + len(block_TC), self._hop)
        if n_hops and n_open:  # the hop that is open, then those that lie whole in the block
            first_TC = np.concatenate([self._open_TC, block_TC[: self._hop - n_open]])
            self._peaks_H.append(_peaks(first_TC, 1))
            block_TC, n_hops, n_open = block_TC[self._hop - n_open :], n_hops - 1, 0
        if n_hops:
            whole_TC = block_TC[: n_hops * self._hop]
            self._peaks_H.append(np.zeros(n_hops, np.float32) if silent else _peaks(whole_TC, n_hops))
        rest_TC = block_TC[len(block_TC) - (n_rest - n_open) :]
        self._open_TC = np.concatenate([self._open_TC, rest_TC]) if n_open else rest_TC.copy()

    def finish(self) -> Block:
        """All whole hops, float32 [H]; of a sound shorter than one, its peak."""
        if not self._peaks_H and len(self._open_TC):
            return _peaks(self._open_TC, 1)
        return np.concatenate([*self._peaks_H, np.zeros(0, np.float32)])


class BandMeter:
    """Energy of mid and side in five bands and of both in thirds of an octave, by short transforms.

    Segments overlap by an eighth, where one fades out as the next fades in with constant power: every sample
    counts once, and next to nothing of a loud bass leaks into the upper bands, as it would from hard cuts.
    """

    def __init__(self, sample_rate: int, n_channels: int, *, with_sound: bool = False) -> None:
        """`with_sound`: gather what the sound is like too, which takes another fifth of the time."""
        self._length = 2 ** round(math.log2(SEGMENT_S * sample_rate))
        self._overlap = self._length // 8
        self._step = self._length - self._overlap
        fade_T = np.sin((np.arange(self._overlap) + 0.5) * np.pi / 2 / self._overlap)
        plateau_T = np.ones(self._length - 2 * self._overlap)
        self._window_T = np.concatenate([fade_T, plateau_T, fade_T[::-1]]).astype(np.float32)
        self._frequencies_F = np.arange(self._length // 2 + 1) * sample_rate / self._length
        self._bands = [
            slice(*np.searchsorted(self._frequencies_F, (low, min(high, sample_rate / 2))).tolist())
            for low, high in BAND_EDGES_HZ
        ]
        self._n_bins = int(np.searchsorted(self._frequencies_F, EDGES_HZ[-1])) + 1
        self._frequencies_F = self._frequencies_F[: self._n_bins]
        self._squares_CP = np.zeros(
            (n_channels, 2 * len(self._frequencies_F))
        )  # of real and imaginary parts in turn
        self._low = LowSpectrum(sample_rate, n_channels, SEGMENTS_AT_ONCE * self._step)
        self._sound = SoundMeter(sample_rate, self._length, self._step) if with_sound else None
        self._at_rest = True  # nothing but silence waits
        self._waiting_CT = self._silence()

    def push(self, block_TC: Block, *, silent: bool = False) -> None:
        """Take the next samples, [T, C]; `silent` says that all of them are zero."""
        if silent and self._at_rest:
            return
        n_waiting = self._waiting_CT.shape[1]
        signal_CT = np.empty((len(self._squares_CP), n_waiting + len(block_TC)), np.float32)
        signal_CT[:, :n_waiting] = self._waiting_CT
        _to_mid_and_side(block_TC, signal_CT[:, n_waiting:])
        n_pass = SEGMENTS_AT_ONCE * self._step
        n_passes = max(0, (signal_CT.shape[1] - self._overlap) // n_pass)
        for index in range(n_passes):
            self._add(signal_CT[:, index * n_pass : (index + 1) * n_pass + self._overlap])
        self._waiting_CT = signal_CT[:, n_passes * n_pass :].copy()
        self._at_rest = silent and not self._waiting_CT.any()
        if self._at_rest:
            self._waiting_CT = self._silence()  # after a rest the grid of segments begins anew
            self._low.rest()
            if self._sound is not None:
                self._sound.rest()

    def finish(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Energies of mid and side, per band: sums of squares of the samples."""
        self._end()
        scale = 2.0 / self._length  # Parseval; no band reaches the one-sided bins at either end
        energies = [
            tuple(scale * float(power_F[band].sum()) for band in self._bands) for power_F in self._powers()
        ]
        return energies[0], energies[1] if len(energies) == 2 else (0.0,) * len(self._bands)

    def third_octaves(self) -> tuple[float, ...]:
        """Energies of mid and side together around `third_octaves.CENTRES_HZ`: sums of squares, 30."""
        self._end()
        short_B = band_energies(self._frequencies_F, 2.0 / self._length * self._powers().sum(axis=0))
        long_B = band_energies(self._low.frequencies_F, self._low.power())
        return (*long_B[:N_LOW].tolist(), *short_B[N_LOW:].tolist())

    def sound(self) -> StemSound:
        """What the sound is like; nothing if it was not asked for."""
        self._end()
        return self._sound.finish() if self._sound is not None else StemSound()

    def _end(self) -> None:
        """Let silence follow, until nothing waits."""
        silence_TC = np.zeros((SEGMENTS_AT_ONCE * self._step, len(self._squares_CP)), np.float32)
        while not self._at_rest:
            self.push(silence_TC, silent=True)

    def _powers(self) -> NDArray[np.float64]:
        """The energy of each channel so far, per bin, [C, F]."""
        powers_CF: NDArray[np.float64] = self._squares_CP[:, ::2] + self._squares_CP[:, 1::2]
        return powers_CF

    def _silence(self) -> Block:
        return np.zeros((len(self._squares_CP), self._overlap), np.float32)

    def _add(self, signal_CT: Block) -> None:
        """Add one pass of mid and side, or of the one channel, [C, SEGMENTS_AT_ONCE * step + overlap]."""
        low_CL = self._low.add(signal_CT)
        spectra_CSF = self._spectra(signal_CT)
        if self._sound is None:
            parts_CSP = spectra_CSF.view(np.float32)  # real and imaginary parts in turn
            self._squares_CP += np.einsum("csp,csp->cp", parts_CSP, parts_CSP)
            return
        powers_CSF = np.square(spectra_CSF.real)
        powers_CSF += np.square(spectra_CSF.imag)
        self._squares_CP[:, ::2] += powers_CSF.sum(axis=1)
        n_pass = SEGMENTS_AT_ONCE * self._step
        self._sound.add(sum(powers_CSF[1:], powers_CSF[0]), signal_CT[:, :n_pass], low_CL)

    def _spectra(self, signal_CT: Block) -> NDArray[np.complex64]:
        """The spectra of a pass, up to the highest band, [C, S, F]."""
        from scipy.fft import rfft

        segments_CST = np.empty((len(signal_CT), SEGMENTS_AT_ONCE, self._length), np.float32)
        # A view of overlapping rows; numpy's own function for it takes as long as the transforms.
        shape, strides = (SEGMENTS_AT_ONCE, self._length), (self._step * ITEM_BYTES, ITEM_BYTES)
        for segments_ST, signal_T in zip(segments_CST, signal_CT, strict=True):
            np.multiply(
                np.ndarray(shape, np.float32, signal_T, strides=strides), self._window_T, out=segments_ST
            )
        spectra: NDArray[np.complex64] = rfft(segments_CST, overwrite_x=True)[..., : self._n_bins]
        return spectra


def _to_mid_and_side(block_TC: Block, out_CT: Block) -> None:
    """Write mid and side of left and right, or the one channel, into rows."""
    if len(out_CT) == 1:
        out_CT[0] = block_TC[:, 0]
        return
    left_T, right_T = block_TC[:, 0], block_TC[:, 1]
    np.add(left_T, right_T, out=out_CT[0])
    np.subtract(left_T, right_T, out=out_CT[1])
    out_CT *= np.float32(0.5)


def _peaks(hops_TC: Block, n_hops: int) -> Block:
    """The highest |sample| of each of so many hops, [T, C] to [H]."""
    peaks_H = np.zeros(n_hops, np.float32)
    for hops_T in hops_TC.T:
        hops_HT = hops_T.reshape(n_hops, -1)
        np.maximum(peaks_H, hops_HT.max(axis=1), out=peaks_H)
        np.maximum(peaks_H, -hops_HT.min(axis=1), out=peaks_H)
    return peaks_H
