"""Progress bars of mix, batch and inspect, in seconds of audio, on stderr where it is a terminal."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mixcli.cli.show import as_clock
from mixcli.cli.stopping import StopRequest

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


class SongProgress:
    """One bar per stage of the song in hand, and one over all songs where there are several."""

    def __init__(self, bars: "Bars | None", n_songs: int, stop: StopRequest) -> None:
        self._bars = bars
        self._stop = stop
        self._stages: dict[str, TaskID] = {}
        self._songs: TaskID | None = None
        if bars is not None and n_songs > 1:
            self._songs = bars.add_task("Songs", total=n_songs, clock="")

    def begin(self, index: int, label: str) -> None:
        """Say which song comes next, counted from 0; its stages begin anew."""
        if self._bars is None:
            return
        for task in self._stages.values():
            self._bars.remove_task(task)
        self._stages = {}
        if self._songs is not None:
            self._bars.update(self._songs, completed=index, clock=label)

    def show(self, stage: str, done_s: float, total_s: float) -> None:
        """What a mix calls as it goes on. Raises Interrupted when a signal came and got lost."""
        self._stop.check()
        if self._bars is None:
            return
        done_s = min(done_s, total_s)
        clock = f"{as_clock(done_s)} / {as_clock(total_s)}"
        if stage not in self._stages:
            name = stage.capitalize().ljust(9)
            self._stages[stage] = self._bars.add_task(name, total=total_s, clock=clock)
        self._bars.update(self._stages[stage], completed=done_s, clock=clock)

    def count(self, what: str, done: int, total: int, label: str) -> None:
        """A bar that counts things done; the label is of the latest one."""
        if self._bars is None:
            return
        clock = f"{done} / {total}  {label}"
        if what not in self._stages:
            self._stages[what] = self._bars.add_task(what, total=total, clock=clock)
        self._bars.update(self._stages[what], completed=done, clock=clock)


@contextmanager
def count_progress(
    stop: StopRequest, what: str, total: int, *, quiet: int, verbose: int
) -> Iterator[Callable[[str], None]]:
    """One bar over things of which each is done at once; the function that comes is told each one's name."""
    with song_progress(stop, quiet=quiet, verbose=verbose) as shown:
        count = 0

        def count_up(name: str) -> None:
            nonlocal count
            stop.check()
            count += 1
            shown.count(what, count, total, name)

        shown.count(what, 0, total, "")
        yield count_up


@contextmanager
def song_progress(stop: StopRequest, *, quiet: int, verbose: int, n_songs: int = 1) -> Iterator[SongProgress]:
    """Bars while the block runs: only on a terminal, not in CI, and not with -q or -v."""
    if not sys.stderr.isatty() or os.environ.get("CI") or quiet or verbose:
        yield SongProgress(None, n_songs, stop)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[clock]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # results that are piped away must not end up among the bars
    )
    with bars:
        yield SongProgress(bars, n_songs, stop)
