"""An evaluation as rows: everything for CSV, the essence for the screen. Text only; nothing is drawn here."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixcli.evaluation.summary import NEARNESS_WEIGHTS, Document

CSV_HEAD = ("song", "system", "kind", "status", "file", "delay_ms", "inverted", "gain_db")
# Of the field's features the screen shows the group means alone, if they are there.
GROUP_MEANS = ("compatible_loudness", "compatible_spectral", "compatible_panning", "compatible_dynamic")
NOTHING = "-"  # a value that does not exist
BEST = "*"
LEVEL = 0.05  # a smaller p (Holm) is told as a difference


UPPER_BOUND = "oracle"  # the baseline that has seen the reference
UNITS = ("db", "lu", "lufs", "dbtp", "dbfs", "ms", "s", "hz", "octaves", "sps")
LEGEND = (
    "balance: levels of the stems; tone: long-term spectrum; width: side over mid; image: left over right;\n"
    "dynamics: levels and crest; features: those of the field; spectra: frame by frame"
)
SHORT_FORMS = ("plr", "dc", "si", "sdr")


@dataclass(frozen=True, kw_only=True)
class ScreenTable:
    """A table of strings: names in the first column, numbers in the others; `note` may have several lines."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def csv_rows(document: Document) -> list[tuple[str, ...]]:
    """One row for each song and system, headers first: where the mix is, how it was aligned, every measure.

    `gain_db` brings the mix to the reference's loudness. Numbers have all their digits; what does not exist
    is empty, so is everything but the status where a system failed, or the whole song.
    """
    keys = [measure["key"] for measure in document["measures"] if measure["family"] != "set"]
    kinds = {system["name"]: system["kind"] for system in document["systems"]}
    rows: list[tuple[str, ...]] = [(*CSV_HEAD, *keys)]
    for song in document["songs"]:
        scores = song["scores"]
        if song.get("status") == "error":  # the song itself failed, before any system
            scores = [{"system": name, "status": "error"} for name in kinds]
        for score in scores:
            alignment, level = score.get("alignment") or {}, score.get("level") or {}
            wanted, found = level.get("reference_lufs"), level.get("mix_lufs")
            cells = [
                song["name"],
                score["system"],
                kinds[score["system"]],
                score["status"],
                score.get("file"),
                alignment.get("delay_ms"),
                alignment.get("inverted"),
                None if wanted is None or found is None else wanted - found,
            ]
            values = score.get("values") or {}
            rows.append(tuple(_cell(cell) for cell in [*cells, *(values.get(key) for key in keys)]))
    return rows


def _cell(value: object) -> str:
    """A value for CSV: digits that give the same float again."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(value)) if isinstance(value, float) else str(value)


def screen_tables(document: Document) -> list[ScreenTable]:
    """What the screen shows of a summarised document: nearness per system, then the rest per measure."""
    tables = [_nearness_table(document), _other_table(document)]
    return [table for table in tables if table.rows and len(table.headers) > 1]


def _nearness_table(document: Document) -> ScreenTable:
    """Systems by nearness measures, medians over songs, the best of each marked, and the index."""
    medians = _medians(document)
    measures = {measure["key"]: measure for measure in document["measures"]}
    keys = [key for key in NEARNESS_WEIGHTS if key in measures]
    index = {row["system"]: row for row in document.get("index", ()) if row["value"] is not None}
    columns: list[list[str]] = []
    names = [system["name"] for system in document["systems"]]
    columns.append([str(_songs_scored(document, name)) for name in names])
    rival_S = [name != UPPER_BOUND for name in names]
    columns += [
        _column([medians.get((name, key)) for name in names], measures[key]["better"], rival_S)
        for key in keys
    ]
    headers = ["system", "songs", *(_header(measures[key]) for key in keys)]
    if index:
        values = [index.get(name, {}).get("value") for name in names]
        cells = _column(values, "lower", rival_S)
        columns.append([cell + _interval(index.get(name)) for name, cell in zip(names, cells, strict=True)])
        headers.append("index")
    rows = tuple((name, *cells) for name, *cells in zip(names, *columns, strict=True))
    notes = [f"medians over songs, lower is nearer; {BEST} nearest", LEGEND]
    if UPPER_BOUND in names:
        notes.append(
            "oracle: what a static console could do that knows the reference; it is out of competition"
        )
    if index:
        notes.append("index: mean distance against the blind-side baseline's, 95 % interval over songs")
    return ScreenTable(
        title="How near to the reference",
        headers=tuple(headers),
        rows=rows,
        note="\n".join([*notes, *alignment_lines(document), *comparison_lines(document)]),
    )


def _other_table(document: Document) -> ScreenTable:
    """Loudness, the field's features and artefacts: one row per measure, one column per system."""
    medians = _medians(document)
    names = [system["name"] for system in document["systems"]]
    rows = []
    for measure in _other_measures(document["measures"]):
        values = [medians.get((name, measure["key"])) for name in names]
        cells = _column(values, measure["better"], [name != UPPER_BOUND for name in names])
        if any(cell != NOTHING for cell in cells):
            rows.append((_header(measure), *cells))
    found = [_artefacts(document, name) for name in names]
    if any(found):
        rows.append(("artefacts found", *map(str, found)))
    return ScreenTable(
        title="Loudness, the field's features, artefacts",
        headers=("median over songs", *names),
        rows=tuple(rows),
        note=f"{BEST} best; artefacts found: in all songs together",
    )


