"""How far a set of mixes lies from a set of references, whichever song each is of.

Every excerpt of 3 s becomes one point; the two clouds of points are compared. Unlike in the published
distances of this kind, a point is not a network's embedding but what an engineer sets: nothing to load.

Legend: `T` samples, `C` channels, `N` excerpts, `D` features, `M` frames, `B` bands.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import Bands, bin_frequencies, fractional_octaves, spectrum_blocks, sum_bands
from mixcli.measures.measure import Measure

EXCERPT_S = 3.0
FRAME_S = 0.09  # of spectra; rounded to a power of two
LEVEL_FRAME_S = 0.1
SPECTRUM_BANDS = fractional_octaves(40, 16_000, 3)  # 26
WIDTH_BANDS = fractional_octaves(125, 8_000, 1)  # 7
SILENT_POWER = 1e-7  # excerpts below -70 dBFS are left out
SPECTRUM_FLOOR_DB = -80.0  # under the whole of the excerpt
WIDTH_RANGE_DB = (-40.0, 20.0)
IMBALANCE_LIMIT_DB = 20.0
SPREAD_DEPTH_DB = 40.0  # frames further under the excerpt's level count as this far under
N_FEATURES = len(SPECTRUM_BANDS) + len(WIDTH_BANDS) + 3
SMALLEST_DEVIATION_DB = 0.5  # a feature in which all references agree is not blown up beyond this
FEWEST_EXCERPTS = 10  # of either set; below, there is no distance
BANDWIDTH_EXCERPTS = 2000  # the median distance is taken among at most so many, evenly spaced
ROWS_PER_BLOCK = 512
KERNEL_SCALE = 100.0

Points = NDArray[np.float64]

MEASURES = (
    Measure(
        key="frechet",
        unit="",
        family="set",
        better="lower",
        text="Fréchet distance of the set of mixes to the references' in 36 features per 3 s (spectrum, "
        "width, crest, spread, imbalance); reads high for few excerpts, so only sets of one size compare",
        source="the formula of FAD (Kilgour et al. 2019, arXiv 1812.08466) on features of this program",
    ),
    Measure(
        key="kernel_distance",
        unit="",
        family="set",
        better="lower",
        text="squared maximum mean discrepancy of the same features times 100; has no bias for few "
        "excerpts, and so may fall below 0 where the sets are alike",
        source="the formula of KAD (Chung et al. 2025, arXiv 2502.15602) on features of this program",
    ),
)


def set_features(signal_TC: NDArray[np.float32], sample_rate: int) -> Points:
    """Describe every whole 3 s of a stereo signal that is not silent, [T, 2] to [N, D = 36], all in dB.

    26 third octaves of the mid, 49 Hz to 16 kHz, relative to their sum (above -80); side over mid in 7
    octaves, 125 Hz to 8 kHz (-40 … 20); crest factor; standard deviation of the level of frames of 0.1 s;
    level of the right over the left channel (±20). None of them changes with the level of the mix.
    """
    n_samples = round(EXCERPT_S * sample_rate)
    starts = range(0, len(signal_TC) - n_samples + 1, n_samples)
    excerpts = (np.asarray(signal_TC[start : start + n_samples], np.float32) for start in starts)
    points = [
        _describe(part_TC, sample_rate) for part_TC in excerpts if np.square(part_TC).mean() > SILENT_POWER
    ]
    return np.array(points, np.float64).reshape(-1, N_FEATURES)


def compare_sets(mixes_ND: Points, references_ND: Points) -> dict[str, float]:
    """Both distances of this file, features in units of the references' deviation (0.5 dB or more).

    nan where either set has fewer than 10 excerpts, and the kernel's where the references are all equal.
    """
    values = dict.fromkeys((measure.key for measure in MEASURES), float("nan"))
    if min(len(mixes_ND), len(references_ND)) < FEWEST_EXCERPTS:
        return values
    mean_D = references_ND.mean(axis=0)
    deviation_D = np.maximum(references_ND.std(axis=0, ddof=1), SMALLEST_DEVIATION_DB)
    mixes_ND, references_ND = (mixes_ND - mean_D) / deviation_D, (references_ND - mean_D) / deviation_D
    return {
        "frechet": frechet_distance(mixes_ND, references_ND),
        "kernel_distance": kernel_distance(mixes_ND, references_ND),
    }


def frechet_distance(mixes_ND: Points, references_ND: Points) -> float:
    """Squared Fréchet distance of the normal distributions with two sets' means and unbiased covariances.

    |μ - μ'|² + tr(Σ + Σ' - 2 (ΣΣ')^½). With Σ = RᵀR the last trace is the sum of the singular values of
    RR'ᵀ, so no matrix is inverted, no root taken of a singular one, and fewer points than features are no
    special case. Nothing is shrunk.
    nan for fewer than 2 points.
    """
    if min(len(mixes_ND), len(references_ND)) < 2:
        return float("nan")
    root_DD, reference_root_DD = _covariance_root(mixes_ND), _covariance_root(references_ND)
    shift_D = mixes_ND.mean(axis=0) - references_ND.mean(axis=0)
    overlap = np.linalg.svd(root_DD @ reference_root_DD.T, compute_uv=False).sum()
    spreads = np.square(root_DD).sum() + np.square(reference_root_DD).sum() - 2 * overlap
    return float(shift_D @ shift_D + max(spreads, 0.0))


def kernel_distance(mixes_ND: Points, references_ND: Points) -> float:
    """Unbiased squared maximum mean discrepancy times 100, with the kernel exp(-d² / 2σ²).

    σ is the median distance between two references. nan for fewer than 2 points or where σ is 0. Points are
    compared in blocks of rows, so memory does not grow with the square of the sets.
    """
    n_mixes, n_references = len(mixes_ND), len(references_ND)
    if min(n_mixes, n_references) < 2:
        return float("nan")
    some_ND = references_ND[:: -(-n_references // BANDWIDTH_EXCERPTS)]
    upper = np.triu_indices(len(some_ND), 1)
    bandwidth = float(np.median(np.sqrt(_squared_distances(some_ND, some_ND)[upper])))
    if bandwidth == 0.0:
        return float("nan")
    # A point's kernel with itself is 1; the unbiased means leave those pairs out.
    among_mixes = (_kernel_sum(mixes_ND, mixes_ND, bandwidth) - n_mixes) / (n_mixes * (n_mixes - 1))
    among_references = _kernel_sum(references_ND, references_ND, bandwidth) - n_references
    among_references /= n_references * (n_references - 1)
    between = _kernel_sum(mixes_ND, references_ND, bandwidth) / (n_mixes * n_references)
    return KERNEL_SCALE * (among_mixes + among_references - 2 * between)


def _describe(part_TC: NDArray[np.float32], sample_rate: int) -> Points:
    left_T, right_T = np.ascontiguousarray(part_TC.T)
    n_fft = 1 << round(np.log2(FRAME_S * sample_rate))
    mid_N, side_N = (
        _mean_power(signal_T, n_fft) for signal_T in ((left_T + right_T) / 2, (left_T - right_T) / 2)
    )
    frequencies_N = bin_frequencies(sample_rate, n_fft)

    mid_B = _bands(mid_N, frequencies_N, SPECTRUM_BANDS)
    spectrum_B = np.maximum(_ratio_db(mid_B, np.full_like(mid_B, mid_B.sum())), SPECTRUM_FLOOR_DB)
    width_B = _ratio_db(*(_bands(power_N, frequencies_N, WIDTH_BANDS) for power_N in (side_N, mid_N)))
    power = float(np.square(part_TC).mean(dtype=np.float64))
    crest = _ratio_db(float(np.square(np.abs(part_TC).max())), power)
    powers = np.square(part_TC, dtype=np.float64).mean(axis=0)
    imbalance = np.clip(_ratio_db(powers[1], powers[0]), -IMBALANCE_LIMIT_DB, IMBALANCE_LIMIT_DB)
    frame = round(LEVEL_FRAME_S * sample_rate)
    frames_MT = np.square(part_TC[: len(part_TC) // frame * frame]).reshape(-1, frame * 2)
    level_M = np.maximum(_ratio_db(frames_MT.mean(axis=1, dtype=np.float64), power), -SPREAD_DEPTH_DB)
    return np.concatenate([spectrum_B, np.clip(width_B, *WIDTH_RANGE_DB), [crest, level_M.std(), imbalance]])


def _mean_power(signal_T: NDArray[np.float32], n_fft: int) -> Points:
    total_N, n_frames = np.zeros(n_fft // 2 + 1), 0
    for block_MN in spectrum_blocks(signal_T, n_fft, n_fft // 2):
        total_N += (block_MN.real**2 + block_MN.imag**2).sum(axis=0, dtype=np.float64)
        n_frames += len(block_MN)
    return total_N / n_frames


def _bands(power_N: Points, frequencies_N: Points, bands: Bands) -> Points:
    bands_B: Points = sum_bands(power_N[None].astype(np.float32), frequencies_N, bands)[0]
    return bands_B


def _ratio_db(part: Points | float, whole: Points | float) -> Points:
    """10 log10 of a ratio of powers, both of them at least 1e-15, so that none is infinite."""
    ratio_db: Points = 10 * np.log10(np.maximum(part, 1e-15) / np.maximum(whole, 1e-15))
    return ratio_db


def _covariance_root(points_ND: Points) -> Points:
    """R with RᵀR the unbiased covariance, [min(N, D), D]."""
    centred_ND = (points_ND - points_ND.mean(axis=0)) / np.sqrt(len(points_ND) - 1)
    return np.asarray(np.linalg.qr(centred_ND, mode="r"))


def _squared_distances(points_ND: Points, others_ND: Points) -> Points:
    products = points_ND @ others_ND.T
    squares = np.square(points_ND).sum(axis=1)[:, None] + np.square(others_ND).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * products, 0.0))


def _kernel_sum(points_ND: Points, others_ND: Points, bandwidth: float) -> float:
    """Sum of the kernel over all pairs."""
    total = 0.0
    for start in range(0, len(points_ND), ROWS_PER_BLOCK):
        squared = _squared_distances(points_ND[start : start + ROWS_PER_BLOCK], others_ND)
        total += float(np.exp(squared * (-0.5 / bandwidth**2)).sum())
    return total
