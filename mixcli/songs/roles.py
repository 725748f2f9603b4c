"""What a stem is, from its name and folders; and the families and buses of the roles."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from mixcli.errors import SettingsError
from mixcli.songs import role_table
from mixcli.songs.patterns import files_meant
from mixcli.songs.role_table import RULES, Rule
from mixcli.songs.tokens import MACHINES, CommonWords, known, meaningful_words

if TYPE_CHECKING:  # the settings check roles, and must not load the audio library for it
    from mixcli.songs.song import RoleSource

ROLES: tuple[str, ...] = (
    *("util.click", "util.mix"),
    *("vox.lead", "vox.double", "vox.backing", "vox.choir", "vox.adlib", "vox.rap", "vox.spoken"),
    *(
        "drums.kick",
        "drums.snare",
        "drums.hihat",
        "drums.tom",
        "drums.overhead",
        "drums.cymbal",
        "drums.room",
    ),
    *("drums.clap", "drums.kit"),
    *("bass.electric", "bass.synth", "bass.upright"),
    *("gtr.electric", "gtr.acoustic", "gtr.steel", "gtr.other"),
    *("keys.piano", "keys.epiano", "keys.organ", "keys.other"),
    *("strings", "winds.reed", "winds.brass", "winds.flute", "plucked"),
    *("synth.pad", "synth.arp", "synth.lead", "synth.other"),
    *("perc.hand", "perc.pitched", "perc.orch"),
    *("fx.return", "fx.sfx", "room", "other"),
)
BUSES: tuple[str, ...] = ("kick", "snare_toms", "cymbals", "bass", "guitars", "keys", "lead", "backing")

FUZZY_LENGTH = 5  # letters a word needs before one wrong letter is forgiven
CLOSE_SPELLING = 0.85  # ratio of letters in common, from which a role is taken for the one that was meant
INSTRUMENT_ROWS = range(3, 41)
INSTRUMENT_OR_EFFECT_ROWS = range(3, 42)


@dataclass(frozen=True, kw_only=True)
class RoleMatch:
    """A role, where it was found, and the name's attributes (side, mic, take, double, wet, section, fx)."""

    role: str
    role_from: "RoleSource"
    attributes: dict[str, str] = field(default_factory=dict)


def family_of(role: str) -> str:
    """The family of a role: what stands before its dot."""
    return role.split(".")[0]


def bus_of(role: str) -> str:
    """The bus a role is mixed in; whatever has no bus of its own goes with the keys."""
    if role == "drums.kick":
        return "kick"
    if role in ("drums.snare", "drums.tom"):
        return "snare_toms"
    if role in ("vox.lead", "vox.rap", "vox.spoken"):
        return "lead"
    families = {"drums": "cymbals", "perc": "cymbals", "bass": "bass", "gtr": "guitars", "vox": "backing"}
    return families.get(family_of(role), "keys")


def match_role(
    file_stem_name: str,
    folder_names: Sequence[str] = (),
    common: CommonWords = CommonWords(),  # noqa: B008 (frozen)
    *,
    name_says: bool = True,
) -> RoleMatch:
    """The role that a file's name says, or else its folders from inside out, or else a mended typing error.

    `common` are the words all names of the song share. `name_says` is False where the same name stands in
    several folders, so that only the folders tell the stems apart.
    """
    words = meaningful_words(file_stem_name, common)
    bare = meaningful_words(file_stem_name)
    folders = [meaningful_words(folder) for folder in reversed(folder_names)]
    hit = (_match(words) or _match(bare)) if name_says else None
    if hit and hit[0] == "room" and any((_match(folder) or ("",))[0] == "drums.kit" for folder in folders):
        return RoleMatch(role="drums.room", role_from="name", attributes=_attributes(words, hit[1]))
    if hit:
        return RoleMatch(role=hit[0], role_from="name", attributes=_attributes(words, hit[1]))
    for folder in folders:
        # "Vocals/Backing 1": the name completes what the folder says
        if found := (_match((*folder, *words)) if name_says else None) or _match(folder):
            return RoleMatch(
                role=found[0], role_from="folder", attributes=_attributes((*folder, *words), found[1])
            )
    if name_says and _is_all_the_rest(words):
        return RoleMatch(role="other", role_from="name", attributes=_attributes(words, frozenset()))
    mended = tuple(_mend(word) for word in words)
    if name_says and mended != words and (found := _match(mended)):
        return RoleMatch(role=found[0], role_from="name", attributes=_attributes(mended, found[1]))
    return RoleMatch(role="other", role_from="none", attributes=_attributes(words, frozenset()))


