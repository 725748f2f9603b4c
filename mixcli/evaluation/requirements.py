"""Requirements on an evaluation: `--fail-if` expressions, parsed by hand and judged on its document.

    EXPRESSION = TERM OPERATOR TERM             at least one TERM is no number
    OPERATOR   = ">" | "<" | ">=" | "<="
    TERM       = NUMBER                         3   -14.5   1e-3
               | [SYSTEM:]KEY                   tone_db   megami:tone_db   index
               | FUNCTION([SYSTEM:]KEY)         median(tone_db)   max(mixcli:true_peak_dbtp)
    FUNCTION   = "median" | "mean" | "max" | "min"     over the songs that have a value

The expression says what must NOT be. KEY is a measure, looked at in every song: one song for which the
expression holds is a failure. With a function it is one number per system; `index` is one already. A term
without a system means every system that is no baseline and that the other side does not name, and every one
must pass; two such terms mean the same system on both sides. What is behind the last colon is the key, so a
system's name may hold colons, but none of the characters < > = ( ).
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import UsageError
from mixcli.evaluation.summary import Document, ScoreTable, read_scores

FUNCTIONS: dict[str, Callable[[NDArray[np.float64]], Any]] = {
    "median": np.median,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
}
OPERATORS = {">": np.greater, "<": np.less, ">=": np.greater_equal, "<=": np.less_equal}
INDEX = "index"
NO_VALUE = "no value"
EXAMPLE = "write it as 'median(tone_db) > 3' or 'mixcli:tone_db > console:tone_db'."
NUMBER = re.compile(r"[+\-−]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NAMED_MOST = 4  # failures that are named; the others are counted
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One side: a number, or a measure of one system or (`system` None) of all, in each song or over them."""

    number: float | None = None
    key: str = ""
    system: str | None = None
    function: str | None = None

    @property
    def is_per_song(self) -> bool:
        """Whether it has a value in every song."""
        return self.number is None and self.function is None and self.key != INDEX


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What must not hold, and the words it was said in."""

    text: str
    left: Term
    operator: str
    right: Term


def parse_requirement(text: str, keys: Collection[str]) -> Requirement:
    """Read one expression; `keys` are the measures there are. Raises UsageError E212."""
    parts = re.split(r"([<>=]+)", text)
    if len(parts) != 3 or parts[1] not in OPERATORS:
        found = "no comparison" if len(parts) == 1 else f'"{"".join(parts[1::2])}"'
        raise _wrong(text, f"{found} where one of > < >= <= is needed")
    left, right = (_parse_term(text, part.strip(), keys) for part in parts[::2])
    if left.number is not None and right.number is not None:
        raise _wrong(text, "it compares two numbers and names no measure")
    return Requirement(text=text, left=left, operator=parts[1], right=right)


def _parse_term(text: str, term: str, keys: Collection[str]) -> Term:
    if NUMBER.fullmatch(term):
        return Term(number=float(term.replace("−", "-")))
    function, name = None, term
    if call := re.fullmatch(r"(\w*)\s*\((.*)\)", term):
        function, name = call[1].lower(), call[2].strip()
        if function not in FUNCTIONS:
            raise _wrong(text, f'"{call[1]}" is no function', _nearest(function, FUNCTIONS))
    system, colon, key = (part.strip() for part in name.rpartition(":"))
    if colon and not system:
        raise _wrong(text, "there is no system before the colon")
    if not key:
        raise _wrong(text, "one side is empty")
    if "(" in key or ")" in key:
        raise _wrong(text, "a bracket is not closed or not opened")
    if key not in keys and key != INDEX:
        message = f'--fail-if "{text}": there is no measure "{key}".'
        raise UsageError(message, code="E212", hint=_nearest(key, [*keys, INDEX]))
    if key == INDEX and function:
        raise _wrong(text, f"the index is one number for all songs, without {function}()")
    return Term(key=key, system=system or None, function=function)


def _wrong(text: str, why: str, hint: str = EXAMPLE) -> UsageError:
    return UsageError(f'--fail-if "{text}" cannot be read: {why}.', code="E212", hint=hint)


def _nearest(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, known, n=1, cutoff=0.0)
    return f"did you mean {near[0]}?" if near else "there is none."


def check_systems(requirement: Requirement, systems: Collection[str]) -> None:
    """Raise UsageError E213 for a system that is not evaluated."""
    for term in (requirement.left, requirement.right):
        if term.system is not None and term.system not in systems:
            message = f'--fail-if "{requirement.text}": there is no system "{term.system}".'
            raise UsageError(message, code="E213", hint=_nearest(term.system, systems))


def check_requirements(expressions: Sequence[str], document: Document) -> list[dict[str, Any]]:
    """Judge each expression on a summarised document: its text, whether it is met, and what was found.

    Met means that the expression held nowhere. What does not exist cannot hold, and songs without a value are
    counted in `found`; but a requirement, or a system it means, that has no value in any song counts as NOT
    met: whoever gates a release wants to hear that nothing was measured. Raises UsageError E212, E213.
    """
    table = read_scores(document)
    requirements = [parse_requirement(text, table.keys) for text in expressions]
    for requirement in requirements:
        check_systems(requirement, table.systems)
    kinds = {system["name"]: system["kind"] for system in document["systems"]}
    return [_judge(requirement, document, table, kinds) for requirement in requirements]


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """Both sides for one system or pair of them, [J] songs, or [1] where neither is looked at by song."""

    names: tuple[str, ...]
    left: Numbers
    right: Numbers
    songs: tuple[str, ...]


def _judge(
    requirement: Requirement, document: Document, table: ScoreTable, kinds: Mapping[str, str]
) -> dict[str, Any]:
    holds_in: list[tuple[float, str]] = []
    passed: list[tuple[float, str]] = []
    silent: list[str] = []
    lost = 0
    for one in _compare(requirement, document, table, kinds):
        known = np.isfinite(one.left) & np.isfinite(one.right)
        if not known.any():
            silent.append(f"{' and '.join(one.names) or 'all'}: {NO_VALUE}")
        elif requirement.left.is_per_song or requirement.right.is_per_song:
            lost += int((~known).sum())
        held = OPERATORS[requirement.operator](one.left, one.right) & known
        for j in np.flatnonzero(known):
            place = ", ".join([*one.names, *([one.songs[j]] if one.songs else [])])
            margin = abs(float(one.left[j] - one.right[j]))
            told = f"{_tell(requirement, float(one.left[j]), float(one.right[j]))} ({place})"
            (holds_in if held[j] else passed).append((margin, told))
    if holds_in:
        worst = [told for _, told in sorted(holds_in, key=lambda item: -item[0])]
        more = [f"{len(worst) - NAMED_MOST} more"] if len(worst) > NAMED_MOST else []
        found = "; ".join([*worst[:NAMED_MOST], *more, *silent])
    elif silent or not passed:
        found = "; ".join(silent) if passed or len(silent) > 1 else NO_VALUE
    else:
        found = f"nearest to it: {min(passed, key=lambda item: item[0])[1]}"
    if lost:
        found += f"; {lost} without a value"
    return {"text": requirement.text, "met": bool(passed) and not holds_in and not silent, "found": found}


def _tell(requirement: Requirement, left: float, right: float) -> str:
    """The values found, but for a number that the expression says itself."""
    sides = [
        f"{value:.4g}"
        for term, value in ((requirement.left, left), (requirement.right, right))
        if term.number is None
    ]
    return " against ".join(sides)


def _compare(
    requirement: Requirement, document: Document, table: ScoreTable, kinds: Mapping[str, str]
) -> Iterator[_Compared]:
    sides = requirement.left, requirement.right
    named = {side.system for side in sides if side.system is not None}
    is_open = any(side.number is None and side.system is None for side in sides)
    ranged = [name for name in table.systems if kinds[name] != "baseline" and name not in named]
    per_song = any(side.is_per_song for side in sides)
    for system in ranged if is_open else [None]:
        meant = [side.system or system for side in sides if side.number is None]
        left, right = (_values(side, side.system or system, document, table) for side in sides)
        left, right = np.broadcast_arrays(left, right)
        yield _Compared(
            names=tuple(dict.fromkeys(name for name in meant if name is not None)),
            left=left,
            right=right,
            songs=table.songs if per_song else (),
        )


def _values(term: Term, system: str | None, document: Document, table: ScoreTable) -> Numbers:
    """The values of one side for one system, [J] songs or [1]; nan where there is none."""
    if term.number is not None or system is None:
        return np.array([math.nan if term.number is None else term.number])
    if term.key == INDEX:
        found = [row["value"] for row in document.get("index", ()) if row["system"] == system]
        return np.array(found or [None], np.float64)
    values = table.of(system, term.key)
    if term.function is None:
        return values
    values = values[np.isfinite(values)]
    return np.array([FUNCTIONS[term.function](values) if len(values) else math.nan])
