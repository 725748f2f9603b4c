"""A file being written, by descriptor: all bytes go through `os.write`, all failures are OutputErrors."""

import os
from pathlib import Path

from mixcli.audio.parts import output_error


class RawOutput:
    """An open file for writing in one place after another; `path` must exist or be creatable."""

    def __init__(self, path: Path) -> None:
        """Open and empty the file; raises OutputError E502."""
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            self._descriptor: int | None = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise output_error(path.parent, error) from error

    def write(self, data: bytes) -> int:
        """Write all of `data` at the current position; raises OutputError E502."""
        try:
            write_all(self._open_descriptor(), data)
        except OSError as error:
            raise output_error(self.path.parent, error) from error
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, as files do."""
        return os.lseek(self._open_descriptor(), offset, whence)

    def tell(self) -> int:
        """The position, in bytes."""
        return os.lseek(self._open_descriptor(), 0, os.SEEK_CUR)

    def close(self) -> None:
        """Close the file; closing twice does no harm. Raises OutputError E502 (network disks fail here)."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            os.close(descriptor)
        except OSError as error:
            raise output_error(self.path.parent, error) from error

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise ValueError("the file is closed")
        return self._descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes, however many the system takes at a time; raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
