"""The command `mixcli`: its subcommands, and the one place where failures become lines and exit codes."""

import errno
import io
import os
import sys
import traceback
from typing import Annotated, NoReturn, TextIO

import typer

from mixcli import __version__
from mixcli.cli.batch import batch
from mixcli.cli.demo import demo
from mixcli.cli.doctor import doctor
from mixcli.cli.eval import evaluate
from mixcli.cli.inspect import inspect
from mixcli.cli.mix import mix
from mixcli.cli.models import models
from mixcli.cli.presets import presets
from mixcli.cli.show import line, show_error
from mixcli.cli.stopping import StopRequest
from mixcli.cli.train import train
from mixcli.errors import DeviceError, Interrupted, MixcliError, OutputError, UsageError

EPILOG = (
    "Exit codes: 0 done · 1 bug · 2 usage · 3 bad input · 4 bad preset, recipe or model · 5 cannot write · "
    "6 device · 7 requirement missed · 8 training diverged · 10 some songs failed · 75 stopped early · "
    "130/143 interrupted"
)

STREAM_FAILURES = (errno.ENOSPC, errno.EIO, errno.EBADF)  # of stdout: a full device, a closed stream

app = typer.Typer(
    name="mixcli",
    help="Turn folders of stems into finished stereo mixes, offline.",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(mix)
app.command()(batch)
app.command()(inspect)
app.add_typer(evaluate, name="eval")
app.command()(train)
app.command()(demo)
app.command()(doctor)
app.add_typer(presets, name="presets")
app.add_typer(models, name="models")


def show_version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"mixcli {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("-V", "--version", callback=show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Show the help when no command is given."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(stop: StopRequest) -> None:
    """Run the command line; never returns."""
    open_streams()
    try:
        refuse_empty_words(sys.argv[1:])
        code = run_app(stop)
    except Interrupted as interruption:
        line("interrupted; nothing was left half written. The same command starts again.")
        code = interruption.exit_code
    except MixcliError as error:
        report_error(error)
        code = error.exit_code
    except BrokenPipeError:
        code = 0  # the reader has gone (| head): nobody is left to tell
    except MemoryError:
        report_error(DeviceError("out of memory.", code="E602", hint="close other programs."))
        code = DeviceError.exit_code
    leave(code)


def refuse_empty_words(words: list[str]) -> None:
    """Raise UsageError E211 for a word with nothing in it: as a path it would be the current folder."""
    for number, word in enumerate(words, start=1):
        if not word.strip():
            message = f"word {number} of the command line is empty."
            raise UsageError(message, code="E211", hint="is a variable of the shell not set?")


def run_app(stop: StopRequest) -> int:
    """Run the command that was typed; returns the exit code. Bugs become one line, and code 1."""
    try:
        app(obj=stop)
    except SystemExit as done:
        # Typer's own answer to a reader that has gone is 1, the code of a bug
        gone = isinstance(done.__context__, BrokenPipeError)
        return 0 if gone or not isinstance(done.code, int) else done.code
    except (MixcliError, BrokenPipeError, MemoryError):
        raise
    except OSError as error:
        if error.errno not in STREAM_FAILURES or error.filename is not None:
            return report_bug(stop, error)
        raise OutputError(f"cannot write the output: {error.strerror}.", code="E508") from error
    except Exception as error:
        return report_bug(stop, error)
    return 0


def report_bug(stop: StopRequest, error: Exception) -> int:
    """One line for what should never happen, unless it is what foreign code made of a signal."""
    stop.check()
    if "-vv" in sys.argv:
        traceback.print_exc()
    line(f"error[E100]: unexpected error, a bug in mixcli: {type(error).__name__}: {error}")
    line("  hint: the same command with -vv shows the traceback; mixcli doctor tells of this machine.")
    return 1


def report_error(error: MixcliError) -> None:
    """One line, and one with the hint, on stderr; with --json also the result document on stdout."""
    show_error(error, quiet=typed_quiet())
    if "--json" in sys.argv:
        from mixcli.mixing.result import bare_error_document, to_json

        sys.stdout.write(to_json(bare_error_document(error)))


def typed_quiet() -> int:
    """How often -q was typed; a failure may come before the options are read."""
    short = [word for word in sys.argv[1:] if word.startswith("-") and word.strip("-qv") == ""]
    return sys.argv.count("--quiet") + sum(word.count("q") for word in short)


def open_streams() -> None:
    """Make stdout and stderr usable: closed ones lead nowhere, and what cannot be shown is escaped."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the rest of the program
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # for the rest of the program
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def leave(code: int) -> NoReturn:
    """Flush what is left and end; a stream that takes no more costs code 5, or nothing if its reader left."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _point_nowhere(sys.stdout)
    except OSError as error:
        line(f"error[E508]: cannot write the output: {error.strerror}.")
        _point_nowhere(sys.stdout)
        code = code or OutputError.exit_code
    try:
        sys.stderr.flush()
    except OSError:
        _point_nowhere(sys.stderr)
    sys.exit(code)


def _point_nowhere(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
