"""The reader of plain song folders, as people keep them: stems, and the mix beside or above them."""

import re
from functools import partial
from pathlib import Path

from mixcli.errors import SongError
from mixcli.songs.dataset_separation import PARTS
from mixcli.songs.dataset_song import DatasetSong, FoundSongs, Part
from mixcli.songs.dataset_stems import artist_of, audio_in, folders_in, song_or_reason
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.library import find_songs, is_set_aside

NUMBERED = re.compile(r"^(?P<title>.*\S)[-_ ]+(?:part|pt|excerpt|take|section)?[-_ ]*\d+$", re.IGNORECASE)


def read_folders(root: Path) -> FoundSongs:
    """Every folder of stems below the root; the mix is the file that discovery keeps as the reference.

    Folders `train`, `validation` and `test` at the top are parts. The group is the artist of "Artist - Title"
    or of `Artist/Title/`; "Title-1" and "Title-2" are one group, where that leaves more than one.
    """
    homes = [folder for folder in folders_in(root) if folder.name.casefold() in PARTS]
    songs: list[tuple[str, Path, Part | None]] = [
        (f"{home.name}/{name}" if name != "." else home.name, folder, PARTS[home.name.casefold()])
        for home in homes
        for name, folder in find_songs(home)
    ]
    inside = tuple(f"{home.name}/" for home in homes)
    for name, folder in find_songs(root):
        if not homes or not f"{name}/".startswith(inside):
            songs.append((root.resolve().name if name == "." else name, folder, None))
    groups = song_groups([name for name, _, _ in songs])
    for name, folder, part in songs:
        yield song_or_reason(name, partial(_plain_song, name, folder, groups[name], part))


def song_groups(names: list[str]) -> dict[str, str]:
    """The group of every song, from its path below the root."""
    titles = {name: _title_path(name) for name in names}
    groups = {}
    for name, title in titles.items():
        *above, last = title.split("/")
        groups[name] = above[0] if above else artist_of(last)
    joined = {name: match["title"] for name, group in groups.items() if (match := NUMBERED.match(group))}
    merged = {name: joined.get(name, group) for name, group in groups.items()}
    # "Song 1", "Song 2" … "Song 9" are nine songs, not one.
    return merged if len(set(merged.values())) > 1 else groups


def _title_path(name: str) -> str:
    head, slash, rest = name.partition("/")
    return rest if slash and head.casefold() in PARTS else name


def _plain_song(name: str, folder: Path, group: str, part: Part | None) -> DatasetSong:
    song = read_song(folder, DiscoveryOptions(allow_single=True))
    mix = song.reference or _mix_beside(folder)
    return DatasetSong(
        name=name,
        group=group,
        part=part,
        folder=folder,
        stems=song.stems,
        mix=mix,
        problems=tuple(
            notice.message for notice in song.notices if notice.code.startswith("W3") and _counts(notice.code)
        ),
    )


def _counts(code: str) -> bool:
    """Whether a warning of discovery matters here: a mix that was found is what is wanted."""
    return code not in ("W325", "W326")


def _mix_beside(folder: Path) -> Path | None:
    """The one file of a folder for mixes (`Mix/`, `Mixes/`) inside the song."""
    rooms = [below for below in folders_in(folder) if is_set_aside(below)]
    mixes = [path for room in rooms for path in audio_in(room)]
    if len(mixes) > 1:
        names = ", ".join(f'"{path.name}"' for path in mixes[:4])
        raise SongError(f"several mixes ({names}): keep the one that is meant.", code="E371")
    return mixes[0] if mixes else None
