"""The door of the program: `mixcli` and `python -m mixcli`."""

import sys

from mixcli.cli.stopping import StopRequest
from mixcli.errors import Interrupted


def run() -> None:
    """Run the command line; never returns. Signals are heeded from before the rest is imported."""
    stop = StopRequest()
    stop.install()
    try:
        from mixcli.cli.main import main

        main(stop)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


if __name__ == "__main__":
    run()
