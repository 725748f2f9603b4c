"""`mixcli mix`: one song folder into one finished mix."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from mixcli.cli.options import BALANCE, MixOptions, OutPath
from mixcli.cli.progress import song_progress
from mixcli.cli.show import (
    line,
    move_lines,
    path_line,
    result_line,
    show_error,
    show_notices,
    show_result,
    show_variant,
)
from mixcli.cli.song_options import SongFolder
from mixcli.cli.spelled_out import spell_out_options
from mixcli.cli.stopping import StopRequest
from mixcli.errors import UsageError

if TYPE_CHECKING:
    from mixcli.mixing.request import MixRequest
    from mixcli.mixing.result import MixResult

Variants = Annotated[
    int | None,
    typer.Option(
        "--variants",
        metavar="N",
        min=2,
        max=9,
        help="So many different mixes: as is, vocal up, drums forward, …",
        rich_help_panel=BALANCE,
        show_default=False,
    ),
]


@spell_out_options
def mix(
    context: typer.Context,
    song: SongFolder,
    out: OutPath = None,
    variants: Variants = None,
    *,
    options: MixOptions,
) -> None:
    """Mix one folder of stems to stereo.

    Beside the mix go its recipe, to edit and render again with --recipe, and its result as JSON.

    The path of the mix goes to stdout, everything else to stderr.

    WHAT is a role, a family, a bus or a file name. Options with GLOB, WHAT, ROLE, KEY, NAME may be repeated.
    """
    from mixcli.cli.request import build_request
    from mixcli.songs.cores import n_threads

    request = replace(build_request(song, out, options, if_exists="error"), processes=n_threads())
    if variants is not None and options.recipe is not None:
        message = "a recipe is one mix, so there are no variants of it."
        raise UsageError(message, code="E230", hint="--variants without --recipe.")
    if out == Path("-"):
        if variants is not None:
            raise UsageError('"-o -" writes one WAV and nothing else.', code="E207", hint="give -o a folder.")
        _mix_to_stdout(replace(request, out=None), options, context.obj)
    elif variants is not None:
        _mix_variants(request, variants, options, context.obj)
    else:
        _mix_to_file(request, options, context.obj)


def _mix_to_file(request: "MixRequest", options: MixOptions, stop: StopRequest) -> None:
    from mixcli.mixing.mix_song import mix_song, plan_only
    from mixcli.mixing.result import result_document, to_json

    with song_progress(stop, quiet=options.quiet, verbose=options.verbose) as progress:
        result = (plan_only if options.dry_run else mix_song)(request, progress.show)
    show_notices(result.notices, quiet=options.quiet, verbose=options.verbose)
    if options.json:
        sys.stdout.write(to_json(result_document(result)))
    elif result.status == "planned":
        result_line(f"would write {result.paths.audio}")
        for text in move_lines(result):
            result_line(text)
    else:
        show_result(result, quiet=options.quiet, verbose=options.verbose)
        path_line(result.paths.audio)
    _exit_if_missed([result], options)


def _mix_variants(request: "MixRequest", n_variants: int, options: MixOptions, stop: StopRequest) -> None:
    from mixcli.mixing.mix_variants import mix_variants, variants_document
    from mixcli.mixing.result import to_json

    results: list[MixResult] = []
    with song_progress(stop, quiet=options.quiet, verbose=options.verbose) as progress:
        for result in mix_variants(request, n_variants, progress.show, plan=options.dry_run):
            told = {notice for earlier in results for notice in earlier.notices}
            new = tuple(notice for notice in result.notices if notice not in told)
            show_notices(new, quiet=options.quiet, verbose=options.verbose)
            if not options.json:
                show_variant(result, quiet=options.quiet, verbose=options.verbose)
            results.append(result)
    if options.json:
        sys.stdout.write(to_json(variants_document(results)))
    elif not options.quiet and not options.dry_run:
        line("next: listen; edit the recipe beside the best and mix again with --recipe and another --name")
    _exit_if_missed(results, options)


def _exit_if_missed(results: "list[MixResult]", options: MixOptions) -> None:
    missed = [result.missed for result in results if result.missed is not None]
    for each in missed:
        show_error(each, quiet=options.quiet)
    if missed:
        raise typer.Exit(missed[0].exit_code)


def _mix_to_stdout(request: "MixRequest", options: MixOptions, stop: StopRequest) -> None:
    """Mix into a temporary folder, then copy the file: a pipe gets a whole WAV or nothing."""
    if options.json or options.dry_run or options.terms != "none" or options.format not in (None, "wav"):
        raise UsageError('"-o -" writes one WAV and nothing else.', code="E207", hint="give -o a folder.")
    from mixcli.mixing.mix_song import mix_song

    with TemporaryDirectory(prefix="mixcli-") as folder:
        asked = {**request.settings, "format": "wav"}
        with song_progress(stop, quiet=options.quiet, verbose=options.verbose) as progress:
            result = mix_song(replace(request, out=Path(folder, "mix.wav"), settings=asked), progress.show)
        show_notices(result.notices, quiet=options.quiet, verbose=options.verbose)
        show_result(result, quiet=options.quiet, verbose=options.verbose, kept=False)
        with result.paths.audio.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    _exit_if_missed([result], options)
