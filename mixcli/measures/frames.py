"""Short-time spectra in blocks, and frequency bands on them.

Legend: `T` samples, `M` frames, `N` frequency bins, `B` bands.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_BLOCK = 256
Bands = Sequence[tuple[float, float]]  # lower edge (inside), upper edge (outside), Hz


def spectrum_blocks(signal_T: NDArray[np.float32], n_fft: int, hop: int) -> Iterator[NDArray[np.complex64]]:
    """Spectra under a periodic Hann window, in blocks of at most `FRAMES_PER_BLOCK` frames, [M, N].

    Only whole frames count; a signal shorter than one frame is filled up with silence. Divided by the
    window's sum, so that a sine of amplitude 1 on a bin reads 0.5 there (scipy.signal.stft with scaling
    "spectrum", no boundary, no padding).
    """
    from scipy.fft import rfft

    if len(signal_T) < n_fft:
        signal_T = np.pad(signal_T, (0, n_fft - len(signal_T)))
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)) / (0.5 * n_fft)
    window_N = window.astype(np.float32)
    total = count_frames(len(signal_T), n_fft, hop)
    for first in range(0, total, FRAMES_PER_BLOCK):
        stop = min(first + FRAMES_PER_BLOCK, total)
        part_T = np.asarray(signal_T[first * hop : (stop - 1) * hop + n_fft], np.float32)
        frames_MN = np.lib.stride_tricks.sliding_window_view(part_T, n_fft)[::hop] * window_N
        yield rfft(frames_MN, axis=1)


def count_frames(n_samples: int, n_fft: int, hop: int) -> int:
    """Whole frames of a signal; at least one."""
    return max((n_samples - n_fft) // hop + 1, 1)


def bin_frequencies(sample_rate: int, n_fft: int) -> NDArray[np.float64]:
    """Centre of each bin in Hz, [N]."""
    return np.asarray(np.arange(n_fft // 2 + 1) * (sample_rate / n_fft), np.float64)


def sum_bands(
    power_MN: NDArray[np.float32], frequencies_N: NDArray[np.float64], bands: Bands
) -> NDArray[np.float64]:
    """Energy in each band, [M, B]; a bin belongs to a band from its lower edge up to below its upper one."""
    edges = np.searchsorted(frequencies_N, np.array(bands, np.float64))
    return np.stack([power_MN[:, a:b].sum(axis=1, dtype=np.float64) for a, b in edges], axis=1)


def fractional_octaves(low_hz: float, high_hz: float, per_octave: int) -> list[tuple[float, float]]:
    """Bands of 1/`per_octave` octave about 1 kHz whose centres lie in a range."""
    steps = range(-10 * per_octave, 5 * per_octave + 1)
    centres = [1000.0 * 2.0 ** (step / per_octave) for step in steps]
    half = 2.0 ** (0.5 / per_octave)
    return [(centre / half, centre * half) for centre in centres if low_hz <= centre <= high_hz]
