"""What a stem's sound says of its level beyond its loudness: how peaky it is, and how bright.

Equal loudness leaves peaky stems (a muted guitar, a shaker) and bright ones (hats, sweeps) louder than
engineers set them, and dense and dark ones (a bass, a wall of guitars) softer. Fitted to the faders of an
artist's ten excerpts and, apart from them, to those of arrangers of General MIDI songs: either alone gives
slopes of the same sign and about this size.
"""

from collections.abc import Mapping

import numpy as np

from mixcli.audio.loudness import lufs_to_energy
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.third_octaves import CENTRES_HZ

DB_PER_PEAK_DB = -0.35
DB_PER_OCTAVE = -0.4
MOST_STEP_DB = 4.0
PEAK_PERCENTILE = 95.0  # of the peaks of the hops in which a stem plays: a lone stray sample is none
ACTIVE_BELOW_LU = 20.0


def peak_factor_db(stem: StemSurvey, loudness_lufs: float) -> float:
    """How far the usual peaks of a stem lie over its loudness, dB; 0 for one that never plays."""
    hops_H = np.asarray(stem.hop_energies, float)
    peaks_H = np.asarray(stem.hop_peaks, float)[: len(hops_H)]
    active_H = hops_H[: len(peaks_H)] > lufs_to_energy(loudness_lufs - ACTIVE_BELOW_LU)
    heard_H = peaks_H[active_H]
    usual = float(np.percentile(heard_H, PEAK_PERCENTILE)) if len(heard_H) else 0.0
    return 20 * float(np.log10(usual)) - loudness_lufs if usual > 0 else 0.0


def brightness_hz(stem: StemSurvey) -> float:
    """The centre of a stem's energy over log frequency, from its third octaves; 0 without energy in them."""
    energy_B = np.asarray(stem.third_octaves, float)
    if energy_B.sum() <= 0:
        return 0.0
    return float(np.exp(np.average(np.log(CENTRES_HZ), weights=energy_B)))


def character_steps_db(stems: Mapping[str, StemSurvey], loudness: Mapping[str, float]) -> dict[str, float]:
    """What to add to the level of every stem with a loudness, dB, for its peaks and its brightness.

    Counted from the mean over these stems, so that a song of stems that are alike is left alone, and at most
    `MOST_STEP_DB` either way.
    """
    names = sorted(loudness)
    if not names:
        return {}
    peaks_N = np.array([peak_factor_db(stems[name], loudness[name]) for name in names])
    octaves_N = np.log2([max(brightness_hz(stems[name]), 20.0) for name in names])
    steps_N = DB_PER_PEAK_DB * (peaks_N - peaks_N.mean()) + DB_PER_OCTAVE * (octaves_N - octaves_N.mean())
    steps_N = np.clip(steps_N, -MOST_STEP_DB, MOST_STEP_DB)
    return dict(zip(names, steps_N.tolist(), strict=True))
