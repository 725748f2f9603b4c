"""Levels by role in two stages: inside the family, then the family as a whole.

Legend: N stems of one family, M hops of 100 ms.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import energy_to_lufs, integrated_lufs
from mixcli.console.rule_table import (
    LEAD_ROLES,
    SAME_ROLE_DB,
    STEM_TARGET_LUFS,
    TWIN_OFFSETS_DB,
    BalanceFamily,
    RuleSettings,
    rule_of,
)
from mixcli.console.sources import Source, microphone_of
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey

QUIETEST_LUFS = -70.0  # the absolute gate of BS.1770: below it a stem has no loudness to go by


@dataclass(frozen=True)
class StemShare:
    """What a stem's other moves do to its level: polarity; its energy and its mid's, re the energy before."""

    polarity: int
    energy: float
    mid_energy: float


@dataclass(frozen=True)
class Level:
    """The gain the rules give a stem, and why."""

    gain_db: float
    reason: str


def stem_levels(
    sources: Sequence[Source], survey: Survey, shares: Mapping[str, StemShare], settings: RuleSettings
) -> dict[str, Level]:
    """The gain of every stem, rounded to 0.01 dB; a stem too quiet to have a loudness keeps its level."""
    families: dict[BalanceFamily, list[Source]] = defaultdict(list)
    for source in sources:
        families[rule_of(source.role).family].append(source)
    levels: dict[str, Level] = {}
    for family, members in families.items():
        inside: dict[str, Level] = {}
        counts = Counter(source.role for source in members)
        for source in members:
            inside |= _levels_of_source(source, counts[source.role], survey, shares, settings)
        offset_db = settings.family_offsets_db[family]
        if (
            family == "vocals"
            and len(families) > 1
            and not any(source.role in LEAD_ROLES for source in members)
        ):
            offset_db = settings.family_offsets_db["other"]  # voices without a lead accompany
        levels |= _family_to_target(inside, survey, shares, STEM_TARGET_LUFS + offset_db, settings)
    names = [stem.name for source in sources for stem in source.stems]
    too_quiet = Level(0.0, "too quiet to have a loudness: left as it is")
    return {name: levels.get(name, too_quiet) for name in names}


def usable_loudness(stem: StemSurvey) -> float | None:
    """The gated loudness of a stem, its mean where it is under 400 ms; None if it is too quiet for any."""
    loudness = stem.loudness_lufs
    hops = np.asarray(stem.hop_energies, float)
    if not math.isfinite(loudness) and 0 < len(hops) < 4:
        loudness = energy_to_lufs(float(hops.mean()))
    return float(loudness) if math.isfinite(loudness) and loudness > QUIETEST_LUFS else None


def family_loudness(gains_db: Mapping[str, float], survey: Survey, shares: Mapping[str, StemShare]) -> float:
    """Gated loudness of a sum of stems, from their hop energies and the correlations of their mids.

    The energy of a hop is Σ_i g_i² E_i + Σ_(i≠j) g_i g_j ρ_ij √(E_i E_j) with ρ of the whole song, which
    stands in for a second reading of the files.
    """
    names = sorted(gains_db)
    n_hops = max((len(survey.stems[name].hop_energies) for name in names), default=0)
    amplitude_NM = np.zeros((len(names), n_hops))
    for row, name in enumerate(names):
        hops = np.asarray(survey.stems[name].hop_energies, float)
        amplitude_NM[row, : len(hops)] = np.sqrt(np.maximum(hops, 0.0)) * db_to_gain(gains_db[name])
    energy_N = np.array([shares[name].energy for name in names])
    total_M = energy_N @ np.square(amplitude_NM)
    mid_N = np.array([shares[name].polarity * math.sqrt(shares[name].mid_energy) for name in names])
    mid_NM = amplitude_NM * mid_N[:, None]
    coupling_NN = correlations(names, survey)
    np.fill_diagonal(coupling_NN, 0.0)
    total_M = total_M + np.sum(mid_NM * (coupling_NN @ mid_NM), axis=0)
    return integrated_lufs(np.maximum(total_M, 0.0))


def correlations(names: Sequence[str], survey: Survey) -> NDArray[np.float64]:
    """Correlation of the mids of all pairs of stems, [N, N], 1 on the diagonal."""
    coupling_NN = np.eye(len(names))
    for i, first in enumerate(names):
        for j in range(i):
            coupling_NN[i, j] = coupling_NN[j, i] = survey.correlation(first, names[j])
    return coupling_NN


def _levels_of_source(
    source: Source, n_sources: int, survey: Survey, shares: Mapping[str, StemShare], settings: RuleSettings
) -> dict[str, Level]:
    names = [stem.name for stem in source.stems]
    signs_N = np.array([shares[name].polarity for name in names])
    # Microphones at one level sum to this energy; never below one of them, lest a cancellation be turned up.
    summed = max(1.0, float(signs_N @ correlations(names, survey) @ signs_N))
    role_db = rule_of(source.role).offset_db
    levels = {}
    for stem in source.stems:
        loudness = usable_loudness(survey.stems[stem.name])
        if loudness is None:
            continue
        to_target_db = min(STEM_TARGET_LUFS - loudness, settings.max_gain_db)
        gain_db = to_target_db + role_db
        words = [f"to {loudness + to_target_db:.0f} LUFS ({to_target_db:+.1f})"]
        if n_sources > 1:
            step_db = SAME_ROLE_DB * math.log10(n_sources)
            gain_db += step_db
            words.append(f"1 of {n_sources} {source.role} ({step_db:+.1f})")
        if len(names) > 1:
            twin_db = -10 * math.log10(summed)
            twin_db += TWIN_OFFSETS_DB.get((source.role, microphone_of(stem)), 0.0)
            gain_db += twin_db
            words.append(f"1 of {len(names)} microphones ({twin_db:+.1f})")
        words.append(f"{source.role} {role_db:+g} in its family")
        levels[stem.name] = Level(gain_db, ", ".join(words))
    return levels


def _family_to_target(
    inside: Mapping[str, Level],
    survey: Survey,
    shares: Mapping[str, StemShare],
    target_lufs: float,
    settings: RuleSettings,
) -> dict[str, Level]:
    loudness = family_loudness({name: level.gain_db for name, level in inside.items()}, survey, shares)
    step_db = target_lufs - loudness if math.isfinite(loudness) else 0.0
    levels = {}
    for name, level in inside.items():
        gain_db, reason = level.gain_db + step_db, level.reason
        if abs(step_db) >= 0.05:
            reason += f", family from {loudness:.1f} to {target_lufs:g} LUFS ({step_db:+.1f})"
        if gain_db > settings.max_gain_db:
            gain_db = settings.max_gain_db
            reason += f", held at {gain_db:+g}: more would turn up its noise"
        levels[name] = Level(round(gain_db, 2), reason)
    return levels
