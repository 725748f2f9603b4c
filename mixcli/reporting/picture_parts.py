"""What all pictures of a page share: styles of systems, grids, names, and the frame around a picture.

Colours come from the page's style sheet (`report.css`): class `s0` to `s15` a line's colour, `f0` to `f15`
a bar's, `t0` to `t15` a number's. No picture depends on them: lines have their own dashes, and lines and bars
carry the number of their system. Every picture has a title and a description for those who cannot see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mixcli.reporting.axes import Axis

WIDTH = 520  # px; the page scales a picture with its column
DASHES = (
    *("", "", "7 3", "2 2.5", "9 3 2 3", "4 2", "12 3", "1.5 4", "9 2 2 2 2 2", "6 6"),
    *("3 5", "14 3 4 3", "5 2 1.5 2", "10 6", "4 3 1.5 3 1.5 3", "16 4 2 2 2 4"),
)
TOP, RIGHT, BOTTOM, LEFT = 10, 30, 44, 62
NAME_WIDTH, CHARACTER = 150, 8.0  # px for names at the left; of a broad character


@dataclass(frozen=True)
class Series:
    """What one system (or the reference, number 1) has in a picture."""

    name: str
    number: int  # as on the player's buttons, from 1
    values: Sequence[float | None]
    quiet: bool = False  # drawn thinner and paler: a baseline


def style_of(number: int) -> int:
    """The style of a system's number: 0 is the reference's alone, the other fifteen come again after them."""
    n_others = len(DASHES) - 1
    return 0 if number == 1 else 1 + (number - 2) % n_others


def stroke(number: int, shape: str, *, quiet: bool = False) -> str:
    """A path in the style of a system; `shape` holds its `d`."""
    kind = style_of(number)
    dashes = f' stroke-dasharray="{DASHES[kind]}"' if DASHES[kind] else ""
    return f'<path class="line s{kind} n{number}{" quiet" if quiet else ""}"{dashes} {shape}/>'


def swatch(number: int, *, quiet: bool = False) -> str:
    """A short piece of a system's line, for legends."""
    line = stroke(number, 'd="M1 7H43"', quiet=quiet)
    return f'<svg class="swatch" viewBox="0 0 44 14" width="44" height="14" aria-hidden="true">{line}</svg>'


def frame(title: str, text: str, height: float, parts: Sequence[str], *, kind: str = "rows") -> str:
    """A whole picture; `text` describes it for those who cannot see it."""
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {WIDTH} {height:g}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{''.join(parts)}</svg>"
    )


def x_grid(axis: Axis, top: float, bottom: float, label: str) -> str:
    """Upright lines with numbers and a name below them."""
    places = [(axis.place(value), text) for value, text in axis.ticks]
    lines = "".join(f"M{x:.1f} {top}V{bottom}" for x, _ in places)
    texts = "".join(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{t}</text>' for x, t in places)
    middle = (axis.start + axis.stop) / 2
    name = f'<text class="axis" x="{middle}" y="{bottom + 38}" text-anchor="middle">{escape(label)}</text>'
    return f'<path class="grid" d="{lines}"/>{texts}{name}'


def y_grid(axis: Axis, label: str, height: float, right: float, *, with_zero: bool) -> str:
    """Level lines up to `right` px with numbers and a name at their left."""
    places = [(axis.place(value), text) for value, text in axis.ticks]
    lines = "".join(f"M{LEFT} {y:.1f}H{right}" for y, _ in places)
    texts = "".join(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{t}</text>' for y, t in places)
    zero = f'<path class="zero" d="M{LEFT} {axis.place(0):.1f}H{right}"/>' if with_zero else ""
    middle = (height - BOTTOM + TOP) / 2
    turned = f'transform="translate(16 {middle:g}) rotate(-90)" text-anchor="middle"'
    return f'<path class="grid" d="{lines}"/>{zero}{texts}<text class="axis" {turned}>{escape(label)}</text>'


def name_text(name: str, y: float, *, wide: float = NAME_WIDTH) -> str:
    """A name at the left, cut where it would not fit; the whole of it shows under the mouse."""
    fits = int(wide / CHARACTER)
    short = name if len(name) <= fits else name[: fits - 1].rstrip() + "…"
    return f'<text x="4" y="{y:.1f}"><title>{escape(name)}</title>{escape(short)}</text>'
