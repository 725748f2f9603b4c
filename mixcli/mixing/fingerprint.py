"""What a mix depends on, as one digest: a mix whose fingerprint still fits need not be made again."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from mixcli import __version__
from mixcli.mixing.request import MixRequest
from mixcli.mixing.settle import settle_rules
from mixcli.settings import preset_values
from mixcli.songs.listing import list_below


def request_fingerprint(request: MixRequest, files: Sequence[str] | None = None) -> str:
    """A digest of a song's files (names, sizes, times of change), of what was asked, and of the version.

    Files are not read: a file that was written again counts as changed. Where the mix goes does not count.
    `files` is what `stamp_files` gave before the song was measured, where that was done already.
    """
    asked = {
        "version": __version__,
        "presets": preset_values(request.presets, "mix"),
        "rules": None if request.recipe else settle_rules(request).model_dump(mode="json"),
        "settings": dict(request.settings),
        "discovery": repr(request.discovery),
        "moves": repr(request.moves),
        "recipe": request.recipe.read_text("utf-8", "replace") if request.recipe else None,
        "repair": request.repair,
        "terms": request.terms,
        "excerpt": [request.start_s, request.duration_s],
        "files": sorted(stamp_files(request.folder) if files is None else files),
    }
    model = request.settings.get("model")
    if model is not None and Path(model).exists():
        asked["model"] = _stamp(Path(model), Path(model).name)
    text = json.dumps(asked, sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stamp_files(folder: Path) -> list[str]:
    """Name, size and time of change of every audio file of a song folder."""
    audio = list_below(folder).audio if folder.is_dir() else []
    return [_stamp(path, path.relative_to(folder).as_posix()) for path in audio if path.is_file()]


def _stamp(path: Path, name: str) -> str:
    status = path.stat()
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}"