def _other_measures(measures: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    has_groups = any(measure["key"] in GROUP_MEANS for measure in measures)
    return [
        measure
        for family in ("loudness", "compatible", "artefacts")
        for measure in measures
        if measure["family"] == family
        and (family != "compatible" or not has_groups or measure["key"] in GROUP_MEANS)
    ]


def alignment_lines(document: Document) -> list[str]:
    """What had to be done to bring systems into time with the references, one line each."""
    lines = []
    for system in document["systems"]:
        scores = [each for song in document["songs"] for each in song["scores"]]
        mine = [each for each in scores if each["system"] == system["name"]]
        shifts = [each["alignment"] for each in mine if each.get("alignment")]
        delays_ms = [shift["delay_ms"] for shift in shifts if shift["delay_ms"]]
        inverted = sum(shift["inverted"] for shift in shifts)
        uncertain = sum(not shift["certain"] for shift in shifts)
        told = []
        if delays_ms:
            low, high = min(delays_ms), max(delays_ms)
            by = f"{low:+.1f} ms" if low == high else f"{low:+.1f} to {high:+.1f} ms"
            told.append(f"moved by {by} in {_songs(len(delays_ms))}")
        if inverted:
            told.append(f"polarity turned in {_songs(inverted)}")
        if uncertain:
            told.append(f"no delay found in {_songs(uncertain)}, compared as it lies")
        if told:
            lines.append(f"{system['name']}: {'; '.join(told)}")
    return lines


def _songs(count: int) -> str:
    return f"{count} song{'s' if count != 1 else ''}"


def comparison_lines(document: Document) -> list[str]:
    """One line per other system: in what the primary system is nearer or farther, beyond chance (Holm)."""
    rows = document.get("comparisons", ())
    findings, certain = [], 0
    for other in dict.fromkeys(row["other"] for row in rows):
        tests = [row for row in rows if row["other"] == other]
        tested = [row for row in tests if row["p_holm"] is not None]
        differs = [row for row in tested if row["p_holm"] < LEVEL]
        certain += len(differs)
        nearer = [_told(row) for row in differs if row["median_difference"] < 0]
        farther = [_told(row) for row in differs if row["median_difference"] > 0]
        told = [
            f"{word} in {', '.join(rows)}"
            for word, rows in (("nearer", nearer), ("farther", farther))
            if rows
        ]
        n_songs = max((row["n"] for row in tests), default=0)
        if not tested:
            told = ["too few songs for a test"]
        elif not told:
            told = ["no difference beyond chance"]
            # 2 / 2^n is the smallest p of n pairs, and Holm multiplies the smallest of all by their number.
            if len([row for row in rows if row["p"] is not None]) * 2 / 2**n_songs >= LEVEL:
                told = ["too few songs to show any difference"]
        findings.append((other, f"{_songs(n_songs)}: {'; '.join(told)}"))
    primary = rows[0]["system"] if rows else ""
    if len({finding for _, finding in findings}) == 1 and len(findings) > 1 and not certain:
        return [f"{primary} against each of the others, {findings[0][1]}"]
    return [f"{primary} against {other}, {finding}" for other, finding in findings]


def _told(row: Mapping[str, Any]) -> str:
    return f"{_short(row['key'])} ({p_words(row['p_holm'])})"


def p_words(p: float | None) -> str:
    """A p in words; there is none where too few pairs were to be compared."""
    if p is None:
        return "no p"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _medians(document: Document) -> dict[tuple[str, str], float | None]:
    return {(row["system"], row["key"]): row["median"] for row in document.get("summary", ())}


def _songs_scored(document: Document, system: str) -> int:
    return sum(
        score["system"] == system and score["status"] == "ok"
        for song in document["songs"]
        for score in song["scores"]
    )


def _artefacts(document: Document, system: str) -> int:
    return sum(
        len(score.get("artefacts") or ())
        for song in document["songs"]
        for score in song["scores"]
        if score["system"] == system
    )


def _column(values: Sequence[float | None], better: str, rival_S: Sequence[bool]) -> list[str]:
    """Numbers as text, a mark on the best rival; no mark where all read the same, or nothing is better."""
    cells = [NOTHING if value is None else number(value) for value in values]
    known = [value for value, rival in zip(values, rival_S, strict=True) if rival and value is not None]
    if better == "neither" or len({number(value) for value in known}) < 2:
        return cells
    best = number(min(known) if better == "lower" else max(known))
    return [
        cell + BEST if rival and cell == best else cell for cell, rival in zip(cells, rival_S, strict=True)
    ]


def number(value: float) -> str:
    """A number with about three digits that are worth reading."""
    size = abs(value)
    text = f"{value:.2f}" if size < 9.995 else f"{value:.1f}" if size < 99.95 else f"{value:.0f}"
    return text.removeprefix("-") if float(text) == 0 else text


def _interval(row: Mapping[str, Any] | None) -> str:
    if row is None or row["low"] is None:
        return ""
    return f" [{number(row['low'])} {number(row['high'])}]"


def _header(measure: Mapping[str, Any]) -> str:
    return f"{_short(measure['key'])} {measure['unit']}".strip()


def _short(key: str) -> str:
    """A key in words, without its unit."""
    words = key.split("_")
    words = words[:-1] if len(words) > 1 and words[-1] in UNITS else words
    return " ".join(word.upper() if word in SHORT_FORMS else word for word in words if word != "lufs")
