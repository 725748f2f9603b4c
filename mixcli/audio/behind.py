"""Work on the blocks of a stream in a thread beside the one that makes them."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

MOST_WAITING = 2  # blocks: they are all the memory it takes

Block = TypeVar("Block")


class Behind(Generic[Block]):
    """Calls a function for one block after another, in order, in a thread of its own.

    What the function does is the same as if it were called at once; only the caller goes on meanwhile, a few
    blocks ahead. A context manager: at its end all calls are done. What the function raises is raised by a
    later `push` or at the end, and blocks after it are dropped.
    """

    def __init__(self, function: Callable[[Block], object]) -> None:
        self._function = function
        self._waiting: deque[Future[object]] = deque()
        self._pool = ThreadPoolExecutor(1)
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while error is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def push(self, block: Block) -> None:
        """Have the function called with a block, which must not be changed any more."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(self._call, block))

    def _call(self, block: Block) -> None:
        if self._failed:
            return
        try:
            self._function(block)
        except BaseException:
            self._failed = True
            raise
