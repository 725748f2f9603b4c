"""The result of a training as JSON."""

from typing import TYPE_CHECKING, Any

from mixcli import __version__
from mixcli.errors import Notice

if TYPE_CHECKING:
    from mixcli.training.prepared_song import PreparedSong
    from mixcli.training.request import Ended, Scores, TrainRequest

SCHEMA = "mixcli.train/1"


def train_document(
    request: "TrainRequest",
    songs: "list[PreparedSong]",
    ended: "Ended",
    console: "Scores | None",
    notices: list[Notice],
) -> dict[str, Any]:
    """The result of a training as plain data."""
    from mixcli.mixing.result import notice_document

    status = {"stop": "interrupted", "time": "stopped"}.get(ended.why, "ok")
    return {
        "schema": SCHEMA,
        "status": status,
        "mixcli": __version__,
        "run": str(request.out),
        "model": str(ended.model),
        "layout": request.model.layout,
        "steps": ended.step,
        "ended_by": ended.why,
        "console": None if console is None else console.document(),
        "best": {"step": ended.best_step, **(ended.best.document() if ended.best is not None else {})},
        "songs": count_parts(songs),
        "hours": round(hours_of(songs), 4),
        "warnings": [notice_document(each) for each in notices if each.code.startswith("W")],
        "errors": [],
    }


def checked_document(request: "TrainRequest", songs: "list[PreparedSong]", loss: float) -> dict[str, Any]:
    """The result of a trial as plain data."""
    return {
        "schema": SCHEMA,
        "status": "checked",
        "mixcli": __version__,
        "layout": request.model.layout,
        "loss": loss,
        "songs": count_parts(songs),
        "hours": round(hours_of(songs), 4),
    }


def count_parts(songs: "list[PreparedSong]") -> dict[str, int]:
    """How many songs each part has."""
    return {part: sum(song.part == part for song in songs) for part in ("train", "validation", "test")}


def hours_of(songs: "list[PreparedSong]") -> float:
    """Hours of songs that are learnt from."""
    return sum(song.n_samples / song.sample_rate for song in songs if song.part == "train") / 3600
