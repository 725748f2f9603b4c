"""How a batch under way is shown: bars on a terminal, lines now and then off it, or JSON events."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from mixcli.audio.wording import clock_time
from mixcli.batching.dask_engine import SchedulerAway
from mixcli.batching.plan import BatchPlan
from mixcli.batching.run import (
    BatchEvent,
    SongBegan,
    SongEnded,
    SongProgress,
    SongRetried,
)
from mixcli.cli.batch_options import BatchOptions
from mixcli.cli.batch_pace import Pace
from mixcli.cli.batch_readers import reader_may_leave
from mixcli.cli.parse import parse_choice
from mixcli.cli.show import line

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

KINDS = ("auto", "rich", "plain", "json", "none")
LINE_EVERY_S = 30.0
SHOWN_NAME = 28  # characters of a song's name beside its bar


class Shown(Protocol):
    """What takes the events of a batch."""

    def see(self, event: BatchEvent) -> None:
        """Show an event, or let it pass."""


class Unseen:
    """Nothing is shown."""

    def see(self, event: BatchEvent) -> None:
        """Let it pass."""


class Lines:
    """A line now and then: how many songs, how much audio, how long it will take."""

    def __init__(self, plan: BatchPlan) -> None:
        self._plan, self._pace = plan, Pace.of(plan)
        self._said_at = time.monotonic()

    def see(self, event: BatchEvent) -> None:
        """Count, and say so from time to time."""
        count(self._pace, self._plan, event)
        if time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            line(pace_text(self._pace))


class Events:
    """Every event as a line of JSON on stderr."""

    def __init__(self, plan: BatchPlan) -> None:
        self._plan, self._pace = plan, Pace.of(plan)
        counts = {"songs": len(plan.songs), "wanted": self._pace.n_songs, "total": self._pace.total_s}
        write_event("plan", None, counts)

    def see(self, event: BatchEvent) -> None:
        """Write it down."""
        count(self._pace, self._plan, event)
        match event:
            case SongBegan():
                write_event("song_start", self._label(event.index), {"pid": event.pid})
            case SongProgress():
                values = {"stage": event.stage, "done": event.done_s, "total": event.total_s}
                write_event("progress", self._label(event.index), values)
            case SongRetried():
                write_event("warning", self._label(event.index), {"code": "W603", "message": event.how})
            case SchedulerAway():
                write_event("warning", None, {"code": "W606", "message": event.why})
            case SongEnded():
                for one in event.done.document["warnings"]:
                    if one["code"][0] != "W":
                        continue
                    values = {"code": one["code"], "message": one["message"]}
                    write_event("warning", self._label(event.index), values)
                self._end(event)
            case _:
                pass

    def _end(self, event: SongEnded) -> None:
        errors = event.done.document.get("errors") or [{"code": None}]
        pace = self._pace
        values = {
            "status": event.status,
            "error": errors[0]["code"],
            "songs_done": pace.n_ended,
            "songs_wanted": pace.n_songs,
            "failed": pace.n_failed,
            "done": pace.done_s,
            "total": pace.total_s,
            "left_s": pace.left_s,
        }
        write_event("song_end", self._label(event.index), values)

    def _label(self, index: int) -> str:
        return self._plan.songs[index].label


class BatchBars:
    """One bar over all songs by seconds of audio, and one for each song in hand."""

    def __init__(self, bars: "Bars", plan: BatchPlan) -> None:
        self._bars, self._plan, self._pace = bars, plan, Pace.of(plan)
        self._all = bars.add_task("All songs".ljust(SHOWN_NAME), total=max(self._pace.total_s, 1e-3), told="")
        self._songs: dict[int, TaskID] = {}

    def see(self, event: BatchEvent) -> None:
        """Move the bars."""
        count(self._pace, self._plan, event)
        match event:
            case SongBegan():
                name = self._plan.songs[event.index].label
                short = name if len(name) <= SHOWN_NAME else "…" + name[1 - SHOWN_NAME :]
                if event.index not in self._songs:
                    self._songs[event.index] = self._bars.add_task(short.ljust(SHOWN_NAME), told="reading")
            case SongProgress():
                done_s = min(event.done_s, event.total_s)
                told = f"{event.stage} {clock_time(done_s)} / {clock_time(event.total_s)}"
                song = self._songs[event.index]
                self._bars.update(song, completed=done_s, total=event.total_s, told=told)
            case SongEnded() if event.index in self._songs:
                self._bars.remove_task(self._songs.pop(event.index))
            case _:
                pass
        self._bars.update(self._all, completed=self._pace.done_s, told=pace_text(self._pace))


def count(pace: Pace, plan: BatchPlan, event: BatchEvent) -> None:
    """Let the pace know of an event."""
    if isinstance(event, SongBegan):
        pace.began(event)
    elif isinstance(event, SongEnded):
        pace.ended(event, plan.songs[event.index].duration_s or 0.0)


def pace_text(pace: Pace) -> str:
    """Songs, audio, failures and the time it will take."""
    text = f"{pace.n_ended} of {pace.n_songs} songs, {clock_time(pace.done_s)} of {clock_time(pace.total_s)}"
    left_s = pace.left_s
    text += ", " + ("no estimate yet" if left_s is None else f"about {clock_time(left_s)} left")
    return text + (f", {pace.n_failed} failed" if pace.n_failed else "")


def write_event(event: str, song: str | None, values: dict[str, Any]) -> None:
    """A line of JSON on stderr."""
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}
    named = {} if song is None else {"song": song}
    text = json.dumps({"event": event, **named, **rounded})
    with reader_may_leave(sys.stderr):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def kind_of(options: BatchOptions) -> str:
    """Bars, lines, events or nothing. Raises UsageError."""
    kind = parse_choice("--progress", options.progress, KINDS)
    if kind != "auto":
        return kind
    if options.quiet or os.environ.get("MIXCLI_NO_PROGRESS"):
        return "none"
    is_watched = sys.stderr.isatty() and not os.environ.get("CI") and not options.verbose
    return "rich" if is_watched else "plain"


@contextmanager
def shown_progress(kind: str, plan: BatchPlan) -> Iterator[Shown]:
    """What shows a batch while the block runs."""
    if kind in ("plain", "json"):
        yield Lines(plan) if kind == "plain" else Events(plan)
        return
    if kind == "none" or not plan.wanted:
        yield Unseen()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # results that are piped away must not end up among the bars
    )
    with bars:
        yield BatchBars(bars, plan)
