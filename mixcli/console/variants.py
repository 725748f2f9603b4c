"""Variants: other mixes of a song that could be defended as well, each turned one way from the rules' own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mixcli.console.rule_table import BalanceFamily, rule_of
from mixcli.settings import RuleSettings
from mixcli.strict_yaml import validate

FEWEST_VARIANTS, MOST_VARIANTS = 2, 9
NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Direction:
    """One way to turn the rules: settings that are added to, and others that are multiplied.

    `text` tells it in words. One that is about the level of a `family` is of use only to a song that has that
    family and another.
    """

    name: str
    text: str
    added: Mapping[str, float]
    times: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    family: BalanceFamily | None = None


# Most asked for first. 1.5 to 2 dB of a family is heard as another balance, not as a fault; all is judgement.
DIRECTIONS = (
    Direction(
        name="vocal up",
        text="the voices 1.5 dB up, with more room made for them",
        added={"vocals_db": 1.5, "masking": 0.25},
        family="vocals",
    ),
    Direction(
        name="drums forward",
        text="the drums 2 dB up and more compressed, less reverb",
        added={"drums_db": 2.0, "reverb_db": -1.0},
        times={"compression": 1.2},
        family="drums",
    ),
    Direction(
        name="wide and wet",
        text="wider by 3 dB of side, panned further out, 4 dB more reverb and a longer one",
        added={"width_db": 3.0, "reverb_db": 4.0},
        times={"pan_scale": 1.6, "decay_s": 1.3},
    ),
    Direction(
        name="dry and narrow",
        text="6 dB less side, panned half as far, 9 dB less reverb and a shorter one",
        added={"width_db": -6.0, "reverb_db": -9.0},
        times={"pan_scale": 0.5, "decay_s": 0.7},
    ),
    Direction(
        name="punchy",
        text="drums and bass 1 dB up, more compression on stems and sum, less reverb",
        added={"drums_db": 1.0, "bass_db": 1.0, "bus_compression": 0.4, "reverb_db": -3.0},
        times={"compression": 1.4},
    ),
    Direction(
        name="vocal back",
        text="the voices 1.5 dB down, in the band rather than before it",
        added={"vocals_db": -1.5, "reverb_db": 1.0},
        family="vocals",
    ),
    Direction(name="bass up", text="the bass 2 dB up", added={"bass_db": 2.0}, family="bass"),
    Direction(
        name="soft",
        text="the drums 2 dB down, half the compression, 2 dB more reverb",
        added={"drums_db": -2.0, "reverb_db": 2.0},
        times={"compression": 0.5, "bus_compression": 0.5},
    ),
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One of several mixes of a song: its number from 1, its name and, in words, what is different."""

    number: int
    name: str
    text: str
    direction: Direction | None = None

    @property
    def label(self) -> str:
        """What tells its file from the others: "2 vocal up"."""
        return f"{self.number} {self.name}"


MAIN = Variant(number=1, name="main", text="the mix as it is made without variants")


def choose_variants(n_variants: int, roles: Iterable[str]) -> tuple[Variant, ...]:
    """The first so many variants for a song of these roles: the main mix, then what makes a difference to it.

    There are fewer where directions are about a level that the song cannot have changed.
    """
    families = {rule_of(role).family for role in roles}
    directions = [
        direction
        for direction in DIRECTIONS
        if direction.family is None or (direction.family in families and len(families) > 1)
    ]
    others = [
        Variant(number=number, name=direction.name, text=direction.text, direction=direction)
        for number, direction in enumerate(directions[: n_variants - 1], start=2)
    ]
    return (MAIN, *others)


def vary(settings: RuleSettings, variant: Variant) -> RuleSettings:
    """Rule settings turned in a variant's direction, each held in its range."""
    if variant.direction is None:
        return settings
    changes: dict[str, Any] = {}
    for key, step in variant.direction.added.items():
        changes[key] = _held(key, getattr(settings, key) + step)
    for key, factor in variant.direction.times.items():
        changes[key] = _held(key, getattr(settings, key) * factor)
    given = settings.model_dump(exclude_unset=True) | changes
    return validate(RuleSettings, given, source=f"variant {variant.label}")


def _held(key: str, value: float) -> float:
    schema = RuleSettings.model_json_schema()["properties"][key]
    lowest, highest = schema.get("minimum", schema.get("exclusiveMinimum")), schema["maximum"]
    return round(min(max(value, float(lowest)), float(highest)), 4)
