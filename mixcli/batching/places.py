"""The songs in the places that were named: libraries, single songs, patterns, lists."""

import glob
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mixcli.audio.wording import display_name, printable
from mixcli.errors import MixcliError, OutputError, SongError
from mixcli.mixing.output_path import lies_in
from mixcli.songs.library import find_songs
from mixcli.songs.song_folder import check_folder
from mixcli.songs.tokens import AUDIO_SUFFIXES

PATTERN_MARKS = set("*?[")
MIXCLI_WAS_HERE = ("manifest*.jsonl", "**/*.mix.json")  # what a folder of mixes holds
MOST_LIST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class FoundSong:
    """A song's folder, and its path in the library: where its mix goes below the output.

    `error` is what stands in its way already: a place in a list that does not exist.
    """

    relative: str
    folder: Path
    error: MixcliError | None = None


def songs_of(places: tuple[Path, ...], listed: Iterable[Path] = ()) -> list[FoundSong]:
    """The songs of all places, each folder once. `listed` are lines of a list on standard input.

    One library gives paths relative to it. With several places, or with lists, a song is called by its
    place as well: as it was written where that is a path downwards from here, else by its last part. A
    pattern is one place, a library if it fits one folder alone. Raises SongError for places that do not
    exist; lines of a list that do not are songs that cannot be mixed.
    """
    listed = tuple(listed)
    named: list[tuple[Path, bool]] = [(line, True) for line in listed]
    for place in places:
        if place.is_file() and place.suffix.lower() not in AUDIO_SUFFIXES:
            named += [(line, True) for line in _lines_of(place)]
        else:
            named += [(folder, False) for folder in _expanded(place)]
    alone = len(named) == 1 and not named[0][1]
    found: list[FoundSong] = []
    seen: set[Path] = set()
    for place, is_listed in named:
        for song in _songs_below(place, is_listed):
            real = song.folder.resolve()
            if real in seen:
                continue
            seen.add(real)
            found.append(song if alone else _called_by_place(song, place))
    return found


def without_mixes(found: list[FoundSong], out: Path) -> list[FoundSong]:
    """The songs but earlier mixes in the output folder, which are none.

    Raises OutputError E507 where no mix lies there, so that they are songs: mixes never go among them.
    """
    others: list[FoundSong] = []
    inside: list[FoundSong] = []
    for song in found:
        (inside if lies_in(song.folder, out) else others).append(song)
    if inside and not any(next(out.glob(pattern), None) for pattern in MIXCLI_WAS_HERE):
        message = f'"{printable(str(out))}" holds the song "{printable(str(inside[0].folder))}".'
        raise OutputError(message, code="E507", hint="another --out: mixes never go among songs.")
    return others


def list_of(text: bytes, *, separator: bytes = b"\n") -> list[Path]:
    """The paths of a list, one per line, or with another separator; empty lines are none.

    A mark of UTF-8 at its beginning, as editors of Windows leave it, is no part of a path.
    """
    lines = (line.strip(b"\r\n") for line in text.removeprefix(BOM_UTF8).split(separator))
    return [Path(line.decode("utf-8", "surrogateescape")) for line in lines if line.strip()]


def _lines_of(path: Path) -> list[Path]:
    try:
        if path.stat().st_size > MOST_LIST_BYTES:
            raise SongError(f'"{display_name(path)}" is too long for a list of songs.', code="E308")
        text = path.read_bytes()
    except OSError as error:
        message = f'cannot read the list "{display_name(path)}": {error.strerror}.'
        raise SongError(message, code="E308") from error
    if b"\0" in text:
        hint = "a list of songs has the path of one folder on every line."
        raise SongError(f'"{display_name(path)}" is no list of songs.', code="E308", hint=hint)
    return list_of(text)


def _expanded(place: Path) -> list[Path]:
    if place.exists() or not PATTERN_MARKS & set(str(place)):
        return [place]
    folders = sorted(Path(name) for name in glob.glob(str(place), recursive=True))
    folders = [folder for folder in folders if folder.is_dir()]
    if not folders:
        hint = "quote the pattern; ** stands for any folders."
        raise SongError(f'no folder fits "{printable(str(place))}".', code="E301", hint=hint)
    return folders


def _songs_below(place: Path, is_listed: bool) -> Iterator[FoundSong]:
    try:
        check_folder(place)
        songs = find_songs(place)
    except SongError as error:
        if not is_listed:
            raise
        yield FoundSong(relative=".", folder=place, error=error)
        return
    for relative, folder in songs:
        yield FoundSong(relative=relative, folder=folder)
    if is_listed and not songs:  # mixing it will say what is wrong with it
        yield FoundSong(relative=".", folder=place)


def _called_by_place(song: FoundSong, place: Path) -> FoundSong:
    downwards = not place.is_absolute() and ".." not in place.parts
    written = place.as_posix() if downwards else place.resolve().name
    parts = [part for part in (written, song.relative) if part != "."]
    return FoundSong(relative="/".join(parts) or ".", folder=song.folder, error=song.error)
