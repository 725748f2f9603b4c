"""Tables about several songs at once: medians by label, and distances between whole sets of mixes."""

from collections.abc import Mapping
from typing import Any

from mixcli.reporting.html import (
    NONE,
    count,
    folded,
    head_cell,
    number_cell,
    number_heads,
    row,
    table,
)
from mixcli.reporting.naming import measure_name, system_numbers

Document = Mapping[str, Any]


def sets(document: Document) -> str:
    """How far each system's mixes are from the references, set from set; nothing where there is no value."""
    numbers = system_numbers(document)
    there = [
        one
        for one in document.get("sets", [])
        if one.get("frechet") is not None or one.get("kernel_distance") is not None
    ]
    if not there:
        return ""
    rows = []
    for one in there:
        cells = [f'<td class="number">{one.get("n_excerpts") or NONE}</td>']
        cells += [number_cell(one.get("frechet")), number_cell(one.get("kernel_distance"))]
        rows.append(row(f"{numbers.get(one['system'], '')} {one['system']}".strip(), cells))
    heads = [head_cell("system"), *number_heads(["excerpts", "Fréchet distance", "kernel distance"])]
    said = "All mixes of a system as one set, set against the set of the references; lower is nearer. "
    said += (
        "Sets of different sizes cannot be compared, since the Fréchet distance reads high for few excerpts"
    )
    sizes = {one.get("n_excerpts") for one in there}
    said += ": the sets here differ in size." if len(sizes) > 1 else "."
    said += " The kernel distance may fall below 0 where sets are alike."
    kind = ' class="bad"' if len(sizes) > 1 else ""
    return f"<h3>As sets of mixes</h3><p{kind}>{said}</p>{table(heads, rows, label='Sets of mixes')}"


def groups(document: Document) -> str:
    """Medians by label (genre and the like): systems as rows, measures as columns, folded."""
    entries = document.get("groups", [])
    if not entries:
        return ""
    numbers = system_numbers(document)
    measures = {measure["key"]: measure for measure in document.get("measures", [])}
    parts = []
    for by in dict.fromkeys(entry["by"] for entry in entries):
        tables = []
        for label in dict.fromkeys(entry["label"] for entry in entries if entry["by"] == by):
            chosen = [entry for entry in entries if (entry["by"], entry["label"]) == (by, label)]
            keys = list(dict.fromkeys(entry["key"] for entry in chosen))
            found = {(entry["system"], entry["key"]): entry for entry in chosen}
            rows = [
                row(f"{place} {name}", [_median(found.get((name, key))) for key in keys])
                for name, place in numbers.items()
            ]
            heads = [head_cell("system")]
            heads += number_heads([measure_name(measures.get(key, {"key": key})) for key in keys])
            n = max(entry["n"] for entry in chosen)
            tables.append(table(heads, rows, caption=f"{label}: {count(n, 'song')}"))
        parts.append(folded(f"Medians by {by}", "".join(tables)))
    return f'<section id="groups"><h2>Groups</h2>{"".join(parts)}</section>'


def _median(entry: Document | None) -> str:
    return number_cell(entry["median"] if entry else None)
