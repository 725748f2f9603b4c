"""`mixcli eval`: how near mixes are to a human mix, beside baselines and other systems."""

import contextlib
import csv
import io
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mixcli.cli.eval_group import SCORE, ScoreByDefault, UnspokenCommand
from mixcli.cli.eval_options import EvalOptions, Library
from mixcli.cli.listen import listen
from mixcli.cli.parse import parse_number
from mixcli.cli.progress import count_progress
from mixcli.cli.show import line, result_line, show_error, show_notices
from mixcli.cli.spelled_out import spell_out_options
from mixcli.cli.stopping import StopRequest
from mixcli.errors import RequirementMissed, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mixcli.evaluation.plan import EvalPlan
    from mixcli.evaluation.request import EvalRequest
    from mixcli.evaluation.tables import ScreenTable

SOME_FAILED = 10
STDOUT = Path("-")

evaluate = typer.Typer(cls=ScoreByDefault, help="Score mixes against human mixes; make listening tests.")


@evaluate.command(SCORE, hidden=True, cls=UnspokenCommand)
@spell_out_options
def score(context: typer.Context, library: Library, *, options: EvalOptions) -> None:
    """Score mixes against human mixes, beside baselines and other systems.

    LIBRARY holds songs: stems with a mix beside them, which is the reference. Each is mixed, unless --no-mix;
    mixes of other systems come in with --system. Mixes are aligned and matched in loudness before they are
    compared; what that took is reported.

    The tables go to stdout.

    Another command makes a blind listening test of what --out DIR kept: mixcli eval listen DIR
    """
    from mixcli.cli.eval_request import build_eval_request
    from mixcli.evaluation.folders import results_held
    from mixcli.evaluation.plan import plan_evaluation
    from mixcli.evaluation.requirements import check_systems, parse_requirement
    from mixcli.measures.catalogue import KEYS_OF_MIXES

    started, clock = datetime.now(UTC), time.monotonic()
    request = build_eval_request(library, options)
    workers = worker_count(options.workers)
    plan = plan_evaluation(request)
    if not plan.systems:
        hint = "give --system NAME=FOLDER, or leave out --no-mix or --baselines none."
        raise UsageError("there is nothing to compare.", code="E215", hint=hint)
    by = labels_asked(options, plan)
    show_notices(plan.notices, quiet=options.quiet, verbose=options.verbose)
    for text in options.fail_if or []:  # a slip of the pen is told before hours of work, not after
        check_systems(parse_requirement(text, KEYS_OF_MIXES), [system.name for system in plan.systems])
    if options.dry_run:
        show_plan(plan, request, options)
        return
    with results_held(request):
        check_outputs(request, options)
        songs = score_songs(plan, request, options, context.obj, workers=workers)
        seconds = time.monotonic() - clock
        tell_results(plan, request, options, songs, by=by, started=started, seconds=seconds)


def score_songs(
    plan: "EvalPlan", request: "EvalRequest", options: EvalOptions, stop: StopRequest, *, workers: int
) -> list[dict[str, Any]]:
    """The songs' parts of the document, in order; what goes wrong is told on the way."""
    from mixcli.evaluation.run import run_evaluation

    songs: list[dict[str, Any]] = [{} for _ in plan.songs]
    show = {"quiet": options.quiet, "verbose": options.verbose}
    with count_progress(stop, "Songs", len(plan.songs), **show) as progress:
        for done in run_evaluation(plan, request, workers=workers):
            songs[done.index] = done.document
            progress(plan.songs[done.index].name)
            tell_song(done.document, options)
            keep_tracebacks(done.tracebacks, request, options)
    return songs


def tell_results(
    plan: "EvalPlan",
    request: "EvalRequest",
    options: EvalOptions,
    songs: list[dict[str, Any]],
    *,
    by: list[str],
    started: datetime,
    seconds: float,
) -> None:
    """Statistics, tables and files. Raises typer.Exit where a requirement was missed or a song failed."""
    from mixcli.evaluation.document import evaluation_document
    from mixcli.evaluation.requirements import check_requirements
    from mixcli.mixing.result import error_document

    document = evaluation_document(
        plan, request, songs, n_draws=options.bootstrap, by=by, started=started, seconds=seconds
    )
    document["requirements"] = check_requirements(options.fail_if or [], document)
    missed = missed_requirement(document)
    if missed is not None:
        document["errors"].append(error_document(missed))
    deliver(document, request, options)
    if missed is not None:
        show_error(missed, quiet=options.quiet)
        raise typer.Exit(missed.exit_code)
    if document["status"] != "ok":
        raise typer.Exit(SOME_FAILED)


def labels_asked(options: EvalOptions, plan: "EvalPlan") -> list[str]:
    """What medians are taken by. Raises UsageError E219 for a label that no song has."""
    words = [word.strip() for word in (options.by or "").split(",") if word.strip()]
    known = {"role"}.union(*(song.labels for song in plan.songs))
    for word in words:
        if word not in known:
            hint = "labels are the columns of --labels; role needs none."
            raise UsageError(f'--by: no song has a label "{word}".', code="E219", hint=hint)
    return words


def worker_count(text: str) -> int:
    """How many songs at the same time. Raises UsageError."""
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    number = parse_number("--workers", text)
    if number < 1 or number != int(number):
        raise UsageError(f'-j "{text}": a whole number from 1 on, or auto.', code="E203")
    return int(number)


