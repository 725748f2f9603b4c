"""`mixcli batch`: every song of a library."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixcli.cli.options import OUTPUT, MixOptions
from mixcli.cli.progress import song_progress
from mixcli.cli.show import line, loudness_lines, path_line, result_line, show_error, show_notices
from mixcli.cli.spelled_out import spell_out_options
from mixcli.errors import UsageError

if TYPE_CHECKING:
    from mixcli.batching.run import PlannedSong
    from mixcli.mixing.request import Progress
    from mixcli.mixing.result import MixFailure, MixResult

SOME_FAILED = 10

LibraryFolder = Annotated[
    Path,
    typer.Argument(metavar="LIBRARY", help="A folder with songs somewhere below it.", show_default=False),
]
BatchOut = Annotated[
    Path,
    typer.Option(
        "-o", "--out", metavar="DIR", help="Where the mixes go; folders are kept.", rich_help_panel=OUTPUT
    ),
]


@spell_out_options
def batch(
    context: typer.Context, library: LibraryFolder, out: BatchOut = Path("mixes"), *, options: MixOptions
) -> None:
    """Mix every song below a folder, one after the other.

    A song is a folder with at least two stems. The options are those of mix, and hold for every song.

    Mixes whose stems and settings have not changed are skipped. A song that fails is reported.

    The same command again does what is left.
    """
    if options.recipe is not None:
        raise UsageError("--recipe belongs to one song.", code="E208", hint="mixcli mix SONG --recipe FILE")
    from mixcli.batching.run import plan_batch, run_batch
    from mixcli.cli.request import build_request

    request = build_request(library, out, options, if_exists="skip")
    songs = plan_batch(library, out, request)
    if [song.relative for song in songs] == ["."] and options.quiet < 2:
        line(f'warning[W306]: "{songs[0].label}" is one song; mixing it.')
    if options.dry_run:
        for song in songs:
            result_line(song.label)
        return
    tally = Tally(wants_documents=options.json)
    show = {"quiet": options.quiet, "verbose": options.verbose}
    with song_progress(context.obj, **show, n_songs=len(songs)) as progress:

        def announce(index: int, song: "PlannedSong") -> "Progress":
            progress.begin(index, song.label)
            if options.verbose and not options.quiet:
                line(f"[{index + 1}/{len(songs)}] {song.label}")
            return progress.show

        for index, outcome in enumerate(run_batch(songs, announce)):
            tally.add(outcome)
            show_outcome(songs[index].label, outcome, options, log=out / "batch.log")
    finish(tally, options)


class Tally:
    """What a batch keeps of its songs: counts, and the documents that --json prints at the end."""

    def __init__(self, *, wants_documents: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.documents: list[dict[str, Any]] | None = [] if wants_documents else None

    def add(self, outcome: "MixResult | MixFailure") -> None:
        """Count a song."""
        from mixcli.mixing.result import MixFailure, failure_document, result_document

        self.counts["failed" if isinstance(outcome, MixFailure) else outcome.status] += 1
        if self.documents is not None:
            self.documents.append(
                failure_document(outcome) if isinstance(outcome, MixFailure) else result_document(outcome)
            )


def show_outcome(relative: str, outcome: "MixResult | MixFailure", options: MixOptions, *, log: Path) -> None:
    """One song's line: its path on stdout when made, its failure on stderr; tracebacks go to the log."""
    from mixcli.mixing.result import MixFailure

    if isinstance(outcome, MixFailure):
        if outcome.error is not None:
            show_error(outcome.error, quiet=options.quiet, prefix=f"{relative}: ")
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{relative}\n{outcome.traceback}\n")
            line(f"{relative}: error[E100]: a bug in mixcli; the traceback is in {log}")
        return
    show_notices(outcome.notices, quiet=options.quiet or 1, verbose=options.verbose, prefix=f"{relative}: ")
    if outcome.status == "skipped":
        if options.verbose:
            line(f"{relative}: up to date")
        return
    if not options.quiet:
        line(f"{relative}: {'; '.join(loudness_lines(outcome))}")
    if not options.json:
        path_line(outcome.paths.audio)


def finish(tally: Tally, options: MixOptions) -> None:
    """The counts, the JSON document, and exit code 10 when a song failed."""
    from mixcli import __version__
    from mixcli.mixing.result import to_json

    counts = {"ok": tally.counts["ok"], "skipped": tally.counts["skipped"], "failed": tally.counts["failed"]}
    if tally.documents is not None:
        document = {
            "schema": "mixcli.batch/1",
            "mixcli": __version__,
            "counts": counts,
            "songs": tally.documents,
        }
        sys.stdout.write(to_json(document))
    if options.quiet < 2:
        line(f"{counts['ok']} mixed, {counts['skipped']} up to date, {counts['failed']} failed")
    if counts["failed"]:
        if options.quiet < 1:
            line("the same command again tries the failed songs once more")
        raise typer.Exit(SOME_FAILED)
