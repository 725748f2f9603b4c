"""What lies in an output folder, as a table for programs and a page for people."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from mixcli import __version__
from mixcli.audio.output import atomic_output
from mixcli.audio.wording import clock_time
from mixcli.batching.logs import FOLDER
from mixcli.batching.manifest import Entry
from mixcli.reporting.html import asset, count, escape, facts, head_cell, number_cell, page, row, table
from mixcli.songs.listing import path_key

CSV_NAME, PAGE_NAME = "summary.csv", "index.html"
COLUMNS = (
    "mix",
    "status",
    "song",
    "duration_s",
    "stems",
    "integrated_lufs",
    "lra_lu",
    "true_peak_dbtp",
    "max_reduction_db",
    "warnings",
    "error",
    "message",
    "seconds",
    "finished",
)


def write_summary(out: Path, entries: Mapping[str, Entry], *, n_left: int) -> tuple[Path, Path]:
    """Write `summary.csv` and `index.html` of all songs that the manifest knows. Raises OutputError.

    `n_left` songs were planned and not tried.
    """
    ordered = [entries[mix] for mix in sorted(entries, key=path_key)]
    for name, text in ((CSV_NAME, summary_csv(ordered)), (PAGE_NAME, summary_page(ordered, n_left=n_left))):
        with atomic_output(out / name) as part:
            part.write_text(text, "utf-8", "backslashreplace", newline="")
    return out / CSV_NAME, out / PAGE_NAME


def summary_csv(entries: Iterable[Entry]) -> str:
    """One row per song; what does not apply is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        error = first_error(entry)
        cells: dict[str, Any] = {
            **entry,
            "song": entry.get("folder"),
            "duration_s": entry.get("duration"),
            "warnings": " ".join(one["code"] for one in entry.get("warnings", [])),
            "error": error.get("code"),
            "message": error.get("message"),
        }
        writer.writerow("" if cells.get(name) is None else cells[name] for name in COLUMNS)
    return text.getvalue()


def summary_page(entries: list[Entry], *, n_left: int) -> str:
    """A page in one file that asks for nothing but what lies beside it when a link is followed."""
    failed = [entry for entry in entries if entry["status"] != "ok"]
    made = [entry for entry in entries if entry["status"] == "ok"]
    title = f"{count(len(made), 'mix', 'mixes')}" + (f", {len(failed)} failed" if failed else "")
    audio_s = sum(entry.get("duration") or 0.0 for entry in made)
    pairs = [("Audio", clock_time(audio_s)), ("Made by", f"mixcli {__version__}")]
    if n_left:
        pairs.insert(1, ("Not done yet", f"{count(n_left, 'song')}: the same command goes on"))
    parts = [f"<header><h1>{escape(title)}</h1>{facts(pairs)}</header><main>"]
    if failed:
        heads = [head_cell("Mix"), head_cell("What went wrong")]
        rows = [row_of(entry, [failure_cell(entry)]) for entry in failed]
        parts.append(f"<section><h2>Failed</h2>{table(heads, rows, label='Failed songs')}</section>")
    if made:
        names = (("Loudness", "LUFS"), ("Range", "LU"), ("True peak", "dBTP"), ("Limiter", "dB at most"))
        heads = [head_cell("Mix"), head_cell("Length", number=True), head_cell("Stems", number=True)]
        heads += [head_cell(name, note=unit, number=True) for name, unit in names]
        heads += [head_cell("Warnings"), head_cell("Files")]
        rows = [row_of(entry, mix_cells(entry)) for entry in made]
        parts.append(f"<section><h2>Mixes</h2>{table(heads, rows, label='Mixes')}</section>")
    parts.append("</main>")
    return page(title, "\n".join(parts), style=asset("report.css"), script="")


def row_of(entry: Entry, cells: list[str]) -> str:
    """A song's row: the path of its mix, then what is told of it."""
    path = PurePosixPath(entry["mix"])
    return row(printed(path.stem), cells, note=printed(str(path.parent)) if path.parent.name else "")


def mix_cells(entry: Entry) -> list[str]:
    """What a finished mix measures, its warnings, and links to its files."""
    length = clock_time(entry.get("duration") or 0.0)
    cells = [f'<td class="number">{length}</td>', f'<td class="number">{entry.get("stems") or ""}</td>']
    keys = ("integrated_lufs", "lra_lu", "true_peak_dbtp", "max_reduction_db")
    cells += [number_cell(entry.get(key)) for key in keys]
    told = [f"{one['code']}: {printed(one['message'])}" for one in entry.get("warnings", [])]
    cells.append(f'<td class="words">{"<br>".join(map(escape, told))}</td>')
    stem = entry["mix"].rpartition(".")[0]
    links = {"mix": entry["mix"], "recipe": f"{stem}.recipe.yaml", "result": f"{stem}.mix.json"}
    return [*cells, f"<td>{' '.join(link(text, place) for text, place in links.items())}</td>"]


def failure_cell(entry: Entry) -> str:
    """Why a song failed, what to do about it, and where more is told."""
    error = first_error(entry)
    text = f"{error.get('code', '')}: {printed(error.get('message', ''))}"
    hint = f"<br><small>{escape(printed(error['hint']))}</small>" if error.get("hint") else ""
    log = link("log", f"{FOLDER}/{entry['mix']}.log")
    return f'<td class="words"><span class="bad">{escape(text)}</span>{hint}<br>{log}</td>'


def link(text: str, place: str) -> str:
    """A link to a file below the page's folder."""
    return f'<a href="{escape("./" + quote(place, errors="surrogateescape"))}">{escape(text)}</a>'


def printed(text: str) -> str:
    """Text that can be written as UTF-8: bytes of names that are none are shown escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def first_error(entry: Entry) -> dict[str, Any]:
    """What went wrong with a song; empty for one that is finished."""
    errors: list[dict[str, Any]] = entry.get("errors") or []
    return errors[0] if errors else {}
