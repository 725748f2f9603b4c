"""How files, times and sizes are written in messages: one line, printable, the same everywhere."""

import math
import os
from pathlib import Path


def printable(text: str) -> str:
    r"""Text safe for a terminal: control, formatting and undecodable characters as \xNN or \uNNNN."""
    decoded = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in decoded
    )


def display_name(path: Path) -> str:
    """The bare file name as messages show it, without quotes around it; a double quote inside is escaped."""
    return printable(path.name or str(path)).replace('"', '\\"')


def clock_time(time_s: float, *, decimals: int = 0) -> str:
    """A time as 4:12, 0:41.2 or 1:02:03, cut (not rounded) to the decimals asked for."""
    ticks = math.floor(time_s * 10**decimals + 1e-6)
    whole_s, fraction = divmod(ticks, 10**decimals)
    minutes, seconds = divmod(whole_s, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return f"{text}.{fraction:0{decimals}}" if decimals else text


def clock_times(first_s: float, second_s: float) -> tuple[str, str]:
    """Two times with as many decimals as it takes to tell them apart, at most six."""
    for decimals in (0, 1, 3, 6):
        first, second = clock_time(first_s, decimals=decimals), clock_time(second_s, decimals=decimals)
        if first != second:
            break
    return first, second


def size_text(n_bytes: int) -> str:
    """A size as people say it: 12 MB, 3.4 GB, 700 bytes (decimal units, as file managers show them)."""
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= scale:
            value = n_bytes / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{n_bytes} bytes"
