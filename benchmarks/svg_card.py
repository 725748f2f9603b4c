"""A white card to draw boxes, arrows and words on, written as SVG by hand."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

INK, MUTED, LINE = "#1b1f24", "#57606a", "#8c959f"
WIDTH, HEIGHT = 960, 26  # of a card, of a box


class Picture:
    """Shapes on a white card; coordinates are pixels from its upper left."""

    def __init__(self, height: float, title: str) -> None:
        self._head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img">\n'
            f"<title>{escape(title)}</title>\n"
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>\n'
            f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>\n'
        )
        self._shapes: list[str] = []

    def text(
        self, x: float, y: float, words: str, *, colour: str = INK, size: float = 13, anchor: str = "middle"
    ) -> None:
        self._shapes.append(
            f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size:g}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    def box(
        self, x: float, y: float, width: float, words: str, colour: str, *, height: float = HEIGHT
    ) -> None:
        self._shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{colour}" '
            f'stroke="{LINE}"/>'
        )
        self.text(x + width / 2, y + height / 2 + 4.5, words)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._shapes.append(
            f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.4"{dashes} '
            'marker-end="url(#tip)"/>'
        )

    def shape(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._shapes.append(f'<polygon points="{path}" fill="{colour}" stroke="{LINE}" fill-opacity="0.8"/>')

    def chain(self, y: float, label: str, steps: Sequence[str], colour: str) -> None:
        """A row of steps, each as wide as its words, with arrows between them."""
        self.text(40, y + 17.5, label, colour=MUTED, anchor="start")
        x = 150.0
        for number, step in enumerate(steps):
            width = 7.0 * len(step) + 22
            self.box(x, y, width, step, colour)
            if number < len(steps) - 1:
                self.arrow((x + width + 2, y + HEIGHT / 2), (x + width + 20, y + HEIGHT / 2))
            x += width + 22

    def __str__(self) -> str:
        return self._head + "\n".join(self._shapes) + "\n</svg>\n"
