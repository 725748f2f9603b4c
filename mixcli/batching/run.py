"""Mix the songs of a plan side by side; a song that fails, or its process, does not stop the rest."""

import signal
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from mixcli.audio.output import sweep_stale_parts
from mixcli.audio.wording import printable, size_text
from mixcli.batching.capacity import device_environments
from mixcli.batching.dask_engine import DaskEvent, SchedulerAway, WorkerLost, run_on_dask
from mixcli.batching.disk import free_bytes
from mixcli.batching.logs import failure_lines, forget_log, write_log
from mixcli.batching.manifest import Entry, Manifest
from mixcli.batching.plan import BatchPlan, PlannedSong, mix_below
from mixcli.batching.request import BatchRequest
from mixcli.batching.work import SongDone, SongTask, failed, finished_entry, mix_one
from mixcli.errors import DeviceError, OutputError
from mixcli.lanes import Began, Event, Finished, Lost, Told, run_lanes
from mixcli.mixing.mix_song import skipped
from mixcli.mixing.result import result_document

Stopped = Literal["songs", "time", "failures"]


@dataclass(frozen=True)
class SongBegan:
    """A song was given to a process."""

    index: int
    pid: int


@dataclass(frozen=True)
class SongProgress:
    """How far a song is: seconds of audio done of a stage."""

    index: int
    stage: str
    done_s: float
    total_s: float


@dataclass(frozen=True)
class SongRetried:
    """The process of a song died; the song is tried once more."""

    index: int
    how: str


@dataclass(frozen=True)
class SongEnded:
    """A song is mixed, up to date or has failed; the manifest knows of it."""

    index: int
    status: Literal["ok", "skipped", "error"]
    done: SongDone


@dataclass(frozen=True)
class Tick:
    """Nothing happened for a moment."""


BatchEvent = SongBegan | SongProgress | SongRetried | SongEnded | SchedulerAway | Tick


