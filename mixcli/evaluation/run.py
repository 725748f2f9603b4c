"""Score all songs of an evaluation, in this process or in several."""

import multiprocessing
import signal
import traceback
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixcli.audio.files import display_name
from mixcli.errors import MixcliError
from mixcli.evaluation.own_mixes import mixes_folder
from mixcli.evaluation.plan import EvalPlan, PlannedSong
from mixcli.evaluation.request import EvalRequest, System
from mixcli.evaluation.score_song import score_song
from mixcli.mixing.result import error_document

MOST_TRIES = 2  # of a song whose worker is killed
KILLED = {
    "code": "E602",
    "message": "its worker process was killed twice, most likely for want of memory",
    "hint": "-j 1 takes the least memory.",
}
LOOK_EVERY_S = 0.2  # how often a signal is looked for while workers compute


@dataclass(frozen=True, kw_only=True)
class SongScores:
    """The part of the document that belongs to one song, its place among the songs, and its bugs."""

    index: int
    document: dict[str, Any]
    tracebacks: tuple[str, ...] = ()


def run_evaluation(plan: EvalPlan, request: EvalRequest, *, workers: int) -> Iterator[SongScores]:
    """Score the songs; each comes when it is done, in any order where there are several workers.

    A failure of one system costs its scores, one of a song the song's; both are in the document. Each worker
    is a process of its own: when one is killed, its song is tried once more in a new one.
    """
    with mixes_folder(request) as folder:
        if min(workers, len(plan.songs)) > 1:
            yield from run_workers(plan, request, folder, workers=workers)
            return
        for index, song in enumerate(plan.songs):
            yield score_one(index, song, plan.systems, request, folder)


def run_workers(plan: EvalPlan, request: EvalRequest, folder: Path, *, workers: int) -> Iterator[SongScores]:
    """Score the songs in several processes."""
    waiting = deque(range(len(plan.songs)))
    tries: Counter[int] = Counter()
    with killed_when_left():
        lanes: dict[Future[SongScores], tuple[ProcessPoolExecutor, int]] = {}
        free = [new_worker() for _ in range(min(workers, len(plan.songs)))]
        while waiting or lanes:
            while free and waiting:
                worker, index = free.pop(), waiting.popleft()
                tries[index] += 1
                song = plan.songs[index]
                try:
                    future = worker.submit(score_one, index, song, plan.systems, request, folder)
                except BrokenProcessPool:  # killed while it had nothing to do
                    worker, tries[index] = new_worker(), tries[index] - 1
                    waiting.appendleft(index)
                    free.append(worker)
                    continue
                lanes[future] = (worker, index)
            done, _ = wait(lanes, timeout=LOOK_EVERY_S, return_when=FIRST_COMPLETED)
            for future in done:
                worker, index = lanes.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    worker.shutdown(wait=False)
                    free.append(new_worker())
                    if tries[index] < MOST_TRIES:
                        waiting.append(index)
                        continue
                    result = SongScores(index=index, document=failed_song(plan.songs[index], KILLED))
                else:
                    free.append(worker)
                yield result
        for worker in free:
            worker.shutdown()


def score_one(
    index: int, song: PlannedSong, systems: tuple[System, ...], request: EvalRequest, folder: Path
) -> SongScores:
    """One song's scores, whatever happens in it."""
    try:
        if song.failure is not None:
            raise copy(song.failure)
        document, traces = score_song(song, systems, request, folder)
        return SongScores(index=index, document=document, tracebacks=traces)
    except MixcliError as error:
        return SongScores(index=index, document=failed_song(song, error_document(error)))
    except MemoryError:
        out_of_memory = {"code": "E602", "message": "out of memory.", "hint": "-j 1 takes the least memory."}
        return SongScores(index=index, document=failed_song(song, out_of_memory))
    except Exception:  # a bug must cost one song, not the night
        bug = {"code": "E100", "message": "unexpected error, a bug", "hint": None}
        trace = traceback.format_exc()
        return SongScores(index=index, document=failed_song(song, bug), tracebacks=(trace,))


def failed_song(song: PlannedSong, error: dict[str, Any]) -> dict[str, Any]:
    """The document of a song that could not be scored at all."""
    return {
        "name": song.name,
        "folder": None if song.folder is None else display_name(song.folder),
        "status": "error",
        "error": error,
        "labels": dict(song.labels),
        "duration_s": None,
        "sample_rate": None,
        "stems": [],
        "reference": None,
        "scores": [],
        "warnings": [],
    }


def new_worker() -> ProcessPoolExecutor:
    """One process that scores one song after the other and leaves signals to this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=ignore_signals)


@contextmanager
def killed_when_left() -> Iterator[None]:
    """Leave no worker behind when the block is left by an exception."""
    try:
        yield
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        raise


def ignore_signals() -> None:
    """Let an interruption be handled by the process that was started by the user."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
