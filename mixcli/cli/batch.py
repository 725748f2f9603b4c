"""`mixcli batch`: every song of a library, unattended."""

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mixcli.cli.batch_options import BatchOptions, BatchOut, Libraries
from mixcli.cli.batch_readers import reader_may_leave
from mixcli.cli.progress import song_progress
from mixcli.cli.show import line, show_error
from mixcli.cli.spelled_out import spell_out_options
from mixcli.cli.stopping import StopRequest
from mixcli.errors import Interrupted, OutputError, UsageError

if TYPE_CHECKING:
    from mixcli.batching.manifest import Manifest
    from mixcli.batching.places import FoundSong
    from mixcli.batching.plan import BatchPlan
    from mixcli.batching.request import BatchRequest
    from mixcli.batching.run import BatchRun

SOME_FAILED = 10
STOPPED_EARLY = 75  # EX_TEMPFAIL: schedulers try again


@spell_out_options
def batch(
    context: typer.Context, library: Libraries = None, out: BatchOut = Path("mixes"), *, options: BatchOptions
) -> None:
    """Mix every song below a folder, several at a time.

    A song is a folder with at least two stems. The options of mix hold for every song.

    Mixes whose stems and settings have not changed are skipped. A song that fails is reported, and costs only
    itself. The output folder keeps a manifest, a summary and a page of all songs.

    The same command again does what is left.
    """
    from mixcli.batching.plan import find_batch
    from mixcli.batching.run import BatchRun
    from mixcli.batching.shards import hold_output, known_manifest, merge_shares
    from mixcli.cli.batch_progress import kind_of
    from mixcli.cli.batch_request import build_batch, devices_asked, jobs_asked
    from mixcli.cli.batch_show import show_merged, show_plan

    stop: StopRequest = context.obj
    if options.merge:
        show_merged(out, library or [], options)
        return
    request, listed = build_batch(library, out, options)
    kind = kind_of(options)
    found = find_batch(request, listed)
    if options.dry_run:
        known = known_manifest(out, request.shard)
        show_plan(make_plan(request, found, known, options, stop), request, options)
        return
    with hold_output(out, request.shard):
        if request.shard is None:
            merge_shares(out)
        manifest = known_manifest(out, request.shard)
        plan = make_plan(request, found, manifest, options, stop)
        if [song.relative for song in found] == ["."] and plan.songs and options.quiet < 2 and kind != "json":
            line(f'warning[W306]: "{plan.songs[0].label}" is one song; mixing it.')
        devices = devices_asked(request, plan)
        by_cluster = request.scheduler is not None
        jobs = jobs_asked(options.jobs, plan, by_cluster=by_cluster, n_devices=len(devices))
        if request.album:
            plan = level_songs(plan, request, manifest, jobs or 1, options, stop)
        check_disk(plan, request, jobs or 1)
        with manifest:
            run = BatchRun(plan, request, manifest, jobs=jobs, devices=devices)
            code = mix_all(run, options, kind, stop)
    if code:
        raise typer.Exit(code)


def make_plan(
    request: "BatchRequest",
    found: "list[FoundSong]",
    manifest: "Manifest",
    options: BatchOptions,
    stop: StopRequest,
) -> "BatchPlan":
    """The plan of all songs, with a bar where it takes long."""
    from mixcli.batching.plan import plan_batch

    if manifest.n_damaged and options.quiet < 2:
        n, path = manifest.n_damaged, manifest.path
        line(
            f"warning[W371]: {n} damaged line{'s' * (n != 1)} in {path} {'are' if n != 1 else 'is'} ignored."
        )
    with song_progress(stop, quiet=options.quiet, verbose=options.verbose) as shown:

        def on_song(done: int, total: int) -> None:
            stop.check()
            shown.count("Planning", done, total, "")

        return plan_batch(request, found, manifest, on_song=on_song)


