"""Which songs are learned from, which choose the best step, and which are kept for the end."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SettingsError
from mixcli.songs.dataset_song import Part
from mixcli.songs.patterns import files_meant

MOST_BYTES = 16 << 20  # of a list of songs
GUARDED: Mapping[Part, int] = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, kw_only=True)
class SplitSong:
    """What deciding about a song's part takes; `part` is the published one."""

    name: str
    group: str
    duration_s: float
    part: Part | None = None


def split_songs(
    songs: Sequence[SplitSong],
    *,
    validation: float | Path = 0.1,
    test: float | Path = 0.0,
    seed: int = 0,
    published_parts: bool = True,
    leave_out: Sequence[str] = (),
) -> dict[str, Part]:
    """The part of every song, by name.

    Songs of a list file are what the list says, whatever their group. Then groups of `leave_out` are the test
    part, and published parts hold; songs without one are where others of their group are. Of the rest whole
    groups are drawn until their share of all hours is reached (the draw depends on seed and group names
    alone, so a song more or less changes little). Where no data set publishes a validation part, it is drawn
    from what is published as train, too. Two spellings of a group ("Music Delta", "MusicDelta") are one.
    Raises SettingsError E427 for lists and groups that name nothing.
    """
    listed = _listed(songs, "test", test) | _listed(songs, "validation", validation)
    decided: dict[str, Part] = {}
    for song in _left_out(songs, leave_out):
        decided[song.name] = "test"
    open_to_draw: dict[str, Part | None] = {}
    publishes_validation = any(song.part == "validation" for song in songs)
    for song in songs:
        if song.name in decided:
            continue
        published = song.part if published_parts else None
        if published is None or (published == "train" and not publishes_validation):
            open_to_draw[song.name] = published
        else:
            decided[song.name] = published
    _follow_group(songs, decided, open_to_draw)
    decided |= listed
    total_s = sum(song.duration_s for song in songs)
    shares: tuple[tuple[Part, float | Path], ...] = (("test", test), ("validation", validation))
    for part, share in shares:
        if isinstance(share, Path) or share <= 0:
            continue
        has_s = sum(song.duration_s for song in songs if decided.get(song.name) == part)
        candidates = [song for song in songs if song.name in open_to_draw and song.name not in decided]
        if part == "test":  # what is published as train never becomes test, so nor does the rest of its group
            learnt = {group_key(song.group) for song in candidates if open_to_draw[song.name] == "train"}
            candidates = [song for song in candidates if group_key(song.group) not in learnt]
        for name in _draw(candidates, songs, decided, total_s * share - has_s, seed, part):
            decided[name] = part
    return {song.name: decided.get(song.name, "train") for song in songs}


def shared_groups(songs: Sequence[SplitSong], parts: Mapping[str, Part]) -> dict[str, list[Part]]:
    """The groups that lie in more than one part, which lists and published parts can bring about."""
    found: dict[str, set[Part]] = {}
    spelling: dict[str, str] = {}
    for song in songs:
        key = group_key(song.group)
        spelling.setdefault(key, song.group)
        found.setdefault(key, set()).add(parts[song.name])
    return {
        spelling[key]: sorted(those, key=GUARDED.__getitem__)
        for key, those in found.items()
        if len(those) > 1
    }


def group_key(group: str) -> str:
    """A group without case, spaces and signs."""
    return re.sub(r"[\W_]+", "", group.casefold()) or group


def _listed(songs: Sequence[SplitSong], part: Part, chosen: float | Path) -> dict[str, Part]:
    """The songs that a list names: one per line, "#" begins a remark."""
    if not isinstance(chosen, Path):
        return {}
    try:
        text = chosen.read_text("utf-8-sig") if chosen.stat().st_size <= MOST_BYTES else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f'the list "{display_name(chosen)}" cannot be read.', code="E427") from error
    names = [song.name for song in songs]
    found: dict[str, Part] = {}
    for number, line in enumerate(text.splitlines(), 1):
        wanted = line.partition("#")[0].strip()
        if not wanted:
            continue
        meant = files_meant(wanted, names)
        if not meant:
            message = f'"{display_name(chosen)}" line {number}: no song "{wanted}".'
            raise SettingsError(message, code="E427", hint="train -n lists the songs by name.")
        found |= dict.fromkeys(meant, part)
    if not found:
        raise SettingsError(f'the list "{display_name(chosen)}" names no song.', code="E427")
    return found


def _left_out(songs: Sequence[SplitSong], groups: Sequence[str]) -> list[SplitSong]:
    keys = {group_key(song.group) for song in songs}
    for group in groups:
        if group_key(group) not in keys:
            listed = ", ".join(sorted({song.group for song in songs})[:8])
            raise SettingsError(f'no group "{group}" to leave out.', code="E427", hint=f"groups: {listed}")
    wanted = {group_key(group) for group in groups}
    return [song for song in songs if group_key(song.group) in wanted]


def _follow_group(
    songs: Sequence[SplitSong], decided: dict[str, Part], open_to_draw: Mapping[str, Part | None]
) -> None:
    """Put undecided songs where others of their group are; what is published as train stays train."""
    most: dict[str, Part] = {}
    for song in songs:
        part = decided.get(song.name)
        key = group_key(song.group)
        if part is not None and GUARDED[part] >= GUARDED[most.get(key, "train")]:
            most[key] = part
    for song in songs:
        followed = most.get(group_key(song.group))
        if song.name in open_to_draw and followed is not None:
            decided[song.name] = open_to_draw[song.name] or followed


def _draw(
    candidates: Sequence[SplitSong],
    songs: Sequence[SplitSong],
    decided: Mapping[str, Part],
    wanted_s: float,
    seed: int,
    part: Part,
) -> list[str]:
    """Whole groups, as long as one more comes nearer to what is wanted; one at least, if it can be."""
    groups: dict[str, list[SplitSong]] = {}
    for song in candidates:
        groups.setdefault(group_key(song.group), []).append(song)
    sizes_s = {key: sum(song.duration_s for song in group) for key, group in groups.items()}
    order = sorted(groups, key=lambda key: hashlib.sha256(f"{seed}\0{part}\0{key}".encode()).digest())
    stays = any(decided.get(song.name) == "train" for song in songs)
    most = len(order) - (0 if stays else 1)  # something must remain to learn from
    if wanted_s <= 0 or most < 1:
        return []
    # The one artist of most songs is learned from.
    fitting = [key for key in order if sizes_s[key] <= 2 * wanted_s] or [min(order, key=sizes_s.__getitem__)]
    taken = fitting[:1]
    for key in fitting[1:]:
        taken_s = sum(sizes_s[each] for each in taken)
        if len(taken) < most and taken_s + sizes_s[key] / 2 <= wanted_s:
            taken.append(key)
    return [song.name for key in taken for song in groups[key]]
