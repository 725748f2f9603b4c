"""How loud the voices stand against everything else while the lead sings.

Legend: H hops of 100 ms.
"""

import math
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.songs.survey import Survey

USUAL_RATIO_DB = -2.5  # voices re the rest
MOVED_SHARE = 0.5  # of the way from the ratio found to the usual one
LOWEST_RATIO_DB, HIGHEST_RATIO_DB = -5.0, 1.0
SINGS_BELOW_DB = 20.0  # re the lead's loudest hop: softer hops are pauses


def lead_step_db(
    gains_db: Mapping[str, float], voices: Collection[str], leads: Collection[str], survey: Survey
) -> tuple[float, float] | None:
    """The step for all voices, dB, and the ratio they have before it; None where none can be found.

    From energies alone, over the hops in which a lead sounds: half the way to `USUAL_RATIO_DB`, and at least
    as far as brings the ratio into the range. After Gerdes and Siedenburg, Lead-vocal level in recordings of
    popular music 1946-2020, JASA Express Letters 3(4), 2023: about 0 to +1 dB in most genres, below 0 in
    metal; lower here because in electronic music, of which our faders are, it lies about -4 dB.
    """
    lead_H = _energy(gains_db, [name for name in leads if name in gains_db], survey)
    voices_H = _energy(gains_db, [name for name in voices if name in gains_db], survey)
    rest_H = _energy(gains_db, [name for name in gains_db if name not in voices], survey)
    sings_H = lead_H > lead_H.max(initial=0.0) * 10 ** (-SINGS_BELOW_DB / 10)
    voice, rest = float(voices_H[sings_H].sum()), float(rest_H[sings_H].sum())
    if voice <= 0 or rest <= 0:
        return None
    ratio_db = 10 * math.log10(voice / rest)
    wanted_db = ratio_db + MOVED_SHARE * (USUAL_RATIO_DB - ratio_db)
    return min(max(wanted_db, LOWEST_RATIO_DB), HIGHEST_RATIO_DB) - ratio_db, ratio_db


def _energy(gains_db: Mapping[str, float], names: Collection[str], survey: Survey) -> NDArray[np.float64]:
    """Energies of the hops of some stems after their gains, uncorrelated, [H]."""
    n_hops = max((len(stem.hop_energies) for stem in survey.stems.values()), default=0)
    total_H = np.zeros(n_hops)
    for name in sorted(names):
        hops_H = np.asarray(survey.stems[name].hop_energies, float)
        total_H[: len(hops_H)] += hops_H * db_to_gain(gains_db[name]) ** 2
    return total_H
