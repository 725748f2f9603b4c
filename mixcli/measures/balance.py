"""The level every stem has in a mix, and how far the levels of two mixes lie apart.

Legend: `T` samples, `C` channels, `M` frames, `B` bands, `S` stems.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import FRAMES_PER_BLOCK, bin_frequencies, count_frames, spectrum_blocks, sum_bands
from mixcli.measures.measure import Measure
from mixcli.measures.profile import BALANCE_BANDS, HOP, N_FFT, Energies, Profile, frame_scale
from mixcli.measures.running_features import Series, squared

LEAST_GAIN = 1e-6  # -60 dB: the level of a stem that is not in the mix
EVENING = 0.05  # of the mean energy: frames far under that weigh no more
TINY_ENERGY = 1e-9
MOST_STEPS_PER_STEM = 30  # of the solver; its own limit is 3

MEASURES = (
    Measure(
        key="balance_db",
        unit="dB",
        family="nearness",
        better="lower",
        text="mean difference of the stems' levels, found in the mix by non-negative least squares on the "
        "stems' energies in nine bands; a common gain does not count",
        source="mixcli; levels from a mix after Barchiesi and Reiss, Reverse engineering of a mix, JAES 58, "
        "2010; solver of Lawson and Hanson, Solving least squares problems, 1974",
    ),
)


@dataclass(frozen=True, kw_only=True)
class StemEnergies:
    """Band energies per frame of the mid of every stem of a song."""

    sample_rate: int
    energies_SMB: tuple[Energies, ...]  # in BALANCE_BANDS; the stems may differ in length


def describe_stems(stems: Sequence[NDArray[np.float32]], sample_rate: int) -> StemEnergies:
    """Describe the stems of a song, each [T, C], aligned with its mixes; in blocks."""
    energies = tuple(_mid_energies(stem_TC, sample_rate) for stem_TC in stems)
    return StemEnergies(sample_rate=sample_rate, energies_SMB=energies)


def stem_levels_db(mix: Profile, stems: StemEnergies) -> Series:
    """Gain at which each stem is in the mix, in dB over the stem as it was given, [S].

    Per band the gains >= 0 whose weighted stems come nearest to the mix's energies frame by frame, loud and
    soft frames made more even; then the energy-weighted mean over the bands. So it is what a fader says, and
    the stem's equaliser and effects as far as they change its energy. At least -60 dB. Of two stems with the
    same sound one takes the level of both. nan for a stem that is silent in the frames all have, for every
    stem where the mix is silent there. ValueError where the sample rates differ.
    """
    from scipy.optimize import nnls

    if mix.sample_rate != stems.sample_rate:
        raise ValueError(f"a mix at {mix.sample_rate} Hz, stems at {stems.sample_rate} Hz")
    n_stems = len(stems.energies_SMB)
    n_frames = min(len(series) for series in (mix.mid_balance_MB, *stems.energies_SMB))
    mix_MB = mix.mid_balance_MB[:n_frames].astype(np.float64)
    if not mix_MB.any():
        return np.full(n_stems, np.nan)
    given_S, found_S = np.zeros(n_stems), np.zeros(n_stems)
    for band in range(len(BALANCE_BANDS)):
        of_stems = [series[:n_frames, band] for series in stems.energies_SMB]
        stems_MS = np.stack(of_stems, axis=1).astype(np.float64)
        total_S = stems_MS.sum(axis=0)
        given_S += total_S
        mix_M = mix_MB[:, band]
        heard_S = total_S > 0
        if not (mix_M.any() and heard_S.any()):
            continue
        weight_M = 1 / np.sqrt(mix_M + EVENING * mix_M.mean())
        # Columns of equal size: the solver's tolerances then treat a stem recorded low as any other.
        columns_MS = stems_MS[:, heard_S] * weight_M[:, None]
        size_S = np.sqrt((columns_MS**2).sum(axis=0))
        steps = MOST_STEPS_PER_STEM * n_stems
        gains_S, _ = nnls(columns_MS / size_S, mix_M * weight_M, maxiter=steps)
        found_S[heard_S] += gains_S / size_S * total_S[heard_S]
    levels_db_S = np.full(n_stems, np.nan)
    heard_S = given_S > 0
    gains_S = (found_S[heard_S] + LEAST_GAIN * given_S[heard_S]) / (given_S[heard_S] + TINY_ENERGY)
    levels_db_S[heard_S] = 10 * np.log10(gains_S)
    return levels_db_S


def compare_levels(mix_db_S: Series, reference_db_S: Series) -> float:
    """Mean absolute difference of two lists of levels after their common gain is taken off, "balance_db".

    Stems without a level are left out; nan where fewer than two have one, for one stem alone has no balance.
    """
    errors_db_S = level_errors_db(mix_db_S, reference_db_S)
    known_S = ~np.isnan(errors_db_S)
    return float(np.abs(errors_db_S[known_S]).mean()) if known_S.sum() > 1 else float("nan")


def level_errors_db(mix_db_S: Series, reference_db_S: Series) -> Series:
    """How much too loud each stem is in the mix, common gain taken off, [S]; nan without a level."""
    difference_db_S = np.asarray(mix_db_S, np.float64) - np.asarray(reference_db_S, np.float64)
    known_S = ~np.isnan(difference_db_S)
    if not known_S.any():
        return difference_db_S
    return np.asarray(difference_db_S - difference_db_S[known_S].mean())


def _mid_energies(stem_TC: NDArray[np.float32], sample_rate: int) -> Energies:
    n_fft, hop = N_FFT * frame_scale(sample_rate), HOP * frame_scale(sample_rate)
    frequencies_N = bin_frequencies(sample_rate, n_fft)
    n_frames = count_frames(len(stem_TC), n_fft, hop)
    parts = []
    for first in range(0, n_frames, FRAMES_PER_BLOCK):
        stop = min(first + FRAMES_PER_BLOCK, n_frames)
        # As much of the signal as makes one block of spectra, so that its mid is never held as a whole.
        mid_T = np.asarray(stem_TC[first * hop : (stop - 1) * hop + n_fft], np.float32).mean(axis=1)
        for mid_MN in spectrum_blocks(mid_T, n_fft, hop):
            parts.append(sum_bands(squared(mid_MN), frequencies_N, BALANCE_BANDS).astype(np.float32))
    return np.concatenate(parts)
