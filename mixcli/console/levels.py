"""Levels: equal loudness, then steps for role, sound, company and style, and the voices against the rest.

Legend: N stems, M hops of 100 ms.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.loudness import energy_to_lufs, integrated_lufs
from mixcli.console.character import character_steps_db
from mixcli.console.drum_kit import miked_kit
from mixcli.console.lead_ratio import lead_step_db
from mixcli.console.rule_table import (
    ELECTRONIC_STEPS_DB,
    KIT_LEVEL_DB,
    LEAD_ROLES,
    STEM_TARGET_LUFS,
    TWIN_OFFSETS_DB,
    BalanceFamily,
    rule_of,
)
from mixcli.console.sources import Source, microphone_of
from mixcli.console.style_of_song import how_electronic
from mixcli.settings import RuleSettings
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey

QUIETEST_LUFS = -70.0  # the absolute gate of BS.1770: below it a stem has no loudness to go by
HELD = "held: more would turn up its noise"
LEAST_STEP_DB = 0.05  # smaller steps are not worth a word


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


class _Faders:
    """The gains of a song's stems while they are decided, dB, each with the words for its steps."""

    def __init__(self, loudness: Mapping[str, float], settings: RuleSettings) -> None:
        self.most_db = settings.max_gain_db
        self.gains_db: dict[str, float] = {}
        self.words: dict[str, list[str]] = {}
        for name, lufs in loudness.items():
            gain_db = min(STEM_TARGET_LUFS - lufs, self.most_db)
            self.gains_db[name] = gain_db
            self.words[name] = [f"to {lufs + gain_db:.0f} LUFS ({gain_db:+.1f})"]
            if gain_db == self.most_db:
                self.words[name].append(HELD)

    def step(self, name: str, step_db: float, why: str) -> None:
        """Move one fader; a stem without a loudness has none."""
        if name in self.gains_db and abs(step_db) >= LEAST_STEP_DB:
            self.gains_db[name] += step_db
            self.words[name].append(f"{why} ({step_db:+.1f})")

    def levels(self, names: Sequence[str]) -> dict[str, Level]:
        """All gains, rounded and held, in the order of the names."""
        levels = {name: Level(0.0, "too quiet to have a loudness: left as it is") for name in names}
        for name, gain_db in self.gains_db.items():
            reason = ", ".join(self.words[name])
            if gain_db > self.most_db:
                gain_db = self.most_db
                reason += f", {HELD}"
            levels[name] = Level(round(gain_db, 2), reason)
        return levels


def stem_levels(
    sources: Sequence[Source], survey: Survey, shares: Mapping[str, StemShare], settings: RuleSettings
) -> dict[str, Level]:
    """The gain of every stem, rounded to 0.01 dB; a stem too quiet to have a loudness keeps its level.

    `shares` says what else is done to a stem, so that its loudness after that is what is set. Steps after
    equal loudness: the role's own level; peaks and brightness of the sound; company, stems of one role or
    microphones of one source or kit, which share a level; how electronic the song is; what the settings add;
    and at last all voices against the rest while the lead sings.
    """
    names = [stem.name for source in sources for stem in source.stems]
    loudness: dict[str, float] = {}
    for name in names:
        lufs = usable_loudness(survey.stems[name])
        if lufs is not None:
            loudness[name] = lufs + 10 * math.log10(max(shares[name].energy, 1e-6))
    faders = _Faders(loudness, settings)
    electronic = how_electronic(sources)
    turned_db: Mapping[BalanceFamily, float] = {
        "vocals": settings.vocals_db,
        "drums": settings.drums_db,
        "bass": settings.bass_db,
        "other": settings.other_db,
    }
    for source in sources:
        rule = rule_of(source.role)
        electronic_db = electronic * ELECTRONIC_STEPS_DB[rule.family]
        for stem in source.stems:
            faders.step(stem.name, rule.level_db, source.role)
            faders.step(stem.name, electronic_db, f"the song is {electronic:.0%} electronic")
    for name, step_db in character_steps_db(survey.stems, loudness).items():
        faders.step(name, step_db, "softer: peaky or bright" if step_db < 0 else "louder: dense or dark")
    _share_levels(faders, sources, survey, shares)
    _place_voices(faders, sources, survey)
    for source in sources:  # last of all, so that nothing takes back what was asked for
        family = rule_of(source.role).family
        for stem in source.stems:
            faders.step(stem.name, turned_db[family], f"{family} by the settings")
    return faders.levels(names)


