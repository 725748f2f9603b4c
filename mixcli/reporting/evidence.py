"""Whether differences between systems are evidence: the paired tests of an evaluation, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from mixcli.reporting.html import (
    NONE,
    count,
    escape,
    folded,
    head_cell,
    number,
    number_cell,
    number_heads,
    row,
    text_cell,
)
from mixcli.reporting.html import table as html_table
from mixcli.reporting.naming import measure_name

EVIDENCE_P = 0.05

Document = Mapping[str, Any]


def least_p(n: int) -> float:
    """The smallest p that a two-sided signed-rank test can give with `n` pairs: 2 / 2^n, at most 1."""
    return min(2.0 / 2.0**n, 1.0)


def comparisons(document: Document) -> str:
    """What the tests of pairs of systems show: evidence in words and numbers, all the rest folded."""
    tested = document.get("comparisons", [])
    if not tested:
        return ""
    measures = {measure["key"]: measure for measure in document.get("measures", [])}
    n_tests = sum(one.get("p") is not None for one in tested)
    proven = [one for one in tested if is_evidence(one)]
    said = (
        f"{len(proven)} of {count(len(tested), 'comparison')} {'gives' if len(proven) == 1 else 'give'} "
        f"evidence of a difference: p below {EVIDENCE_P} in a two-sided Wilcoxon signed-rank test over "
        "songs, after Holm's correction for the number of tests."
    )
    told = "".join(f"<li>{escape(text)}</li>" for text in in_words(tested, measures, n_tests))
    parts = [f'<p>{escape(said)}</p><ul class="plain">{told}</ul>']
    if proven:
        parts.append(_table(proven, measures, n_tests))
    parts.append(folded(f"All {count(len(tested), 'comparison')}", _table(tested, measures, n_tests)))
    return f"<h3>Are the differences evidence?</h3>{''.join(parts)}"


def in_words(tested: Sequence[Document], measures: Mapping[str, Document], n_tests: int) -> list[str]:
    """One sentence per pair of systems with evidence, and one for all pairs without any."""
    told = []
    without: dict[str, list[Document]] = {}
    for system, other in dict.fromkeys((one["system"], one["other"]) for one in tested):
        mine = [one for one in tested if (one["system"], one["other"]) == (system, other)]
        lots: dict[str, list[str]] = {}
        for one in filter(is_evidence, mine):
            measure = measures.get(one["key"], {"key": one["key"]})
            lots.setdefault(_way(one, measure.get("better", "lower")), []).append(measure_name(measure))
        if not lots:
            without.setdefault(system, []).extend(mine)
            continue
        ways = "; ".join(f"{way} than {other} by {', '.join(names)}" for way, names in lots.items())
        n_left = len(mine) - sum(map(len, lots.values()))
        rest = f"; no evidence by the other {n_left}" if n_left else ""
        told.append(f"{system} is {ways}{rest}.")
    for system, lot in without.items():
        others = list(dict.fromkeys(one["other"] for one in lot))
        ns = sorted({one["n"] for one in lot})
        songs = f"n = {ns[0]}" if len(ns) == 1 else f"n = {ns[0]} to {ns[-1]}"
        said = f"No measure gives evidence of a difference between {system} and {_joined(others)}"
        told.append(f"{said} ({songs}{_too_few(ns[-1], n_tests)}).")
    return told


def sentence(one: Document, better: str, n_tests: int) -> str:
    """What a test says, and no more than its number of songs allows."""
    pair, n, difference = f"{one['system']} and {one['other']}", one["n"], one.get("median_difference")
    if one.get("p_holm") is None or difference is None:
        return f"{pair}: not tested with n = {n}"
    if is_evidence(one):
        return f"{one['system']} is {_way(one, better)} than {one['other']}"
    few = _too_few(n, n_tests)
    return f"{pair}: no evidence of a difference" + (f" with n = {n}{few}" if few else "")


def is_evidence(one: Document) -> bool:
    """Whether a comparison stands after the correction for the number of tests."""
    return (
        one.get("p_holm") is not None
        and one.get("median_difference") is not None
        and bool(one["p_holm"] < EVIDENCE_P)
    )


def _way(one: Document, better: str) -> str:
    """How the first system of a pair stands to the second."""
    less = one["median_difference"] < 0
    if better == "neither":
        return "lower" if less else "higher"
    return "nearer" if less == (better == "lower") else "farther"


def _too_few(n: int, n_tests: int) -> str:
    """That even the clearest difference would not be evidence with so few songs; else nothing."""
    least = least_p(n)
    if least >= EVIDENCE_P:
        return f": the smallest possible p is {number(least)}"
    if least * n_tests >= EVIDENCE_P:
        return f": for {n_tests} tests at once the smallest possible p is {number(min(least * n_tests, 1.0))}"
    return ""


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _table(some: Sequence[Document], measures: Mapping[str, Document], n_tests: int) -> str:
    rows = []
    for one in some:
        measure = measures.get(one["key"], {"key": one["key"]})
        cells = [
            text_cell(sentence(one, measure.get("better", "lower"), n_tests)),
            number_cell(one.get("median_difference"), note=_span(one)),
            f'<td class="number">{one["n"]}</td>',
            f'<td class="number">{_p(one.get("p"))}</td>',
            f'<td class="number">{_p(one.get("p_holm"))}</td>',
        ]
        rows.append(row(measure_name(measure), cells))
    heads = [head_cell("measure"), head_cell("what it shows")]
    heads += [*number_heads(["median difference"], note="95 % interval"), *number_heads(["n", "p"])]
    heads += number_heads(["p"], note="Holm")
    return html_table(heads, rows, label="Paired tests")


def _span(one: Document) -> str:
    if one.get("low") is None or one.get("high") is None:
        return ""
    return f"({number(one['low'])} to {number(one['high'])})"


def _p(value: float | None) -> str:
    if value is None:
        return NONE
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"
