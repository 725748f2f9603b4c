"""How a report calls systems, measures and files."""

from collections.abc import Mapping
from os import sep
from pathlib import PurePath
from typing import Any

REFERENCE = "reference"  # the name of the reference beside the systems; its number is 1
FIRST_SYSTEM = 2  # the number of the first system, as on the players' buttons
MANY_SYSTEMS = 6  # with more, pictures show no baseline until it is asked for
ORACLE = "oracle"  # the baseline that is fitted to the reference itself: a bound, no competitor
PATH_LENGTH = 52  # characters; longer paths are cut in their middle

Document = Mapping[str, Any]


def system_numbers(document: Document) -> dict[str, int]:
    """The number of each system, from 2, in the document's order."""
    names = [system["name"] for system in document.get("systems", [])]
    return {name: number for number, name in enumerate(names, FIRST_SYSTEM)}


def baselines(document: Document) -> frozenset[str]:
    """Systems that stay in the background of pictures: the baselines, unless there is nothing else."""
    systems = document.get("systems", [])
    found = frozenset(system["name"] for system in systems if system.get("kind") == "baseline")
    return found if len(found) < len(systems) else frozenset()


def measure_name(measure: Document) -> str:
    """A measure's key as words, with its unit: `balance_db` is "balance, dB"."""
    unit = measure.get("unit") or ""
    words = str(measure["key"]).removesuffix(f"_{unit.lower()}").replace("_", " ")
    return f"{words}, {unit}" if unit else words


def shown_path(path: str, folder: str = "") -> str:
    """A path for people: seen from `folder` if it lies there, else cut in its middle if it is long.

    The end, which tells one file from the other, stays.
    """
    whole = PurePath(path)
    if folder and whole.is_relative_to(folder):
        path = str(whole.relative_to(folder))
    if len(path) <= PATH_LENGTH:
        return path
    room = PATH_LENGTH - len("…")
    parts = PurePath(path).parts
    end = parts[-1]
    for part in reversed(parts[1:-1]):
        if len(end) + len(part) + len(sep) > room * 3 // 4:
            break
        end = part + sep + end
    start = path[: max(room - len(end) - len(sep), 0)].rpartition(sep)[0]
    return f"{start}{sep}…{sep}{end}" if len(end) < room else f"…{end[-room:]}"
