"""The document of an evaluation: everything that was compared, measured and concluded, as plain data."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixcli import __version__
from mixcli.audio.files import display_name
from mixcli.evaluation.material import LEVEL_LUFS
from mixcli.evaluation.plan import EvalPlan
from mixcli.evaluation.request import EvalRequest
from mixcli.evaluation.score_mix import plain
from mixcli.evaluation.summary import ANCHOR, summarise
from mixcli.measures.catalogue import AXES, MEASURES
from mixcli.measures.sets import compare_sets
from mixcli.mixing.result import notice_document

SCHEMA = "mixcli.eval/1"


def evaluation_document(
    plan: EvalPlan,
    request: EvalRequest,
    songs: Sequence[dict[str, Any]],
    *,
    n_draws: int,
    by: Sequence[str],
    started: datetime,
    seconds: float,
) -> dict[str, Any]:
    """All songs' scores and what they amount to (schema mixcli.eval/1); numbers are finite or null."""
    failed = [song for song in songs if song["status"] == "error"]
    failed += [score for song in songs for score in song["scores"] if score["status"] == "error"]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "status": "ok" if not failed else "partial",
        "mixcli": __version__,
        "run": {
            "started": started.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "seconds": round(seconds, 3),
        },
        "settings": {
            "library": display_name(request.library),
            "against": None if request.against is None else display_name(request.against),
            "parts": request.parts,
            "preset": "+".join(request.presets),
            "presets": list(request.presets),
            "level_lufs": LEVEL_LUFS,
            "anchor": ANCHOR,
            "seed": request.seed,
            "bootstrap": n_draws,
            "by": list(by),
        },
        "systems": [{"name": system.name, "kind": system.kind} for system in plan.systems],
        "measures": [
            {
                "key": measure.key,
                "unit": measure.unit,
                "family": measure.family,
                "better": measure.better,
                "text": measure.text,
                "source": measure.source,
            }
            for measure in MEASURES
        ],
        "axes": AXES,
        "songs": [without_excerpts(song) for song in songs],
        "sets": set_distances(plan, songs),
        "warnings": [notice_document(notice) for notice in plan.notices],
        "errors": [],
    }
    return document | summarise(document)


def set_distances(plan: EvalPlan, songs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How far the set of a system's mixes is from the set of the references of the same songs."""
    rows = []
    for system in plan.systems:
        ours, theirs = [], []
        for song in songs:
            scores = [score for score in song["scores"] if score["system"] == system.name]
            if song["reference"] is not None and scores and scores[0]["status"] == "ok":
                ours += scores[0]["excerpts"]
                theirs += song["reference"]["excerpts"]
        values = compare_sets(as_excerpts(ours), as_excerpts(theirs))
        numbers = {key: plain(value) for key, value in values.items()}
        rows.append({"system": system.name, "n_excerpts": len(ours), **numbers})
    return rows


def as_excerpts(rows: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """Features of excerpts, [E, D]; those with a feature that does not exist are left out."""
    if not rows:
        return np.zeros((0, 0))
    excerpts_ED = np.array(rows, np.float64)
    return excerpts_ED[np.isfinite(excerpts_ED).all(axis=1)]


def without_excerpts(song: dict[str, Any]) -> dict[str, Any]:
    """A song without the features that only the distances of sets need."""
    scores = [{key: value for key, value in score.items() if key != "excerpts"} for score in song["scores"]]
    reference = song["reference"]
    if reference is not None:
        reference = {key: value for key, value in reference.items() if key != "excerpts"}
    return song | {"scores": scores, "reference": reference}