def show_plan(plan: "EvalPlan", request: "EvalRequest", options: EvalOptions) -> None:
    """What would be compared, a line per song; nothing but headers is read."""
    from mixcli.evaluation.outline import outline_document
    from mixcli.mixing.result import to_json

    document = outline_document(plan, request)
    if options.json:
        sys.stdout.write(to_json(document))
        return
    for song in document["songs"]:
        reference = "no reference" if song["reference"] is None else f"reference {song['reference']}"
        told = [f"{song['n_stems']} stems", reference, *(f"no mix of {name}" for name in song["missing"])]
        told = [song["error"]["message"]] if song["error"] is not None else told
        result_line(f"{song['name']}: {', '.join(told)}")
    names = [system["name"] for system in document["systems"]]
    result_line(f"{len(plan.songs)} × {len(names)} systems: {', '.join(names)}")


def check_outputs(request: "EvalRequest", options: EvalOptions) -> None:
    """Raise OutputError, or UsageError E215, for results that could not be written after hours of work."""
    from mixcli.audio.output import atomic_output, output_folder

    taken = [] if request.out is None else [request.out / "eval.json", request.out / "report.html"]
    taken += [] if options.labels is None else [options.labels]
    if options.csv is not None and any(same_file(options.csv, path) for path in taken):
        message = f'--csv "{options.csv}" would write over another file.'
        raise UsageError(message, code="E215", hint="another name for --csv.")
    wanted = [] if request.out is None else [request.out / "eval.json"]
    wanted += [] if options.csv in (None, STDOUT) else [options.csv]
    for path in wanted:
        with output_folder(path.parent), contextlib.suppress(_Checked), atomic_output(path):
            raise _Checked


class _Checked(Exception):
    """Leaves an output before anything is written."""


def same_file(path: Path, other: Path) -> bool:
    """Whether two names are of one file."""
    return path.resolve() == other.resolve()


def tell_song(song: dict[str, Any], options: EvalOptions) -> None:
    """What went wrong in a song, on stderr."""
    if options.quiet > 1:
        return
    if song["error"] is not None:
        line(f"{song['name']}: error[{song['error']['code']}]: {song['error']['message']}")
    for notice in song["warnings"]:
        if notice["code"].startswith("W") or (options.verbose and not options.quiet):
            line(f"{song['name']}: warning[{notice['code']}]: {notice['message']}")
    for each in song["scores"]:
        for notice in each["warnings"]:
            line(f"{song['name']}: {each['system']}: warning[{notice['code']}]: {notice['message']}")
        if each["error"] is not None:
            error = each["error"]
            line(f"{song['name']}: {each['system']}: error[{error['code']}]: {error['message']}")
            if error.get("hint") and not options.quiet:
                line(f"  hint: {error['hint']}")


def keep_tracebacks(traces: tuple[str, ...], request: "EvalRequest", options: EvalOptions) -> None:
    """Bugs go into a log where results are kept, else to the screen with -vv."""
    if not traces:
        return
    if request.out is None:
        for text in traces if options.verbose > 1 else ():
            for each in text.splitlines():
                line(each)
        return
    request.out.mkdir(parents=True, exist_ok=True)
    with (request.out / "eval.log").open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write("\n".join(traces))


def deliver(document: dict[str, Any], request: "EvalRequest", options: EvalOptions) -> None:
    """Files first, then the document or the tables on stdout."""
    from mixcli.evaluation.tables import csv_rows, screen_tables
    from mixcli.mixing.result import to_json

    written: list[Path] = []
    if request.out is not None:
        written.append(write_text(request.out / "eval.json", to_json(document)))
    table = csv_text(csv_rows(document))
    csv_files = [options.csv, request.out / "eval.csv" if request.out is not None else None]
    written += [write_text(path, table) for path in csv_files if path not in (None, STDOUT)]
    if options.json or options.csv == STDOUT:
        sys.stdout.write(to_json(document) if options.json else table)
    else:
        for each in screen_tables(document):
            show_table(each)
    if options.report == "html" and request.out is not None:
        from mixcli.evaluation.report import write_report

        written.append(write_report(document, request.out))
    for path in written:
        if not options.quiet:
            line(f"wrote {path}")


def write_text(path: Path, text: str) -> Path:
    """Write a file whole or not at all. Raises OutputError."""
    from mixcli.audio.output import atomic_output, output_folder

    with output_folder(path.parent), atomic_output(path) as part:
        part.write_text(text, encoding="utf-8", newline="")
    return path


def csv_text(rows: "Sequence[Sequence[str]]") -> str:
    """Rows as the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def show_table(table: "ScreenTable") -> None:
    """A table on stdout: names left, numbers right."""
    rows = [table.headers, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headers))]
    result_line(table.title)
    for name, *cells in rows:
        numbers = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        result_line("  ".join([name.ljust(widths[0]), *numbers]).rstrip())
    for text in table.note.splitlines():
        result_line(text)
    result_line("")


def missed_requirement(document: dict[str, Any]) -> RequirementMissed | None:
    """What --fail-if found, in one error."""
    missed = [each for each in document["requirements"] if not each["met"]]
    if not missed:
        return None
    found = "; ".join(f"{each['text']} ({each['found']})" for each in missed)
    return RequirementMissed(f"--fail-if: {found}", code="E704")


evaluate.command("listen")(listen)
