"""What came of one mix, and the same as the JSON document that lies beside it."""

import hashlib
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mixcli import __version__
from mixcli.audio.files import display_name
from mixcli.console.variants import Variant
from mixcli.errors import MixcliError, Notice, RequirementMissed
from mixcli.mixing.finish import FinishedMix
from mixcli.mixing.output_path import MixPaths
from mixcli.mixing.plan import MixPlan
from mixcli.songs.song import Stem

SCHEMA = "mixcli.result/1"
Status = Literal["ok", "skipped", "planned", "error"]


@dataclass(frozen=True, kw_only=True)
class MixResult:
    """A mix that was made, planned or skipped."""

    status: Status
    song: str
    folder: Path
    paths: MixPaths
    presets: tuple[str, ...]
    variant: Variant | None = None  # None where the mix is not one of several
    recipe: Path | None = None  # as written; None where the recipe that was given is the mix's
    given_recipe: Path | None = None
    plan: MixPlan | None = None
    finished: FinishedMix | None = None
    sha256: str | None = None
    terms: tuple[Path, ...] = ()
    null_test_dbfs: float | None = None
    missed: RequirementMissed | None = None
    notices: tuple[Notice, ...] = ()
    started: str = ""
    seconds: float = 0.0
    fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class MixFailure:
    """A mix that could not be made: `error` is an expected failure, `traceback` tells of a bug."""

    song: str
    folder: Path
    error: MixcliError | None = None
    traceback: str | None = None


def result_document(result: MixResult) -> dict[str, Any]:
    """The result as plain data (schema mixcli.result/1): keys are only added, numbers finite or null."""
    plan, finished = result.plan, result.finished
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "status": result.status,
        "mixcli": __version__,
        "run": {
            "started": result.started,
            "seconds": round(result.seconds, 3),
            "realtime_factor": _realtime(result),
            "fingerprint": result.fingerprint,
        },
        "song": {"name": result.song, "path": shown_path(result.folder)},
        "preset": "+".join(result.presets),
        "presets": list(result.presets),
        "rules": None,
        "variant": variant_document(result.variant),
        "inputs": [],
        "excluded": [],
        "model": None,
        "loudness": None,
        "outputs": [],
        "warnings": [notice_document(notice) for notice in result.notices],
        "errors": [] if result.missed is None else [error_document(result.missed)],
    }
    if plan is not None:
        document["song"] |= {"duration": round(plan.song.duration_s, 6), "sample_rate": plan.sample_rate}
        document["inputs"] = [input_document(plan, stem) for stem in plan.song.stems]
        document["excluded"] = [
            {"file": each.name, "why": each.why, "detail": each.detail} for each in plan.song.excluded
        ]
        document["rules"] = None if plan.rules is None else plan.rules.model_dump(mode="json")
        if plan.model is not None:
            network = plan.recipe.network
            document["model"] = {
                "name": network.model,
                "sha256": network.sha256,
                "amount": network.amount,
                "familiarity": network.familiarity,
                "held_to": network.held_to,
                "gain_db": network.gain_db,
            }
        if result.status == "planned":
            document["recipe"] = plan.recipe.model_dump(mode="json")
    if plan is not None and finished is not None:
        document["loudness"] = loudness_document(plan, finished)
        document["outputs"] = [output_document(result, plan, finished)]
        recipe = result.recipe or result.given_recipe
        document["recipe"] = None if recipe is None else shown_path(recipe)
        document["terms"] = [shown_path(path) for path in result.terms]
    return document


def failure_document(failure: MixFailure) -> dict[str, Any]:
    """A failure in the same schema."""
    bug = {"code": "E100", "message": "unexpected error, a bug; its traceback is in the log", "hint": None}
    song = {"name": failure.song, "path": shown_path(failure.folder)}
    errors = [bug if failure.error is None else error_document(failure.error)]
    return {
        "schema": SCHEMA,
        "status": "error",
        "mixcli": __version__,
        "song": song,
        "outputs": [],
        "warnings": [],
        "errors": errors,
    }


