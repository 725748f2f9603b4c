"""Score all songs of an evaluation, in this process or in several."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mixcli.audio.files import display_name
from mixcli.errors import MixcliError
from mixcli.evaluation.folders import mixes_folder
from mixcli.evaluation.plan import EvalPlan, PlannedSong
from mixcli.evaluation.request import EvalRequest, System
from mixcli.evaluation.score_song import score_song
from mixcli.lanes import Finished, Lost, Tell, run_lanes
from mixcli.mixing.result import error_document

KILLED = {
    "code": "E602",
    "message": "its worker process was killed twice, most likely for want of memory",
    "hint": "-j 1 takes the least memory.",
}


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
    tasks = ((index, (index, song, plan.systems, request, folder)) for index, song in enumerate(plan.songs))
    work = partial(score_task, score_one)
    with closing(run_lanes(work, tasks, workers=min(workers, len(plan.songs)))) as events:
        for event in events:
            match event:
                case Finished():
                    yield event.result
                case Lost() if event.final:
                    yield SongScores(index=event.index, document=failed_song(plan.songs[event.index], KILLED))
                case _:
                    pass


def score_task(score: Callable[..., SongScores], task: tuple[Any, ...], _tell: Tell) -> SongScores:
    """What a process does with a song."""
    return score(*task)


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
