"""What people and programs read of a batch: its plan, a line per song, the counts at its end."""

import sys
from pathlib import Path
from typing import Any

from mixcli import __version__
from mixcli.audio.wording import clock_time, printable, size_text
from mixcli.batching.logs import log_path
from mixcli.batching.plan import BatchPlan, PlannedSong
from mixcli.batching.request import BatchRequest
from mixcli.batching.run import BatchRun, SongEnded
from mixcli.cli.batch_options import BatchOptions
from mixcli.cli.show import line, network_text, path_line, result_line
from mixcli.errors import SongError
from mixcli.mixing.result import error_document, shown_path, to_json

LIMITS = {
    "songs": "--max-songs was reached",
    "time": "the time of --stop-after is over",
    "failures": "too many failures",
}


def plan_document(plan: BatchPlan, request: BatchRequest) -> dict[str, Any]:
    """What a dry run prints with --json (schema mixcli.batch-plan/1)."""
    wanted = [plan.songs[index] for index in plan.wanted]
    return {
        "schema": "mixcli.batch-plan/1",
        "mixcli": __version__,
        "out": shown_path(request.out),
        "wanted": len(wanted),
        "duration": round(sum(song.duration_s or 0.0 for song in wanted), 3),
        "bytes": sum(song.kept_bytes for song in wanted),
        "songs": [song_plan(song) for song in plan.songs],
    }


def song_plan(song: PlannedSong) -> dict[str, Any]:
    """One song of the plan."""
    return {
        "song": song.label,
        "path": shown_path(song.request.folder),
        "mix": None if song.paths is None else shown_path(song.paths.audio),
        "state": song.state,
        "why": song.why,
        "wanted": song.wanted,
        "stems": song.n_stems,
        "duration": None if song.duration_s is None else round(song.duration_s, 3),
        "bytes": song.kept_bytes,
        "error": None if song.failure is None else error_document(song.failure),
    }


def show_plan(plan: BatchPlan, request: BatchRequest, options: BatchOptions) -> None:
    """What would be done, a line per song, and how much it is in all."""
    document = plan_document(plan, request)
    if options.json:
        sys.stdout.write(to_json(document))
        return
    for song in plan.songs:
        result_line(plan_line(song))
    if options.quiet:
        return
    free = f"about {size_text(document['bytes'])} on the disk"
    text = f"{document['wanted']} of {len(plan.songs)} songs to mix"
    line(f"{text}, {clock_time(document['duration'])} of audio, {free}" if plan.wanted else text)


def plan_line(song: PlannedSong) -> str:
    """A song, why it is made or not, its stems, its length, and where its mix goes."""
    as_asked = song.wanted or song.settling or song.state == "current"
    parts = [song.why if as_asked else f"{song.why}, not asked for"]
    if song.failure is not None:
        return f"{song.label}: {song.why}: {song.failure.message}"
    if song.n_stems is not None:
        parts.append(f"{song.n_stems} stem{'s' * (song.n_stems != 1)}")
    if song.duration_s is not None:
        parts.append(clock_time(song.duration_s))
    where = "" if song.paths is None else f" → {song.paths.audio}"
    return f"{song.label}: {', '.join(parts)}{where}"


def show_ended(song: PlannedSong, ended: SongEnded, request: BatchRequest, options: BatchOptions) -> None:
    """One song's path on stdout when it is mixed; what went wrong, and how it came out, on stderr."""
    document, label, quiet = ended.done.document, song.label, options.quiet
    for one in document["warnings"]:
        if (one["code"][0] == "W" and quiet < 2) or (options.verbose and not quiet):
            word = "warning" if one["code"][0] == "W" else "note"
            line(f"{label}: {word}[{one['code']}]: {one['message']}")
    if ended.status == "error":
        show_failure(song, ended, request, options)
    elif ended.status == "skipped":
        if options.verbose and not quiet:
            line(f"{label}: up to date")
    elif not quiet:
        line(f"{label}: {measured_text(document)}")
    if ended.status == "ok" and ended.done.audio is not None and not options.json:
        path_line(ended.done.audio)


