"""What a listening test found: the answers of its listeners, unblinded with the key and tested.

Legend: `L` listeners, `J` songs, `S` systems.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import SongError
from mixcli.evaluation.statistics import bootstrap_interval, friedman, holm, paired_wilcoxon
from mixcli.evaluation.summary import N_DRAWS, plain
from mixcli.evaluation.tables import LEVEL, NOTHING, number, p_words

SCHEMA = "mixcli.listening/1"
KEY_SCHEMA = "mixcli.listening-key/1"
ANSWERS_SCHEMA = "mixcli.listening-answers/1"
HIGHEST = 100.0  # ratings are 0 to 100
FLAT_SPREAD = 2.0  # points; a listener whose ratings of a page deviate by less did not rate
HIDDEN_REFERENCE = "reference"
# ITU-R BS.1534-3, post-screening: who rates the hidden reference under 90 in over 15 % of the cases.
REFERENCE_LEAST, REFERENCE_MISSED_SHARE = 90.0, 0.15
Document = Mapping[str, Any]
Rated = tuple[str, str, str]  # trial, criterion, stimulus
Numbers = NDArray[np.float64]


def score_answers(
    key: Document, answers: Sequence[tuple[str, Document]], *, n_draws: int = N_DRAWS, seed: int = 0
) -> dict[str, Any]:
    """Unblind and test the answers, (file name, what it holds) of each listener: schema mixcli.listening/1.

    A rating is one listener's of one system in one song; hidden repeats are averaged first. "summary": median
    and mean per criterion and system, with the 95 % interval of the median when listeners are drawn again.
    "comparisons": each pair of systems by Wilcoxon, twice: `p` over ratings paired by listener and song, and
    `p_listeners` over the listeners' mean differences. Ratings of one listener are not independent, so where
    listeners have tastes of their own `p` is too small for any claim about other listeners; `p_listeners` is
    right, and needs six listeners to fall below 0.05. Both are corrected by Holm over all pairs and criteria.
    "friedman": whether the systems differ at all, in the same two ways, and Kendall's W, the agreement from 0
    to 1. "listeners": how steady each is; who is flagged is told and not left out.

    Raises SongError E330 for a file that is not of this test and E331 for ratings that are missing or wrong.
    """
    _check_key(key)
    names = [_check_answers(key, file, document) for file, document in answers]
    _check_listeners(names, [file for file, _ in answers])
    read = [_ratings(key, file, document) for file, document in answers]
    criteria = [_criterion_name(criterion) for criterion in key["criteria"]]
    songs = list(dict.fromkeys(trial["song"] for trial in key["trials"]))
    systems = sorted({stimulus["system"] for trial in key["trials"] for stimulus in trial["stimuli"]})
    summary, comparisons, omnibus = [], [], []
    for criterion in criteria:
        cube_LJS = _cube(key, read, criterion, songs, systems)
        for s, system in enumerate(systems):
            row = _describe(cube_LJS[:, :, s], n_draws, seed)
            summary.append({"criterion": criterion, "system": system, **row})
        for a, b in combinations(range(len(systems)), 2):
            row = _compare(cube_LJS[:, :, a], cube_LJS[:, :, b], n_draws, seed)
            comparisons.append({"criterion": criterion, "system": systems[a], "other": systems[b], **row})
        omnibus.append({"criterion": criterion, **_omnibus(cube_LJS)})
    for name in ("p", "p_listeners"):
        adjusted = holm([row[name] for row in comparisons])
        for row, p in zip(comparisons, adjusted, strict=True):
            row[f"{name}_holm"] = plain(p)
            row[name] = plain(row[name])
    return {
        "schema": SCHEMA,
        "page": key["page"],
        "criteria": criteria,
        "systems": systems,
        "songs": songs,
        "settings": {"bootstrap": n_draws, "seed": seed},
        "listeners": [
            {"listener": name, "file": file, "comment": document.get("comment"), **_steadiness(key, ratings)}
            for name, (file, document), ratings in zip(names, answers, read, strict=True)
        ],
        "summary": summary,
        "comparisons": comparisons,
        "friedman": omnibus,
    }


def listening_table(document: Document) -> list[str]:
    """What the screen shows of scored answers, line by line: systems best first, sure differences, flags.

    A difference is told where it holds over listeners (`p_listeners_holm` under 0.05).
    """
    width = max(len(system) for system in document["systems"])
    lines = []
    for criterion in document["criteria"]:
        mine = [row for row in document["summary"] if row["criterion"] == criterion]
        listeners, songs = count(document["listeners"], "listener"), count(document["songs"], "song")
        lines.append(f"{criterion}: {listeners}, {songs}")
        lines.append(f"{'system'.ljust(width)}  ratings  median    mean  95 % of median")
        for row in sorted(mine, key=lambda row: -row["median"]):
            cells = f"{row['n']:7d}  {number(row['median']):>6}  {number(row['mean']):>6}"
            interval = NOTHING if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"
            lines.append(f"{row['system'].ljust(width)}  {cells}  {interval}")
        pairs = [row for row in document["comparisons"] if row["criterion"] == criterion]
        lines += _difference_lines(pairs)
    return lines + [
        f"{one['listener']}: {', '.join(one['flags'])}" for one in document["listeners"] if one["flags"]
    ]


def count(things: Sequence[Any], name: str) -> str:
    """So many things, in words."""
    return f"{len(things)} {name}{'s' if len(things) != 1 else ''}"


def _difference_lines(pairs: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for row in pairs:
        p, difference = row["p_listeners_holm"], row["median_difference"]
        if p is not None and p < LEVEL and difference:
            better, worse = (row["system"], row["other"])[:: 1 if difference > 0 else -1]
            lines.append(f"{better} above {worse} by {number(abs(difference))} ({p_words(p)})")
    return [*(lines or ["no difference beyond chance between any two"]), ""]


def _criterion_name(criterion: Any) -> str:
    return str(criterion["name"] if isinstance(criterion, Mapping) else criterion)


def _check_key(key: Document) -> None:
    if key.get("schema") != KEY_SCHEMA or not all(key.get(part) for part in ("page", "criteria", "trials")):
        message = f"this is no key of a listening test (schema {KEY_SCHEMA})."
        raise SongError(message, code="E330", hint="give the key file that was made with the listening page.")


def _check_answers(key: Document, file: str, document: Document) -> str:
    """The listener's name. Raises SongError E330 for answers that do not belong to the key."""
    if not isinstance(document, Mapping) or document.get("schema") != ANSWERS_SCHEMA:
        message = f'"{file}" holds no answers of a listening test (schema {ANSWERS_SCHEMA}).'
        raise SongError(message, code="E330")
    if document.get("page") != key["page"]:
        message = f'"{file}" answers page "{document.get("page")}", and the key is of page "{key["page"]}".'
        raise SongError(message, code="E330", hint="give the key of that page.")
    listener = document.get("listener")
    if not isinstance(listener, str) or not listener.strip():
        raise SongError(f'"{file}" does not say who listened.', code="E330", hint='fill in "listener".')
    return listener.strip()


