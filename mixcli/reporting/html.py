"""Pages: escaping, tables, numbers in words, and the frame that holds a page together in one file."""

import base64
import hashlib
from collections.abc import Collection, Mapping, Sequence
from html import escape as escape
from importlib import resources

NONE = "–"
LONG = 25  # characters; a cell with more keeps some width


def asset(name: str) -> str:
    """A style sheet or script that lies in this package."""
    return resources.files("mixcli.reporting").joinpath(name).read_text("utf-8")


def page(title: str, body: str, *, style: str, script: str) -> str:
    """One whole page in one file, which asks for nothing outside of itself.

    Its content security policy names the digest of its one style sheet and its one script, and allows audio
    and pictures that lie in the page. So a browser runs nothing else in it and asks for no address.
    """
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "media-src data:; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{script}</script>\n</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Sequence[str], *, caption: str = "", label: str = "table") -> str:
    """A table that scrolls sideways where it is too wide; `head` and `rows` are HTML already.

    `label` names it for those who cannot see it, where it has no `caption`.
    """
    top = f"<caption>{escape(caption)}</caption>" if caption else ""
    name = escape(caption or label)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table>{top}'
        f"<thead><tr>{''.join(head)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def head_cell(text: str, *, note: str = "", number: bool = False, title: str = "") -> str:
    """The name of a column, with a small line below it; `title` shows under the mouse."""
    small = f"<br><small>{escape(note)}</small>" if note else ""
    kind = ' class="number"' if number else ""
    return f'<th scope="col"{kind}{_title(title)}>{escape(text)}{small}</th>'


def number_heads(names: Sequence[str], *, note: str = "") -> list[str]:
    """The names of columns of numbers, with one small line below all of them."""
    return [head_cell(name, note=note, number=True) for name in names]


def row(name: str, cells: Sequence[str], *, note: str = "", title: str = "", bad: str = "") -> str:
    """A row: its name, small lines below that, and cells of HTML.

    `title` shows under the mouse; `bad` is a line that tells of a failure.
    """
    small = f"<br><small{_title(title)}>{escape(note)}</small>" if note else ""
    small += f'<br><small class="bad">{escape(bad)}</small>' if bad else ""
    return f'<tr><th scope="row">{escape(name)}{small}</th>{"".join(cells)}</tr>'


def text_cell(text: str) -> str:
    """A cell of text."""
    kind = ' class="words"' if len(text) > LONG else ""
    return f"<td{kind}>{escape(text)}</td>"


def number_cell(value: float | None, *, note: str = "", best: bool = False) -> str:
    """A cell of a number; the best of a row has a mark that is not colour alone."""
    small = f" <small>{escape(note)}</small>" if note else ""
    kind, mark = ("number best", '<span title="best">★ </span>') if best else ("number", "")
    return f'<td class="{kind}">{mark}{number(value)}{small}</td>'


def folded(summary: str, content: str) -> str:
    """Something that is shown when its line is clicked."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def figure(caption: str, picture: str, *, note: str = "") -> str:
    """A picture with its title above it."""
    small = f"<small>{escape(note)}</small>" if note else ""
    return f"<figure><figcaption>{escape(caption)}{small}</figcaption>{picture}</figure>"


def facts(
    pairs: Sequence[tuple[str, str]], *, titles: Mapping[str, str] | None = None, bad: Collection[str] = ()
) -> str:
    """Names and what they are, as a list; `titles` by name show under the mouse, `bad` names are failures."""
    inside = ""
    for name, text in pairs:
        kind = ' class="bad"' if name in bad else ""
        title = _title((titles or {}).get(name, ""))
        inside += f"<dt>{escape(name)}</dt><dd{kind}{title}>{escape(text)}</dd>"
    return f'<dl class="facts">{inside}</dl>'


def number(value: float | None) -> str:
    """A number with three digits that say something, a true minus sign, and – for none."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        text = f"{value:.1e}"
    elif size >= 100:
        text = f"{value:.0f}"
    elif size < 0.0995 and value:
        text = f"{value:.2g}"
    else:
        text = f"{value:.2f}"
    return text.replace("-", "−")


def count(n: int, one: str, many: str = "") -> str:
    """1 song, 2 songs."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def _title(text: str) -> str:
    return f' title="{escape(text)}"' if text else ""


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
