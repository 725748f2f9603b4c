"""Which stems are microphones on one source: they are panned together and counted once."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from mixcli.songs.pairs import SIDES
from mixcli.songs.song import Stem
from mixcli.songs.tokens import meaningful_words, split_words

# The microphone that stands for a source, best first; a stem without a word for its microphone comes between.
LEADING_MICROPHONES = ("in", "top", "close", "amp", "cab", "")
TAKE_ATTRIBUTES = (
    "take",
    "double",
    "section",
    "side",
)  # stems that differ in one of these are different sources


@dataclass(frozen=True)
class Source:
    """One thing that was played, and its stems: the leading microphone first, then the others by name."""

    role: str
    stems: tuple[Stem, ...]

    @property
    def leader(self) -> Stem:
        """The stem that stands for the source."""
        return self.stems[0]

    @property
    def side(self) -> str | None:
        """The side, "L" or "R", where the name says so, else None."""
        side = self.leader.attributes.get("side", "").upper()
        return side if side in ("L", "R") else None


def microphone_of(stem: Stem) -> str:
    """The word for a stem's microphone ("in", "di"…), "wet" for an effect's output, "" if there is none."""
    microphone = stem.attributes.get("mic", "").lower()
    return microphone or ("wet" if is_wet(stem) else "")


def is_wet(stem: Stem) -> bool:
    """Whether a stem's name says that it is the output of an effect."""
    return stem.attributes.get("wet") == "true"


def group_sources(stems: Iterable[Stem]) -> list[Source]:
    """Put stems of one role and take that differ in their microphone together, sorted by role and name.

    Without a word for a microphone in at least one of two names they are two sources. The order of `stems`
    does not matter.
    """
    candidates: dict[tuple[str, ...], list[list[Stem]]] = defaultdict(list)
    for stem in sorted(stems, key=lambda stem: stem.name):
        key = (stem.role, *(stem.attributes.get(attribute, "") for attribute in TAKE_ATTRIBUTES))
        groups = candidates[key]
        for group in groups:
            microphones = {microphone_of(member) for member in group}
            if microphone_of(stem) not in microphones and microphones | {microphone_of(stem)} != {""}:
                group.append(stem)
                break
        else:
            groups.append([stem])
    sources = [
        Source(key[0], tuple(sorted(group, key=_leading)))
        for key, groups in candidates.items()
        for group in groups
    ]
    return sorted(sources, key=lambda source: (source.role, source.leader.name))


def opposite_sides(sources: Iterable[Source]) -> frozenset[str]:
    """The names of stems whose source is left or right of another, but for that alike in role and name."""
    pictures: dict[tuple[object, ...], dict[str, list[Source]]] = defaultdict(lambda: defaultdict(list))
    for source in sources:
        if source.side is not None:
            pictures[_picture(source)][source.side].append(source)
    return frozenset(
        stem.name
        for sides in pictures.values()
        if len(sides) == 2
        for members in sides.values()
        for source in members
        for stem in source.stems
    )


def _picture(source: Source) -> tuple[object, ...]:
    """What both sides of one recording have in common: role, attributes and the words of the name."""
    *folders, file_name = PurePosixPath(source.leader.name).parts
    words = (*(word for folder in folders for word in split_words(folder)), *meaningful_words(file_name))
    attributes = {key: value for key, value in source.leader.attributes.items() if key != "side"}
    return (source.role, *sorted(attributes.items()), *(word for word in words if word not in SIDES))


def _leading(stem: Stem) -> tuple[int, str]:
    microphone = microphone_of(stem)
    known = microphone in LEADING_MICROPHONES
    return (LEADING_MICROPHONES.index(microphone) if known else len(LEADING_MICROPHONES), stem.name)
