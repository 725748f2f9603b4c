"""What the stems explain of a mix's energy, band by band; energy beyond is foreign to the song.

Legend: `G` groups of frames (0.1 s), `B` bands.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.band_energy import BANDS_PER_OCTAVE

TAIL_DB_PER_S = 30.0  # a reverb of 2 s
TAIL_DB = 8.0  # it starts this far below the sound
TAIL_ALONE_DB = 10.0  # cells where a tail is this far above the stem itself tell how much of it the mix has
TAIL_PERCENTILE, TAIL_MARGIN_DB = 75.0, 6.0
ACTIVE_DB = 20.0  # cells this far below a stem's strong ones still tell its gain
STRONG_PERCENTILE = 95.0  # of a stem's cells in a band
GAIN_PERCENTILE = (
    30.0  # of mix over stem in active cells; others that sound at the same time only raise the ratio
)
EQUALISER_DB = 12.0  # a band's gain may differ from the stem's by this; more is not its doing
SIGNIFICANT_BAND_DB = 25.0  # bands of a stem this far below its strongest say nothing of its gain
LEAK_DB = 18.0  # to the next band: the window's main lobe, pitch that moves
DISTORTION_DB, DISTORTION_DB_PER_OCTAVE = 36.0, 9.0  # harmonics that saturation and limiting may add above
BELOW_DB, BELOW_DB_PER_OCTAVE = 40.0, 12.0  # difference tones and gain changes below
MARGIN_DB = 7.0  # over what the stems explain: compression, automation
AUDIBLE_DB = -55.0  # of the mix's level in one band; less is not reported
MIN_CELLS = 2  # cells of 0.1 s and a band, side by side; one alone is chance
SURE_DB = 6.0  # over the threshold: one cell is enough
_SILENCE = 1e-20  # mean square


def explained_energy(
    mix_GB: NDArray[np.float32], stem_energies: Sequence[NDArray[np.float32]], group_s: float
) -> NDArray[np.float64]:
    """Energy per cell that the stems [G, B] may have in the mix, at the gains they seem to have, [G, B].

    `group_s` is the time from one group to the next. A stem's tails count as far as the mix shows any.
    """
    total_GB = np.zeros(mix_GB.shape)
    for energy_GB in stem_energies:
        if energy_GB.any():
            gain_B = _band_gains(mix_GB, energy_GB)
            direct_GB, tail_GB = (
                gain_B * part_GB for part_GB in _spread_in_time(energy_GB, len(mix_GB), group_s)
            )
            after_GB = tail_GB > _db(TAIL_ALONE_DB) * np.maximum(direct_GB, _SILENCE)
            wet = 0.0
            if after_GB.any():
                ratio = np.percentile(mix_GB[after_GB] / tail_GB[after_GB], TAIL_PERCENTILE)
                wet = min(float(ratio) * _db(TAIL_MARGIN_DB), 1.0)
            total_GB += np.maximum(direct_GB, wet * tail_GB)
    return total_GB


def foreign_cells(
    mix_GB: NDArray[np.float32], explained_GB: NDArray[np.float64], level: float
) -> NDArray[np.bool_]:
    """Cells whose energy is clearly above all that the stems, leakage and distortion explain, [G, B].

    `level` is the mix's mean square where it sounds.
    """
    allowed_GB = np.maximum(_smear(explained_GB) * _db(MARGIN_DB), level * _db(AUDIBLE_DB))
    over_GB = mix_GB > allowed_GB
    neighbours_GB = np.zeros(over_GB.shape, int)
    padded = np.pad(over_GB, 1)
    for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
        neighbours_GB += padded[down : down + over_GB.shape[0], right : right + over_GB.shape[1]]
    cells_GB: NDArray[np.bool_] = over_GB & (
        (neighbours_GB >= MIN_CELLS - 1) | (mix_GB > allowed_GB * _db(SURE_DB))
    )
    return cells_GB


def sounding_level(mix_GB: NDArray[np.float32]) -> float:
    """Mean square of a mix over the groups within 20 dB of their mean; 0 for silence."""
    total_G = mix_GB.sum(axis=1, dtype=np.float64)
    sounding = total_G > total_G.mean() * _db(-20.0)
    return float(total_G[sounding].mean()) if sounding.any() else 0.0


def _spread_in_time(
    energy_GB: NDArray[np.float32], n_groups: int, group_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A stem's energy with what a delay makes of it, and a reverb's tails, over the mix's groups, [G, B]."""
    energy_GB = energy_GB[:n_groups]
    spread_GB = np.zeros((n_groups, energy_GB.shape[1]), np.float32)
    spread_GB[: len(energy_GB)] = energy_GB
    later_GB = energy_GB[: n_groups - 1]
    spread_GB[1 : len(later_GB) + 1] = np.maximum(spread_GB[1 : len(later_GB) + 1], later_GB)
    earlier_GB = energy_GB[1:]
    spread_GB[: len(earlier_GB)] = np.maximum(spread_GB[: len(earlier_GB)], earlier_GB)
    decay = np.float32(10 ** (-TAIL_DB_PER_S * group_s / 10))
    tail_GB = np.float32(_db(-TAIL_DB)) * spread_GB
    for group in range(1, n_groups):
        np.maximum(tail_GB[group], decay * tail_GB[group - 1], out=tail_GB[group])
    tail_GB[tail_GB < _SILENCE] = 0  # tails are not followed into denormals
    return spread_GB, tail_GB