def usable_loudness(stem: StemSurvey) -> float | None:
    """The gated loudness of a stem, its mean where it is under 400 ms; None if it is too quiet for any."""
    loudness = stem.loudness_lufs
    hops = np.asarray(stem.hop_energies, float)
    if not math.isfinite(loudness) and 0 < len(hops) < 4:
        loudness = energy_to_lufs(float(hops.mean()))
    return float(loudness) if math.isfinite(loudness) and loudness > QUIETEST_LUFS else None


def sum_loudness(gains_db: Mapping[str, float], survey: Survey, shares: Mapping[str, StemShare]) -> float:
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


def _share_levels(
    faders: _Faders, sources: Sequence[Source], survey: Survey, shares: Mapping[str, StemShare]
) -> None:
    """Microphones of a source are as loud together as one; so is a kit, and stems of one role half so.

    What sounds at different times shares nothing: the loudness of the sum says how much there is to share.
    Of stems of one role, what they have in common counts in full, as it would for microphones.
    """
    by_role: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        names = [stem.name for stem in source.stems]
        for stem in source.stems:
            twin_db = TWIN_OFFSETS_DB.get((source.role, microphone_of(stem)), 0.0) if len(names) > 1 else 0.0
            faders.step(stem.name, twin_db, f"the {microphone_of(stem)} microphone")
        excess_db = _excess_db(names, faders, survey, shares)
        for name in names:
            faders.step(name, -excess_db, f"1 of {len(names)} microphones")
        by_role[source.role].append(source)
    for role, members in by_role.items():
        names = [stem.name for source in members for stem in source.stems]
        if len(members) > 1:
            excess_db = _excess_db(names, faders, survey, shares)
            alike = max(_likeness(members, survey), 0.0)
            for name in names:
                faders.step(name, -(0.5 + 0.5 * alike) * excess_db, f"1 of {len(members)} {role}")
    kit = [
        stem.name for source in miked_kit(sources) for stem in source.stems if stem.name in faders.gains_db
    ]
    if kit:
        gains_db = {name: faders.gains_db[name] for name in kit}
        now_lufs = sum_loudness(gains_db, survey, shares)
        for name in gains_db:
            faders.step(name, STEM_TARGET_LUFS + KIT_LEVEL_DB - now_lufs, "a part of the drum kit")


def _excess_db(
    names: Sequence[str], faders: _Faders, survey: Survey, shares: Mapping[str, StemShare]
) -> float:
    """How much louder stems are together than the loudest of them, 0 or more; cancellation is not made up."""
    gains_db = {name: faders.gains_db[name] for name in names if name in faders.gains_db}
    if len(gains_db) < 2:
        return 0.0
    loudest = max(sum_loudness({name: gain_db}, survey, shares) for name, gain_db in gains_db.items())
    together = sum_loudness(gains_db, survey, shares)
    return max(together - loudest, 0.0) if math.isfinite(together) and math.isfinite(loudest) else 0.0


def _likeness(members: Sequence[Source], survey: Survey) -> float:
    """The mean correlation of the leading stems of sources."""
    leaders = [source.leader.name for source in members]
    coupling_NN = correlations(leaders, survey)
    n = len(leaders)
    return float((coupling_NN.sum() - n) / (n * (n - 1)))


def _place_voices(faders: _Faders, sources: Sequence[Source], survey: Survey) -> None:
    voices = {s.name for source in sources if rule_of(source.role).family == "vocals" for s in source.stems}
    leads = {s.name for source in sources if source.role in LEAD_ROLES for s in source.stems}
    found = lead_step_db(faders.gains_db, voices, leads, survey)
    if found is None:
        return
    step_db, ratio_db = found
    for name in sorted(voices):
        faders.step(name, step_db, f"voices were {ratio_db:+.1f} dB re the rest")
