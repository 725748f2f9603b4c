"""What the scores of all songs say together: medians with intervals, the index, paired tests, groups.

Everything works on the document of an evaluation (`mixcli.eval/1`) as plain dicts, and gives parts of it.

Legend: `S` systems, `J` songs, `K` measures, `D` draws.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixcli.evaluation.statistics import (
    bootstrap_interval,
    draw_units,
    holm,
    paired_wilcoxon,
    percentile_interval,
)

# What the index weighs and what is tested. The list is fixed, so that no measure is picked for what it shows.
# Balance, the first thing an engineer sets, counts twice.
NEARNESS_WEIGHTS = {
    "balance_db": 2.0,
    "tone_db": 1.0,
    "width_db": 1.0,
    "image_db": 0.5,
    "dynamics_db": 1.0,
    "features": 1.0,
    "spectra_db": 0.5,
}
ANCHOR = "blind-side"  # the baseline that every system is set against: equal loudness and a blind widening
N_DRAWS = 1000
UNLABELLED = "(none)"
UNKNOWN_ROLE = "(unknown)"
Document = Mapping[str, Any]
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """All values of an evaluation, [S, J, K]; nan where a system failed or a value does not exist."""

    systems: tuple[str, ...]
    songs: tuple[str, ...]
    keys: tuple[str, ...]
    values_SJK: Numbers
    scored_SJ: NDArray[np.bool_]

    def of(self, system: str, key: str) -> Numbers:
        """One measure of one system in every song, [J]."""
        return self.values_SJK[self.systems.index(system), :, self.keys.index(key)]

    def nearness_keys(self) -> tuple[str, ...]:
        """The measures of the index that this evaluation has, in the index's order."""
        return tuple(key for key in NEARNESS_WEIGHTS if key in self.keys)


def read_scores(document: Document) -> ScoreTable:
    """The values of a document as one array; measures of whole sets are no values of songs and left out."""
    systems = [system["name"] for system in document["systems"]]
    keys = [measure["key"] for measure in document["measures"] if measure["family"] != "set"]
    values_SJK = np.full((len(systems), len(document["songs"]), len(keys)), math.nan)
    scored_SJ = np.zeros(values_SJK.shape[:2], np.bool_)
    for j, song in enumerate(document["songs"]):
        for score in song["scores"]:
            if score["status"] != "ok":
                continue
            s = systems.index(score["system"])
            scored_SJ[s, j] = True
            read = (score["values"].get(key) for key in keys)
            values_SJK[s, j] = [math.nan if value is None else value for value in read]
    return ScoreTable(
        systems=tuple(systems),
        songs=tuple(song["name"] for song in document["songs"]),
        keys=tuple(keys),
        values_SJK=values_SJK,
        scored_SJ=scored_SJ,
    )


def summarise(document: Document) -> dict[str, list[dict[str, Any]]]:
    """The parts "summary", "index", "comparisons" and "groups" of a document that has its songs scored.

    Its settings say how: "bootstrap" draws (0: no intervals), their "seed", and groups "by" labels of songs
    or by "role" of stems. A number that does not exist (one song has no interval) is None.
    """
    table = read_scores(document)
    settings = document.get("settings", {})
    n_draws, seed = settings.get("bootstrap", N_DRAWS), settings.get("seed", 0)
    return {
        "summary": describe_systems(table, n_draws=n_draws, seed=seed),
        "index": rate_systems(table, n_draws=n_draws, seed=seed),
        "comparisons": compare_systems(table, primary_system(document), n_draws=n_draws, seed=seed),
        "groups": [row for name in settings.get("by", ()) for row in _group(document, table, name)],
    }


def primary_system(document: Document) -> str | None:
    """The system that the others are compared with: the first own one, else the first given one."""
    for kind in ("own", "given"):
        for system in document["systems"]:
            if system["kind"] == kind:
                return str(system["name"])
    return None


def describe_systems(table: ScoreTable, *, n_draws: int, seed: int) -> list[dict[str, Any]]:
    """Per system and measure: how many songs have a value, mean, median and the median's 95 % interval."""
    rows = []
    for system in table.systems:
        for key in table.keys:
            values = table.of(system, key)
            values = values[np.isfinite(values)]
            low, high = bootstrap_interval(values, n_draws=n_draws, seed=seed)
            rows.append(
                {
                    "system": system,
                    "key": key,
                    "n": len(values),
                    "mean": plain(values.mean()) if len(values) else None,
                    "median": plain(np.median(values)) if len(values) else None,
                    "low": plain(low),
                    "high": plain(high),
                }
            )
    return rows


