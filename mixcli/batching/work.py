"""One song of a batch in a process of its own: what comes back is plain data."""

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixcli.batching.freshness import audio_mark, song_key
from mixcli.batching.manifest import Entry
from mixcli.errors import DeviceError, MixcliError
from mixcli.lanes import Tell
from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest
from mixcli.mixing.result import MixFailure, failure_document, result_document
from mixcli.songs.listing import song_name

TELL_EVERY_S = 0.2


@dataclass(frozen=True, kw_only=True)
class SongTask:
    """A song to mix, and the digest of what is asked of all songs alike.

    `album_lufs` are its loudness before the master and its target, where it is one of an album.
    """

    request: MixRequest
    asked: str
    album_lufs: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class SongDone:
    """What came of a song: its result (`mixcli.result/1`), and what the manifest will say of it.

    The entry lacks the path of the mix and the time. `error` is an expected failure, `trace` the traceback
    of a bug.
    """

    document: dict[str, Any]
    entry: Entry
    audio: Path | None = None
    error: MixcliError | None = None
    trace: str | None = None


def mix_one(task: SongTask, tell: Tell) -> SongDone:
    """Mix a song, whatever happens in it; `tell` gets (stage, seconds done, seconds in all) now and then."""
    told_at = 0.0

    def on_progress(stage: str, done_s: float, total_s: float) -> None:
        nonlocal told_at
        if time.monotonic() - told_at > TELL_EVERY_S:
            told_at = time.monotonic()
            tell((stage, done_s, total_s))

    request, started = task.request, time.monotonic()
    try:
        key = song_key(task.asked, request.folder, content=True)  # before it is read: a later change counts
        result = mix_song(request, on_progress)
        if result.missed is not None:
            raise result.missed
        document = result_document(result)
        entry = finished_entry(document, result.paths.audio)
        spent = round(time.monotonic() - started, 3)
        entry |= {"asked": key.asked, "stat": key.stat, "content": key.content, "seconds": spent}
        if task.album_lufs is not None:
            entry |= dict(zip(("console_lufs", "album_lufs"), task.album_lufs, strict=True))
        return SongDone(document=document, entry=entry, audio=result.paths.audio)
    except MixcliError as error:
        return failed(request, error)
    except MemoryError:
        hint = "fewer songs at the same time: -j 1."
        return failed(request, DeviceError("out of memory.", code="E602", hint=hint))
    except Exception:  # a bug must cost one song, not the night
        return failed(request, None, traceback.format_exc())


def failed(request: MixRequest, error: MixcliError | None, trace: str | None = None) -> SongDone:
    """What is known of a song that could not be mixed."""
    failure = MixFailure(song=song_name(request.folder), folder=request.folder, error=error, traceback=trace)
    document = failure_document(failure)
    entry = {"status": "error", "folder": document["song"]["path"], "errors": document["errors"]}
    return SongDone(document=document, entry=entry, error=error, trace=trace)


def finished_entry(document: dict[str, Any], audio: Path) -> Entry:
    """What the manifest says of a finished song. Raises OSError for a mix that is not there."""
    (output,) = document["outputs"]
    return {
        "status": "ok",
        "folder": document["song"]["path"],
        "stems": len(document["inputs"]),
        "duration": document["song"].get("duration"),
        **audio_mark(audio),
        "sha256": output["sha256"],
        "integrated_lufs": output["integrated_lufs"],
        "lra_lu": output["lra_lu"],
        "true_peak_dbtp": output["true_peak_dbtp"],
        "max_reduction_db": document["loudness"]["max_reduction_db"],
        "warnings": [one for one in document["warnings"] if one["code"].startswith("W")],
    }
