"""The verdict of an evaluation: which system is nearest to the references, and by how much."""

from collections.abc import Mapping, Sequence
from typing import Any

from mixcli.reporting.html import (
    count,
    escape,
    facts,
    figure,
    folded,
    head_cell,
    number,
    number_cell,
    number_heads,
    row,
    table,
)
from mixcli.reporting.naming import ORACLE, baselines, measure_name, system_numbers
from mixcli.reporting.row_pictures import Interval, interval_chart

NAMED = 3  # systems in the sentence above the table, which has them all
SHOWN_CHARTS = 2  # side by side: the index and the first measure; the others are folded

Document = Mapping[str, Any]


def verdict(document: Document) -> str:
    """The table of systems and nearness measures, the best of each marked, and the index as a chart."""
    measures = [
        measure
        for measure in document.get("measures", [])
        if measure["family"] == "nearness" and measure["better"] != "neither"
    ]
    rated = [entry for entry in document.get("index", []) if entry["value"] is not None]
    if not rated and not measures:
        return "<p>There is nothing that tells how near a mix is.</p>"
    charts = [_index_chart(document)] if rated else []
    charts += [_measure_chart(document, measure) for measure in measures]
    first, rest = "".join(charts[:SHOWN_CHARTS]), "".join(charts[SHOWN_CHARTS:])
    drawn = f'<div class="charts">{first}</div>'
    if rest:
        drawn += folded("Intervals of the other measures", f'<div class="charts">{rest}</div>')
    return _in_words(document, rated) + _table(document, rated, measures) + drawn


def _in_words(document: Document, rated: Sequence[Document]) -> str:
    told = [f"{one['system']} ({number(one['value'])})" for one in _ranked(rated) if one["system"] != ORACLE]
    if not told:
        return ""
    text = f"By the index, {told[0]} is nearest to the references"
    if len(told) > 1:
        text += f", then {', '.join(told[1:NAMED])}"
    if len(told) > NAMED:
        text += f" and {len(told) - NAMED} more"
    anchor = document.get("settings", {}).get("anchor")
    whose = f"the baseline {anchor}" if anchor else "a baseline"
    text += (
        f". The index is a system's distances over those of {whose}, all nearness measures in one: below 1 "
        "is nearer than it, 0 is the reference itself."
    )
    return f"<p>{escape(text)}</p>"


def _table(document: Document, rated: Sequence[Document], measures: Sequence[Document]) -> str:
    """Systems as rows, the nearest first; the index and every measure as columns."""
    index = {entry["system"]: entry for entry in rated}
    medians = {
        measure["key"]: {
            one["system"]: one for one in document.get("summary", []) if one["key"] == measure["key"]
        }
        for measure in measures
    }
    best = {
        measure["key"]: _best(medians[measure["key"]], "median", measure["better"]) for measure in measures
    }
    nearest = _best(index, "value", "lower")
    numbers = system_numbers(document)
    kinds = {system["name"]: system.get("kind", "") for system in document.get("systems", [])}
    order = [entry["system"] for entry in _ranked(rated) if entry["system"] in numbers]
    rows = []
    for name in [*order, *(name for name in numbers if name not in order)]:
        cells = []
        if rated:
            entry = index.get(name, {})
            cells.append(number_cell(entry.get("value"), note=_span(entry), best=name in nearest))
        for measure in measures:
            found = medians[measure["key"]]
            entry, most = found.get(name, {}), max((one["n"] for one in found.values()), default=0)
            note = f"n = {entry['n']}" if entry and 0 < entry["n"] < most else ""
            cells.append(number_cell(entry.get("median"), note=note, best=name in best[measure["key"]]))
        kind = "baseline, fitted to the reference" if name == ORACLE else kinds[name]
        rows.append(row(f"{numbers[name]} {name}", cells, note=kind, bad=_missing(document, name)))
    heads = [head_cell("system")]
    if rated:
        heads += number_heads(["index"], note="95 % interval")
    for measure in measures:
        note = "higher is nearer" if measure["better"] == "higher" else ""
        heads.append(head_cell(measure_name(measure), note=note, number=True, title=measure["text"]))
    said = (
        "Medians over songs; lower is nearer unless the column says otherwise. ★ marks the best of a column"
    )
    said += f", the {ORACLE} aside. " if ORACLE in numbers else ". "
    said += "n is shown where a median rests on fewer songs than others."
    legend = facts([(measure_name(measure), measure["text"]) for measure in measures])
    return (
        table(heads, rows, label="How near the systems are")
        + f'<p class="soft">{said}</p>'
        + (folded("What the columns measure", legend) if measures else "")
    )


def _missing(document: Document, name: str) -> str:
    songs = document.get("songs", [])
    scores = [score for song in songs for score in song["scores"] if score["system"] == name]
    n_ok = sum(score["status"] == "ok" for score in scores)
    n_failed = sum(song.get("status") == "error" for song in songs) + len(scores) - n_ok
    return f"no score for {n_failed} of {count(len(songs), 'song')}" if n_failed else ""


def _ranked(rated: Sequence[Document]) -> list[Document]:
    return sorted(rated, key=lambda entry: (entry["value"], entry["system"]))


def _best(entries: Mapping[str, Document], key: str, better: str) -> set[str]:
    """The systems with the best value, the oracle aside; none where all are alike or one is alone."""
    there = {name: entry[key] for name, entry in entries.items() if name != ORACLE and entry[key] is not None}
    if len(set(there.values())) < 2:
        return set()
    best = min(there.values()) if better == "lower" else max(there.values())
    return {name for name, value in there.items() if value == best}


def _span(entry: Document) -> str:
    if entry.get("low") is None or entry.get("high") is None:
        return ""
    return f"({number(entry['low'])} to {number(entry['high'])})"


def _index_chart(document: Document) -> str:
    rows = _intervals(document, document["index"], "value")
    chart = interval_chart("Index", _told("the index", rows), rows, unit="index, lower is nearer")
    return figure("Index", chart, note="dot: all songs; whisker: 95 % interval")


def _measure_chart(document: Document, measure: Document) -> str:
    found = [entry for entry in document.get("summary", []) if entry["key"] == measure["key"]]
    rows, name = _intervals(document, found, "median"), measure_name(measure)
    unit = ", ".join(part for part in (measure.get("unit"), f"{measure['better']} is nearer") if part)
    return figure(name, interval_chart(name, _told(name, rows), rows, unit=unit), note=measure["text"])


def _intervals(document: Document, entries: Sequence[Document], key: str) -> list[Interval]:
    """A row per system, in the document's order; baselines in the background."""
    found, quiet = {entry["system"]: entry for entry in entries}, baselines(document)
    rows = []
    for name, place in system_numbers(document).items():
        entry = found.get(name, {})
        low, high = entry.get("low"), entry.get("high")
        rows.append(Interval(name, place, entry.get(key), low, high, quiet=name in quiet))
    return rows


def _told(name: str, rows: Sequence[Interval]) -> str:
    return f"{name} of each system: " + "; ".join(f"{one.name} {number(one.value)}" for one in rows) + "."
