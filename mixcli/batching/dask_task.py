"""One song on a worker of a Dask cluster: what the worker does, and what travels there and back."""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixcli import __version__
from mixcli.batching.work import SongDone, SongTask, mix_one
from mixcli.errors import DeviceError, Interrupted, MixcliError
from mixcli.lanes import ONE_THREAD
from mixcli.mixing.mix_song import paths_of
from mixcli.mixing.output_path import settle_existing
from mixcli.mixing.result import shown_path

if TYPE_CHECKING:
    from distributed import Worker

SAY_EVERY_S = 1.0  # every word passes through the scheduler
OUT_S = 0.1  # until the worker's last words are out: that the song before has ended, and that this one begins
GONE = ("closing", "closed", "failed")  # what a worker is that has lost its scheduler


class SongGivenUp(RuntimeError):
    """Nobody waits for the song any more: it was cancelled, or the worker has lost its scheduler."""


def song_on_worker(task: SongTask, version: str, topic: str, index: int) -> SongDone:
    """Mix a song in the thread of a Dask worker, and tell of it under a topic of the scheduler.

    The words are dictionaries with `index`, `kind` ("began", "told" or "ended"), `pid`, `worker` (its
    address) and `what` (stage, seconds done, seconds in all). A song that is no longer wanted is given up at
    the next block and leaves no file. Raises DeviceError E607 where the worker has another version of mixcli.
    """
    from distributed import get_worker

    worker = get_worker()
    key, about = worker.get_current_task(), {"index": index, "pid": os.getpid(), "worker": worker.address}
    if version != __version__:
        message = f"the Dask worker {worker.address} has mixcli {__version__}, this is {version}."
        raise DeviceError(message, code="E607", hint="the same environment where all workers start.")
    for name in ONE_THREAD:  # torch is loaded with the first network; the samples are those of -j
        os.environ.setdefault(name, "1")
    said_at = time.monotonic()

    def tell(what: Any) -> None:
        nonlocal said_at
        if not is_wanted(worker, key):
            raise Interrupted(signal.SIGTERM)
        if time.monotonic() - said_at > SAY_EVERY_S:
            said_at = time.monotonic()
            say("told", list(what))

    def say(kind: str, what: list[Any] | None = None) -> None:
        with contextlib.suppress(Exception):  # a worker that is closing; its words are missed by nobody
            worker.log_event(topic, {**about, "kind": kind, "what": what})

    say("began")
    time.sleep(OUT_S)  # should this song kill the process, the one before is not to blame
    try:
        return mix_one(task, tell)
    except Interrupted:
        raise SongGivenUp from None
    finally:
        say("ended")


def is_wanted(worker: "Worker", key: Any) -> bool:
    """Whether the scheduler still waits for a task that a worker has in hand."""
    if worker.status.value in GONE:
        return False
    state = worker.state.tasks.get(key)
    return state is not None and state.state != "cancelled"


def to_send(task: SongTask) -> SongTask:
    """A task whose paths hold in any working directory, and whose mix has one place however often it is done.

    Where the mix goes, and what becomes of one that is there, is settled here: a song that is done again,
    because its worker was lost, takes the same place.
    """
    request = task.request
    settings: dict[str, Any] = dict(request.settings)
    model = settings.get("model")
    if model is not None and Path(model).exists():
        settings["model"] = os.path.abspath(model)
    presets = tuple(os.path.abspath(name) if os.path.isfile(name) else name for name in request.presets)
    sent = replace(
        request,
        folder=Path(os.path.abspath(request.folder)),
        out=None if request.out is None else Path(os.path.abspath(request.out)),
        presets=presets,
        settings=settings,
    )
    with contextlib.suppress(MixcliError):  # mixing it will say what is wrong
        paths = settle_existing(paths_of(request), request.if_exists, terms=request.terms != "none")
        if paths is not None:
            sent = replace(sent, out=Path(os.path.abspath(paths.audio)), if_exists="overwrite")
    return replace(task, request=sent)


def as_asked(done: SongDone, task: SongTask) -> SongDone:
    """What came of a task, with the song and its mix called as they were before it was sent."""
    folder = shown_path(task.request.folder)
    document: Mapping[str, Any] = done.document
    audio = done.audio
    if audio is not None and task.request.out is not None and not task.request.out.is_absolute():
        audio = Path(os.path.relpath(audio))
    return replace(
        done,
        document={**document, "song": {**document["song"], "path": folder}},
        entry=done.entry | {"folder": folder},
        audio=audio,
    )