def level_songs(
    plan: "BatchPlan",
    request: "BatchRequest",
    manifest: "Manifest",
    jobs: int,
    options: BatchOptions,
    stop: StopRequest,
) -> "BatchPlan":
    """The plan with the targets of albums, for which songs are heard once before they are mixed."""
    from mixcli.batching.albums import level_albums, measure_songs, songs_to_measure

    if plan.settings.lufs is None or plan.settings.loudness_mode == "measure":
        raise UsageError("--album needs a loudness to reach.", code="E239", hint="--lufs -14")
    indexes = songs_to_measure(plan, manifest.entries)
    measured: dict[int, float | None] = {}
    with (
        song_progress(stop, quiet=options.quiet, verbose=options.verbose) as shown,
        closing(measure_songs(plan, indexes, jobs=jobs)) as found,
    ):
        for index, lufs in found:
            stop.check()
            measured[index] = lufs
            shown.count("Listening", len(measured), len(indexes), plan.songs[index].label)
    return level_albums(plan, request, measured, manifest.entries)


def check_disk(plan: "BatchPlan", request: "BatchRequest", jobs: int) -> None:
    """Raise OutputError where the mixes will not fit; files that are replaced give their room to the new."""
    from mixcli.batching.disk import check_room, size_there

    wanted = [plan.songs[index] for index in plan.wanted][: request.limits.songs]
    there = size_there(song.paths.audio for song in wanted if song.paths is not None)
    kept = sum(song.kept_bytes for song in wanted)
    check_room(request.out, max(kept - there, 0), [song.working_bytes for song in wanted], jobs=jobs)


def mix_all(run: "BatchRun", options: BatchOptions, kind: str, stop: StopRequest) -> int:
    """Mix what the plan wants, and tell of it; returns the exit code. Interruptions end it in good order."""
    from mixcli.batching.dask_engine import SchedulerAway
    from mixcli.batching.run import SongEnded, SongRetried
    from mixcli.cli.batch_progress import shown_progress
    from mixcli.cli.batch_show import show_ended

    plan, request = run.plan, run.request
    documents: dict[int, dict[str, Any]] = {}
    interruption: Interrupted | None = None
    try:
        with shown_progress(kind, plan) as shown, closing(run.events()) as events:
            for event in events:
                stop.check()
                shown.see(event)
                if isinstance(event, SongEnded):
                    documents |= {event.index: event.done.document} if options.json else {}
                    if kind != "json":
                        with reader_may_leave(sys.stdout):
                            show_ended(plan.songs[event.index], event, request, options)
                elif isinstance(event, SongRetried) and kind != "json" and options.quiet < 2:
                    label = plan.songs[event.index].label
                    line(f"{label}: warning[W603]: its process died {event.how}; it is tried once more.")
                elif isinstance(event, SchedulerAway) and kind != "json" and options.quiet < 2:
                    line(f"warning[W606]: {event.why}; songs in hand are done again when it is back.")
    except Interrupted as interrupted:
        interruption = interrupted
    except OSError:
        if stop.signal_number is None:
            raise
        # a terminal that was closed sends SIGHUP, and takes no more: its bars cannot even be taken away
        interruption = Interrupted(stop.signal_number)
    return finish(run, options, kind, documents, interruption)


def finish(
    run: "BatchRun",
    options: BatchOptions,
    kind: str,
    documents: dict[int, dict[str, Any]],
    interruption: Interrupted | None,
) -> int:
    """The summary, the document and the counts; returns the exit code."""
    from mixcli.batching.summary import write_summary
    from mixcli.cli.batch_progress import write_event
    from mixcli.cli.batch_show import batch_document, show_counts
    from mixcli.mixing.result import to_json

    code = exit_code(run, interruption)
    try:
        if run.request.shard is None:  # of one share the others know nothing; --merge writes that of all
            write_summary(run.request.out, run.manifest.entries, n_left=run.n_left)
    except OutputError as error:
        show_error(error, quiet=options.quiet)
        code = code or error.exit_code
    document = batch_document(run, documents, interrupted=interruption is not None)
    if options.json:
        with reader_may_leave(sys.stdout):
            sys.stdout.write(to_json(document))
            sys.stdout.flush()
    if kind == "json":
        counts = document["counts"] | {"left": run.n_left, "exit_code": code}
        write_event("end", None, {"status": document["status"], **counts})
    else:
        show_counts(run, options, interrupted=interruption is not None)
    return code


def exit_code(run: "BatchRun", interruption: Interrupted | None) -> int:
    """130 and the like when interrupted, 75 when a limit left songs, 10 when a song failed, else 0."""
    if interruption is not None:
        return interruption.exit_code
    if run.n_left and run.stopped in ("songs", "time"):
        return STOPPED_EARLY
    return SOME_FAILED if run.counts["error"] else 0