def rate_systems(table: ScoreTable, *, n_draws: int, seed: int) -> list[dict[str, Any]]:
    """The index: weighted geometric mean over the nearness measures of (system's mean / anchor's mean).

    Below 1 is nearer to the human mixes than the anchor; 0 where a measure is 0, as for the reference itself.
    Counted are the `n` songs in which both have every measure that counts; a measure that the anchor has in
    no song counts for no system (its weight is left out for all). The interval is of songs drawn again. None
    without an anchor, without common songs, and where the anchor itself is at distance 0.
    """
    keys = [key for key in table.nearness_keys() if ANCHOR in table.systems]
    keys = [key for key in keys if np.isfinite(table.of(ANCHOR, key)).any()]
    weights_K = np.array([NEARNESS_WEIGHTS[key] for key in keys])
    anchor_JK = _columns(table, ANCHOR, keys)
    rows = []
    for system in table.systems:
        both_JK = np.stack([_columns(table, system, keys), anchor_JK])
        both_JK = both_JK[:, np.isfinite(both_JK).all(axis=(0, 2))]
        n = both_JK.shape[1] if keys else 0
        value = low = high = math.nan
        if n:
            value = float(_index(both_JK.mean(axis=1), weights_K))
        if n > 1 and n_draws:
            draws_DJ = draw_units(n, n_draws=n_draws, seed=seed)
            low, high = percentile_interval(_index(both_JK[:, draws_DJ].mean(axis=2), weights_K))
        rows.append({"system": system, "n": n, "value": plain(value), "low": plain(low), "high": plain(high)})
    return rows


def _index(means: Numbers, weights_K: Numbers) -> Numbers:
    """Index of [2 (system, anchor), ..., K] means, [...]; nan where an anchor's mean is 0."""
    system, anchor = means
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(anchor > 0, system / anchor, math.nan)
        index: Numbers = np.exp((np.log(ratios) * weights_K).sum(axis=-1) / weights_K.sum())
    return index


def _columns(table: ScoreTable, system: str, keys: Iterable[str]) -> Numbers:
    columns = [table.of(system, key) for key in keys]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table.songs), 0))


def compare_systems(
    table: ScoreTable, primary: str | None, *, n_draws: int, seed: int
) -> list[dict[str, Any]]:
    """The primary system paired by song with every other one, for each nearness measure.

    `median_difference` is of primary minus other: below 0 the primary system is nearer. `p` is the two-sided
    Wilcoxon signed-rank test's, `p_holm` Holm's over all tests of the evaluation. `n` songs have both
    values; `left_out` are the other songs, most of them because a system failed there.
    """
    rows: list[dict[str, Any]] = []
    for other in table.systems if primary is not None else ():
        for key in table.nearness_keys() if other != primary else ():
            a, b = table.of(str(primary), key), table.of(other, key)
            differences = (a - b)[np.isfinite(a - b)]
            low, high = bootstrap_interval(differences, n_draws=n_draws, seed=seed)
            rows.append(
                {
                    "key": key,
                    "system": primary,
                    "other": other,
                    "n": len(differences),
                    "left_out": len(table.songs) - len(differences),
                    "median_difference": plain(np.median(differences)) if len(differences) else None,
                    "low": plain(low),
                    "high": plain(high),
                    "p": paired_wilcoxon(a, b),
                }
            )
    adjusted = holm([row["p"] for row in rows])
    return [{**row, "p": plain(row["p"]), "p_holm": plain(p)} for row, p in zip(rows, adjusted, strict=True)]


def _group(document: Document, table: ScoreTable, name: str) -> list[dict[str, Any]]:
    found = _by_role(document) if name == "role" else _by_label(document, table, name)
    return [
        {
            "by": name,
            "label": label,
            "system": system,
            "key": key,
            "n": len(values),
            "median": plain(np.median(values)),
        }
        for (label, system, key), values in sorted(found.items(), key=lambda item: item[0][0])
    ]


def _by_label(document: Document, table: ScoreTable, name: str) -> dict[tuple[str, str, str], list[float]]:
    """Values of the nearness measures by label of the song, system and measure."""
    labels = np.array([str(song.get("labels", {}).get(name) or UNLABELLED) for song in document["songs"]])
    found = {}
    for label in np.unique(labels):
        for system in table.systems:
            for key in table.nearness_keys():
                values = table.of(system, key)[labels == label]
                values = values[np.isfinite(values)]
                if len(values):
                    found[str(label), system, key] = values.tolist()
    return found


def _by_role(document: Document) -> dict[tuple[str, str, str], list[float]]:
    """How far each stem's level is from the reference's, dB, by family of its role (`drums` of `drums.kick`).

    Of each song's errors the mean over its stems is taken away, as in `balance_db`: it is only loudness.
    """
    found: dict[tuple[str, str, str], list[float]] = {}
    systems = [system["name"] for system in document["systems"]]
    for song in document["songs"]:
        families = [(stem.get("role") or UNKNOWN_ROLE).split(".")[0] for stem in song.get("stems", ())]
        reference = _levels(song.get("reference") or {}, len(families))
        for score in sorted(song["scores"], key=lambda score: systems.index(score["system"])):
            if score["status"] != "ok":
                continue
            errors = _levels(score, len(families)) - reference
            known = np.isfinite(errors)
            errors = np.abs(errors - errors[known].mean()) if known.any() else errors
            for family, error in zip(families, errors, strict=True):
                if math.isfinite(error):
                    found.setdefault((family, score["system"], "balance_db"), []).append(float(error))
    return found


def _levels(part: Mapping[str, Any], n_stems: int) -> Numbers:
    """The level of every stem in a mix, dB; nan for all where the balance was not measured."""
    levels = np.array((part.get("curves") or {}).get("balance_db") or [None] * n_stems, np.float64)
    return levels if len(levels) == n_stems else np.full(n_stems, math.nan)


def plain(value: float) -> float | None:
    """A number for a document: None where there is none."""
    return float(value) if math.isfinite(value) else None
