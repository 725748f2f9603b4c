"""Finding the file of a song among mixes, references or parts that were made elsewhere."""

import os
from collections.abc import Sequence
from pathlib import Path

from mixcli.audio.files import display_name
from mixcli.errors import SongError, UsageError
from mixcli.songs.listing import natural_key
from mixcli.songs.tokens import AUDIO_SUFFIXES

FIELD = "{song}"


def find_file(place: str, song: str, what: str) -> Path:
    """The audio file of a song in a place: a folder, or a pattern in which `{song}` stands for the song.

    In a folder it is `SONG.wav`, `SONG/NAME.wav`, `NAME.wav`, or the only audio file in `SONG/`, where SONG
    is the song's path in the library and NAME the last part of it; any audio suffix will do. Raises SongError
    E361 when nothing is there (`what` says what was looked for), E362 when two files are meant equally.
    """
    found = named_files(place, song)
    if found:
        return only_one(found, song, what)
    tried = _tried(place, song)
    for path in tried:
        inside = audio_in(path)
        if inside:
            return only_one(inside, song, what)
    message = f'no {what} of "{song}" in "{place}".'
    hint = (
        f"looked for {display_name(tried[0])} with any audio suffix; {FIELD} in the path stands for the song."
    )
    raise SongError(message, code="E361", hint=hint)


def named_files(place: str, song: str) -> list[Path]:
    """The audio files that have a song's name in a place, mostly one or none."""
    return next(filter(None, map(_files_named, _tried(place, song))), [])


def _tried(place: str, song: str) -> list[Path]:
    name = song.rsplit("/", 1)[-1]
    if FIELD in place:
        return [Path(place.replace(FIELD, song)), Path(place.replace(FIELD, name))]
    folder = Path(place)
    return [folder / song, folder / song / name, folder / name]


def find_folder(place: str, song: str) -> Path:
    """The folder of a song's parts: `{song}` in the path stands for it. Raises SongError E361."""
    stem = song.rsplit("/", 1)[-1]
    tried = [place.replace(FIELD, song), place.replace(FIELD, stem)] if FIELD in place else []
    tried += [] if FIELD in place else [f"{place}/{song}", f"{place}/{stem}"]
    for path in tried:
        if Path(path).is_dir():
            return Path(path)
    raise SongError(f'no parts of "{song}" in "{place}".', code="E361", hint=f"looked for {tried[0]}/")


def check_place(place: str, option: str) -> None:
    """Raise UsageError E216 for a folder that is not there; patterns are looked at song by song."""
    if FIELD not in place and not Path(place).is_dir():
        hint = "quote paths with spaces; a pattern has {song} in it."
        raise UsageError(f'{option}: no folder "{place}".', code="E216", hint=hint)


def audio_in(folder: Path) -> list[Path]:
    """The audio files right in a folder, mixes made here among them, in natural order."""
    if not folder.is_dir():
        return []
    files = [Path(entry.path) for entry in os.scandir(folder) if _is_audio(entry)]
    return sorted(files, key=lambda path: natural_key(path.name))


def audio_below(folder: Path) -> list[Path]:
    """The audio files in a folder and all folders below it."""
    found: list[Path] = []
    for here, folders, _ in os.walk(folder):
        folders.sort(key=natural_key)
        found += audio_in(Path(here))
    return found


def _is_audio(entry: os.DirEntry[str]) -> bool:
    suffix = os.path.splitext(entry.name)[1].lower()
    return suffix in AUDIO_SUFFIXES and not entry.name.startswith(".") and entry.is_file()


def _files_named(path: Path) -> list[Path]:
    """The file itself, or those of its folder that differ from it by an audio suffix behind."""
    if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file():
        return [path]
    return [file for file in audio_in(path.parent) if file.stem == path.name]


def only_one(found: Sequence[Path], song: str, what: str) -> Path:
    """The one file of several that was meant. Raises SongError E362 if it cannot be told."""
    if len(found) == 1:
        return found[0]
    names = ", ".join(f'"{display_name(path)}"' for path in found[:3])
    message = f'"{song}": {names} could each be the {what}.'
    raise SongError(message, code="E362", hint="a pattern with {song} in it names the file.")
