"""What people read: what was found and done on stderr, results on stdout."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mixcli.errors import MixcliError, Notice

if TYPE_CHECKING:
    from mixcli.mixing.result import MixResult


def line(text: str) -> None:
    """A line on stderr; a stderr that takes no more stops nothing."""
    with contextlib.suppress(OSError):
        print(_one_line(text), file=sys.stderr)  # noqa: T201  # the door is where printing happens


def result_line(text: str) -> None:
    """A line of a table or list on stdout."""
    print(_one_line(text))  # noqa: T201  # the door is where printing happens


def path_line(path: Path) -> None:
    """A path on stdout, byte for byte, for the shell to use."""
    print(path, flush=True)  # noqa: T201  # the door is where printing happens


def _one_line(text: str) -> str:
    """Text whose control characters, from file names, cannot move the terminal's cursor."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def show_notices(notices: tuple[Notice, ...], *, quiet: int, verbose: int, prefix: str = "") -> None:
    """Warnings unless -qq; information unless -q; details (V…) with -v."""
    for notice in notices:
        kind = notice.code[0]
        if (
            (kind == "W" and quiet < 2)
            or (kind == "I" and not quiet)
            or (kind == "V" and verbose and not quiet)
        ):
            word = "warning" if kind == "W" else "note"
            line(f"{prefix}{word}[{notice.code}]: {notice.message}")


def as_clock(seconds: float) -> str:
    """Minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def show_error(error: MixcliError, *, quiet: int, prefix: str = "") -> None:
    """An expected failure in one line, and one with the hint; nothing with -qq."""
    if quiet > 1:
        return
    line(f"{prefix}error[{error.code}]: {error.message}")
    if error.hint:
        line(f"  hint: {error.hint}")


def show_result(result: "MixResult", *, quiet: int, verbose: int, kept: bool = True) -> None:
    """What was found, how the mix came out, and what to do next; with -v what was done to every stem."""
    if quiet:
        return
    line(song_line(result))
    for text in move_lines(result) if verbose else ():
        line(text)
    for text in loudness_lines(result):
        line(text)
    if result.status == "ok" and kept:
        recipe = result.recipe or result.given_recipe
        line(f"next: edit {recipe} and mix again with --recipe and another --name")


def show_variant(result: "MixResult", *, quiet: int, verbose: int) -> None:
    """One of several mixes of a song: what it is, how it came out or is planned, and its path on stdout."""
    variant = result.variant
    if not quiet and variant is not None:
        if variant.number == 1:
            line(song_line(result))
        line(f"{variant.label}: {variant.text}")
        for text in move_lines(result) if verbose else ():
            line(text)
        for text in loudness_lines(result):
            line(f"    {text}")
    if result.status == "planned":
        result_line(f"would write {result.paths.audio}")
    else:
        path_line(result.paths.audio)


def song_line(result: "MixResult") -> str:
    """What was found in the song's folder."""
    plan = result.plan
    if plan is None:
        return f"{result.song}: skipped, {result.paths.audio} is there"
    roles, stems = len({stem.role for stem in plan.song.stems}), len(plan.song.stems)
    text = f"{result.song}: {stems} stem{'s' * (stems != 1)} → {roles} role{'s' * (roles != 1)}"
    left_out = plan.song.excluded
    if left_out:
        names = ", ".join(each.name for each in left_out[:3]) + (", …" if len(left_out) > 3 else "")
        text += f", {len(left_out)} left out ({names})"
    return text


def loudness_lines(result: "MixResult") -> list[str]:
    """The lines that tell how the mix came out."""
    plan, finished = result.plan, result.finished
    if plan is None or finished is None:
        return []
    measures, solution = finished.measures, finished.solution
    lufs, peak = "no loudness", "silence"
    if measures.integrated_lufs is not None:
        lufs = f"{measures.integrated_lufs:.1f} LUFS".replace("-", "−")
    if measures.true_peak_dbtp is not None:
        peak = f"{measures.true_peak_dbtp:.1f} dBTP".replace("-", "−")
    limiter = "no limiting"
    if solution.max_reduction_db > 0:
        limiter = f"limiter: {solution.max_reduction_db:.1f} dB at most"
    network = plan.recipe.network
    made_by = "console alone"
    if plan.model is not None:
        made_by = network_text(str(network.model), network.amount, network.familiarity, network.held_to)
    lines = [f"{lufs}, {peak} ({limiter}; {made_by})"]
    if result.null_test_dbfs is not None:
        count, folder = len(result.terms), result.paths.terms
        lines.append(f"{count} terms in {folder}; null test {result.null_test_dbfs:.0f} dBFS")
    return lines


def network_text(name: str, amount: float, familiarity: float | None, held_to: float | None) -> str:
    """Which network takes part in a mix, by how much, and what keeps it from taking part wholly."""
    known = "" if familiarity is None or familiarity == 1 else f", {100 * familiarity:.0f} % familiar"
    share = amount * (1.0 if familiarity is None else familiarity)
    held = "" if held_to is None or held_to >= share else f", held to {100 * held_to:.0f} %"
    return f"network {name} × {amount:g}{known}{held}"


def move_lines(result: "MixResult") -> list[str]:
    """What is done to every stem, and why."""
    lines: list[str] = []
    stems = {} if result.plan is None else result.plan.recipe.stems
    for name, part in stems.items():
        sent = "no reverb" if part.reverb_send_db is None else f"reverb {part.reverb_send_db:g} dB"
        muted = ", muted" if part.mute else ""
        lines.append(f"{name}: {part.role}, {part.gain_db:+.1f} dB, pan {part.pan:+.2f}, {sent}{muted}")
        lines += [f"    {key}: {reason}" for key, reason in part.reasons.items()]
    return lines
