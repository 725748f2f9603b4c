"""Where the rules pan the sources of a song: from the centre outward, left and right in balance."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixcli.console.rule_table import RuleSettings, rule_of
from mixcli.console.sources import Source
from mixcli.console.widening import BAND_CENTRES_HZ, side_re_mid_db
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey

INNERMOST, OUTERMOST = 0.11, 0.30  # of a half, for what the rules place themselves
NAMED_SIDE = 1.0  # for a stem whose name says left or right, beside one that says the other
WIDE_ENOUGH_DB = -12.0  # side re mid of a stereo stem that is left where it is


@dataclass(frozen=True)
class Pan:
    """A pan from -1 (left) to 1 (right), and why."""

    pan: float
    reason: str


def pan_sources(
    sources: Sequence[Source], survey: Survey, settings: RuleSettings, *, one_sided: Collection[str]
) -> dict[str, Pan]:
    """The pan of every stem that leaves the centre, by name; all microphones of a source stand together.

    Sources of one role are put in pairs, opposite each other: a take and its double first, then neighbours in
    frequency, the darkest pair innermost. What has no partner takes the side that has less so far. A side in
    a name is believed: all the way where the other side is there too, which `one_sided` says by stem, else
    as far as the rules go themselves.
    """
    pans: dict[str, Pan] = {}
    weight = 0.0  # right minus left of what has no opposite
    by_role: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        if source.side is not None and not is_wide(source, survey):
            paired = source.leader.name in one_sided
            distance = NAMED_SIDE if paired else round(min(1.0, OUTERMOST * settings.pan_scale), 2)
            pan = -distance if source.side == "L" else distance
            weight += pan
            reason = f"its name says {source.side}" + ("" if paired else ", and nothing is opposite")
            pans |= {stem.name: Pan(pan, reason) for stem in source.stems}
        elif may_move(source, sources, survey):
            by_role[source.role].append(source)
    for role in sorted(by_role):
        pairs, single = pair_up(by_role[role], survey)
        positions = np.linspace(INNERMOST, OUTERMOST, len(pairs) + 1)
        if single is not None:
            side = 1 if weight < 0 else -1
            pan = round(side * min(1.0, positions[0] * settings.pan_scale), 2)
            weight += pan
            pans |= {
                stem.name: Pan(pan, f"{role}: on the side that has less so far") for stem in single.stems
            }
        for number, (first, second) in enumerate(pairs):
            pan = round(min(1.0, float(positions[number + 1]) * settings.pan_scale), 2)
            side = 1 if weight < 0 else -1
            for source, other, place in ((first, second, side * pan), (second, first, -side * pan)):
                reason = f'{role}: opposite "{other.leader.name}"'
                pans |= {stem.name: Pan(place, reason) for stem in source.stems}
    return pans


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


def brightness_hz(stem: StemSurvey) -> float:
    """The centre of a stem's energy over log frequency, from its bands; 0 without energy in them."""
    energy = np.asarray(stem.mid_energy, float) + np.asarray(stem.side_energy, float)
    if energy.sum() <= 0:
        return 0.0
    return float(np.exp(np.average(np.log(BAND_CENTRES_HZ), weights=energy)))


def _darkest(pair: tuple[Source, Source], brightness: Mapping[str, float]) -> tuple[float, str]:
    return min((brightness[source.leader.name], source.leader.name) for source in pair)
