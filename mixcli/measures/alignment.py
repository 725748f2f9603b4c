"""How far a mix lies from its reference in time, and which way round its polarity is.

A mix that comes out of another program is often late or early by some milliseconds. Only whole samples are
corrected, and only where the two clearly have one lag in common.

Legend: `T` samples, `C` channels, `N` frequency bins, `L` lags.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LIMIT_S = 0.05  # the lag is looked for up to this, either way
SHORTEST_S = 0.1  # below, nothing is decided
WINDOW_PER_LIMIT = 24  # windows of at least 24 limits: the largest lag loses 4 % of them
WINDOW_PER_LARGEST_LAG = 8  # in signals shorter than a window
# The highest of the lags of unrelated noise reaches 5 to 8.5 times the median, mixes of one song 90 to 900.
CERTAIN_STRENGTH = 10.0
LARGEST_STRENGTH = 1e6  # of equal signals, where the median is mere rounding
# Of the strongest bin: what lies 100 dB below it is rounding and dither, and has no vote.
SPECTRUM_FLOOR = 1e-10
POLARITY_BAND_HZ = (200.0, 4000.0)  # bass phase hangs on high passes, treble phase on the sample
POLARITY_CORRELATION = 0.1  # less than this, either way, says nothing about polarity
BLOCK = 1 << 18

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Alignment:
    """What brings a mix onto its reference's time and polarity.

    `delay_samples`: the mix must be delayed (positive) or advanced (negative) by as many samples. `certain`
    is false where no lag stands out; then the delay is 0 and the polarity is left alone. `strength` is the
    correlation's peak as a multiple of its median over all lags looked at.
    """

    delay_samples: int
    inverted: bool
    certain: bool
    strength: float


def estimate_alignment(
    mix_TC: Signal, reference_TC: Signal, sample_rate: int, *, limit_s: float = LIMIT_S
) -> Alignment:
    """Find the lag, within ±`limit_s`, and the polarity between the sums of the channels of two signals.

    The lag is the peak of the generalised cross-correlation with phase transform. Its cross-spectrum is
    averaged over half-overlapping windows, so memory does not grow with the song; without their fades a
    signal with little treble would be found to lie where its windows and the file begin. The polarity is
    inverted where the correlation of 200 Hz – 4 kHz and the peak's sign both say so, clearly.
    Uncertain: silence, less than 0.1 s, steady tones (any period would do), signals with nothing in common.
    SOURCE: Knapp, Carter, "The Generalized Correlation Method for Estimation of Time Delay", IEEE Trans.
    ASSP 24(4), 1976.
    """
    from scipy.fft import irfft, next_fast_len

    n_samples = min(len(mix_TC), len(reference_TC))
    # Lags that leave little in common read low; beside them, chance peaks of a short signal would stand out.
    limit = min(int(limit_s * sample_rate), n_samples // WINDOW_PER_LARGEST_LAG)
    if limit < 1 or n_samples < SHORTEST_S * sample_rate:
        return Alignment(0, False, False, 0.0)
    window = min(1 << (WINDOW_PER_LIMIT * int(limit_s * sample_rate) - 1).bit_length(), n_samples)
    n_fft = next_fast_len(window + limit, real=True)
    cross_N, powers = _average_spectra(mix_TC[:n_samples], reference_TC[:n_samples], window, n_fft)
    strongest = float(np.abs(cross_N).max())
    if not np.isfinite(strongest) or strongest == 0.0:
        return Alignment(0, False, False, 0.0)

    whitened_N = cross_N / (np.abs(cross_N) + SPECTRUM_FLOOR * strongest)
    correlation_L = _central_lags(irfft(whitened_N, n_fft), limit)
    size_L = np.abs(correlation_L)
    lag = int(size_L.argmax()) - limit
    peak = float(size_L[lag + limit])
    strength = peak / max(float(np.median(size_L)), peak / LARGEST_STRENGTH)
    if strength < CERTAIN_STRENGTH:
        return Alignment(0, False, False, strength)

    band_N = _band_mask(sample_rate, n_fft)
    plain = float(irfft(cross_N * band_N, n_fft)[lag])
    # irfft counts every bin but the first and last twice, as the powers of one-sided bins have to be.
    energy = 2 / n_fft * np.sqrt(float(powers[0][band_N].sum()) * float(powers[1][band_N].sum()))
    inverted = plain < -POLARITY_CORRELATION * energy and correlation_L[lag + limit] < 0
    return Alignment(lag, bool(inverted), True, strength)


def apply_alignment(mix_TC: Signal, alignment: Alignment, out_TC: Signal) -> None:
    """Write the mix as it lies on the reference's time into `out_TC`, [T, C]; zeros where it has nothing.

    `out_TC` has the length that is wanted and may be a memory map; it must not share memory with the mix.
    """
    delay = alignment.delay_samples
    for start in range(0, len(out_TC), BLOCK):
        stop = min(start + BLOCK, len(out_TC))
        first = min(max(start - delay, 0), len(mix_TC))
        last = min(max(stop - delay, first), len(mix_TC))
        part_TC = mix_TC[first:last]
        out_TC[start:stop] = 0.0
        if len(part_TC):
            where = slice(first + delay, last + delay)
            out_TC[where] = -part_TC if alignment.inverted else part_TC


def _average_spectra(
    mix_TC: Signal, reference_TC: Signal, window: int, n_fft: int
) -> tuple[NDArray[np.complex128], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Sums over all windows: reference × conjugate of mix, power of the mix, power of the reference, [N]."""
    from scipy.fft import rfft

    n_bins = n_fft // 2 + 1
    cross_N = np.zeros(n_bins, np.complex128)
    mix_power_N, reference_power_N = np.zeros(n_bins), np.zeros(n_bins)
    for mix_T, reference_T in _windows(mix_TC, reference_TC, window):
        mix_N, reference_N = rfft(mix_T, n_fft), rfft(reference_T, n_fft)
        cross_N += reference_N * np.conj(mix_N)
        mix_power_N += _power(mix_N)
        reference_power_N += _power(reference_N)
    return cross_N, (mix_power_N, reference_power_N)


