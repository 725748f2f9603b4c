"""Being asked to stop while a network learns: the step is finished and saved, a second time is final."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from mixcli.cli.stopping import SIGNALS
from mixcli.errors import Interrupted


class GentleStop:
    """Remembers the first signal that comes in the block; the second raises Interrupted at once."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def was_asked(self) -> bool:
        """Whether a signal came."""
        return self.signal_number is not None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number; that of SIGTERM where another process of the run got the signal."""
        return 128 + (signal.SIGTERM if self.signal_number is None else self.signal_number)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.signal_number is not None:
            raise Interrupted(number)
        self.signal_number = number
