"""`mixcli mix`: one song folder into one finished mix."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from mixcli.cli.options import MixOptions, OutPath
from mixcli.cli.progress import song_progress
from mixcli.cli.show import move_lines, path_line, result_line, show_error, show_notices, show_result
from mixcli.cli.song_options import SongFolder
from mixcli.cli.spelled_out import spell_out_options
from mixcli.cli.stopping import StopRequest
from mixcli.errors import UsageError

if TYPE_CHECKING:
    from mixcli.mixing.request import MixRequest


@spell_out_options
def mix(context: typer.Context, song: SongFolder, out: OutPath = None, *, options: MixOptions) -> None:
    """Mix one folder of stems to stereo.

    Beside the mix go its recipe, to edit and render again with --recipe, and its result as JSON.

    The path of the mix goes to stdout, everything else to stderr.

    WHAT is a role, a family, a bus or a file name. Options with GLOB, WHAT, ROLE or KEY may be repeated.
    """
    from mixcli.cli.request import build_request

    request = build_request(song, out, options, if_exists="error")
    if out == Path("-"):
        _mix_to_stdout(replace(request, out=None), options, context.obj)
        return
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
    if result.missed is not None:
        show_error(result.missed, quiet=options.quiet)
        raise typer.Exit(result.missed.exit_code)


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
    if result.missed is not None:
        show_error(result.missed, quiet=options.quiet)
        raise typer.Exit(result.missed.exit_code)
