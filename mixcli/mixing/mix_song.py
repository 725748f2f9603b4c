"""Mix one song: the use case behind `mixcli mix`, and behind every song of `mixcli batch`."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mixcli import __version__
from mixcli.audio.output import ScratchFile, atomic_output, output_folder
from mixcli.console.recipe_file import write_recipe
from mixcli.errors import Notice, RequirementMissed
from mixcli.mixing.fingerprint import request_fingerprint
from mixcli.mixing.finish import FinishedMix, finish_mix
from mixcli.mixing.output_path import MixPaths, plan_paths, settle_existing
from mixcli.mixing.plan import MixPlan, plan_mix, settle_settings
from mixcli.mixing.request import MixRequest, Progress
from mixcli.mixing.result import MixResult, file_sha256, read_record, result_document, to_json
from mixcli.mixing.sound import render_sound
from mixcli.mixing.terms import export_terms
from mixcli.songs.listing import song_name

SOFTWARE = f"mixcli {__version__}"
SHORTEST_LOUDNESS_S = 0.4  # one gating block of BS.1770


def mix_song(request: MixRequest, on_progress: Progress | None = None) -> MixResult:
    """Mix one song folder and write the mix, its recipe and its result.

    The output is settled before any work. Raises MixcliError; what was there before is then still there.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    planned_paths = paths_of(request)
    paths = settle_existing(planned_paths, request.if_exists)
    if paths is None:
        return skipped(request, planned_paths)
    plan = plan_mix(request, on_progress)
    with output_folder(paths.audio.parent), ScratchFile(paths.audio.parent, 2) as scratch:
        for block in render_sound(plan, on_progress):
            scratch.append(block.mix_TC)
        finished = finish_mix(scratch, paths.audio, plan.sample_rate, plan.settings, software=SOFTWARE)
        plan = solved_plan(plan, finished)
        terms, null_test = export_terms(plan, request.terms, scratch, finished.solution, paths.terms)
    result = MixResult(
        status="ok",
        song=plan.song.name,
        folder=request.folder,
        paths=paths,
        preset=request.preset,
        plan=plan,
        finished=finished,
        sha256=file_sha256(paths.audio),
        terms=terms,
        null_test_dbfs=null_test,
        notices=plan.notices + loudness_notices(plan, finished),
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=time.monotonic() - clock,
        fingerprint=request_fingerprint(request),
    )
    write_neighbours(result, request.recipe)
    if request.strict:
        check_strict(result)
    return result


def finished_before(request: MixRequest) -> MixResult | None:
    """The skipped result of a mix that is already there, whole, and made from the same files and settings."""
    paths = paths_of(request)
    record = read_record(paths.result)
    outputs = record.get("outputs") or [{}]
    try:
        whole = paths.audio.stat().st_size == outputs[0].get("bytes")
    except OSError:
        return None
    if not whole or record.get("run", {}).get("fingerprint") != request_fingerprint(request):
        return None
    return skipped(request, paths)


def skipped(request: MixRequest, paths: MixPaths) -> MixResult:
    """The result of a song that was left alone."""
    return MixResult(
        status="skipped",
        song=song_name(request.folder),
        folder=request.folder,
        paths=paths,
        preset=request.preset,
    )


def plan_only(request: MixRequest, on_progress: Progress | None = None) -> MixResult:
    """What `mix` would do, without rendering or writing anything."""
    plan = plan_mix(request, on_progress)
    return MixResult(
        status="planned",
        song=plan.song.name,
        folder=request.folder,
        paths=paths_of(request),
        preset=request.preset,
        plan=plan,
        notices=plan.notices,
    )


def paths_of(request: MixRequest) -> MixPaths:
    """Where the mix of a request goes."""
    settings, _ = settle_settings(request)
    return plan_paths(request.folder, request.out, request.name_template, settings, preset=request.preset)


def solved_plan(plan: MixPlan, finished: FinishedMix) -> MixPlan:
    """The plan with what the master turned out to need, as the recipe records it."""
    solution = finished.solution
    reasons = {"gain_db": gain_reason(plan, finished)}
    if solution.max_reduction_db > 0:
        reasons["max_reduction_db"] = "the most the limiter takes, to keep the ceiling"
    master = plan.recipe.master.model_copy(
        update={
            "gain_db": round(solution.gain_db, 4),
            "max_reduction_db": round(solution.max_reduction_db, 4),
            "reasons": reasons,
        }
    )
    return replace(plan, recipe=plan.recipe.model_copy(update={"master": master}))


def gain_reason(plan: MixPlan, finished: FinishedMix) -> str:
    """Why the master's gain is what it is."""
    settings, solution = plan.settings, finished.solution
    if settings.loudness_mode == "measure":
        return "measured only; the level is left as it came out"
    if settings.lufs is None:
        return f"peaks to {settings.true_peak_dbtp:g} dBTP; no loudness was asked for"
    if not solution.measurable:
        return "too short or too quiet for a loudness; level left as is"
    if solution.reached:
        return f"from {solution.mix_lufs:.1f} to {settings.lufs:g} LUFS"
    return f"{solution.short_by_lu:.1f} LU short of {settings.lufs:g} LUFS: the ceiling came first"


def loudness_notices(plan: MixPlan, finished: FinishedMix) -> tuple[Notice, ...]:
    """What to say about the loudness."""
    settings, solution = plan.settings, finished.solution
    if settings.loudness_mode == "measure":
        return ()
    if not solution.measurable:
        seconds = finished.n_samples / plan.sample_rate
        if seconds < SHORTEST_LOUDNESS_S:
            message = f'"{plan.song.name}" lasts {seconds:.1f} s; loudness needs 0.4 s. Level left as is.'
            return (Notice("W341", message),)
        return (Notice("W342", f'"{plan.song.name}" is too quiet to have a loudness. Level left as is.'),)
    if settings.lufs is None or solution.reached:
        return ()
    message = (
        f"{finished.measures.integrated_lufs:.1f} LUFS, {solution.short_by_lu:.1f} LU under target: "
        f"the {settings.true_peak_dbtp:g} dBTP ceiling came first."
    )
    return (Notice("W701", message),)


def check_strict(result: MixResult) -> None:
    """Raise RequirementMissed when the loudness asked for was missed by more than the tolerance."""
    plan, finished = result.plan, result.finished
    if plan is None or finished is None or plan.settings.lufs is None:
        return
    short = finished.solution.short_by_lu
    if finished.solution.measurable and short > plan.settings.tolerance_lu:
        lufs, peak = finished.measures.integrated_lufs, plan.settings.true_peak_dbtp
        raise RequirementMissed(
            f'"{result.song}" is {lufs:.1f} LUFS, {short:.1f} LU under target: '
            f"the {peak:g} dBTP ceiling came first.",
            code="E701",
            hint=f"--lufs {lufs:.0f}, or --set mix.limit_db=9.",
        )


def write_neighbours(result: MixResult, given_recipe: Path | None) -> None:
    """Write recipe and result beside the mix; a recipe that was given is never written over."""
    if result.plan is None:
        return
    same = given_recipe is not None and given_recipe.resolve() == result.paths.recipe.resolve()
    if not same:
        write_recipe(result.plan.recipe, result.paths.recipe)
    with atomic_output(result.paths.result) as part:
        part.write_text(to_json(result_document(result)), encoding="utf-8")
