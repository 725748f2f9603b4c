"""Compression of stems: how much a stem's own levels ask for, and what it will do to the stem's loudness.

A stem whose levels lie close together, or whose peaks do (it is limited, or one sample is played again and
again), has been made even before and is left alone. The more its levels spread and the higher its peaks stand
over them, the higher the ratio, up to that of its family.

Legend: H hops of 100 ms, P parts of a hop, S = H · P.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.dynamics import compress_curve
from mixcli.audio.loudness import integrated_lufs
from mixcli.console.hop_levels import (
    PARTS,
    TINY_ENERGY,
    Levels,
    active_hops,
    crests_db,
    fine_mean_squares,
    mean_squares,
)
from mixcli.console.recipe import CompressorRecipe
from mixcli.console.rule_table import LEAD_ROLES
from mixcli.settings import RuleSettings
from mixcli.songs.roles import family_of
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey

FEWEST_HOPS = 10  # that sound: less tells nothing of a spread
SPREAD_PERCENTILES = (10.0, 90.0)
PEAK_PERCENTILES = (25.0, 95.0)
ONSET = 10 ** (3.0 / 20)  # what a peak rises by, re the hop before, where something begins
FEWEST_ONSETS = 8
EVEN_PEAKS_DB = (1.5, 4.0)  # peaks that spread less are limited; from the second on nothing is held back
TYPICAL_PERCENTILE = 90.0  # the level at which the reduction is the typical one
LEAST_RATIO = 1.1  # less is not worth a processor
KNEE_DB = 6.0
DETECTOR_PARTS = 3  # of 5 ms: the detector looks back over 12.5 ms
PART_MS = 5.0


@dataclass(frozen=True, kw_only=True)
class CompressionRule:
    """What a family of roles is given.

    `ratio` where a stem asks for all of it, `percentile` of the active levels at which the threshold lies;
    a spread of levels up to the first of `spread_db` is even enough, from the second on it asks for all;
    `crest_db` likewise for what the peaks of 100 ms lie above the level.
    `most_db` is the most that the loud parts (the 90th percentile) are turned down at strength 1.
    """

    ratio: float
    percentile: float
    attack_ms: float
    release_ms: float
    spread_db: tuple[float, float] = (7.0, 14.0)
    crest_db: tuple[float, float] = (6.0, 12.0)
    most_db: float = 6.0


LEAD_RULE = CompressionRule(ratio=3.0, percentile=50, attack_ms=8, release_ms=120)
VOICES_RULE = CompressionRule(ratio=2.5, percentile=50, attack_ms=8, release_ms=150)
BASS_RULE = CompressionRule(ratio=3.0, percentile=50, attack_ms=25, release_ms=180, crest_db=(2.0, 9.0))
DRUMS_RULE = CompressionRule(
    ratio=1.8,
    percentile=70,
    attack_ms=25,
    release_ms=100,
    spread_db=(7.0, 16.0),
    crest_db=(6.0, 16.0),
    most_db=4.0,
)
OTHER_RULE = CompressionRule(ratio=1.5, percentile=60, attack_ms=25, release_ms=200, most_db=3.0)
FAMILY_RULES: Mapping[str, CompressionRule] = {
    "vox": VOICES_RULE,
    "bass": BASS_RULE,
    "drums": DRUMS_RULE,
    "perc": DRUMS_RULE,
}
# What is already the sound of a room or an effect, or lives from its rise and fall.
NOT_COMPRESSED = frozenset({"fx.return", "fx.sfx", "room", "drums.room", "strings", "perc.orch", "vox.choir"})


def compression_rule(role: str) -> CompressionRule | None:
    """What the family of a role is given; None for roles that are never compressed."""
    if role in NOT_COMPRESSED:
        return None
    return LEAD_RULE if role in LEAD_ROLES else FAMILY_RULES.get(family_of(role), OTHER_RULE)


def choose_compressor(
    name: str, role: str, survey: Survey, settings: RuleSettings
) -> tuple[CompressorRecipe, str] | None:
    """The compressor of a stem and why; None where its role has none or the stem asks for none.

    The threshold is in dB of the recording's full scale and moves with its level: a recording that is g dB
    louder gets the same sound with a threshold g dB higher. Nothing is made up for; see
    `expected_reduction_lu`.
    """
    rule, stem = compression_rule(role), survey.stems[name]
    active_H = active_hops(stem)
    if rule is None or settings.compression == 0 or np.count_nonzero(active_H) < FEWEST_HOPS:
        return None
    energies_H = mean_squares(name, survey)[active_H]
    if energies_H.min() <= TINY_ENERGY:  # all of it lies outside the third octaves
        return None
    levels_H = 10 * np.log10(energies_H)
    low_db, high_db = np.percentile(levels_H, SPREAD_PERCENTILES)
    spread_db = float(high_db - low_db)
    crest_db = float(np.median(crests_db(name, survey)[active_H]))
    asked = _share(spread_db, rule.spread_db) * (1 + _share(crest_db, rule.crest_db)) / 2
    asked *= _share(_spread_of_peaks_db(stem, active_H), EVEN_PEAKS_DB)
    threshold_db = float(np.percentile(levels_H, rule.percentile))
    typical_db = float(np.percentile(levels_H, TYPICAL_PERCENTILE)) - threshold_db
    ratio = 1 + (rule.ratio - 1) * asked * settings.compression
    most_db = rule.most_db * settings.compression
    if (1 - 1 / ratio) * typical_db > most_db:
        ratio = typical_db / (typical_db - most_db)
    ratio = round(ratio, 2)
    if ratio < LEAST_RATIO:
        return None
    compressor = CompressorRecipe(
        threshold_db=round(threshold_db, 2),
        ratio=ratio,
        knee_db=KNEE_DB,
        attack_ms=rule.attack_ms,
        release_ms=rule.release_ms,
        most_reduction_db=round(2 * most_db, 1),
    )
    taken_db = float(compress_curve(np.array([threshold_db + typical_db]), threshold_db, ratio, KNEE_DB)[0])
    reason = (
        f"its levels spread over {spread_db:.0f} dB, peaks {crest_db:.0f} dB above them: "
        f"the loud parts {taken_db:.1f} dB down"
    )
    return compressor, reason


def expected_reduction_lu(name: str, survey: Survey, compressor: CompressorRecipe) -> float:
    """By how much a compressor will lower the loudness of a stem, LU ≥ 0, make-up included; 0 for silence.

    Runs the compressor's curve, attack and release over the levels that the hops tell, every 5 ms. A peak
    detector and a high-pass in its way are not known of here.
    """
    stem = survey.stems[name]
    before_H = np.asarray(stem.hop_energies, np.float64)
    if not len(before_H) or not math.isfinite(stem.loudness_lufs):
        return 0.0
    parts_HP = fine_mean_squares(name, survey)
    # Before the song there was silence.
    heard_S = np.concatenate([np.full(DETECTOR_PARTS - 1, parts_HP.min()), parts_HP.ravel()])
    heard_S = np.convolve(heard_S, np.full(DETECTOR_PARTS, 1 / DETECTOR_PARTS), mode="valid")
    target_S = compress_curve(
        10 * np.log10(heard_S), compressor.threshold_db, compressor.ratio, compressor.knee_db
    )
    if compressor.most_reduction_db is not None:
        target_S = np.minimum(target_S, compressor.most_reduction_db)
    reduction_S = _smoothed(target_S, compressor.attack_ms, compressor.release_ms)
    share_HP = parts_HP / parts_HP.sum(axis=1, keepdims=True)
    gain_H = (share_HP * 10 ** (-reduction_S.reshape(-1, PARTS) / 10)).sum(axis=1)
    after_lufs = integrated_lufs(before_H * gain_H)
    return stem.loudness_lufs - after_lufs - compressor.make_up_db if math.isfinite(after_lufs) else 0.0


def _spread_of_peaks_db(stem: StemSurvey, active_H: NDArray[np.bool_]) -> float:
    """How far the peaks of hits, notes and words lie apart; of a sound without any, all its peaks."""
    peaks_H = np.asarray(stem.hop_peaks, np.float64)[: len(active_H)]
    before_H, after_H = np.append(0.0, peaks_H[:-1]), np.append(peaks_H[1:], 0.0)
    begins_H = active_H & (peaks_H > ONSET * before_H)
    if np.count_nonzero(begins_H) >= FEWEST_ONSETS:
        told = np.maximum(peaks_H, after_H)[begins_H]  # a hit may begin late in its hop
    else:
        told = peaks_H[active_H]
    low, high = np.percentile(told, PEAK_PERCENTILES)
    return 20 * math.log10(high / low) if low > 0 else math.inf


def _share(value: float, limits: tuple[float, float]) -> float:
    """0 up to the first limit, 1 from the second on, a line between."""
    low, high = limits
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _smoothed(target_S: Levels, attack_ms: float, release_ms: float) -> Levels:
    """The reduction in the middle of each part."""
    up, down = (math.exp(-PART_MS / time_ms) if time_ms > 0 else 0.0 for time_ms in (attack_ms, release_ms))
    now = 0.0
    after_S = np.array(
        [now := target + (up if target > now else down) * (now - target) for target in target_S.tolist()]
    )
    return np.asarray((np.append(0.0, after_S[:-1]) + after_S) / 2)