def show_failure(song: PlannedSong, ended: SongEnded, request: BatchRequest, options: BatchOptions) -> None:
    """A failure in one line, and one with its hint."""
    if options.quiet > 1:
        return
    (error, *_) = ended.done.document["errors"]
    if ended.done.trace is not None:
        log = log_path(request.out, song.mix)
        line(f"{song.label}: error[E100]: a bug in mixcli; the traceback is in {log}")
        for text in ended.done.trace.splitlines() if options.verbose > 1 else ():
            line(text)
        return
    line(f"{song.label}: error[{error['code']}]: {error['message']}")
    if error["hint"] and not options.quiet:
        line(f"  hint: {error['hint']}")


def measured_text(document: dict[str, Any]) -> str:
    """How a mix came out, in one line."""
    (output,) = document["outputs"]
    lufs, peak = output["integrated_lufs"], output["true_peak_dbtp"]
    loud = "no loudness" if lufs is None else f"{lufs:.1f} LUFS".replace("-", "−")
    high = "silence" if peak is None else f"{peak:.1f} dBTP".replace("-", "−")
    most = document["loudness"]["max_reduction_db"] or 0.0
    limiter = f"limiter: {most:.1f} dB at most" if most > 0 else "no limiting"
    model = document["model"]
    by = "console alone"
    if model is not None:
        by = network_text(model["name"], model["amount"], model["familiarity"], model["held_to"])
    return f"{loud}, {high} ({limiter}; {by})"


def batch_document(
    run: BatchRun, documents: dict[int, dict[str, Any]], *, interrupted: bool
) -> dict[str, Any]:
    """What --json prints at the end (schema mixcli.batch/1)."""
    counts = run.counts
    status = "interrupted" if interrupted else "stopped" if run.stopped else "done"
    return {
        "schema": "mixcli.batch/1",
        "mixcli": __version__,
        "status": status,
        "stopped_by": run.stopped,
        "counts": {"ok": counts["ok"], "skipped": counts["skipped"], "failed": counts["error"]},
        "settling": sum(song.settling for song in run.plan.songs),
        "left": run.n_left,
        "songs": [documents[index] for index in sorted(documents)],
    }


def show_merged(out: Path, named: list[Path], options: BatchOptions) -> None:
    """Take the manifests of shares, and those that are named, into the one of the whole; say what came."""
    from mixcli.batching.shards import hold_output, merge_shares
    from mixcli.batching.summary import write_summary

    for path in named:
        if not path.is_file():
            hint = "--merge takes manifests: FILE.jsonl; those of the shares in --out are found."
            raise SongError(f'no manifest "{printable(str(path))}".', code="E309", hint=hint)
    if not out.is_dir():
        raise SongError(f'no folder "{printable(str(out))}".', code="E301")
    with hold_output(out, None):
        manifest, n_new = merge_shares(out, named)
        page = write_summary(out, manifest.entries, n_left=0)[1]
    failed = sum(entry["status"] != "ok" for entry in manifest.entries.values())
    counts = {"mixes": len(manifest.entries) - failed, "failed": failed, "new": n_new}
    if options.json:
        document = {"schema": "mixcli.batch-merge/1", "mixcli": __version__, "out": shown_path(out), **counts}
        sys.stdout.write(to_json(document))
        return
    path_line(page)
    if not options.quiet:
        line(f"{counts['mixes']} mixed, {failed} failed; {n_new} new to the manifest")


def show_counts(run: BatchRun, options: BatchOptions, *, interrupted: bool) -> None:
    """The counts, and how to go on."""
    if options.quiet > 1:
        return
    counts, left = run.counts, run.n_left
    text = f"{counts['ok']} mixed, {counts['skipped']} up to date, {counts['error']} failed"
    settling = sum(song.settling for song in run.plan.songs)
    others = len(run.plan.songs) - len(run.plan.wanted) - counts["skipped"] - settling
    text += f", {others} not asked for" if others and not interrupted else ""
    text += f", {settling} still changing" if settling else ""
    line(text + (f", {left} left" if left else ""))
    if interrupted:
        line("interrupted; nothing was left half written. The same command goes on where this one ended.")
    elif run.stopped is not None and left:
        line(f"stopped: {LIMITS[run.stopped]}. The same command goes on.")
    elif counts["error"] and not options.quiet:
        line("the same command again tries the failed songs once more; --only failed tries them alone")
