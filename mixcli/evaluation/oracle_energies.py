"""Energies of stems, mixes and references per frame and band, as the oracle fits and corrects by.

Legend: `T` samples, `C` channels (left, right), `K` sources (stems' middles, then their sides), `M` frames,
`N` frequency bins, `B` bands.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.evaluation.oracle_console import Gains, Signal, console_bands, cut_block, frame_length
from mixcli.measures.frames import Bands, bin_frequencies, count_frames, spectrum_blocks, sum_bands

HOPS_PER_FRAME = 4  # hops per frame


def mean_energies(blocks: Iterable[Signal], sample_rate: int) -> Gains:
    """Mean energy per frame of middle, side and their product in every band, of blocks [T, 2]; [3, B]."""
    n_fft, bands = frame_length(sample_rate), console_bands(sample_rate)
    hop = n_fft // HOPS_PER_FRAME
    power_3N, n_frames = np.zeros((3, n_fft // 2 + 1)), 0
    rest_TC = np.zeros((0, 2), np.float32)
    for block_TC in blocks:
        rest_TC = np.concatenate([rest_TC, block_TC])
        if len(rest_TC) < n_fft:
            continue
        for mid_MN, side_MN in _mid_side(rest_TC, n_fft):
            both_MN = mid_MN.real * side_MN.real + mid_MN.imag * side_MN.imag
            for power_N, frames_MN in zip(power_3N, (_power(mid_MN), _power(side_MN), both_MN), strict=True):
                power_N += frames_MN.sum(axis=0, dtype=np.float64)
            n_frames += len(mid_MN)
        rest_TC = rest_TC[count_frames(len(rest_TC), n_fft, hop) * hop :]
    mean_3N = (power_3N / max(n_frames, 1)).astype(np.float32)
    return sum_bands(mean_3N, bin_frequencies(sample_rate, n_fft), bands)


def target_energies(
    reference_TC: Signal, first: int, n_frames: int, bands: Bands, sample_rate: int
) -> NDArray[np.float32]:
    """Band energies of middle, side, left, right of a reference in some frames, [4, M, B]."""
    n_fft, hop = frame_length(sample_rate), frame_length(sample_rate) // HOPS_PER_FRAME
    frequencies_N = bin_frequencies(sample_rate, n_fft)
    energy_4MB = np.zeros((4, n_frames, len(bands)), np.float32)
    part_TC = reference_TC[first * hop : (first + n_frames - 1) * hop + n_fft]
    start = 0
    for mid_MN, side_MN in _mid_side(part_TC, n_fft):
        stop = start + len(mid_MN)
        for row, signal_MN in enumerate((mid_MN, side_MN, mid_MN + side_MN, mid_MN - side_MN)):
            energy_4MB[row, start:stop] = sum_bands(_power(signal_MN), frequencies_N, bands)
        start = stop
    return energy_4MB


def source_energies(
    stems: Sequence[Signal], first: int, n_frames: int, bands: Bands, sample_rate: int
) -> Gains:
    """Band energies of the stems' middles, then of their sides, in some frames, [K, M, B]."""
    n_fft = frame_length(sample_rate)
    frequencies_N = bin_frequencies(sample_rate, n_fft)
    energy_KMB = np.zeros((2 * len(stems), n_frames, len(bands)))
    for stem, stem_TC in enumerate(stems):
        for row, power_MN in enumerate(_power(_frames_of(stem_TC, first, n_frames, n_fft))):
            energy_KMB[stem + row * len(stems)] = sum_bands(power_MN, frequencies_N, bands)
    return energy_KMB


def frame_count(signal_TC: Signal, n_fft: int) -> int:
    """Whole frames of a signal; at least one."""
    return count_frames(len(signal_TC), n_fft, n_fft // HOPS_PER_FRAME)


def frame_samples(first: int, n_frames: int, n_fft: int) -> tuple[int, int]:
    """Where some frames start and stop."""
    hop = n_fft // HOPS_PER_FRAME
    return first * hop, (first + n_frames - 1) * hop + n_fft


def _frames_of(signal_TC: Signal, first: int, n_frames: int, n_fft: int) -> NDArray[np.complex64]:
    """Spectra of middle and side of some frames, [2, M, N], silence after the end."""
    part_TC = cut_block(signal_TC, *frame_samples(first, n_frames, n_fft))
    return next(_mid_side(part_TC, n_fft))


def _mid_side(signal_TC: Signal, n_fft: int) -> Iterator[NDArray[np.complex64]]:
    """Spectra of middle and side in blocks of frames, [2, M, N]."""
    channels = [spectrum_blocks(signal_TC[:, side], n_fft, n_fft // HOPS_PER_FRAME) for side in (0, 1)]
    for left_MN, right_MN in zip(*channels, strict=True):
        spectra_2MN: NDArray[np.complex64] = np.stack([left_MN + right_MN, left_MN - right_MN])
        spectra_2MN *= np.float32(0.5)
        yield spectra_2MN


def _power(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    power: NDArray[np.float32] = spectra.real**2 + spectra.imag**2
    return power