def bare_error_document(error: MixcliError) -> dict[str, Any]:
    """A failure before any song was in hand."""
    return {
        "schema": SCHEMA,
        "status": "error",
        "mixcli": __version__,
        "outputs": [],
        "warnings": [],
        "errors": [error_document(error)],
    }


def error_document(error: MixcliError) -> dict[str, Any]:
    """A failure as plain data."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def notice_document(notice: Notice) -> dict[str, Any]:
    """A notice as plain data."""
    return {"code": notice.code, "message": notice.message, "file": notice.file}


def variant_document(variant: Variant | None) -> dict[str, Any] | None:
    """Which of several mixes of a song it is."""
    if variant is None:
        return None
    return {"number": variant.number, "name": variant.name, "text": variant.text}


def input_document(plan: MixPlan, stem: Stem) -> dict[str, Any]:
    """What is known of one stem."""
    info = stem.files[0]
    survey = plan.survey.stems[stem.name] if plan.survey is not None else None
    return {
        "file": stem.name,
        "files": [display_name(each.path) for each in stem.files],
        "role": stem.role,
        "role_from": stem.role_from,
        "bus": plan.recipe.stems[stem.name].bus,
        "attributes": dict(stem.attributes),
        "channels": stem.n_channels,
        "sample_rate": stem.sample_rate,
        "container": info.container,
        "subtype": info.subtype,
        "frames": stem.n_samples,
        "peak_dbfs": finite(survey.peak_dbfs) if survey else None,
        "loudness_lufs": finite(survey.loudness_lufs) if survey else None,
    }


def loudness_document(plan: MixPlan, finished: FinishedMix) -> dict[str, Any]:
    """What was asked of the loudness and what came of it."""
    solution = finished.solution
    return {
        "target_lufs": plan.settings.lufs,
        "ceiling_dbtp": plan.settings.true_peak_dbtp,
        "mode": plan.settings.loudness_mode,
        "gain_db": finite(solution.gain_db),
        "max_reduction_db": finite(solution.max_reduction_db),
        "reached": solution.reached,
        "short_by_lu": finite(solution.short_by_lu),
    }


def output_document(result: MixResult, plan: MixPlan, finished: FinishedMix) -> dict[str, Any]:
    """What the written file measures."""
    measures = finished.measures
    return {
        "version": "main" if result.variant is None else result.variant.name,
        "file": shown_path(result.paths.audio),
        "format": plan.settings.format,
        "bit_depth": plan.settings.bit_depth,
        "sample_rate": plan.sample_rate,
        "channels": 2,
        "frames": finished.n_samples,
        "bytes": result.paths.audio.stat().st_size,
        "sha256": result.sha256,
        "integrated_lufs": finite(measures.integrated_lufs),
        "lra_lu": finite(measures.loudness_range_lu),
        "true_peak_dbtp": finite(measures.true_peak_dbtp),
        "max_momentary_lufs": finite(measures.max_momentary_lufs),
        "max_short_term_lufs": finite(measures.max_short_term_lufs),
        "sum_residual_dbfs": finite(result.null_test_dbfs),
    }


def finite(value: float | None, digits: int = 3) -> float | None:
    """A rounded number, or None for what JSON cannot say."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)


def shown_path(path: Path) -> str:
    """A path as the user gave it, with "/"."""
    return str(path).replace(os.sep, "/")


def to_json(document: dict[str, Any]) -> str:
    """JSON text with a newline at its end; never NaN or infinity.

    Bytes of file names that are not UTF-8 are escaped as lone surrogates, as Python's os.fsencode takes them.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def read_record(path: Path) -> dict[str, Any]:
    """An earlier result; empty when there is none or it cannot be understood."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else {}


def file_sha256(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _realtime(result: MixResult) -> float | None:
    if result.finished is None or result.plan is None or result.seconds <= 0:
        return None
    return round(result.finished.n_samples / result.plan.sample_rate / result.seconds, 2)