def override_roles(names: Sequence[str], overrides: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The roles that the user gives to files by name or pattern; of several for a file the last wins."""
    return {name: role for pattern, role in overrides for name in files_meant(pattern, names)}


def check_role(role: str) -> None:
    """Refuse a role that does not exist (E405), with the nearest that does."""
    if role not in ROLES:
        raise SettingsError(
            f'no role "{role}".',
            code="E405",
            hint=f"did you mean {nearest_role(role)}? mixcli inspect --roles",
        )


def nearest_role(text: str) -> str:
    """The role a wrong name was meant to be: by its spelling if that is close, else by its meaning."""
    spelt = difflib.get_close_matches(text.casefold(), ROLES, n=1, cutoff=0.0)[0]
    match = match_role(text)
    is_close = difflib.SequenceMatcher(None, spelt, text.casefold()).ratio() >= CLOSE_SPELLING
    return spelt if is_close or match.role_from == "none" else match.role


def closest_guess(name: str) -> str | None:
    """What an unknown name resembles most, or None if it resembles nothing."""
    for word in meaningful_words(name):
        if len(word) >= 4 and (close := difflib.get_close_matches(word, _nouns(), n=1, cutoff=0.75)):
            hit = _match((close[0],))
            if hit:
                return hit[0]
    return None


Hit = tuple[str, frozenset[int]]


def _is_all_the_rest(words: Sequence[str]) -> bool:
    """Whether a whole name, but for sides and numbers, says "everything else", as separated songs have it."""
    said = [word for word in words if not word.isdigit() and word not in role_table.ATTRIBUTES]
    return len(said) == 1 and said[0] in role_table.ALL_THE_REST


@lru_cache(maxsize=4096)  # the songs of a library are named alike
def _match(words: tuple[str, ...]) -> Hit | None:
    """The first row of the table that the words satisfy, and which of the words did."""
    return (
        _match_click(words) or _match_mix(words) or _match_owner(words) or _match_rules(words, range(3, 44))
    )


def _match_rules(words: tuple[str, ...], rows: range) -> Hit | None:
    for rule in RULES:
        if rule.row in rows and (used := _satisfies(words, rule)) is not None:
            return rule.role, used
    return None


def _satisfies(words: tuple[str, ...], rule: Rule) -> frozenset[int] | None:
    used: set[int] = set()
    for group in rule.groups:
        found = _find(words, group)
        if found is None:
            return None
        used |= found
    return None if _find(words, rule.unless) is not None else frozenset(used)


def _find(words: tuple[str, ...], phrases: Sequence[str]) -> frozenset[int] | None:
    """The places of all words that belong to any of the phrases, or None if there is none."""
    used: set[int] = set()
    for phrase in phrases:
        parts = tuple(phrase.split())
        for index in range(len(words) - len(parts) + 1):
            if words[index : index + len(parts)] == parts:
                used.update(range(index, index + len(parts)))
    return frozenset(used) or None


def _without(words: tuple[str, ...], places: frozenset[int]) -> tuple[str, ...]:
    return tuple(word for index, word in enumerate(words) if index not in places)


def _match_click(words: tuple[str, ...]) -> Hit | None:
    if found := _find(words, role_table.GUIDES):
        return "util.click", found
    if (found := _find(words, role_table.SCRATCH)) and _find(words, role_table.SCRATCH_WITH):
        return "util.click", found
    if (found := _find(words, role_table.CLICKS)) and not _match_rules(
        _without(words, found), INSTRUMENT_ROWS
    ):
        return "util.click", found
    return None


def _match_mix(words: tuple[str, ...]) -> Hit | None:
    if (found := _find(words, role_table.MIXES)) and not _match_rules(
        _without(words, found), INSTRUMENT_ROWS
    ):
        return "util.mix", found
    ended = tuple(
        word
        for word in words
        if not word.isdigit() and word not in ("v", "ver", "rev", "bit", "khz", "final")
    )
    if ended and ended[-1] == "mix" and not _match_rules(ended[:-1], INSTRUMENT_ROWS):
        return "util.mix", frozenset({max(i for i, word in enumerate(words) if word == "mix")})
    found = _find(words, role_table.WEAK_MIXES)
    if found and not _match_rules(_without(words, found), INSTRUMENT_OR_EFFECT_ROWS):
        return "util.mix", found
    return None


def _match_owner(words: tuple[str, ...]) -> Hit | None:
    """Row 3: `Vocals-Drums` is the drummer's voice."""
    if not words or words[0] not in role_table.OWNER or words[:2] == ("voice", "over"):
        return None
    rest = words[1:]
    for rule in RULES:
        if rule.row not in role_table.OWNER_ROWS:
            return None  # the words after row 40 name no instrument
        if family_of(rule.role) != "vox" and _satisfies(rest, rule) is not None:
            return "vox.backing", frozenset({0})
    return None


def _attributes(words: tuple[str, ...], used: frozenset[int]) -> dict[str, str]:
    """What the words beside the role say: the last word of a kind counts, and the last number is the take."""
    found: dict[str, str] = {}
    for index, word in enumerate(words):
        if index in used:
            continue
        if word in MACHINES:
            continue
        if word.isdigit():
            found["take"] = str(int(word)) if word.isascii() else word
        elif word in role_table.ATTRIBUTES:
            attribute, value = role_table.ATTRIBUTES[word]
            found[attribute] = value
    if "dt" in words or "dbl" in words or "adt" in words:
        found["double"] = "true"
    return dict(sorted(found.items()))


@cache
def _nouns() -> tuple[str, ...]:
    """The single words of the table that a typing error is looked for in, in its order."""
    phrases = (phrase for rule in RULES for group in rule.groups for phrase in group)
    return tuple(
        dict.fromkeys(phrase for phrase in phrases if " " not in phrase and len(phrase) >= FUZZY_LENGTH)
    )


@lru_cache(maxsize=4096)
def _mend(word: str) -> str:
    """The table's word that an unknown word is one edit away from, or the word itself."""
    if len(word) < FUZZY_LENGTH or known(word):
        return word
    return next(
        (noun for noun in _nouns() if _one_edit_apart(word, noun) or _one_edit_apart(word, noun + "s")), word
    )


def _one_edit_apart(one: str, other: str) -> bool:
    """Whether one letter added, dropped, changed, or swapped with its neighbour makes one word the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    shared = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    left, right = one[shared:], other[shared:]
    swapped = left[:2] == right[:2][::-1] and left[2:] == right[2:]
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or swapped
