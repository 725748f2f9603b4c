"""From a file name to the words that carry its meaning."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mixcli.songs.role_table import (
    ATTRIBUTES,
    CLICKS,
    GEAR,
    GUIDES,
    MIXES,
    OWNER,
    RULES,
    SCRATCH,
    WEAK_MIXES,
)

AUDIO_SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".bwf",
        ".rf64",
        ".w64",
        ".aif",
        ".aiff",
        ".aifc",
        ".caf",
        ".au",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".m4a",
        ".aac",
        ".wma",
    ]
)
MACHINES = {"808", "909", "707", "606", "303"}  # numbers that are instruments
IDENTIFIER = re.compile(r"[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True)
class CommonWords:
    """Words that all names of a song begin or end with, such as its title."""

    prefix: tuple[str, ...] = ()
    suffix: tuple[str, ...] = ()


def strip_suffix(name: str) -> str:
    """A file name without its audio suffix; ".L" and other endings stay."""
    head, dot, tail = name.rpartition(".")
    return head if dot and head and f".{tail.lower()}" in AUDIO_SUFFIXES else name


def split_words(name: str) -> tuple[str, ...]:
    """Split a name at separators, camel case and borders of letters and digits; lower case, no accents."""
    text = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", strip_suffix(name))
        if not unicodedata.combining(letter)
    )
    if IDENTIFIER.fullmatch(text):
        return ()  # an identifier made by a machine says nothing, though "b3" may occur in it
    words: list[str] = []
    for chunk in re.findall(r"[^\W_]+", text):
        start = 0
        for index in range(1, len(chunk)):
            if _is_border(chunk, index):
                words.append(chunk[start:index])
                start = index
        words.append(chunk[start:])
    return tuple(word.casefold() for word in words)


def _is_border(chunk: str, index: int) -> bool:
    before, here = chunk[index - 1], chunk[index]
    if before.isdigit() != here.isdigit():
        return True
    if before.islower() and here.isupper():
        return True
    # "BGVox" is BG + Vox, but "OHs" is a plural
    after = chunk[index + 1 : index + 3]
    plural = after[:1] == "s" and not after[1:2].islower()
    return before.isupper() and here.isupper() and after[:1].islower() and not plural


@cache
def vocabulary() -> frozenset[str]:
    """Every word the table knows."""
    phrases = [phrase for rule in RULES for group in (*rule.groups, rule.unless) for phrase in group]
    phrases += [*GUIDES, *SCRATCH, *CLICKS, *MIXES, *WEAK_MIXES, *OWNER, *ATTRIBUTES, "mix"]
    return frozenset(word for phrase in phrases for word in phrase.split())


def known(word: str) -> tuple[str, ...] | None:
    """The table's word or words that a word of a name stands for: itself, its singular, or its parts."""
    words = vocabulary()
    if word in words:
        return (word,)
    for ending in ("s", "es"):
        if word.endswith(ending) and word.removesuffix(ending) in words and len(word) > len(ending) + 1:
            return (word.removesuffix(ending),)
    return _parts(word)


def _parts(word: str, most: int = 3) -> tuple[str, ...] | None:
    """The known words a longer word is made of ("bgvox"); one of them has three letters at least."""

    def split(rest: str, left: int) -> tuple[str, ...] | None:
        if rest in vocabulary():
            return (rest,)
        if rest.endswith("s") and len(rest) > 3 and rest[:-1] in vocabulary():
            return (rest[:-1],)
        for length in range(len(rest) - 2, 1, -1) if left > 1 else ():
            if rest[:length] in vocabulary() and (tail := split(rest[length:], left - 1)):
                return (rest[:length], *tail)
        return None

    parts = split(word, most) if len(word) >= 5 else None
    return (
        parts
        if parts and max(len(part) for part in parts) >= 3 and min(len(part) for part in parts) >= 2
        else None
    )


def meaningful_words(name: str, common: CommonWords = CommonWords()) -> tuple[str, ...]:
    """The words of a name as the table knows them: without title, track number and microphones."""
    words = _drop_number(split_words(name))
    words = _drop_common(words, common)
    words = _drop_gear(_drop_number(words))
    return tuple(part for word in words for part in known(word) or (word,))


def common_words(names: Sequence[str]) -> CommonWords:
    """The words that all names share at their beginning or end, if they are no words of the table.

    "Bass Hunter - Kick" beside "Bass Hunter - Vox" loses the title; "Gtr 1" beside "Gtr 2" loses nothing,
    because what is shared says what they are.
    """
    lists = [words for name in names if (words := _drop_number(split_words(name)))]
    if len(lists) < 2:
        return CommonWords()
    prefix = _shared(lists)
    suffix = tuple(reversed(_shared([tuple(reversed(words[len(prefix) :])) for words in lists])))
    title = prefix if any(not word.isdigit() and known(word) is None for word in prefix) else ()
    if not title:  # what was held back from the prefix may belong to the suffix
        suffix = tuple(reversed(_shared([tuple(reversed(words)) for words in lists])))
    tail = suffix if any(known(word) is None for word in suffix) or all(w.isdigit() for w in suffix) else ()
    return CommonWords(title, tail)


def _shared(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shared: list[str] = []
    for words in zip(*lists, strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return tuple(shared)


def _drop_common(words: tuple[str, ...], common: CommonWords) -> tuple[str, ...]:
    """The words without the shared ones; a name that has nothing else keeps them."""
    rest = words
    if common.prefix and rest[: len(common.prefix)] == common.prefix:
        rest = rest[len(common.prefix) :]
    if common.suffix and rest[-len(common.suffix) :] == common.suffix:
        rest = rest[: -len(common.suffix)]
    return rest or words


def _drop_number(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words without leading track numbers; "808", "12 string" and "2 mix" stay."""
    index = 0
    while index < len(words) - 1 and words[index].isdigit() and words[index] not in MACHINES:
        following = words[index + 1]
        if (words[index], following) in {("12", "string"), ("2", "mix"), ("2", "track"), ("2", "trk")}:
            break
        index += 1
    return words[index:]


def _drop_gear(words: tuple[str, ...]) -> tuple[str, ...]:
    kept: list[str] = []
    index = 0
    while index < len(words):
        length = next((n for n in (3, 2, 1) if " ".join(words[index : index + n]) in GEAR), 0)
        if not length:
            kept.append(words[index])
        index += length or 1
    return tuple(kept) or words
