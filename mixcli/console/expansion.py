"""Expanders for what plays in hits or phrases over a floor of spill or noise.

The peaks of the hops of such a stem fall into two heaps, far from each other and with little between: the
playing and the floor. Where they do not, nothing is expanded; voices and sustained sounds never are.

Legend: H hops of 100 ms.
"""

import numpy as np

from mixcli.console.hop_levels import Levels
from mixcli.console.recipe import ExpanderRecipe
from mixcli.settings import RuleSettings
from mixcli.songs.roles import family_of
from mixcli.songs.stem_survey import StemSurvey

FEWEST_HOPS = 50  # 5 s
SILENCE_DBFS = -100.0  # hops below are silence, as an editor leaves it, not noise
LEAST_APART_DB = 20.0  # the middles of both heaps
LEAST_GAP_DB = 6.0  # from the threshold to the middle of the playing
FLOOR_PERCENTILE, ABOVE_FLOOR_DB = 95.0, 6.0  # where the threshold lies
LEAST_FLOOR_SHARE = 0.2  # of the hops: less is no pause to speak of
LEAST_PLAYING_SHARE = 0.01
NOISE_SPREAD_DB = 6.0  # from the 10th to the 90th percentile: noise is that even, spill is not
# A recording's own noise: what has a loud amplifier, a pickup or a preamplifier turned up behind it.
NOISY_FAMILIES = frozenset({"gtr", "bass"})
NOISY_ROLES = frozenset({"keys.epiano", "keys.organ", "keys.other", "winds.reed", "winds.brass"})
RATIO = 3.0  # six dB under the threshold all of the range is taken
TOM_RANGE_DB, TOM_HOLD_MS, TOM_RELEASE_MS = 12.0, 250.0, 300.0
NOISE_RANGE_DB, NOISE_HOLD_MS, NOISE_RELEASE_MS = 10.0, 400.0, 600.0


def choose_expander(role: str, stem: StemSurvey, settings: RuleSettings) -> tuple[ExpanderRecipe, str] | None:
    """The expander of a stem and why; None unless it is a tom, or noisy, and its pauses stand apart.

    `settings.compression` scales the range, up to 1. The threshold is in dB of the recording's full scale, as
    its peaks read, and moves with the recording's level.
    """
    tom = role == "drums.tom"
    if not (tom or role in NOISY_ROLES or family_of(role) in NOISY_FAMILIES) or settings.compression == 0:
        return None
    peaks_H = np.asarray(stem.hop_peaks, np.float64)
    levels_H = 20 * np.log10(peaks_H[peaks_H > 10 ** (SILENCE_DBFS / 20)])
    if len(levels_H) < FEWEST_HOPS:
        return None
    border_db = two_heaps(levels_H)
    floor_H, playing_H = levels_H[levels_H < border_db], levels_H[levels_H >= border_db]
    shares = len(floor_H) / len(levels_H), len(playing_H) / len(levels_H)
    if shares[0] < LEAST_FLOOR_SHARE or shares[1] < LEAST_PLAYING_SHARE:
        return None
    floor_db, playing_db = float(np.median(floor_H)), float(np.median(playing_H))
    threshold_db = float(np.percentile(floor_H, FLOOR_PERCENTILE)) + ABOVE_FLOOR_DB
    if playing_db - floor_db < LEAST_APART_DB or playing_db - threshold_db < LEAST_GAP_DB:
        return None
    if not tom and np.diff(np.percentile(floor_H, (10, 90)))[0] > NOISE_SPREAD_DB:
        return None
    range_db = TOM_RANGE_DB if tom else NOISE_RANGE_DB
    expander = ExpanderRecipe(
        threshold_db=round(threshold_db, 2),
        ratio=RATIO,
        range_db=round(range_db * min(settings.compression, 1.0), 1),
        attack_ms=2.0,
        hold_ms=TOM_HOLD_MS if tom else NOISE_HOLD_MS,
        release_ms=TOM_RELEASE_MS if tom else NOISE_RELEASE_MS,
    )
    what = "spill between the hits" if tom else "noise in the pauses"
    apart_db = playing_db - floor_db
    return expander, f"{what}, {apart_db:.0f} dB under the playing: {expander.range_db:g} dB less of it"


def two_heaps(levels_H: Levels) -> float:
    """The level that parts a distribution best in two: with the least variance inside both heaps.

    SOURCE: N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. SMC 9(1), 1979.
    """
    sorted_H = np.sort(levels_H)
    n_below_H = np.arange(1, len(sorted_H))
    sums_H = np.cumsum(sorted_H)
    mean_below_H = sums_H[:-1] / n_below_H
    mean_above_H = (sums_H[-1] - sums_H[:-1]) / (len(sorted_H) - n_below_H)
    between_H = n_below_H * (len(sorted_H) - n_below_H) * np.square(mean_above_H - mean_below_H)
    best = int(np.argmax(between_H))
    return float((sorted_H[best] + sorted_H[best + 1]) / 2)
