"""What lies in a folder: audio, folders, and all that is ignored. Nothing here opens a file."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mixcli.audio.files import display_name
from mixcli.errors import SongError
from mixcli.songs.tokens import AUDIO_SUFFIXES, split_words

JUNK_FOLDERS = {"__macosx"}
RESULT_SUFFIXES = (".mix.json", ".recipe.yaml")  # a file that stands beside one of these is a mix made here
# Folders whose files belong to the song above them, the likeliest first.
STEM_FOLDERS: tuple[tuple[str, ...], ...] = (
    *(("stems",), ("stem",), ("raw",), ("audio", "files"), ("multitrack",), ("multitracks",), ("tracks",)),
    *(("multi", "track"), ("wav",), ("wavs",), ("wave",), ("audio",)),
)
DEEPEST = 12  # folders below the one that was named


@dataclass(kw_only=True)
class Listing:
    """The content of one folder. `audio` and `folders` are sorted naturally; `ignored` counts suffixes."""

    folder: Path
    audio: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)


def list_folder(folder: Path) -> Listing:
    """Sort the entries of a folder into audio (by suffix), folders and the rest.

    Hidden files, AppleDouble copies, `__MACOSX`, peak and analysis files, images and texts are the rest.
    Anything with an audio suffix counts as audio, even a broken link or a pipe, so that reading it says what
    is wrong. Raises SongError E301 if the folder cannot be read.
    """
    listing = Listing(folder=folder)
    try:
        entries = [(entry.name, _is_folder(entry)) for entry in os.scandir(folder)]
    except OSError as error:
        raise SongError(
            f'cannot read the folder "{display_name(folder)}": {error.strerror}.', code="E301"
        ) from error
    names = {name for name, _ in entries}
    for name, is_folder in entries:
        suffix = os.path.splitext(name)[1].lower()
        if is_folder:
            if name.casefold() not in JUNK_FOLDERS and not name.startswith("."):
                listing.folders.append(folder / name)
        elif name.startswith(".") or suffix not in AUDIO_SUFFIXES:
            listing.ignored["hidden" if name.startswith(".") else suffix or "no suffix"] += 1
        elif _is_own_result(name, names):
            listing.ignored["own mix"] += 1
        else:
            listing.audio.append(folder / name)
    listing.audio.sort(key=lambda path: natural_key(path.name))
    listing.folders.sort(key=lambda path: natural_key(path.name))
    return listing


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself; as a file it is told apart when it is read
        return False


def list_below(folder: Path) -> Listing:
    """The same for a folder and everything below it; links to folders are followed, loops are not."""
    total = Listing(folder=folder)
    pending = [(folder, frozenset({os.path.realpath(folder)}), 0)]
    while pending:
        here, above, depth = pending.pop()
        listing = list_folder(here)
        total.audio += listing.audio
        total.ignored += listing.ignored
        for below in listing.folders:
            real = os.path.realpath(below)
            if real not in above and depth < DEEPEST:
                pending.append((below, above | {real}, depth + 1))
    total.audio.sort(key=lambda path: path_key(path.relative_to(folder).as_posix()))
    return total


def holds_audio(folder: Path) -> bool:
    """Whether a folder or anything below it has a file with an audio suffix."""
    pending = [(folder, frozenset({os.path.realpath(folder)}), 0)]
    while pending:
        here, above, depth = pending.pop()
        listing = list_folder(here)
        if listing.audio:
            return True
        for below in listing.folders:
            real = os.path.realpath(below)
            if real not in above and depth < DEEPEST:
                pending.append((below, above | {real}, depth + 1))
    return False


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts "Tom 2" before "Tom 10", and "Kick.wav" before "Kick copy.wav", the same on every file system."""
    head, suffix = os.path.splitext(name)
    parts = re.findall(r"[0-9]+|[^0-9]+", head.casefold())
    pieces: list[tuple[int, int | str]] = [
        (0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts
    ]
    # The end of the head sorts before what a longer name goes on with; the exact spelling decides the rest.
    return (*pieces, (-1, 0), (1, suffix.casefold()), (1, name))


def path_key(path: str) -> tuple[tuple[tuple[int, int | str], ...], ...]:
    """The natural order of relative paths, folder by folder."""
    return tuple(natural_key(part) for part in path.split("/"))


def stem_folder_rank(folder: Path) -> int | None:
    """How likely a folder's name says that it holds the stems of the song above: 0 most, None not at all."""
    words = split_words(folder.name)
    for rank, ending in enumerate(STEM_FOLDERS):
        if words[-len(ending) :] == ending:
            return rank
    return None


def song_name(folder: Path) -> str:
    """A song is called what its folder is called; a folder that is just `Stems` or `RAW` lends no name."""
    resolved = folder.resolve()
    named = resolved.parent if split_words(resolved.name) in STEM_FOLDERS else resolved
    return named.name or "song"


def _is_own_result(name: str, names: set[str]) -> bool:
    head = os.path.splitext(name)[0]
    return any(head + suffix in names for suffix in RESULT_SUFFIXES)