def _band_gains(mix_GB: NDArray[np.float32], energy_GB: NDArray[np.float32]) -> NDArray[np.float64]:
    """Factor on a stem's energy in each band, [B], as high as the mix lets it be."""
    n_groups = min(len(mix_GB), len(energy_GB))
    energy_GB = energy_GB[:n_groups]
    # The mix may be late by a part of a group, so the loudest of three neighbours answers.
    near_GB = np.maximum(mix_GB, np.pad(mix_GB, ((0, 1), (0, 0)))[1:])
    near_GB = np.maximum(near_GB, np.pad(mix_GB, ((1, 0), (0, 0)))[:-1])[:n_groups]
    strong_B = np.percentile(energy_GB, STRONG_PERCENTILE, axis=0)
    active_GB = (energy_GB > strong_B * _db(-ACTIVE_DB)) & (energy_GB > _SILENCE)
    ratio_GB = np.where(active_GB, near_GB / np.where(active_GB, energy_GB, 1), np.nan)
    has_B = active_GB.any(axis=0)
    gain_B = np.zeros(energy_GB.shape[1])
    gain_B[has_B] = np.nanpercentile(ratio_GB[:, has_B], GAIN_PERCENTILE, axis=0)
    said_B = has_B & (strong_B >= strong_B.max() * _db(-SIGNIFICANT_BAND_DB)) & (gain_B > 0)
    if not said_B.any():
        return gain_B
    overall = _weighted_median(gain_B[said_B], strong_B[said_B])
    return np.where(
        has_B, np.clip(gain_B, overall * _db(-EQUALISER_DB), overall * _db(EQUALISER_DB)), overall
    )


def _weighted_median(values_B: NDArray[np.float64], weights_B: NDArray[np.float32]) -> float:
    order = np.argsort(values_B)
    heard = np.cumsum(weights_B[order], dtype=np.float64)
    return float(values_B[order][np.searchsorted(heard, heard[-1] / 2)])


def _smear(explained_GB: NDArray[np.float64]) -> NDArray[np.float64]:
    """What leaks into other bands, by the window, by distortion, and by gain changes, [G, B]."""
    smeared_GB = explained_GB.copy()
    smeared_GB[:, 1:] += _db(-LEAK_DB) * explained_GB[:, :-1]
    smeared_GB[:, :-1] += _db(-LEAK_DB) * explained_GB[:, 1:]
    up, down = _db(-DISTORTION_DB_PER_OCTAVE / BANDS_PER_OCTAVE), _db(-BELOW_DB_PER_OCTAVE / BANDS_PER_OCTAVE)
    n_bands = explained_GB.shape[1]
    rising_G, falling_G = np.zeros(len(explained_GB)), np.zeros(len(explained_GB))
    for band in range(n_bands):
        smeared_GB[:, band] += _db(-DISTORTION_DB) * rising_G
        rising_G = np.maximum(rising_G, explained_GB[:, band]) * up
        mirror = n_bands - 1 - band
        smeared_GB[:, mirror] += _db(-BELOW_DB) * falling_G
        falling_G = np.maximum(falling_G, explained_GB[:, mirror]) * down
    return smeared_GB


def _db(level_db: float) -> float:
    return float(10 ** (level_db / 10))