def _windows(mix_TC: Signal, reference_TC: Signal, window: int) -> Iterator[tuple[Signal, Signal]]:
    """The sums of the channels of both signals under the same half-overlapping windows, none over the ends.

    A squared Hann window: the skirts of a plain one let a steady tone pass for a band of noise at lag 0.
    """
    fade_T = ((0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)) ** 2).astype(np.float32)
    last = len(mix_TC) - window
    for start in [*range(0, last, max(window // 2, 1)), last]:
        part = slice(start, start + window)
        mix_T, reference_T = (_mono(signal_TC[part]) * fade_T for signal_TC in (mix_TC, reference_TC))
        if mix_T.any() and reference_T.any():
            yield mix_T, reference_T


def _mono(part_TC: Signal) -> Signal:
    mono_T: Signal = part_TC @ np.ones(part_TC.shape[1], np.float32)  # many times faster than sum(axis=1)
    return mono_T


def _central_lags(correlation_T: NDArray[np.float64], limit: int) -> NDArray[np.float64]:
    """The lags from -limit to limit of a circular correlation, [L = 2 * limit + 1]."""
    return np.concatenate([correlation_T[-limit:], correlation_T[: limit + 1]])


def _band_mask(sample_rate: int, n_fft: int) -> NDArray[np.bool_]:
    low_hz, high_hz = POLARITY_BAND_HZ
    frequencies_N = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    return (frequencies_N >= low_hz) & (frequencies_N < min(high_hz, 0.45 * sample_rate))


def _power(spectrum_N: NDArray[np.complex64]) -> NDArray[np.float32]:
    power_N: NDArray[np.float32] = spectrum_N.real**2 + spectrum_N.imag**2
    return power_N
