"""Scores of an earlier run, reused where nothing they depend on has changed."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mixcli import __version__
from mixcli.audio.output import atomic_output, output_folder
from mixcli.evaluation.own_mixes import file_name
from mixcli.evaluation.plan import PlannedSong
from mixcli.evaluation.request import EvalRequest, System
from mixcli.mixing.fingerprint import request_fingerprint
from mixcli.mixing.request import MixRequest
from mixcli.songs.listing import list_below

SCHEMA = "mixcli.eval-song/1"


def cache_path(song: PlannedSong, request: EvalRequest) -> Path | None:
    """Where the scores of a song are kept; None where nothing is kept."""
    if request.out is None:
        return None
    *above, name = (file_name(part) for part in song.name.split("/"))
    return request.out.joinpath("scores", *above, f"{name}.json")


def song_fingerprint(song: PlannedSong, request: EvalRequest) -> str:
    """A digest of what all scores of a song depend on: stems, reference, parts, options, version.

    Files are not read: one that was written again counts as changed.
    """
    folders = [folder for folder in (song.folder, song.parts) if folder is not None]
    files = [path for folder in folders for path in list_below(folder).audio]
    return _digest(
        __version__,
        request.presets,
        repr(request.discovery),
        str(request.parts),
        request.repair,
        request.seed,
        [stamp(path) for path in (*files, *([song.reference] if song.reference else []))],
    )


def score_fingerprint(
    song: PlannedSong, system: System, request: EvalRequest, asked: MixRequest | None
) -> str:
    """A digest of what one system's scores depend on, beside the song's own."""
    if asked is not None:
        return _digest(request_fingerprint(asked))
    mix = song.mixes.get(system.name)
    return _digest(system.kind, system.name, None if mix is None else stamp(mix))


def read_cache(path: Path | None, fingerprint: str) -> dict[str, Any]:
    """What was kept of a song, {} where there is nothing, or what there is was made from other files."""
    if path is None:
        return {}
    try:
        kept = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA or kept.get("fingerprint") != fingerprint:
        return {}
    return kept


def write_cache(path: Path | None, fingerprint: str, content: dict[str, Any]) -> None:
    """Keep the scores of a song. Raises OutputError."""
    if path is None:
        return
    with output_folder(path.parent), atomic_output(path) as part:
        document = {"schema": SCHEMA, "fingerprint": fingerprint, **content}
        part.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")


def stamp(path: Path) -> list[str | int]:
    """What tells a file from a changed one without reading it."""
    try:
        status = path.stat()
    except OSError:  # a link that leads nowhere; whoever reads it will say so
        return [str(path), "gone"]
    return [str(path), status.st_size, status.st_mtime_ns]


def _digest(*parts: str | int | Iterable[object] | None) -> str:
    text = json.dumps(parts, default=str)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
