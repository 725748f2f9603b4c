"""Lines over frequency or time as SVG inside a page, drawn without a library.

A value that does not exist (None) leaves a gap.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mixcli.reporting.axes import Axis, finite_range, frequency_axis, linear_axis, spread_apart, time_axis
from mixcli.reporting.picture_parts import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    frame,
    stroke,
    style_of,
    x_grid,
    y_grid,
)

HEIGHT = 240  # px
COLUMN = 22  # px for the numbers of quiet lines, beside those of the others
MAX_POINTS = 480  # of a line: more cannot be seen


def line_chart(
    title: str,
    text: str,
    x_values: Sequence[float],
    series: Sequence[Series],
    *,
    x_is: str,
    y_label: str,
    depth: float | None = None,
    with_zero: bool = False,
) -> str:
    """Lines over frequency (`x_is` "Hz", logarithmic) or over time ("s").

    `depth` is how far below the highest value the picture reaches; deeper values lie on its floor.
    `with_zero` draws the line of zero and makes room for it. What belongs to system n has the class `n<n>`,
    so that a legend can hide it.
    """
    if len(x_values) > MAX_POINTS:
        x_values, series = _thinned(x_values, series)
    low, high = finite_range((v for one in series for v in one.values), with_zero=with_zero)
    if depth is not None:
        low = max(low, high - depth)
    bottom = HEIGHT - BOTTOM
    right = WIDTH - RIGHT - (COLUMN if any(one.quiet for one in series) else 0)
    y_axis = linear_axis(low, high, bottom, TOP)
    if x_is == "Hz":
        x_axis = frequency_axis(x_values[0], x_values[-1], LEFT, right)
    else:
        x_axis = time_axis(x_values[-1] if len(x_values) else 0.0, LEFT, right)
    parts = [x_grid(x_axis, TOP, bottom, "frequency, Hz" if x_is == "Hz" else "time, min:s")]
    parts.append(y_grid(y_axis, y_label, HEIGHT, right, with_zero=with_zero))
    ends: dict[bool, list[tuple[int, float]]] = {False: [], True: []}
    for one in reversed(series):  # the first, the reference, lies on top
        runs = list(_runs(x_values, one.values, x_axis, y_axis))
        parts += [_line(run, one) for run in runs]
        if runs:
            ends[one.quiet].append((one.number, runs[-1][-1][1]))
    for quiet, found in ends.items():  # in columns of their own, since quiet lines may be hidden
        x = right + 6 + COLUMN * quiet
        places = spread_apart([y for _, y in found], 13, TOP + 4, bottom - 6)
        for (number, _), y in zip(found, places, strict=True):
            kind = f"t{style_of(number)} n{number}"
            parts.append(f'<text x="{x}" y="{y + 4:.1f}" class="{kind}">{number}</text>')
    return frame(title, text, HEIGHT, parts, kind="lines")


def _runs(
    x_values: Sequence[float], values: Sequence[float | None], x_axis: Axis, y_axis: Axis
) -> Iterator[list[tuple[float, float]]]:
    """Stretches of a line without a gap, in pixels."""
    run: list[tuple[float, float]] = []
    for x, value in zip(x_values, values, strict=False):
        if value is not None and math.isfinite(value):
            run.append((x_axis.place(x), y_axis.place(value)))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _line(run: Sequence[tuple[float, float]], one: Series) -> str:
    if len(run) == 1:
        (x, y), kind = run[0], style_of(one.number)
        return f'<circle class="dot f{kind} n{one.number}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>'
    shape = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
    return stroke(one.number, f'd="M{shape}"', quiet=one.quiet)


def _thinned(x_values: Sequence[float], series: Sequence[Series]) -> tuple[list[float], list[Series]]:
    """Neighbouring points averaged until a line is short enough; a gap stays where all are missing."""
    step = math.ceil(len(x_values) / MAX_POINTS)
    starts = range(0, len(x_values), step)

    def thin(values: Sequence[float | None]) -> list[float | None]:
        groups = [[v for v in values[start : start + step] if v is not None] for start in starts]
        return [sum(group) / len(group) if group else None for group in groups]

    return (
        [x_values[start] for start in starts],
        [replace(one, values=thin(one.values)) for one in series],
    )
