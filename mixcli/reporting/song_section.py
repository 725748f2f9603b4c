"""One song in the report of an evaluation: its player, its pictures, its numbers."""

from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from typing import Any

from mixcli.reporting.axes import time_text
from mixcli.reporting.html import (
    NONE,
    count,
    escape,
    facts,
    folded,
    head_cell,
    number,
    number_cell,
    number_heads,
    row,
    table,
)
from mixcli.reporting.naming import MANY_SYSTEMS, REFERENCE, baselines, shown_path, system_numbers
from mixcli.reporting.picture_parts import swatch
from mixcli.reporting.player import Voice, player
from mixcli.reporting.song_pictures import song_pictures

NAMED = 3  # moved mixes that are told one by one

Document = Mapping[str, Any]


def song_section(
    song: Document,
    document: Document,
    audio: Mapping[tuple[str, str], str],
    *,
    anchor: str,
    folder: str = "",
) -> str:
    """Everything about one song, as a section of the page; `folder` is where the page will lie."""
    numbers, quiet = system_numbers(document), baselines(document)
    scores = sorted(
        (score for score in song["scores"] if score["status"] == "ok"),
        key=lambda score: numbers[score["system"]],
    )
    failed = ' <small class="bad">failed</small>' if song.get("status") == "error" else ""
    parts = [f"<h2>{escape(song['name'])}{failed}</h2>", _facts(song, folder), _player(song, numbers, audio)]
    if scores:
        lines, rows = song_pictures(song, document.get("axes", {}), scores, numbers, quiet)
        if lines:
            parts.append(_legend(song, scores, numbers, quiet))
        parts.append(f'<div class="charts">{"".join([*lines, *rows])}</div>')
        parts.append(_fitting(song, scores, numbers, folder))
        parts.append(folded("All values of this song", _values(song, document, scores, numbers)))
    return f'<section id="{anchor}">{"".join(parts)}</section>'


def failure(one: Document) -> str:
    """Why a song or a score failed, and what may help."""
    error = one.get("error") or {}
    told = [error.get("message") or "no reason was given", error.get("hint") or ""]
    code = f" ({error['code']})" if error.get("code") else ""
    return ". ".join(text.rstrip(".") for text in told if text) + code


def _facts(song: Document, folder: str) -> str:
    pairs, titles, bad = [], {}, set()
    if song.get("status") == "error" or song.get("error"):
        pairs.append(("Failed", failure(song)))
        bad.add("Failed")
    if song.get("duration_s") is not None:
        pairs.append(("Length", f"{time_text(song['duration_s'])} min at {song['sample_rate']} Hz"))
    pairs += [(str(name), str(label)) for name, label in song.get("labels", {}).items() if label]
    if stems := [f"{stem['name']} ({stem.get('role') or 'no role'})" for stem in song.get("stems", [])]:
        pairs.append((count(len(stems), "stem"), ", ".join(stems)))
    if song.get("reference") is None:
        if song.get("status") != "error":
            pairs.append(("Reference", "none: no distances"))
    elif song["reference"].get("file"):
        pairs.append(("Reference", shown_path(song["reference"]["file"], folder)))
        titles["Reference"] = song["reference"]["file"]
    for score in song["scores"]:
        if score["status"] != "ok":
            pairs.append((score["system"], f"no score: {failure(score)}"))
            bad.add(score["system"])
    return facts(pairs, titles=titles, bad=bad)


def _player(song: Document, numbers: Mapping[str, int], audio: Mapping[tuple[str, str], str]) -> str:
    names = [REFERENCE, *(name for name in numbers if name != REFERENCE)]
    voices = [
        Voice(name, numbers.get(name, 1), audio[song["name"], name])
        for name in names
        if (song["name"], name) in audio
    ]
    return player(song["name"], voices) if voices else ""


