"""Audio kept on disk between two passes over it."""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.parts import create_part, output_error
from mixcli.audio.raw_output import write_all

SEED_HEX_DIGITS = 32  # 128 bits, what numpy's generators take


class ScratchFile:
    """Float32 blocks of one stream, appended once and read as often as needed, in a folder that must exist.

    The file has no name in the folder once it is open (where the system allows that), so nothing is left
    behind even by a killed process; elsewhere it goes when it is closed. Raises OutputError E502 when it
    cannot be written.
    """

    def __init__(self, folder: Path, n_channels: int) -> None:
        """Create the file in `folder`."""
        self.n_channels = n_channels
        self.n_samples = 0
        self._folder = folder
        self._hash = hashlib.sha256()
        try:
            self._path, descriptor = create_part(folder, "scratch")
        except OSError as error:
            raise output_error(folder, error) from error
        self._file = io.FileIO(descriptor, "r+")
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def digest(self) -> str:
        """SHA-256 of all samples so far, as little-endian float32, in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def seed(self) -> int:
        """A seed for random numbers that depends on the content alone, 0 to 2^128 - 1."""
        return int(self.digest[:SEED_HEX_DIGITS], 16)

    def append(self, block_TC: NDArray[np.float32]) -> None:
        """Add a block [T, C] at the end."""
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block is [T, {self.n_channels}], not {block_TC.shape}")
        data = np.ascontiguousarray(block_TC, dtype="<f4").tobytes()
        try:
            self._file.seek(0, os.SEEK_END)
            write_all(self._file.fileno(), data)
        except OSError as error:
            raise output_error(self._folder, error) from error
        self._hash.update(data)
        self.n_samples += len(block_TC)

    def read(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """The samples from `start` on, [<= n_samples, C]; fewer at the end of the file."""
        n_samples = max(min(n_samples, self.n_samples - start), 0)
        block_TC = np.empty((n_samples, self.n_channels), "<f4")
        rest = block_TC.reshape(-1).view(np.uint8).data
        try:
            self._file.seek(start * self.n_channels * block_TC.itemsize)
            while rest:
                n_read = self._file.readinto(rest)
                if not n_read:
                    raise OSError(None, "the scratch file ends early")
                rest = rest[n_read:]
        except OSError as error:
            raise output_error(self._folder, error) from error
        return block_TC.astype(np.float32, copy=False)

    def blocks(self, n_samples: int) -> Iterator[NDArray[np.float32]]:
        """All samples from the start, in blocks [<= n_samples, C]; several may be under way at a time."""
        for start in range(0, self.n_samples, n_samples):
            yield self.read(start, n_samples)

    def close(self) -> None:
        """Give the disk space back; closing twice does no harm."""
        self._file.close()
        self._remove()

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # gone already, or a system that removes no open file
            os.unlink(self._path)
