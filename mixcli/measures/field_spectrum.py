"""Spectral and panning features of the field's feature set, frame by frame.

Frames of 4096 samples, 1024 apart, under the root of a periodic Hann window, not centred; the same lengths at
every rate. Legend: `T` samples, `C` channels, `M` frames, `N` frequency bins, `B` bands.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_FFT, HOP = 4096, 1024
ROLLOFF_SHARE = 0.85
CONTRAST_LOWEST_HZ, CONTRAST_BANDS, CONTRAST_QUANTILE = 250.0, 4, 0.02
PANNING_EDGES_HZ = (0, 250, 2500)  # and half the sample rate
FLATNESS_FLOOR = 1e-10  # of the field's programs, on the power of a signal whose peak is at -1 dBFS
# What lies more than 80 dB below the loudest bin of a frame is what a lossy coder, a converter or a resampler
# leaves, not what an engineer set: the robust features do not look at it.
FLOOR_DB = -80.0

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SpectralFrames:
    """Features of frames of one channel; those named `_hz` are 0 in a silent frame.

    `peaks_MB` and `valleys_MB` are the means of the highest and lowest 2 % of the magnitudes in each of the
    five contrast bands, at the signal's own level. `flatness_M` (geometric by arithmetic mean of the power)
    is cut at the field's absolute floor, `flatness_db_M` at `FLOOR_DB` below the loudest bin, `loudest_M`.
    """

    centroid_hz_M: Floats
    bandwidth_hz_M: Floats
    rolloff_hz_M: Floats
    peaks_MB: Floats
    valleys_MB: Floats
    flatness_M: Floats
    flatness_db_M: Floats
    loudest_M: Floats


def magnitudes(signal_T: Samples, gain: float = 1.0) -> Samples:
    """Magnitudes of the whole frames of a signal, [M, N]; for short stretches, the caller's blocks.

    SOURCE: automix-toolkit, `compute_stft`: not divided by the window's sum, no padding.
    """
    from scipy.fft import rfft

    window_N = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)) * gain
    frames_MN = np.lib.stride_tricks.sliding_window_view(signal_T, N_FFT)[::HOP]
    spectrum_MN = rfft(frames_MN * window_N.astype(signal_T.dtype), axis=1)
    result: Samples = np.sqrt(spectrum_MN.real**2 + spectrum_MN.imag**2)
    return result


def spectral_frames(magnitude_MN: Samples, frequencies_N: Floats, gain: float) -> SpectralFrames:
    """Features of the magnitudes of one channel, [M, N]; `gain` would bring the peak to -1 dBFS.

    SOURCE: librosa's spectral_centroid, _bandwidth (p = 2), _rolloff, _contrast and _flatness.
    """
    centroid_hz_M, bandwidth_hz_M = _centroid_and_bandwidth(magnitude_MN, frequencies_N)
    peaks_MB, valleys_MB = _contrast_extremes(magnitude_MN, frequencies_N)
    loudest_M = magnitude_MN.max(axis=1)
    flatness_M, flatness_db_M = _flatness(magnitude_MN, loudest_M, gain)
    return SpectralFrames(
        centroid_hz_M=centroid_hz_M,
        bandwidth_hz_M=bandwidth_hz_M,
        rolloff_hz_M=_rolloff(magnitude_MN, frequencies_N),
        peaks_MB=peaks_MB,
        valleys_MB=valleys_MB,
        flatness_M=flatness_M,
        flatness_db_M=flatness_db_M,
        loudest_M=loudest_M.astype(np.float64),
    )


def panning_frames(left_MN: Samples, right_MN: Samples, sample_rate: int) -> tuple[Floats, Floats]:
    """RMS of the stereo panning spectrum per frame, [M, 4] over all bins and [M, 4] over the active ones.

    The four are total, low, mid and high. With magnitudes l and r the spectrum is 1 - 2 l r / (l² + r²) in
    size: 0 in the middle and where both are 0, 1 at the sides. Bands are [0, 250), [250, 2500) and from there
    to half the rate, as bins rounded down. Active bins are less than 80 dB below the frame's loudest; a band
    without any gives nan there, and a band without bins gives nan in both.

    SOURCE: Tzanetakis, Jones, McNally, "Stereo panning features for classifying recording production style",
    ISMIR 2007; the bands of automix-toolkit.
    """
    power_MN = left_MN * left_MN + right_MN * right_MN
    tiny = np.finfo(np.float32).tiny
    panning_MN = (left_MN - right_MN) ** 2 / np.maximum(power_MN, tiny)
    squared_MN = panning_MN * panning_MN
    active_MN = power_MN > power_MN.max(axis=1, keepdims=True) * 10 ** (FLOOR_DB / 10)
    edges = [int(edge * N_FFT // sample_rate) for edge in (*PANNING_EDGES_HZ, sample_rate // 2)]
    ranges = [(edges[0], edges[3]), *pairwise(edges)]
    bands_MB = np.full((len(power_MN), len(ranges)), np.nan)
    active_MB = bands_MB.copy()
    for band, (first, stop) in enumerate(ranges):
        if stop <= first:
            continue
        part_MN, heard_MN = squared_MN[:, first:stop], active_MN[:, first:stop]
        bands_MB[:, band] = np.sqrt(part_MN.mean(axis=1))
        count_M = heard_MN.sum(axis=1)
        total_M = (part_MN * heard_MN).sum(axis=1)
        active_MB[:, band] = np.where(count_M > 0, np.sqrt(total_M / np.maximum(count_M, 1)), np.nan)
    return bands_MB, active_MB


def _centroid_and_bandwidth(magnitude_MN: Samples, frequencies_N: Floats) -> tuple[Floats, Floats]:
    # In float64: the bandwidth is a difference of large moments.
    weights_NB = np.stack([np.ones_like(frequencies_N), frequencies_N, frequencies_N**2], axis=1)
    total_M, first_M, second_M = (magnitude_MN.astype(np.float64) @ weights_NB).T
    heard_M = total_M >= np.finfo(np.float32).tiny
    total_M = np.where(heard_M, total_M, 1.0)
    centroid_hz_M = np.where(heard_M, first_M / total_M, 0.0)
    variance_M = np.where(heard_M, second_M / total_M - centroid_hz_M**2, 0.0)
    return centroid_hz_M, np.sqrt(np.maximum(variance_M, 0.0))


def _rolloff(magnitude_MN: Samples, frequencies_N: Floats) -> Floats:
    sums_MN = np.cumsum(magnitude_MN, axis=1, dtype=np.float64)
    result: Floats = frequencies_N[(sums_MN < ROLLOFF_SHARE * sums_MN[:, -1:]).sum(axis=1)]
    return result


def _contrast_extremes(magnitude_MN: Samples, frequencies_N: Floats) -> tuple[Floats, Floats]:
    """Means of the highest and the lowest bins of each band, [M, B] twice; nan where the rate is too low."""
    edges_hz = [0.0, *(CONTRAST_LOWEST_HZ * 2.0**octave for octave in range(CONTRAST_BANDS + 1))]
    peaks_MB = np.full((len(magnitude_MN), CONTRAST_BANDS + 1), np.nan)
    valleys_MB = peaks_MB.copy()
    if edges_hz[-2] >= frequencies_N[-1]:
        return peaks_MB, valleys_MB
    for band, (low_hz, high_hz) in enumerate(pairwise(edges_hz)):
        last = band == CONTRAST_BANDS
        first = int(np.searchsorted(frequencies_N, low_hz)) - (band > 0)
        stop = len(frequencies_N) if last else int(np.searchsorted(frequencies_N, high_hz, "right"))
        count = max(round(CONTRAST_QUANTILE * (stop - first)), 1)
        # librosa leaves out the highest bin of every band but the last, after it has counted it.
        band_MN: NDArray[Any] = magnitude_MN[:, first : stop if last else stop - 1]
        if count > 1:
            band_MN = np.sort(band_MN, axis=1)
            peaks_MB[:, band] = band_MN[:, -count:].mean(axis=1)
            valleys_MB[:, band] = band_MN[:, :count].mean(axis=1)
        else:
            peaks_MB[:, band], valleys_MB[:, band] = band_MN.max(axis=1), band_MN.min(axis=1)
    return peaks_MB, valleys_MB


def _flatness(magnitude_MN: Samples, loudest_M: Samples, gain: float) -> tuple[Floats, Floats]:
    power_MN = magnitude_MN * magnitude_MN
    fixed_MN = np.maximum(power_MN * np.float32(gain * gain), np.float32(FLATNESS_FLOOR))
    flatness_M = np.exp(np.log(fixed_MN).mean(axis=1, dtype=np.float64)) / fixed_MN.mean(
        axis=1, dtype=np.float64
    )
    floor_M1 = np.maximum(loudest_M**2 * 10 ** (FLOOR_DB / 10), np.finfo(np.float32).tiny)[:, None]
    cut_MN = np.maximum(power_MN, floor_M1)
    flat_M = np.log(cut_MN).mean(axis=1, dtype=np.float64) - np.log(cut_MN.mean(axis=1, dtype=np.float64))
    return flatness_M, flat_M * (10 / np.log(10))
