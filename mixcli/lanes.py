"""Tasks done side by side, each in a process of its own kind: a process that dies costs its task alone."""

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from mixcli.errors import Interrupted
from mixcli.freed_memory import keep_freed_memory
from mixcli.parent_watch import end_with_parent

LOOK_EVERY_S = 0.2  # how often the one who waits for tasks is given a chance to do something else
MOST_TRIES = 2  # of a task whose process dies
CLEAN_UP_S = 10.0  # what a process that is asked to end has for it, before it is killed
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
LOST_FIRST = "500"  # where Linux runs out of memory, a lane goes before the process that can replace it

Tell = Callable[[Any], None]


@dataclass(frozen=True)
class Began:
    """A task was given to the process `pid`."""

    index: int
    pid: int


@dataclass(frozen=True)
class Told:
    """Something that a task said on its way."""

    index: int
    what: Any


@dataclass(frozen=True)
class Finished:
    """What came of a task."""

    index: int
    result: Any


@dataclass(frozen=True)
class Lost:
    """A process died with a task in hand: of a signal where `exit_code` is below 0.

    `final` says that this was the last try; else the task is done again in a new process.
    """

    index: int
    pid: int
    exit_code: int
    final: bool


@dataclass(frozen=True)
class Waited:
    """Nothing happened for a moment."""


Event = Began | Told | Finished | Lost | Waited


def run_lanes(
    work: Callable[[Any, Tell], Any],
    tasks: Iterable[tuple[int, Any]],
    *,
    workers: int,
    environments: Sequence[Mapping[str, str]] = (),
) -> Generator[Event]:
    """Do tasks, given as (index, task), in up to `workers` processes; close the iterator to end them early.

    `work(task, tell)` and the tasks are pickled; `work` keeps its expected failures to itself, as results.
    The next task is taken when a process is free for it. Processes begin anew (spawn), stay for many tasks,
    have one thread for numerics, leave interruptions to the process that started them, and end with it. A
    task whose process dies is tried once more. Process N takes the variables of `environments[N]`, in turn,
    before it loads `work`; one that replaces another takes its number. Nothing is left behind when the
    iterator is closed: each process is asked to end and may clean up.
    """
    waiting = iter(tasks)
    again: deque[tuple[int, Any]] = deque()
    tries: Counter[int] = Counter()
    with _lanes(work) as (free, busy):
        while True:
            while len(busy) < workers and (job := _next_job(again, waiting)) is not None:
                lane = _start(free, work, job, _first_free(free, busy.values()), environments)
                busy[lane.connection] = lane
                tries[lane.index] += 1
                yield Began(lane.index, lane.pid)
            if not busy:
                return
            ready = wait(list(busy), timeout=LOOK_EVERY_S)
            for connection in ready:
                lane = busy[connection]
                try:
                    is_result, what = lane.connection.recv()
                except (EOFError, OSError):
                    del busy[connection]
                    final = tries[lane.index] >= MOST_TRIES
                    if not final:
                        again.append((lane.index, lane.task))
                    yield Lost(lane.index, lane.pid, lane.end(), final)
                    continue
                if is_result:
                    free.append(busy.pop(connection))
                    yield Finished(lane.index, what)
                else:
                    yield Told(lane.index, what)
            if not ready:
                yield Waited()


class _Lane:
    """A process, and what it has in hand."""

    def __init__(self, work: Callable[[Any, Tell], Any], number: int, environment: Mapping[str, str]) -> None:
        self.number = number
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_lane_main, args=(theirs, dict(environment)), daemon=True
        )
        self.process.start()
        theirs.close()  # or the end of the process would not be seen
        self.index, self.task = -1, None
        self.connection.send(work)

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def take(self, index: int, task: Any) -> None:
        self.index, self.task = index, task
        self.connection.send(task)

    def end(self) -> int:
        """Wait for a process that is about to end; its exit code."""
        self.connection.close()
        self.process.join(CLEAN_UP_S)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return self.process.exitcode or 0


def _next_job(again: deque[tuple[int, Any]], waiting: Iterator[tuple[int, Any]]) -> tuple[int, Any] | None:
    return again.popleft() if again else next(waiting, None)


def _first_free(*lanes: Iterable[_Lane]) -> int:
    """The first number that no process has."""
    taken = {lane.number for some in lanes for lane in some}
    return next(number for number in count() if number not in taken)


def _start(
    free: list[_Lane],
    work: Callable[[Any, Tell], Any],
    job: tuple[int, Any],
    number: int,
    environments: Sequence[Mapping[str, str]],
) -> _Lane:
    """A process with a task in hand: a free one, or a new one."""
    while free:
        lane = free.pop()
        try:
            lane.take(*job)
        except OSError:  # it was killed while it had nothing to do
            lane.end()
            continue
        return lane
    lane = _Lane(work, number, environments[number % len(environments)] if environments else {})
    with contextlib.suppress(OSError):  # killed already: to be seen when its answer is waited for
        lane.take(*job)
    return lane


@contextmanager
def _lanes(
    work: Callable[[Any, Tell], Any],
) -> Iterator[tuple[list[_Lane], dict[Any, _Lane]]]:
    """Room for processes: the free ones and the busy ones. None of them outlives the block."""
    free: list[_Lane] = []
    busy: dict[Any, _Lane] = {}
    try:
        yield free, busy
    finally:
        for lane in (*free, *busy.values()):
            if lane.connection in busy:
                lane.process.terminate()
            lane.connection.close()  # a free one ends when nothing more can come
        until = time.monotonic() + CLEAN_UP_S
        for lane in (*free, *busy.values()):
            lane.process.join(max(until - time.monotonic(), 0.0))
            if lane.process.exitcode is None:
                lane.process.kill()


def _lane_main(connection: Connection, environment: dict[str, str]) -> None:
    """The life of a process: one task after the other, until nothing more comes."""
    for name in ONE_THREAD:  # before numpy or torch is loaded with the work
        os.environ[name] = "1"
    os.environ.update(environment)
    keep_freed_memory()
    request = _StopRequest()
    end_with_parent()
    with contextlib.suppress(OSError):  # not on Linux
        Path("/proc/self/oom_score_adj").write_text(LOST_FIRST, "ascii")

    def tell(what: Any) -> None:
        request.check()
        connection.send((False, what))

    try:
        work = connection.recv()
        while True:
            connection.send((True, work(connection.recv(), tell)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        sys.exit(0)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


class _StopRequest:
    """SIGTERM unwinds what the process does, so that temporary files go; other signals are the parent's."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        for name in ("SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._stop)

    def check(self) -> None:
        """Raise Interrupted if the signal came, and what was raised then got lost in foreign code."""
        if self.signal_number is not None:
            raise Interrupted(self.signal_number)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number
        raise Interrupted(number)
