"""How wide the rules make a stem: a side for mono stems, a nudge towards the target for stereo ones."""

import math

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.width import curve_at
from mixcli.console.recipe import BandCurve
from mixcli.console.rule_table import (
    NO_SIDE_BELOW_HZ,
    NO_SIDE_DB,
    SIDE_FROM_HZ,
    WIDTH_POINTS_HZ,
    RoleRule,
)
from mixcli.settings import RuleSettings
from mixcli.songs.stem_survey import StemSurvey

BAND_CENTRES_HZ = np.array([140.0, 320.0, 1000.0, 3500.0, 8500.0])  # of the survey's bands, rounded
BAND_WEIGHTS_DB = np.array([0.0, 0.0, 0.0, 3.0, 4.0])  # roughly what the K filter of BS.1770 does to them
MONO_SIDE_DB = -40.0  # a stereo file whose side lies below this re mid is treated as mono
LARGEST_STEPS_DB = (-3.0, 1.5)  # per band, for stereo stems
LOW_SIDE_DB = -12.0  # change of a stereo stem's side below 90 Hz


def side_re_mid_db(stem: StemSurvey) -> float:
    """Energy of the side re the mid over all bands; -inf without a side, +inf without a mid."""
    mid, side = float(np.sum(stem.mid_energy)), float(np.sum(stem.side_energy))
    if side <= 0:
        return -math.inf
    return 10 * math.log10(side / mid) if mid > 0 else math.inf


def is_mono(stem: StemSurvey, n_channels: int) -> bool:
    """Whether a stem has no side worth the name."""
    return n_channels == 1 or stem.dual_mono or side_re_mid_db(stem) < MONO_SIDE_DB


def made_side(rule: RoleRule, settings: RuleSettings) -> BandCurve | None:
    """The side re mid to give a mono stem of a role, nothing below 90 Hz; None where it stays mono."""
    if rule.width_db is None:
        return None
    levels_db = [round(min(0.0, level + settings.width_db), 1) for level in rule.width_db]
    lowest = {NO_SIDE_BELOW_HZ: NO_SIDE_DB, SIDE_FROM_HZ: levels_db[0]}
    return lowest | dict(zip(WIDTH_POINTS_HZ, levels_db, strict=True))


def moved_side(stem: StemSurvey, rule: RoleRule, settings: RuleSettings) -> BandCurve:
    """The change of a stereo stem's side, dB: half-way to the role's target per band, -12 dB below 90 Hz."""
    steps_db = np.zeros(len(BAND_CENTRES_HZ))
    if rule.width_db is not None:
        target = dict(zip(WIDTH_POINTS_HZ, rule.width_db, strict=True))
        targets_db = curve_at(target, BAND_CENTRES_HZ) + settings.width_db
        mid, side = np.asarray(stem.mid_energy, float), np.asarray(stem.side_energy, float)
        measured = (mid > 0) & (side > 0)
        now_db = 10 * np.log10(side[measured] / mid[measured])
        steps_db[measured] = np.clip((targets_db[measured] - now_db) / 2, *LARGEST_STEPS_DB)
    steps = zip(BAND_CENTRES_HZ.tolist(), steps_db.tolist(), strict=True)
    return {NO_SIDE_BELOW_HZ: LOW_SIDE_DB} | {frequency: round(step, 1) for frequency, step in steps}


def loudness_shares(stem: StemSurvey, made: BandCurve | None, moved: BandCurve | None) -> tuple[float, float]:
    """The energy of a stem after its width is set, and that of its mid, both re the energy it had."""
    weights = 10 ** (BAND_WEIGHTS_DB / 10)
    mid = np.asarray(stem.mid_energy, float) * weights
    side = np.asarray(stem.side_energy, float) * weights
    before = float(np.sum(mid + side))
    if before <= 0:
        return 1.0, 1.0
    after = mid + side * _power(moved) + (mid * _power(made) if made is not None else 0.0)
    return float(np.sum(after)) / before, float(np.sum(mid)) / before


def _power(curve_db: BandCurve | None) -> NDArray[np.float64]:
    if curve_db is None:
        return np.ones(len(BAND_CENTRES_HZ))
    return 10 ** (curve_at(curve_db, BAND_CENTRES_HZ) / 10)
