"""Songs side by side on a Dask cluster: what `run_lanes` is for processes of one machine.

Workers come and go: Dask does the song of one that is lost again. The scheduler may go and come back, too.
"""

import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from mixcli.audio.wording import printable
from mixcli.batching.dask_session import DaskSession, SchedulerLost, quiet_logs
from mixcli.batching.dask_task import SongGivenUp, as_asked, to_send
from mixcli.batching.work import SongTask
from mixcli.errors import DeviceError
from mixcli.lanes import LOOK_EVERY_S, Began, Finished, Told, Waited

RECONNECT_S = 600.0  # how long a scheduler may be gone
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # between tries to reach it
FEWEST_DEATHS = 2  # of workers that had a song in hand, before it is the song's fault
MOST_TURNS = 4  # of a song whose workers died before it said that it had begun


@dataclass(frozen=True)
class WorkerLost:
    """The worker at an address was lost with a song in hand, which was the last try if `final`."""

    index: int
    worker: str
    times: int
    final: bool


@dataclass(frozen=True)
class SchedulerAway:
    """The scheduler was lost, and is looked for."""

    why: str


DaskEvent = Began | Told | Finished | WorkerLost | SchedulerAway | Waited


@dataclass
class _InHand:
    """A song that the cluster has."""

    task: SongTask
    sent: SongTask
    turn: int = 0  # Dask refuses to do what has killed its workers again, but under another name
    worker: str | None = None  # that has begun it
    deaths: int = 0


def run_on_dask(
    tasks: Iterable[tuple[int, SongTask]], *, scheduler: str, most: int | None = None
) -> Generator[DaskEvent]:
    """Mix songs, given as (index, task), on a Dask cluster; close the iterator to end early.

    No more than `most` songs are with the cluster at a time, else some more than it has threads. A song whose
    workers die is tried again by Dask, until it gives the song up. When the scheduler is lost, it is looked
    for, and gets the songs in hand again; what has ended is not done again. Raises DeviceError: E606 where
    the scheduler is not found (at the start in one try, later in `RECONNECT_S`), E607 where the cluster
    cannot run this version of mixcli.
    """
    run, waiting = uuid4().hex[:12], iter(tasks)
    hand: dict[int, _InHand] = {}
    with quiet_logs():
        session: DaskSession | None = None
        try:
            session = _found(scheduler, run)
            while True:
                try:
                    room = session.room() if most is None else most
                    while len(hand) < room and (job := next(waiting, None)) is not None:
                        hand[job[0]] = _InHand(job[1], to_send(job[1]))
                        _submit(session, run, job[0], hand[job[0]])
                    if not hand:
                        return
                    yield from _look(session, run, hand)
                except SchedulerLost as lost:
                    session.drop()
                    session = None
                    yield SchedulerAway(str(lost))
                    session = yield from _found_again(scheduler, run, hand)
        finally:
            if session is not None:
                session.close()


def _found(scheduler: str, run: str) -> DaskSession:
    """The scheduler as a batch begins. Raises DeviceError E606."""
    try:
        return DaskSession(scheduler, _topic(run))
    except SchedulerLost as lost:
        hint = "dask scheduler --scheduler-file FILE starts one; see docs/batch.md."
        raise DeviceError(f"{lost}.", code="E606", hint=hint) from lost


def _found_again(
    scheduler: str, run: str, hand: dict[int, _InHand]
) -> Generator[DaskEvent, None, DaskSession]:
    """The scheduler once it is back, with the songs in hand. Raises DeviceError E606."""
    until, wait_s = time.monotonic() + RECONNECT_S, FIRST_WAIT_S
    while True:
        session: DaskSession | None = None
        try:
            session = DaskSession(scheduler, _topic(run))
            for index, song in hand.items():
                song.worker = None
                _submit(session, run, index, song)
            return session
        except SchedulerLost as lost:
            if session is not None:
                session.drop()
            if time.monotonic() > until:
                message = f"{lost}, for {RECONNECT_S / 60:g} minutes."
                hint = "the same command goes on when there is one."
                raise DeviceError(message, code="E606", hint=hint) from lost
        rested_at = time.monotonic() + wait_s
        while time.monotonic() < rested_at:
            time.sleep(LOOK_EVERY_S)
            yield Waited()
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _submit(session: DaskSession, run: str, index: int, song: _InHand) -> None:
    session.submit(index, song.sent, f"mixcli-song-{run}-{index}-{song.turn}")


def _topic(run: str) -> str:
    return f"mixcli-{run}"


def _look(session: DaskSession, run: str, hand: dict[int, _InHand]) -> Iterator[DaskEvent]:
    """What has happened since the last time; waits for it a moment. Songs that have ended leave the hand."""
    n_words = 0
    for word in session.words(LOOK_EVERY_S):
        n_words += 1
        index, worker = word["index"], word["worker"]
        song = hand.get(index)
        if song is None:
            continue
        if word["kind"] == "began":
            if song.worker is not None:
                song.deaths += 1
                yield WorkerLost(index, song.worker, song.deaths, final=False)
            song.worker = worker
            yield Began(index, word["pid"])
        elif song.worker == worker:
            yield Told(index, word["what"])
    if not n_words:
        yield Waited()
    for index, what in session.ended():
        song = hand[index]
        if not isinstance(what, BaseException):
            del hand[index]
            yield Finished(index, as_asked(what, song.task))
        elif (lost := _lost(index, song, what)) is not None:
            del hand[index]
            yield lost
        else:
            song.turn += 1
            song.worker = None
            _submit(session, run, index, song)


def _lost(index: int, song: _InHand, error: Any) -> WorkerLost | None:
    """What the failure of a task means: None where it is no fault of its own, so that it is done again.

    Songs that wait on a worker behind the one that kills it are not to blame. Raises DeviceError for what
    lies in the cluster.
    """
    from distributed import KilledWorker

    if isinstance(error, SongGivenUp):
        return None
    if isinstance(error, DeviceError):
        raise error
    if not isinstance(error, KilledWorker):
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"the Dask cluster cannot run this version of mixcli: {printable(reason)}"
        hint = "the same environment where the scheduler and all workers start."
        raise DeviceError(message, code="E607", hint=hint)
    song.deaths += song.worker is not None
    if song.deaths < FEWEST_DEATHS and song.turn + 1 < MOST_TURNS:
        return None
    return WorkerLost(index, error.last_worker.address, error.allowed_failures + 1, final=True)