class BatchRun:
    """A batch under way. `counts` are of songs by status, `stopped` is the limit that ended it early.

    `done_s` are the seconds of audio that were mixed. `jobs` are the songs at the same time; None leaves that
    to the cluster. `devices` are the CUDA devices that the processes share, each process one of them.
    """

    def __init__(
        self,
        plan: BatchPlan,
        request: BatchRequest,
        manifest: Manifest,
        *,
        jobs: int | None,
        devices: tuple[str, ...] = (),
    ) -> None:
        self.plan = plan
        self.request = request
        self.manifest = manifest
        self.jobs = jobs
        self.devices = devices
        self.counts: Counter[str] = Counter()
        self.done_s = 0.0
        self.stopped: Stopped | None = None
        self._n_begun = 0
        self._ended: deque[SongEnded] = deque()  # without a process

    @property
    def n_left(self) -> int:
        """The songs that were to be made and were not tried."""
        return len(self.plan.wanted) - self.counts["ok"] - self.counts["error"]

    def events(self) -> Generator[BatchEvent]:
        """Do it. Close the iterator to end early: songs in hand are given up, without a trace.

        Raises OutputError where the manifest cannot be written, DeviceError where a cluster does not serve.
        """
        sweep_stale_parts(self.request.out)
        for index, song in enumerate(self.plan.songs):
            if song.state == "current" and not song.wanted:
                yield self._skip(index, song)
        started = time.monotonic()
        with closing(self._runner(self._tasks(started))) as events:
            for event in events:
                yield from self._drain()
                match event:
                    case Began():
                        yield SongBegan(event.index, event.pid)
                    case Told():
                        yield SongProgress(event.index, *event.what)
                    case Finished():
                        yield self._end(event.index, event.result)
                    case Lost() | WorkerLost() if event.final:
                        yield self._end(event.index, self._killed(event))
                    case Lost() | WorkerLost():
                        yield SongRetried(event.index, death(event))
                    case SchedulerAway():
                        yield event
                    case _:
                        yield Tick()
        yield from self._drain()

    def _runner(self, tasks: Iterator[tuple[int, SongTask]]) -> Generator[Event | DaskEvent]:
        """What does the songs: processes of this machine, or a cluster."""
        if self.request.scheduler is None:
            environments = device_environments(self.devices)
            return run_lanes(mix_one, tasks, workers=self.jobs or 1, environments=environments)
        return run_on_dask(tasks, scheduler=self.request.scheduler, most=self.jobs)

    def _drain(self) -> Iterator[SongEnded]:
        while self._ended:
            yield self._ended.popleft()

    def _tasks(self, started: float) -> Iterator[tuple[int, SongTask]]:
        """The songs to mix, as long as no limit is reached; failures that were planned are ended at once."""
        for index in self.plan.wanted:
            self.stopped = self._limit_reached(time.monotonic() - started)
            if self.stopped is not None:
                return
            self._n_begun += 1
            song = self.plan.songs[index]
            if song.paths is not None:  # what a killed run has left
                sweep_stale_parts(song.paths.audio.parent)
            failure = song.failure or self._no_room(song)
            if failure is not None:
                self._ended.append(self._end(index, failed(song.request, failure)))
                continue
            request = song.request
            if request.if_exists == "skip":
                request = replace(request, if_exists="overwrite")
            yield index, SongTask(request=request, asked=self.plan.asked, album_lufs=song.album_lufs)

    def _limit_reached(self, elapsed_s: float) -> Stopped | None:
        limits = self.request.limits
        if limits.failures is not None and self.counts["error"] >= limits.failures:
            return "failures"
        if limits.songs is not None and self._n_begun >= limits.songs:
            return "songs"
        return "time" if limits.seconds is not None and elapsed_s >= limits.seconds else None

    def _no_room(self, song: PlannedSong) -> OutputError | None:
        """A full disk is told before the work that would be lost to it."""
        free, needed = free_bytes(self.request.out), song.kept_bytes + song.working_bytes
        if free is None or free >= needed:
            return None
        message = (
            f'cannot write to "{printable(str(self.request.out))}": no space left (needs about '
            f"{size_text(needed)}, {size_text(free)} free). Nothing was left half written."
        )
        return OutputError(message, code="E502", hint="free some space, or another --out.")

    def _skip(self, index: int, song: PlannedSong) -> SongEnded:
        """A song that is up to date; what was found out about its mix is kept for the next time."""
        assert song.paths is not None  # a song without a place for its mix is never up to date
        entry = self._news(song)
        if entry is not None:
            self.manifest.add(entry)
        self.counts["skipped"] += 1
        document = result_document(skipped(song.request, song.paths))
        return SongEnded(index, "skipped", SongDone(document=document, entry=entry or {}))

    def _news(self, song: PlannedSong) -> Entry | None:
        key, paths = song.key, song.paths
        if key is None or paths is None or not (song.touched or song.adopted):
            return None
        known = self.manifest.entries.get(song.mix, {"mix": song.mix, "finished": now()})
        if song.adopted is not None:
            known = known | finished_entry(song.adopted, paths.audio)
        return known | {"asked": key.asked, "stat": key.stat, "content": key.content}

    def _end(self, index: int, done: SongDone) -> SongEnded:
        """Write down what came of a song."""
        song, out = self.plan.songs[index], self.request.out
        mix, finished = song.mix, now()
        if done.audio is not None:
            mix = mix_below(done.audio, out)  # it may have got a number
        status: Literal["ok", "error"] = "ok" if done.entry["status"] == "ok" else "error"
        if status == "ok":
            forget_log(out, mix)
            self.done_s += song.duration_s or 0.0
        else:
            write_log(out, mix, failure_lines(done.document, finished=finished, trace=done.trace))
        self.manifest.add({"mix": mix, "finished": finished} | done.entry)
        self.counts[status] += 1
        return SongEnded(index, status, done)

    def _killed(self, lost: Lost | WorkerLost) -> SongDone:
        times, hint = "twice", None
        if isinstance(lost, WorkerLost):
            times, hint = f"{lost.times} times", "the worker's log tells more; mostly it lacked memory."
        elif lost.exit_code == -signal.SIGKILL:
            hint = "fewer songs at the same time: -j 1."
        message = f"its process died {times}, the last time {death(lost)}."
        error = DeviceError(message, code="E603", hint=hint)
        return failed(self.plan.songs[lost.index].request, error)


def death(lost: Lost | WorkerLost) -> str:
    """How a process died, in words."""
    if isinstance(lost, WorkerLost):
        return f"with the Dask worker {lost.worker}"
    if lost.exit_code >= 0:
        return f"with exit code {lost.exit_code}"
    try:
        name = signal.Signals(-lost.exit_code).name
    except ValueError:
        name = f"signal {-lost.exit_code}"
    return f"of {name}" + (", most likely for want of memory" if name == "SIGKILL" else "")


def now() -> str:
    """The time of day, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
