"""The learning curve as a picture of its own: what was lost in training and in validation, over the steps."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mixcli.audio.output import atomic_output
from mixcli.reporting.axes import Axis, finite_range, linear_axis

WIDTH, HEIGHT = 760, 420  # px
LEFT, RIGHT, TOP, MIDDLE, BOTTOM = 64, 26, 34, 40, 44
MAX_POINTS = 600  # of a line
STYLE = (
    "text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd;fill:none}.line{fill:none;stroke-width:1.5}"
    ".training{stroke:#9aa5b1}.validation{stroke:#0b63c5;stroke-width:2}.ratio{stroke:#c2410c;stroke-width:2}"
)

Point = tuple[float, float]


def write_curve(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw the lines of a log as SVG. Raises OutputError E502."""
    with atomic_output(path) as partial:
        partial.write_text(curve_svg(rows), encoding="utf-8")


def curve_svg(rows: Sequence[Mapping[str, Any]]) -> str:
    """Losses above, SI-SDR below where there is any; both over the steps."""
    training, validation = _points(rows, "loss"), _points(rows, "val_loss")
    ratio = _points(rows, "val_si_sdr_db")
    last = max([1.0, *(float(row["step"]) for row in rows)])
    split = TOP + (HEIGHT - TOP - BOTTOM) * 0.6 if ratio else HEIGHT - BOTTOM
    x_axis = linear_axis(0, last, LEFT, WIDTH - RIGHT)
    parts = [_panel("loss", x_axis, TOP, split, [("training", training), ("validation", validation)])]
    if ratio:
        parts.append(_panel("SI-SDR, dB", x_axis, split + MIDDLE, HEIGHT - BOTTOM, [("ratio", ratio)]))
    for value, text in x_axis.ticks:
        parts.append(
            f'<text x="{x_axis.place(value):.1f}" y="{HEIGHT - BOTTOM + 18}" {_MIDDLE}>{text}</text>'
        )
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" {_MIDDLE}>steps</text>')
    parts.append(f'<text x="{LEFT}" y="18">{_legend(training, validation, ratio)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img"><title>Learning curve</title><style>{STYLE}</style>'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


_MIDDLE = 'text-anchor="middle"'


def _panel(
    label: str, x_axis: Axis, top: float, bottom: float, lines: Sequence[tuple[str, Sequence[Point]]]
) -> str:
    low, high = finite_range(y for _, points in lines for _, y in points)
    y_axis = linear_axis(low, high, bottom, top, n_ticks=5)
    parts = []
    for value, text in y_axis.ticks:
        y = y_axis.place(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    turned = f'transform="translate(14 {(top + bottom) / 2:.1f}) rotate(-90)" {_MIDDLE}'
    parts.append(f"<text {turned}>{escape(label)}</text>")
    for kind, points in lines:
        places = [(x_axis.place(x), y_axis.place(y)) for x, y in _thinned(points)]
        if len(places) == 1:
            parts.append(
                f'<circle class="line {kind}" cx="{places[0][0]:.1f}" cy="{places[0][1]:.1f}" r="2"/>'
            )
        elif places:
            shape = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            parts.append(f'<path class="line {kind}" d="M{shape}"/>')
    return "".join(parts)


def _legend(training: Sequence[Point], validation: Sequence[Point], ratio: Sequence[Point]) -> str:
    words = []
    if training:
        words.append(f"training (grey): {training[-1][1]:.4g}")
    if validation:
        words.append(f"validation (blue): {validation[-1][1]:.4g}, least {min(y for _, y in validation):.4g}")
    if ratio:
        words.append(f"SI-SDR (orange): {ratio[-1][1]:.1f} dB")
    return escape(" · ".join(words))


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    return [(float(row["step"]), float(row[key])) for row in rows if row.get(key) is not None]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Neighbours averaged until a line is short enough to be drawn."""
    size = -(-len(points) // MAX_POINTS)
    if size <= 1:
        return points
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups
    ]
