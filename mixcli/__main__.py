"""The door of the program: `mixcli` and `python -m mixcli`."""

import os
import sys

from mixcli.cli.stopping import StopRequest
from mixcli.errors import Interrupted
from mixcli.freed_memory import keep_freed_memory


def run() -> None:
    """Run the command line; never returns. Signals are heeded from before the rest is imported.

    numpy's products stay in one thread, unless the environment says otherwise: all are small here, and the
    threads cost more than they give. It must be said before numpy is imported. Processes that are begun load
    no modules from the current folder, which may be a song of somebody else.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    keep_freed_memory()
    stop = StopRequest()
    stop.install()
    try:
        from mixcli.cli.main import main

        main(stop)
    except Interrupted as interruption:
        sys.exit(interruption.exit_code)


if __name__ == "__main__":
    run()
