"""How much later a mix sounds than its stems: the peak of their phase-transform cross-correlation.

Legend: `T` samples, `C` channels, `S` segments, `N` frequency bins.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEGMENT_SAMPLES = 65_536  # long against any delay looked for, short against a song
MAX_SEGMENTS = 16  # spread over the song; bounds work and memory for any length
EARLIEST_S, LATEST_S = -0.005, 0.025  # where the delay is looked for
CERTAIN_PEAK = 6.0  # the peak over the root mean square of the searched part; noise alone stays near 3.5


@dataclass(frozen=True)
class StemSpectra:
    """Spectra of the sum of all stems in evenly spread segments: their starts in samples, [S], and [S, N]."""

    starts: tuple[int, ...]
    spectrum_SN: NDArray[np.complex64]


def describe_sum(stems: Sequence[NDArray[np.float32]]) -> StemSpectra:
    """Take the spectra that the delays of any number of mixes of these stems [T, C] are found with."""
    from scipy.fft import rfft

    n_samples = max((len(stem_TC) for stem_TC in stems), default=0)
    n_segments = min(max(n_samples // SEGMENT_SAMPLES, 1), MAX_SEGMENTS)
    room = max(n_samples - SEGMENT_SAMPLES, 0)
    starts = tuple(round(room * index / max(n_segments - 1, 1)) for index in range(n_segments))
    spectra = []
    for start in starts:
        sum_T = np.zeros(SEGMENT_SAMPLES, np.float32)
        for stem_TC in stems:
            part_TC = np.asarray(stem_TC[start : start + SEGMENT_SAMPLES], np.float32)
            sum_T[: len(part_TC)] += part_TC.sum(axis=1)
        spectra.append(rfft(sum_T))
    return StemSpectra(starts, np.array(spectra))


def find_delay(mix_TC: NDArray[np.float32], sample_rate: int, stems: StemSpectra) -> int | None:
    """Samples by which the mix [T, C] lags its stems, either polarity; None where no delay stands out.

    GCC-PHAT (Knapp and Carter 1976) of the averaged cross-spectrum, so equalisers and gains do not move it.
    """
    from scipy.fft import irfft, rfft

    cross_N = np.zeros(SEGMENT_SAMPLES // 2 + 1, np.complex128)
    for start, spectrum_N in zip(stems.starts, stems.spectrum_SN, strict=True):
        part_T = np.zeros(SEGMENT_SAMPLES, np.float32)
        part_TC = np.asarray(mix_TC[start : start + SEGMENT_SAMPLES], np.float32)
        part_T[: len(part_TC)] = part_TC.sum(axis=1)
        cross_N += rfft(part_T) * np.conj(spectrum_N)
    size_N = np.abs(cross_N)
    if not size_N.max() > 0:
        return None
    # Bins 80 dB below the strongest hold rounding noise alone and would speak as loud as all others.
    weighted_N = cross_N / np.maximum(size_N, 1e-8 * size_N.max())
    correlation_T = np.abs(irfft(weighted_N))
    first, last = round(EARLIEST_S * sample_rate), round(LATEST_S * sample_rate)
    searched = np.concatenate([correlation_T[first:], correlation_T[: last + 1]])
    if searched.max() < CERTAIN_PEAK * np.sqrt(np.mean(searched**2)):
        return None
    return int(np.argmax(searched)) + first
