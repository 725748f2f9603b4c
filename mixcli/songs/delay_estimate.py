"""By how much one signal is later than another, and whether it is upside down: from their averaged spectra.

Legend: F frequency bins of a band, L lags, R rows of W bins.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.cross_spectra import CrossSpectrum

NEAR_S = 0.001  # lags nearer than that are one place: cabinets and rooms smear a sound over it
ROW_BINS = 64  # that are turned together
FINE_STEP = 0.05  # samples: the grid about the highest lag, before a parabola through its top


@dataclass(frozen=True)
class Lag:
    """A lag at which two signals are in step: the second is later than the first by so many samples.

    `share`, 0 to 1: how much of their common sound is in step there.
    """

    delay_samples: float = 0.0
    share: float = 0.0


@dataclass(frozen=True)
class DelayEstimate:
    """The best lag between two signals the right way up, and the best one with the second upside down.

    `elsewhere`, 0 to 1: the highest share, of either, more than a millisecond from the better of the two.
    """

    upright: Lag = Lag()
    inverted: Lag = Lag()
    elsewhere: float = 0.0


def estimate_delay(spectrum: CrossSpectrum, lowest: float, highest: float) -> DelayEstimate:
    """Find the lags between `lowest` and `highest` samples by generalised cross-correlation.

    Every bin has its phase alone, weighted by the coherence in it: what only one of them has does not count,
    and a loud note no more than a soft one. Lags between the samples are found on the band-limited curve.
    SOURCE: Knapp, Carter, "The Generalized Correlation Method for Estimation of Time Delay", IEEE Trans.
    ASSP 24(4), 1976: phase transform and coherence weighting.
    """
    common_F = common_phase(spectrum)
    total = float(np.abs(common_F).sum())
    if total <= 0.0:
        return DelayEstimate()
    lags_L = np.arange(math.ceil(lowest), math.floor(highest) + 1)
    curve_L = _whole_lags(spectrum, common_F)[lags_L] / total
    best = []
    for sign in (1.0, -1.0):
        near = int(lags_L[np.argmax(sign * curve_L)])
        fine_L = np.arange(max(lowest, near - 1), min(highest, near + 1) + FINE_STEP / 2, FINE_STEP)
        delay, share = _top(fine_L, sign / total * _curve(spectrum, common_F, fine_L))
        best.append(Lag(delay, min(max(share, 0.0), 1.0)))
    better = max(best, key=lambda lag: lag.share)
    far_L = np.abs(lags_L - better.delay_samples) > NEAR_S * spectrum.sample_rate
    return DelayEstimate(best[0], best[1], float(np.abs(curve_L[far_L]).max(initial=0.0)))


def agreement(spectrum: CrossSpectrum, delay_samples: float) -> float:
    """How much of the common sound is in step at a delay, -1 (upside down) to 1."""
    common_F = common_phase(spectrum)
    total = float(np.abs(common_F).sum())
    return float(_curve(spectrum, common_F, np.array([delay_samples]))[0]) / total if total > 0 else 0.0


def common_phase(spectrum: CrossSpectrum) -> NDArray[np.complex128]:
    """Per bin the phase from first to second, [F]; as long as the coherence is, freed of chance."""
    n_segments = spectrum.n_segments
    if n_segments < 2:
        return np.zeros(len(spectrum.cross_F), np.complex128)
    size_F = np.abs(spectrum.cross_F)
    powers_F = spectrum.first_power_F * spectrum.second_power_F
    sounding_F = (size_F > 0) & (powers_F > 0)
    coherence_F = np.divide(size_F**2, powers_F, out=np.zeros(len(size_F)), where=sounding_F)
    # Signals with nothing in common have a coherence of 1 / n on average over n segments.
    coherence_F = np.clip((coherence_F - 1 / n_segments) / (1 - 1 / n_segments), 0.0, 1.0)
    phase_F = np.divide(spectrum.cross_F, size_F, out=np.zeros(len(size_F), complex), where=sounding_F)
    common_F: NDArray[np.complex128] = coherence_F * phase_F
    return common_F


def _whole_lags(spectrum: CrossSpectrum, common_F: NDArray[np.complex128]) -> NDArray[np.float64]:
    """The correlation at all whole lags; negative ones count from the end."""
    from scipy.fft import irfft

    whole_F = np.zeros(spectrum.segment // 2 + 1, np.complex128)
    whole_F[spectrum.first_bin : spectrum.first_bin + len(common_F)] = common_F
    curve_L: NDArray[np.float64] = irfft(whole_F, spectrum.segment) * (spectrum.segment / 2)
    return curve_L


def _curve(
    spectrum: CrossSpectrum, common_F: NDArray[np.complex128], lags_L: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The correlation at lags in samples, [L]."""
    # Bins in rows of W: a bin's turn at a lag is that of its row times that of its place in the row, so that
    # far fewer turns are worked out than there are bins.
    n_rows = -(-len(common_F) // ROW_BINS)
    rows_RW = np.zeros((n_rows, ROW_BINS), np.complex128)
    rows_RW.ravel()[: len(common_F)] = common_F
    turn_L1 = 2j * np.pi / spectrum.segment * lags_L[:, None]
    starts_LR = np.exp(turn_L1 * (spectrum.first_bin + ROW_BINS * np.arange(n_rows)))
    places_LW = np.exp(turn_L1 * np.arange(ROW_BINS))
    curve_L: NDArray[np.float64] = ((places_LW @ rows_RW.T) * starts_LR).sum(axis=1).real
    return curve_L


def _top(lags_L: NDArray[np.float64], curve_L: NDArray[np.float64]) -> tuple[float, float]:
    """Place and height of the highest point of a curve on an even grid."""
    top = int(np.argmax(curve_L))
    if not 0 < top < len(curve_L) - 1:
        return float(lags_L[top]), float(curve_L[top])
    before, here, after = curve_L[top - 1 : top + 2]
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(lags_L[top] + shift * (lags_L[1] - lags_L[0])), float(here - 0.25 * (before - after) * shift)
