"""A log for every song that failed, below `logs/` in the output folder, gone when the song is finished."""

import contextlib
from pathlib import Path
from typing import Any

from mixcli import __version__
from mixcli.audio.output import atomic_output, sweep_stale_parts

FOLDER = "logs"


def log_path(out: Path, mix: str) -> Path:
    """Where the log of a song lies, by the path of its mix below `out`."""
    return out / FOLDER / f"{mix}.log"


def write_log(out: Path, mix: str, lines: list[str]) -> Path:
    """Write what is known of a failure. Raises OutputError."""
    path = log_path(out, mix)
    sweep_stale_parts(path.parent)
    with atomic_output(path) as part:
        part.write_text("\n".join([*lines, ""]), "utf-8", "backslashreplace")
    return path


def failure_lines(document: dict[str, Any], *, finished: str, trace: str | None) -> list[str]:
    """What a log says of a song that failed."""
    lines = [f"song: {document['song']['path']}", f"time: {finished}", f"mixcli: {__version__}"]
    for error in document["errors"]:
        lines.append(f"error[{error['code']}]: {error['message']}")
        lines += [f"  hint: {error['hint']}"] if error["hint"] else []
    lines += [f"warning[{one['code']}]: {one['message']}" for one in document["warnings"]]
    return [*lines, *([trace] if trace else [])]


def forget_log(out: Path, mix: str) -> None:
    """Remove the log of a song that is finished now, and the folders that hold nothing more."""
    path = log_path(out, mix)
    sweep_stale_parts(path.parent)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
        while (path := path.parent) != out:
            path.rmdir()