def _legend(
    song: Document, scores: Sequence[Document], numbers: Mapping[str, int], quiet: Collection[str]
) -> str:
    """A button per system that shows or hides its lines; many systems begin without the baselines."""
    entries = [(numbers[score["system"]], score["system"]) for score in scores]
    if song.get("reference") is not None:
        entries.insert(0, (1, REFERENCE))
    many = len(scores) > MANY_SYSTEMS
    items = ""
    for n, name in entries:
        kind, pressed = ("quiet", not many) if name in quiet else ("", True)
        button = (
            f'<button type="button" data-number="{n}" class="{kind}" aria-pressed="{str(pressed).lower()}">'
        )
        items += f"<li>{button}{swatch(n, quiet=bool(kind))}{n} {escape(name)}</button></li>"
    if many and quiet:
        items += '<li><button type="button" data-all="quiet" aria-pressed="false">All baselines</button></li>'
    return f'<h3>Pictures</h3><ul class="legend" aria-label="Show or hide lines">{items}</ul>'


def _fitting(song: Document, scores: Sequence[Document], numbers: Mapping[str, int], folder: str) -> str:
    """How each mix was brought to its reference's place and level: what is odd in words, all of it folded."""
    rows = []
    for score in scores:
        alignment, level = score.get("alignment") or {}, score.get("level") or {}
        notes = ["polarity inverted"] if alignment.get("inverted") else []
        if alignment:
            notes.append("certain" if alignment.get("certain") else "uncertain")
        cells = [
            f'<td class="number">{alignment.get("delay_samples", NONE)}</td>'.replace("-", "−"),
            number_cell(alignment.get("delay_ms")),
            f"<td>{escape(', '.join(notes) or NONE)}</td>",
            number_cell(level.get("mix_lufs")),
        ]
        name, file = f"{numbers[score['system']]} {score['system']}", score.get("file") or ""
        rows.append(row(name, cells, note=shown_path(file, folder) if file else "", title=file))
    heads = [
        head_cell("system"),
        *number_heads(["delay"], note="samples"),
        *number_heads(["delay"], note="ms"),
    ]
    heads += [head_cell("alignment"), *number_heads(["loudness"], note="LUFS")]
    listed = folded("Files, alignment and level, as found", table(heads, rows, label="Files and alignment"))
    return f"<h3>Alignment and level</h3><p>{escape(_fitted(scores))}</p>{listed}"


def _fitted(scores: Sequence[Document]) -> str:
    """What is odd about the mixes' place, in a sentence; a few names in full, more as a number."""
    found = {score["system"]: score["alignment"] for score in scores if score.get("alignment")}
    if not found:
        return "There is no reference to align with."
    moved = {name: one["delay_ms"] for name, one in found.items() if one.get("delay_samples")}
    told = []
    if len(moved) > NAMED:
        low, high = number(min(moved.values())), number(max(moved.values()))
        by = low if low == high else f"{low} to {high}"
        told.append(f"{len(moved)} of {len(found)} mixes were moved to fit the reference, by {by} ms")
    elif moved:
        told.append("moved: " + ", ".join(f"{name} by {number(ms)} ms" for name, ms in moved.items()))
    if inverted := [name for name, one in found.items() if one.get("inverted")]:
        told.append(f"polarity inverted: {', '.join(inverted)}")
    if uncertain := [name for name, one in found.items() if not one.get("certain")]:
        told.append(f"uncertain: {', '.join(uncertain)}")
    said = "; ".join(told) or "every mix lies on its reference as it is"
    levels = [(score.get("level") or {}).get("reference_lufs") for score in scores]
    if there := [level for level in levels if level is not None]:
        said += f". The reference came at {number(there[0])} LUFS"
    return said[0].upper() + said[1:] + "."


def _values(
    song: Document, document: Document, scores: Sequence[Document], numbers: Mapping[str, int]
) -> str:
    own = (song.get("reference") or {}).get("values", {})
    heads = [head_cell("measure"), head_cell("unit"), *number_heads([f"1 {REFERENCE}"])]
    heads += number_heads([f"{numbers[score['system']]} {score['system']}" for score in scores])
    rows = []
    measures = [measure for measure in document.get("measures", []) if measure["family"] != "set"]
    for family, members in groupby(measures, key=lambda measure: measure["family"]):
        name = f'<th scope="rowgroup" colspan="{len(heads)}">{escape(family)}</th>'
        rows.append(f'<tr class="family">{name}</tr>')
        for measure in members:
            key = measure["key"]
            cells = [f"<td>{escape(measure.get('unit', ''))}</td>", number_cell(own.get(key))]
            cells += [number_cell(score.get("values", {}).get(key)) for score in scores]
            rows.append(row(key, cells))
    return table(heads, rows, label="All values")
