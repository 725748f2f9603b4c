"""What people see of a training: bars and lines on stderr, the census and the result on stdout."""

import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from mixcli.cli.show import line, result_line

if TYPE_CHECKING:
    from mixcli.training.census import Census
    from mixcli.training.request import Began, Ended, Scores, Stepped, Validated

VERBOSE_EVERY = 50  # steps
SAY_EVERY_S = 30.0  # off a terminal, as a batch does
MOST_REFUSED = 12  # of refused songs that the census names
PARTS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")


class Bar:
    """One bar of tqdm on stderr, where that is a terminal, else a line now and then.

    Lines beside the bar do not break it.
    """

    def __init__(
        self, what: str, unit: str, *, hidden: bool, total: int | None = None, done: int = 0
    ) -> None:
        from tqdm import tqdm  # type: ignore[import-untyped]  # its types are a package of their own

        self._what, self._unit, self._total, self._done = what, unit, total, done
        self._said_at = math.inf if hidden else time.monotonic()
        hidden = hidden or bool(os.environ.get("CI"))
        self._bar = tqdm(
            desc=what,
            unit=unit,
            total=total,
            initial=done,
            disable=True if hidden else None,  # None: by whether stderr is a terminal
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
        )

    def advance(self, words: str) -> None:
        """One more is done."""
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.update()
        self._done += 1
        if self._bar.disable and time.monotonic() - self._said_at > SAY_EVERY_S:
            self._said_at = time.monotonic()
            of_all = "" if self._total is None else f" of {self._total}"
            line(f"{self._what}: {self._unit} {self._done}{of_all}, {words}")

    def line(self, text: str) -> None:
        """A line above the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            line(text)

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


@contextmanager
def bar(
    what: str, unit: str, *, quiet: int, verbose: int, total: int | None = None, done: int = 0
) -> Iterator[Bar]:
    """A bar for the time of the block; not with -q or -v."""
    shown = Bar(what, unit, hidden=bool(quiet or verbose), total=total, done=done)
    try:
        yield shown
    finally:
        shown.close()


def began_line(began: "Began", n_songs: dict[str, int], hours: float) -> str:
    """What is about to be trained, on what."""
    start = "linear start" if began.linear_start else f"from step {began.step}" if began.step else "new"
    songs = f"{n_songs['train']} song{'s' * (n_songs['train'] != 1)} ({hours:.2f} h)"
    held = f"{n_songs['validation']} for validation"
    steps = f"{began.total_steps} steps on {began.device}"
    return f"{began.n_parameters:,} weights, {start}; {songs}, {held}; {steps}"


def scores_words(scores: "Scores") -> str:
    """Scores in a few words."""
    ratio = ""
    if scores.si_sdr_db is not None:
        ratio = ", SI-SDR " + f"{scores.si_sdr_db:.1f} dB".replace("-", "−")
    return f"validation {scores.loss:.4g}{ratio}"


def step_words(stepped: "Stepped") -> str:
    """A step in a few words."""
    return f"loss {stepped.loss:.4g}"


def step_line(stepped: "Stepped") -> str | None:
    """A step as a line, every VERBOSE_EVERY of them."""
    if stepped.step % VERBOSE_EVERY:
        return None
    return (
        f"step {stepped.step}: loss {stepped.loss:.4g}, lr {stepped.lr:.3g}, gradient {stepped.gradient:.3g}"
    )


def validated_line(validated: "Validated", loss: float | None) -> str:
    """A validation as a line."""
    text = f"epoch {validated.epoch}, step {validated.step}:"
    if loss is not None:
        text += f" loss {loss:.4g};"
    if validated.scores is None:
        return f"{text} no song to validate on{'; best so far' * validated.best}"
    return f"{text} {scores_words(validated.scores)}{'; best so far' * validated.best}"


def ended_line(ended: "Ended", out: str) -> str:
    """Why and with what a run ended."""
    reasons = {
        "steps": "done",
        "patience": "no better for as long as patience allows",
        "time": "out of time",
        "stop": "interrupted",
    }
    text = f"{reasons[ended.why]} after {ended.step} steps; the best weights are of step {ended.best_step}"
    if ended.why in ("time", "stop"):
        text += f". The same command goes on (checkpoint in {out})"
    return text


def show_census(found: "Census") -> None:
    """The census in a few lines on stdout."""
    for part in PARTS:
        count = sum(song.part == part for song in found.songs)
        result_line(f"{part}: {count} song{'s' * (count != 1)}, {found.hours(part):.2f} h")
    layouts = ", ".join(
        f"{source} ({kind})" for source, kind in zip(found.sources, found.layouts, strict=True)
    )
    result_line(f"sources: {layouts}")
    result_line("roles: " + ", ".join(f"{role} {count}" for role, count in found.roles.items()))
    if found.cache_bytes is not None:
        result_line(f"cache: {found.cache_bytes / 1e9:.2f} GB")
    for song in found.songs:
        for problem in song.problems:
            result_line(f'problem: "{song.name}": {problem}')
    for problem in found.problems:
        result_line(f"problem: {problem}")
    for refused in found.refused[:MOST_REFUSED]:
        result_line(f'refused: "{refused.name}": {refused.reason}')
    if len(found.refused) > MOST_REFUSED:
        result_line(f"refused: {len(found.refused) - MOST_REFUSED} more; --json names them all")
