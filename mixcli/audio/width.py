"""Filters that make the side signal of a stem: a decorrelated copy of the mid, or a change of what is there.

Legend: N taps, F frequency bins.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

DECORRELATION_S = 0.018  # length of the random-phase filter, rules.md A4
CURVE_FIR_S = 0.040  # length of a level curve's filter: resolves 25 Hz
FLATTENING_ROUNDS = 60
OVERSAMPLING = 8  # frequency bins per tap while designing
LOWEST_LEVEL_DB = -120.0

Taps = NDArray[np.float64]


def curve_at(curve_db: Mapping[float, float], frequencies_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of a curve {Hz: dB} at any frequencies, linear over log frequency, its ends held, [F]."""
    points_hz = np.array(sorted(curve_db))
    levels_db = np.array([curve_db[point] for point in sorted(curve_db)])
    log_hz_F = np.log(np.maximum(frequencies_hz, points_hz[0]))  # no logarithm of 0 Hz
    levels_F: NDArray[np.float64] = np.interp(log_hz_F, np.log(points_hz), levels_db)
    return levels_F


def n_curve_taps(sample_rate: int) -> int:
    """Length of `curve_fir` at a rate."""
    return max(8, round(CURVE_FIR_S * sample_rate))


def n_decorrelation_taps(sample_rate: int) -> int:
    """Length of `decorrelation_fir` at a rate."""
    return max(8, round(DECORRELATION_S * sample_rate))


def curve_fir(curve_db: Mapping[float, float], sample_rate: int) -> Taps:
    """A minimum-phase filter with the levels of a curve, [N], 40 ms long."""
    from scipy.fft import irfft, rfft

    n_taps = n_curve_taps(sample_rate)
    n_fft = _power_of_two(2 * OVERSAMPLING * n_taps)
    frequencies_hz = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
    log_levels_F = np.maximum(curve_at(curve_db, frequencies_hz), LOWEST_LEVEL_DB) * np.log(10) / 20
    # The real cepstrum folded onto positive times belongs to the minimum phase of the same magnitude.
    cepstrum = irfft(log_levels_F, n_fft)
    folded = np.zeros(n_fft)
    folded[0], folded[n_fft // 2] = cepstrum[0], cepstrum[n_fft // 2]
    folded[1 : n_fft // 2] = 2 * cepstrum[1 : n_fft // 2]
    taps: Taps = irfft(np.exp(rfft(folded)), n_fft)[:n_taps]
    n_fade = n_taps // 2
    taps[-n_fade:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, n_fade + 1) / n_fade)
    return taps


def decorrelation_fir(seed: int, sample_rate: int) -> Taps:
    """A filter of random phase and nearly flat magnitude, 18 ms long, [N].

    The phases belong to frequencies, not to bins of a rate, so that one seed sounds alike at all rates.
    Cutting the response to 18 ms makes its magnitude uneven; setting the magnitude to one and cutting again,
    many times, flattens it to about 1 dB.
    """
    from scipy.fft import irfft, rfft

    n_taps = n_decorrelation_taps(sample_rate)
    rng = np.random.default_rng(seed)
    phases_F = rng.uniform(-np.pi, np.pi, n_taps // 2 + 1)
    phases_F[0] = 0.0
    taps: Taps = irfft(np.exp(1j * phases_F), n_taps)
    n_fft = _power_of_two(OVERSAMPLING * n_taps)
    for _ in range(FLATTENING_ROUNDS):
        spectrum_F = rfft(taps, n_fft)
        level_F = np.sqrt(np.square(spectrum_F.real) + np.square(spectrum_F.imag))
        taps = irfft(spectrum_F / np.maximum(level_F, 1e-9), n_fft)[:n_taps]
    normalised: Taps = taps / np.sqrt(np.square(taps).sum())
    return normalised


def side_from_mid_fir(curve_db: Mapping[float, float], seed: int, sample_rate: int) -> NDArray[np.float32]:
    """The filter from a mid to a decorrelated side, at the levels of a curve re the mid, [N], 58 ms long."""
    taps: Taps = np.convolve(decorrelation_fir(seed, sample_rate), curve_fir(curve_db, sample_rate))
    return taps.astype(np.float32)


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length()
