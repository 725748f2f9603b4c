"""Being asked to stop: signals become an exception that unwinds the program, so that temporary files go."""

import os
import signal
from contextlib import suppress
from types import FrameType

from mixcli.errors import Interrupted

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
SHOW_CURSOR = b"\x1b[?25h"


class StopRequest:
    """Remembers the signal that came, since an exception raised inside foreign code can get lost."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def install(self) -> None:
        """Handle the signals; one that is ignored stays so, and a second one is final."""
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._stop)

    def check(self) -> None:
        """Raise Interrupted if a signal came."""
        if self.signal_number is not None:
            raise Interrupted(self.signal_number)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self.signal_number = number
        # Progress bars hide the cursor, and after a second signal nothing is left that would show it again.
        with suppress(OSError, ValueError):  # a terminal that is gone
            if os.isatty(2):
                os.write(2, SHOW_CURSOR)
        raise Interrupted(number)
