"""The mix bus: its tone towards released music, and a gentle compressor; both off unless asked for.

From what the stems' surveys and gains say of their sum: energies are added as if the stems had nothing in
common.

Legend: B third-octave bands, H hops of 100 ms.
"""

from collections.abc import Mapping

import numpy as np

from mixcli.audio.loudness import RELATIVE_GATE_LU
from mixcli.console.band_fit import fit_bands
from mixcli.console.hop_levels import TINY_ENERGY, Levels, mean_squares
from mixcli.console.recipe import CompressorRecipe, EqualiserBandRecipe
from mixcli.console.spectra_table import RELEASED_DB
from mixcli.console.tone import correction
from mixcli.settings import RuleSettings
from mixcli.songs.survey import Survey

MOST_BANDS = 4
MOST_TONE_DB = 3.0
RATIO, KNEE_DB = 2.0, 6.0
ATTACK_MS, RELEASE_MS = 30.0, 250.0  # slow: hits pass, passages are held together
MOST_REDUCTION_DB = 2.0
LOUD_PERCENTILE = 90.0  # of the levels over the gate: there the reduction is the most


def choose_bus_equaliser(
    gains_db: Mapping[str, float], survey: Survey, settings: RuleSettings
) -> tuple[list[EqualiserBandRecipe], str] | None:
    """At most four bands of ±3 dB times `settings.bus_tone` towards released music's average, and why."""
    if settings.bus_tone == 0 or not gains_db:
        return None
    spectra = [
        np.array(survey.stems[name].third_octaves) * 10 ** (gain_db / 10)
        for name, gain_db in sorted(gains_db.items())
    ]
    total_B = np.sum(spectra, axis=0)
    if not total_B.any():
        return None
    curve_B, weight_B = correction(tuple(total_B.tolist()), np.array(RELEASED_DB))
    most_db = MOST_TONE_DB * settings.bus_tone
    curve_B = np.clip(curve_B, -MOST_TONE_DB, MOST_TONE_DB) * settings.bus_tone
    bands = fit_bands(curve_B, weight_B, survey.sample_rate, n_bands=MOST_BANDS, most_db=most_db)
    if not bands:
        return None
    return bands, f"the sum towards the average of released music, by {most_db:g} dB at most"


def choose_bus_compressor(
    gains_db: Mapping[str, float], survey: Survey, settings: RuleSettings
) -> tuple[CompressorRecipe, str] | None:
    """A slow compressor of 2:1 for the sum, at most 2 dB times `settings.bus_compression`, and why.

    The threshold is in dB of full scale of the console's sum.
    """
    if settings.bus_compression == 0 or not gains_db:
        return None
    levels_H = _levels_of_sum(gains_db, survey)
    if not len(levels_H):
        return None
    most_db = MOST_REDUCTION_DB * settings.bus_compression
    loud_db = float(np.percentile(levels_H, LOUD_PERCENTILE))
    threshold_db = round(loud_db - most_db / (1 - 1 / RATIO), 1)
    compressor = CompressorRecipe(
        threshold_db=threshold_db,
        ratio=RATIO,
        knee_db=KNEE_DB,
        attack_ms=ATTACK_MS,
        release_ms=RELEASE_MS,
        most_reduction_db=round(most_db, 2),
    )
    return compressor, f"holds the loud tenth of the song back by {most_db:g} dB"


def _levels_of_sum(gains_db: Mapping[str, float], survey: Survey) -> Levels:
    """Levels of the hops of the sum that are within 10 dB of their mean, dB of full scale."""
    series = [mean_squares(name, survey) * 10 ** (gain_db / 10) for name, gain_db in sorted(gains_db.items())]
    total_H = np.zeros(max(len(energy_H) for energy_H in series))
    for energy_H in series:
        total_H[: len(energy_H)] += energy_H
    total_H = total_H[total_H > TINY_ENERGY]
    gated_H = total_H[total_H > total_H.mean() * 10 ** (RELATIVE_GATE_LU / 10)] if len(total_H) else total_H
    return np.asarray(10 * np.log10(gated_H))