def _check_listeners(names: Sequence[str], files: Sequence[str]) -> None:
    if not names:
        raise SongError("no answers of listeners.", code="E330")
    for name, count in Counter(names).items():
        if count > 1:
            both = [f'"{file}"' for file, other in zip(files, names, strict=True) if other == name]
            message = f'listener "{name}" answers twice: {", ".join(both)}.'
            raise SongError(message, code="E330", hint="leave one out, or rename the listener in it.")


def _ratings(key: Document, file: str, document: Document) -> dict[Rated, float]:
    """Every rating that the key asks for. Raises SongError E331 if one is missing, double or no rating."""
    asked = [
        (trial["id"], _criterion_name(criterion), stimulus["id"])
        for trial in key["trials"]
        for criterion in key["criteria"]
        for stimulus in trial["stimuli"]
    ]
    wanted = set(asked)
    found: dict[Rated, float] = {}
    for rating in document.get("ratings") or ():
        if not isinstance(rating, Mapping):
            raise SongError(f'"{file}" has a rating that is none: {rating!r}.', code="E331")
        place = (str(rating.get("trial")), str(rating.get("criterion")), str(rating.get("stimulus")))
        value: Any = rating.get("value")
        where = ", ".join(place)
        if place not in wanted:
            raise SongError(f'"{file}" rates what the page does not have: {where}.', code="E331")
        if place in found:
            raise SongError(f'"{file}" rates the same twice: {where}.', code="E331")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= HIGHEST:
            message = f'"{file}": the rating {value!r} of {where} is not from 0 to 100.'
            raise SongError(message, code="E331")
        found[place] = float(value)
    missing = [place for place in asked if place not in found]
    if missing:
        message = (
            f'"{file}": {len(missing)} of {len(asked)} ratings are missing (first: {", ".join(missing[0])}).'
        )
        raise SongError(message, code="E331", hint="the listener can finish the page, or leave the file out.")
    return found


def _cube(
    key: Document,
    read: Sequence[Mapping[Rated, float]],
    criterion: str,
    songs: Sequence[str],
    systems: Sequence[str],
) -> Numbers:
    """Ratings of one criterion, [L, J, S], repeats averaged; nan where a song does not have a system."""
    sums_LJS = np.zeros((len(read), len(songs), len(systems)))
    counts_JS = np.zeros(sums_LJS.shape[1:])
    for trial in key["trials"]:
        j = songs.index(trial["song"])
        for stimulus in trial["stimuli"]:
            s = systems.index(stimulus["system"])
            counts_JS[j, s] += 1
            sums_LJS[:, j, s] += [ratings[trial["id"], criterion, stimulus["id"]] for ratings in read]
    return sums_LJS / np.where(counts_JS > 0, counts_JS, math.nan)


