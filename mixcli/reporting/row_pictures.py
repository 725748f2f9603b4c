"""Pictures that have a row per system: bars, medians with intervals, and what was found when.

A value that does not exist (None) leaves its row empty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mixcli.reporting.axes import finite_range, linear_axis, number_text, time_axis
from mixcli.reporting.picture_parts import (
    BOTTOM,
    CHARACTER,
    NAME_WIDTH,
    RIGHT,
    TOP,
    WIDTH,
    Series,
    frame,
    name_text,
    style_of,
    x_grid,
)

ROW, TALL_ROW = 24, 42  # px of a row with text; with text above it
BAR = 11  # px from bar to bar


@dataclass(frozen=True)
class Interval:
    """One row of an interval chart."""

    name: str
    number: int
    value: float | None
    low: float | None
    high: float | None
    quiet: bool = False  # drawn thinner and paler: a baseline


@dataclass(frozen=True)
class StripRow:
    """One row of a strip: what was found, and when."""

    name: str
    number: int
    spans: Sequence[tuple[float, float, str]]  # start and stop in s, what it is


def bar_chart(
    title: str,
    text: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    unit: str,
    span: tuple[float, float] | None = None,
) -> str:
    """Bars from a line of zero, one group of systems per label; each bar ends with its system's number.

    `span` is the lowest and highest value shown, if several charts are to have one scale.
    """
    low, high = span or finite_range((v for one in series for v in one.values), with_zero=True)
    group = BAR * max(len(series), 1) + 10
    height = TOP + group * len(labels) + BOTTOM
    axis = linear_axis(min(low, 0.0), max(high, 0.0), NAME_WIDTH + 14, WIDTH - 18, n_ticks=7)
    parts = [x_grid(axis, TOP, height - BOTTOM, unit)]
    zero = axis.place(0.0)
    for index, label in enumerate(labels):
        top = TOP + group * index
        if index:
            parts.append(f'<path class="grid" d="M4 {top}H{WIDTH - 4}"/>')
        parts.append(name_text(label, top + group / 2 + 4))
        for place, one in enumerate(series):
            value = one.values[index]
            y = top + 5 + BAR * place
            told = "none" if value is None else f"{number_text(round(value, 2))} {unit}"
            x = zero if value is None else axis.place(value)
            left, width = min(x, zero), max(abs(x - zero), 0.8)
            bar = f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="{BAR - 2}"'
            mark = f"{one.number}" if value is not None else f"{one.number} –"
            side = f'x="{x - 3:.1f}" text-anchor="end"' if x < zero else f'x="{x + 3:.1f}"'
            parts.append(
                "<g>"
                f"<title>{escape(f'{label}, {one.name}: {told}')}</title>"
                + (f'{bar} class="f{style_of(one.number)}"/>' if value is not None else "")
                + f'<text class="tiny" {side} y="{y + BAR - 2.5}">{mark}</text></g>'
            )
    parts.append(f'<path class="zero" d="M{zero:.1f} {TOP}V{height - BOTTOM}"/>')
    return frame(title, text, height, parts)


def interval_chart(
    title: str, text: str, rows: Sequence[Interval], *, unit: str, with_zero: bool = True
) -> str:
    """A dot for the median and a whisker for its interval, one row per system, with the numbers in words."""
    low, high = finite_range((v for row in rows for v in (row.value, row.low, row.high)), with_zero=with_zero)
    height = TOP + TALL_ROW * len(rows) + BOTTOM
    axis = linear_axis(low, high, 20, WIDTH - 20, n_ticks=7)
    parts = [x_grid(axis, TOP, height - BOTTOM, unit)]
    for index, row in enumerate(rows):
        top = TOP + TALL_ROW * index
        y = top + TALL_ROW - 12
        kind = style_of(row.number)
        quiet = " quiet" if row.quiet else ""
        told = _interval_text(row)
        parts.append(name_text(f"{row.number} {row.name}", top + 17, wide=WIDTH - 40 - CHARACTER * len(told)))
        parts.append(f'<text x="{WIDTH - 4}" y="{top + 17}" text-anchor="end">{escape(told)}</text>')
        if row.value is None:
            continue
        if row.low is not None and row.high is not None:
            left, right = axis.place(row.low), axis.place(row.high)
            whisker = f"M{left:.1f} {y}H{right:.1f}M{left:.1f} {y - 5}v10M{right:.1f} {y - 5}v10"
            parts.append(f'<path class="line s{kind}{quiet}" d="{whisker}"/>')
        parts.append(f'<circle class="f{kind}{quiet}" cx="{axis.place(row.value):.1f}" cy="{y}" r="5"/>')
    return frame(title, text, height, parts)


def strip(title: str, text: str, rows: Sequence[StripRow], duration_s: float) -> str:
    """Where in a song something was found: a mark per finding, one row per system and kind."""
    height = TOP + ROW * len(rows) + BOTTOM
    axis = time_axis(duration_s, NAME_WIDTH + 44, WIDTH - RIGHT)
    parts = [x_grid(axis, TOP, height - BOTTOM, "time, min:s")]
    for index, row in enumerate(rows):
        top = TOP + ROW * index
        parts.append(name_text(f"{row.number} {row.name}", top + ROW / 2 + 4, wide=NAME_WIDTH + 28))
        base = top + ROW - 3
        parts.append(f'<path class="grid" d="M{axis.start} {base}H{axis.stop}"/>')
        for start_s, stop_s, told in row.spans:
            x, end = axis.place(start_s), axis.place(stop_s)
            width = max(end - x, 3.0)  # a click is short, but must be seen
            parts.append(
                f'<rect class="f{style_of(row.number)}" x="{min(x, axis.stop - width):.1f}" y="{top + 4}"'
                f' width="{width:.1f}" height="{ROW - 8}"><title>{escape(told)}</title></rect>'
            )
    return frame(title, text, height, parts)


def _interval_text(row: Interval) -> str:
    if row.value is None:
        return "no value"
    if row.low is None or row.high is None:
        return f"{row.value:.2f}".replace("-", "−")
    return f"{row.value:.2f} ({row.low:.2f} to {row.high:.2f})".replace("-", "−")
