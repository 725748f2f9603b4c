"""Who reads what a batch says may leave: the batch goes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Write to a stream whose reader may be gone (`| head`); from then on it leads nowhere.

    Songs are mixed for their files, and the exit code must be that of the songs.
    """
    try:
        yield
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