def _describe(ratings_LJ: Numbers, n_draws: int, seed: int) -> dict[str, Any]:
    ratings_LJ = _songs_there(ratings_LJ)
    low, high = bootstrap_interval(ratings_LJ, n_draws=n_draws, seed=seed)
    return {
        "n": ratings_LJ.size,
        "median": plain(float(np.median(ratings_LJ))),
        "mean": plain(float(ratings_LJ.mean())),
        "low": plain(low),
        "high": plain(high),
    }


def _compare(a_LJ: Numbers, b_LJ: Numbers, n_draws: int, seed: int) -> dict[str, Any]:
    differences_LJ = _songs_there(a_LJ - b_LJ)
    if not differences_LJ.size:  # no song has both
        nothing = dict.fromkeys(("median_difference", "low", "high"))
        return {"n": 0, **nothing, "p": math.nan, "p_listeners": math.nan}
    low, high = bootstrap_interval(differences_LJ, n_draws=n_draws, seed=seed)
    differences, by_listener_L = differences_LJ.ravel(), differences_LJ.mean(axis=1)
    return {
        "n": differences_LJ.size,
        "median_difference": plain(float(np.median(differences_LJ))),
        "low": plain(low),
        "high": plain(high),
        "p": paired_wilcoxon(differences, np.zeros_like(differences)),
        "p_listeners": paired_wilcoxon(by_listener_L, np.zeros_like(by_listener_L)),
    }


def _songs_there(ratings_LJ: Numbers) -> Numbers:
    return ratings_LJ[:, np.isfinite(ratings_LJ).all(axis=0)]


def _omnibus(cube_LJS: Numbers) -> dict[str, Any]:
    """Friedman's test over ratings and over listeners, in the songs that have every system."""
    whole_LJS = cube_LJS[:, np.isfinite(cube_LJS).all(axis=(0, 2))]
    n_systems, n_rows = whole_LJS.shape[2], whole_LJS.shape[0] * whole_LJS.shape[1]
    statistic, p = friedman(whole_LJS.reshape(-1, n_systems))
    by_listener_LS = whole_LJS.mean(axis=1) if n_rows else np.zeros((0, n_systems))
    return {
        "n": n_rows,
        "statistic": plain(statistic),
        "p": plain(p),
        "p_listeners": plain(friedman(by_listener_LS)[1]),
        "kendall_w": plain(statistic / (n_rows * (n_systems - 1))) if n_rows and n_systems > 1 else None,
    }


def _steadiness(key: Document, ratings: Mapping[Rated, float]) -> dict[str, Any]:
    """How far one listener can be relied on: spread on a page, difference of repeats, the hidden reference.

    `spread` is the mean deviation (over systems) of the pages. `repeat_difference` is the mean difference of
    two ratings of the same mix, `other_difference` of two mixes of the same pages. Flags: "flat" for no
    spread, "unsteady" where repeats differ as much as other mixes, "misses-reference" by the rule of
    BS.1534-3.
    """
    spreads: list[float] = []
    same: list[float] = []
    other: list[float] = []
    references: list[float] = []
    for trial in key["trials"]:
        systems = [stimulus["system"] for stimulus in trial["stimuli"]]
        repeated = len(set(systems)) < len(systems)
        for criterion in map(_criterion_name, key["criteria"]):
            values = [ratings[trial["id"], criterion, stimulus["id"]] for stimulus in trial["stimuli"]]
            spreads.append(float(np.std(values)))
            pairs = list(combinations(zip(systems, values, strict=True), 2)) if repeated else []
            for (system_a, a), (system_b, b) in pairs:
                (same if system_a == system_b else other).append(abs(a - b))
            references += [v for s, v in zip(systems, values, strict=True) if s == HIDDEN_REFERENCE]
    spread = float(np.mean(spreads))
    flags = ["flat"] if spread < FLAT_SPREAD else []
    if same and not flags and np.mean(same) >= (np.mean(other) if other else 0.0):
        flags.append("unsteady")
    if key.get("style") == "mushra" and references:
        missed = np.mean([value < REFERENCE_LEAST for value in references])
        flags += ["misses-reference"] if missed > REFERENCE_MISSED_SHARE else []
    return {
        "spread": spread,
        "repeats": len(same),
        "repeat_difference": float(np.mean(same)) if same else None,
        "other_difference": float(np.mean(other)) if other else None,
        "flags": flags,
    }
