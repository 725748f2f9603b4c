"""The command `mixcli`: its subcommands, and the one place where failures become lines and exit codes."""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from mixcli import __version__
from mixcli.cli.batch import batch
from mixcli.cli.demo import demo
from mixcli.cli.doctor import doctor
from mixcli.cli.inspect import inspect
from mixcli.cli.mix import mix
from mixcli.cli.presets import presets
from mixcli.cli.show import line, show_error
from mixcli.errors import Interrupted, MixcliError

EPILOG = (
    "Exit codes: 0 done · 1 bug · 2 usage · 3 bad input · 4 bad preset, recipe or model · 5 cannot write · "
    "6 device · 7 requirement missed · 10 some songs failed · 130/143 interrupted"
)

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
app.command()(demo)
app.command()(doctor)
app.add_typer(presets, name="presets")


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


def main() -> None:
    """Run the command line; never returns."""
    use_utf8()
    install_signal_handlers()
    try:
        app()
    except MixcliError as error:
        report_error(error)
        sys.exit(error.exit_code)
    except Interrupted as interruption:
        line("interrupted; nothing was left half written. The same command starts again.")
        sys.exit(interruption.exit_code)
    except BrokenPipeError:
        # the reader has gone (| head): point stdout elsewhere so that the interpreter's last flush is quiet
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        line("error[E602]: out of memory.\n  hint: close other programs, or mix fewer stems at once.")
        sys.exit(6)
    except Exception as error:
        if "-vv" in sys.argv:
            traceback.print_exc()
        line(f"error[E100]: unexpected error, a bug in mixcli: {type(error).__name__}: {error}")
        line("  hint: the same command with -vv shows the traceback; mixcli doctor tells of this machine.")
        sys.exit(1)


def report_error(error: MixcliError) -> None:
    """One line, and one with the hint, on stderr; with --json also the result document on stdout."""
    show_error(error, quiet=2 if "-qq" in sys.argv else 0)
    if "--json" in sys.argv:
        import json

        described = {"code": error.code, "message": error.message, "hint": error.hint}
        document = {
            "schema": "mixcli.result/1",
            "status": "error",
            "mixcli": __version__,
            "outputs": [],
            "warnings": [],
            "errors": [described],
        }
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def use_utf8() -> None:
    """Write UTF-8 wherever output is redirected; what cannot be shown is replaced, never a crash."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def install_signal_handlers() -> None:
    """Make SIGINT, SIGTERM and SIGHUP unwind the program, so that temporary files go; a second is final."""

    def stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Interrupted(number)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
