"""Whether a mix that was made is still the mix of its song: by a quick look, or by what the files hold."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixcli.mixing.fingerprint import request_fingerprint
from mixcli.mixing.request import MixRequest
from mixcli.mixing.result import file_sha256
from mixcli.mixing.settle import settle_settings
from mixcli.models.model_paths import default_model, find_model
from mixcli.songs.listing import list_below


@dataclass(frozen=True, kw_only=True)
class SongKey:
    """What a song's mix depends on. Each digest is short text; equal ones mean that nothing has changed.

    `asked` is of settings, weights and version; `stat` of the names, sizes, times of change and numbers
    (inodes) of the song's files; `content`, where it was asked for, of the names and of what they hold.
    """

    asked: str
    stat: str
    content: str | None = None


def asked_digest(every: MixRequest, *, album: bool = False) -> str:
    """A digest of all that is asked of every song alike: settings, presets, weights, version, albums.

    Raises CheckpointError E401 for a model that is not there.
    """
    settings, _ = settle_settings(every)
    nowhere = replace(every, folder=Path(os.devnull), out=None)
    digest = hashlib.sha256(request_fingerprint(nowhere).encode())
    name = settings.model or default_model()
    if name is not None and settings.amount != 0:
        weights = find_model(name)
        for path in (weights, weights.with_suffix(".json")):  # a checkpoint has no settings beside it
            digest.update(file_sha256(path).encode() if path.is_file() else b"none")
    digest.update(b"album" if album else b"")
    return digest.hexdigest()[:32]


def song_files(folder: Path) -> list[tuple[str, Path]]:
    """The audio files below a song's folder, with their names in it. Raises SongError."""
    if not folder.is_dir():
        return []
    return [(path.relative_to(folder).as_posix(), path) for path in list_below(folder).audio]


def change_times(folder: Path) -> list[float]:
    """When the audio files of a song, and the folders they lie in, were changed: seconds since 1970.

    Raises SongError for a folder that cannot be read.
    """
    paths = [path for _, path in song_files(folder)]
    times_s = []
    for path in {folder, *paths, *(path.parent for path in paths)}:
        with suppress(OSError):
            times_s.append(path.stat().st_mtime)
    return times_s


def song_key(asked: str, folder: Path, *, content: bool = False) -> SongKey:
    """The key of a song as it lies there now. Raises SongError for a folder that cannot be read."""
    files = song_files(folder)
    digest = hashlib.sha256()
    for name, path in files:
        try:
            status = path.stat()
            told = f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n"
        except OSError as error:
            told = f"{name}\0{error.errno}\n"
        digest.update(told.encode("utf-8", "surrogateescape"))
    read = content_digest(files) if content else None
    return SongKey(asked=asked, stat=digest.hexdigest()[:32], content=read)


def content_digest(files: list[tuple[str, Path]]) -> str:
    """A digest of names and contents; files that cannot be read count by their name alone."""
    digest = hashlib.sha256()
    for name, path in files:
        try:
            content = file_sha256(path) if path.is_file() else ""
        except OSError:
            content = ""
        digest.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def audio_mark(path: Path) -> dict[str, int]:
    """What tells that a finished mix is untouched: its size and time of change. Raises OSError.

    The recipe beside it does not count: it is there to be edited.
    """
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def mix_intact(entry: dict[str, Any], path: Path, *, content: bool) -> bool:
    """Whether a finished mix is as it was left; with `content` it is read as well."""
    try:
        if audio_mark(path) != {"bytes": entry["bytes"], "mtime_ns": entry["mtime_ns"]}:
            return False
        return not content or file_sha256(path) == entry["sha256"]
    except (OSError, LookupError):
        return False
