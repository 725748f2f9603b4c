"""Where the rules pan the sources of a song: from the centre outward, left and right in balance."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.console.character import brightness_hz
from mixcli.console.rule_table import rule_of
from mixcli.console.sources import Source
from mixcli.console.widening import side_re_mid_db
from mixcli.settings import RuleSettings
from mixcli.songs.survey import Survey

INNERMOST, OUTERMOST = 0.06, 0.15  # of a half, for what the rules place themselves
LONE_SIDE = 0.30  # for a stem whose name says left or right, and nothing is opposite
NAMED_SIDE = 1.0  # for a stem whose name says left or right, beside one that says the other
N_OCTAVES = 10  # of the survey's third octaves
TINY_ENERGY = 1e-12
WIDE_ENOUGH_DB = -12.0  # side re mid of a stereo stem that is left where it is


@dataclass(frozen=True)
class Pan:
    """A pan from -1 (left) to 1 (right), and why."""

    pan: float
    reason: str


class _Picture:
    """What lies left and right so far, in octaves: right energy less left, and all there is, [B]."""

    def __init__(self, sources: Sequence[Source], survey: Survey, gains_db: Mapping[str, float]) -> None:
        self._energy_B = {source.leader.name: _octaves(source, survey, gains_db) for source in sources}
        self._all_B = np.sum([*self._energy_B.values(), np.zeros(N_OCTAVES)], axis=0) + TINY_ENERGY
        self._tilt_B = np.zeros(N_OCTAVES)

    def place(self, source: Source, pan: float) -> None:
        """Take a source into the picture."""
        self._tilt_B = self._tilt_B + self._pull(source, pan)

    def better_side(self, placed: Sequence[tuple[Source, float]]) -> int:
        """1 where the picture is more even with the sources as placed, -1 where it is with all mirrored."""
        pull_B = sum((self._pull(source, pan) for source, pan in placed), np.zeros(N_OCTAVES))
        as_placed, mirrored = (self._unevenness(self._tilt_B + sign * pull_B) for sign in (1, -1))
        return 1 if as_placed <= mirrored else -1

    def _pull(self, source: Source, pan: float) -> NDArray[np.float64]:
        """Constant power: of an energy E, E sin(pi pan / 2) more is right than left."""
        pull_B: NDArray[np.float64] = self._energy_B[source.leader.name] * np.sin(np.pi / 2 * pan)
        return pull_B

    def _unevenness(self, tilt_B: NDArray[np.float64]) -> float:
        return round(float(np.square(tilt_B / self._all_B).sum()), 12)


def pan_sources(
    sources: Sequence[Source],
    survey: Survey,
    settings: RuleSettings,
    gains_db: Mapping[str, float],
    *,
    one_sided: Collection[str],
) -> dict[str, Pan]:
    """The pan of every stem that leaves the centre, by name; all microphones of a source stand together.

    Sources of one role are put in pairs, opposite each other: a take and its double first, then neighbours in
    frequency, the darkest pair innermost. Which of a pair is left, and where a source without a partner goes,
    is what makes left and right most alike, octave by octave, at the gains of the stems. A side in a name is
    believed: all the way where the other side is there too, which `one_sided` says by stem, else a little
    further than the rules go themselves.
    """
    pans: dict[str, Pan] = {}
    picture = _Picture(sources, survey, gains_db)
    by_role: dict[str, list[Source]] = defaultdict(list)

    def put(source: Source, pan: float, reason: str) -> None:
        picture.place(source, pan)
        pans.update({stem.name: Pan(pan, reason) for stem in source.stems})

    for source in sources:
        if source.side is not None and not is_wide(source, survey):
            paired = source.leader.name in one_sided
            distance = NAMED_SIDE if paired else round(min(1.0, LONE_SIDE * settings.pan_scale), 2)
            reason = f"its name says {source.side}" + ("" if paired else ", and nothing is opposite")
            put(source, -distance if source.side == "L" else distance, reason)
        elif may_move(source, sources, survey):
            by_role[source.role].append(source)
    for role in sorted(by_role):
        pairs, single = pair_up(by_role[role], survey)
        positions = np.linspace(INNERMOST, OUTERMOST, len(pairs) + 1)
        if single is not None:
            pan = round(min(1.0, float(positions[0]) * settings.pan_scale), 2)
            place = picture.better_side([(single, pan)]) * pan
            put(single, place, f"{role}: where it balances the rest")
        for number, (first, second) in enumerate(pairs):
            pan = round(min(1.0, float(positions[number + 1]) * settings.pan_scale), 2)
            place = picture.better_side([(first, pan), (second, -pan)]) * pan
            put(first, place, f'{role}: opposite "{second.leader.name}"')
            put(second, -place, f'{role}: opposite "{first.leader.name}"')
    return pans


def _octaves(source: Source, survey: Survey, gains_db: Mapping[str, float]) -> NDArray[np.float64]:
    """Energy of a source in octaves, with the gains of its stems, [B]."""
    total_B = np.zeros(N_OCTAVES)
    for stem in source.stems:
        thirds = np.asarray(survey.stems[stem.name].third_octaves, float)
        total_B += thirds.reshape(N_OCTAVES, 3).sum(axis=1) * db_to_gain(gains_db[stem.name]) ** 2
    return total_B


def may_move(source: Source, sources: Sequence[Source], survey: Survey) -> bool:
    """Whether the rules may take a source out of the centre."""
    if not rule_of(source.role).panned or is_wide(source, survey):
        return False
    alone = sum(other.role == source.role for other in sources) == 1
    return not (alone and source.role in ("other", "vox.double"))


def is_wide(source: Source, survey: Survey) -> bool:
    """Whether a source has a stereo image of its own."""
    return any(
        stem.n_channels == 2 and side_re_mid_db(survey.stems[stem.name]) > WIDE_ENOUGH_DB
        for stem in source.stems
    )


def pair_up(sources: Sequence[Source], survey: Survey) -> tuple[list[tuple[Source, Source]], Source | None]:
    """Put sources of one role in pairs, from dark to bright; the darkest without a partner is left over."""
    brightness = {source.leader.name: brightness_hz(survey.stems[source.leader.name]) for source in sources}
    waiting = sorted(sources, key=lambda source: (brightness[source.leader.name], source.leader.name))
    parts: dict[tuple[str, str], list[Source]] = defaultdict(list)
    for source in waiting:
        parts[source.leader.attributes.get("take", ""), source.leader.attributes.get("section", "")].append(
            source
        )
    pairs = []
    for members in parts.values():
        doubles = [source for source in members if "double" in source.leader.attributes]
        takes = [source for source in members if "double" not in source.leader.attributes]
        pairs += list(zip(takes, doubles, strict=False))
    paired = {id(source) for pair in pairs for source in pair}
    rest = [source for source in waiting if id(source) not in paired]
    single = rest.pop(0) if len(rest) % 2 else None
    pairs += list(zip(rest[::2], rest[1::2], strict=True))
    return sorted(pairs, key=lambda pair: _darkest(pair, brightness)), single


def _darkest(pair: tuple[Source, Source], brightness: Mapping[str, float]) -> tuple[float, str]:
    return min((brightness[source.leader.name], source.leader.name) for source in pair)
