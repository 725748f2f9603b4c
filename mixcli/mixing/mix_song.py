"""Mix one song: the use case behind `mixcli mix`, and behind every song of `mixcli batch`."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from mixcli import __version__
from mixcli.audio.behind import Behind
from mixcli.audio.mix_sketch import MixSketch
from mixcli.audio.output import ScratchFile, atomic_output, output_folder, sweep_stale_parts
from mixcli.audio.parts import output_error
from mixcli.console.recipe_file import write_recipe
from mixcli.mixing.fingerprint import request_fingerprint
from mixcli.mixing.finish import FinishedMix, finish_mix
from mixcli.mixing.measured import MeasuredSong
from mixcli.mixing.network_share import with_network_share
from mixcli.mixing.output_path import MixPaths, plan_paths, settle_existing
from mixcli.mixing.plan import MixPlan, plan_mix
from mixcli.mixing.request import ConsoleMoves, MixRequest, Progress
from mixcli.mixing.result import MixResult, file_sha256, read_record, result_document, to_json
from mixcli.mixing.settle import settle_settings
from mixcli.mixing.sound import render_sound
from mixcli.mixing.stereo import StereoMeter
from mixcli.mixing.terms import export_terms
from mixcli.mixing.verdict import gain_reason, loudness_notices, missed_requirement
from mixcli.songs.listing import song_name

SOFTWARE = f"mixcli {__version__}"


def mix_song(
    request: MixRequest, on_progress: Progress | None = None, *, measured: MeasuredSong | None = None
) -> MixResult:
    """Mix one song folder and write the mix, its recipe and its result.

    `measured` is the song where it was measured before. The output is settled before any work. Raises
    MixcliError; what was there before is then still there. A loudness that was required and missed raises
    nothing: the mix is there, and the result says so.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    planned_paths = paths_of(request)
    paths = settle_existing(planned_paths, request.if_exists, terms=request.terms != "none")
    if paths is None:
        return skipped(request, planned_paths)
    # of the files before anything was read of them: a later change counts
    fingerprint = request_fingerprint(request, None if measured is None else measured.files)
    plan = with_network_share(plan_mix(request, on_progress, measured=measured), on_progress)
    stereo, sketch = StereoMeter(), MixSketch(plan.sample_rate, 2)
    with output_folder(paths.audio.parent) as folder, ScratchFile(paths.audio.parent, 2) as scratch:

        def keep(mix_TC: np.ndarray) -> None:
            scratch.append(mix_TC)
            stereo.push(mix_TC)
            sketch.push(mix_TC)

        with Behind(keep) as keeping:
            for block in render_sound(plan, on_progress):
                keeping.push(block.mix_TC)
        sweep_stale_parts(folder)
        forget_record(paths.result)  # it would speak of another mix from here on
        finished = finish_mix(
            scratch,
            paths.audio,
            plan.sample_rate,
            plan.settings,
            software=SOFTWARE,
            sketch=sketch,
            on_progress=on_progress,
        )
        plan = solved_plan(plan, finished)
        terms, null_test = export_terms(plan, request.terms, scratch, finished.solution, paths.terms)
    result = MixResult(
        status="ok",
        song=plan.song.name,
        folder=request.folder,
        paths=paths,
        recipe=own_recipe_path(request, paths),
        given_recipe=request.recipe,
        presets=request.presets,
        variant=request.variant,
        plan=plan,
        finished=finished,
        sha256=file_sha256(paths.audio),
        terms=terms,
        null_test_dbfs=null_test,
        notices=plan.notices + loudness_notices(plan, finished) + stereo.notices(),
        started=started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        missed=missed_requirement(plan, finished) if request.strict else None,
        seconds=time.monotonic() - clock,
        fingerprint=fingerprint,
    )
    write_neighbours(result)
    return result


def finished_before(request: MixRequest) -> MixResult | None:
    """The skipped result of a mix that is already there, whole, and made from the same files and settings."""
    paths = paths_of(request)
    record = read_record(paths.result)
    try:
        status = paths.audio.stat()
        whole = status.st_size == record["outputs"][0]["bytes"] and not record["errors"]
        untouched = status.st_mtime_ns <= paths.result.stat().st_mtime_ns  # the record is written last
        current = record["run"]["fingerprint"] == request_fingerprint(request)
    except (OSError, LookupError, TypeError):  # no mix, or no record that can be understood
        return None
    return skipped(request, paths) if whole and untouched and current else None


def skipped(request: MixRequest, paths: MixPaths) -> MixResult:
    """The result of a song that was left alone."""
    return MixResult(
        status="skipped",
        song=song_name(request.folder),
        folder=request.folder,
        paths=paths,
        presets=request.presets,
        variant=request.variant,
    )


def plan_only(
    request: MixRequest, on_progress: Progress | None = None, *, measured: MeasuredSong | None = None
) -> MixResult:
    """What `mix` would do, without rendering or writing anything; raises what it would raise until then."""
    planned_paths = paths_of(request)
    paths = settle_existing(planned_paths, request.if_exists, terms=request.terms != "none")
    if paths is None:
        return skipped(request, planned_paths)
    plan = plan_mix(request, on_progress, measured=measured)
    return MixResult(
        status="planned",
        song=plan.song.name,
        folder=request.folder,
        paths=paths,
        presets=request.presets,
        variant=request.variant,
        plan=plan,
        notices=plan.notices,
    )


def paths_of(request: MixRequest) -> MixPaths:
    """Where the mix of a request goes."""
    settings, _ = settle_settings(request)
    return plan_paths(
        request.folder,
        request.out,
        request.name_template,
        settings,
        preset=request.preset,
        variant=request.variant,
    )


def solved_plan(plan: MixPlan, finished: FinishedMix) -> MixPlan:
    """The plan with what the master turned out to need, as the recipe records it."""
    solution = finished.solution
    reasons = plan.recipe.master.reasons | {"gain_db": gain_reason(plan, finished)}
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


def forget_record(path: Path) -> None:
    """Remove the record of an earlier mix. Raises OutputError E502."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path.parent, error) from error


def own_recipe_path(request: MixRequest, paths: MixPaths) -> Path | None:
    """Where the recipe of a mix is written, or None where the one that was given is it already.

    A recipe that was given is never written over: where more was asked for than it says, the mix's own recipe
    gets a number.
    """
    if request.recipe is None or request.recipe.resolve() != paths.recipe.resolve():
        return paths.recipe
    if not request.settings and request.moves == ConsoleMoves():
        return None
    number = 2
    while (path := paths.audio.with_name(f"{paths.audio.stem}.recipe ({number}).yaml")).exists():
        number += 1
    return path


def write_neighbours(result: MixResult) -> None:
    """Write recipe and result beside the mix."""
    if result.plan is not None and result.recipe is not None:
        write_recipe(result.plan.recipe, result.recipe)
    with atomic_output(result.paths.result) as part:
        part.write_text(to_json(result_document(result)), encoding="utf-8")
