"""Prepared songs on disk: made once, memory-mapped after that, never half there.

A song is two files: `NAME-KEY.npy`, float32 [K + 2, T] with the inputs and below them the target, and
`NAME-KEY.json`, written last, that says what is in it. A song that was refused has the second alone. Letters:
K inputs, T samples.
"""

import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.output import atomic_output
from mixcli.audio.wording import printable, size_text
from mixcli.errors import OutputError

SCHEMA = "mixcli.prepared-song/1"
KEY_DIGITS = 20
HEADER_BYTES = 128  # of a .npy file, about
N_PAGES, PAGE_BYTES = 64, 4096  # what is looked at before a file is believed
END_BYTES = 65_536  # of either end of a sound file, beside its size and time of change

Prepared = NDArray[np.float32]
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Kept:
    """What is held of a song: `arrays_KT` with K inputs and 2 of the target, None if it was refused."""

    facts: Facts
    arrays_KT: Prepared | None


class PreparedCache:
    """The prepared songs in one folder. Files that are damaged or of another version count as not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, name: str, key: str) -> Kept | None:
        """What is kept under a key, checked and memory-mapped, or None where it has to be made (again)."""
        try:
            document = json.loads(self._path(name, key, "json").read_text("utf-8"))
            if document["schema"] != SCHEMA or document["key"] != key:
                return None
            if document["shape"] is None:
                return Kept(document["facts"], None)
            path = self._path(name, key, "npy")
            if path.stat().st_size != document["bytes"] or _pages(path) != document["pages"]:
                return None
            arrays_KT = np.load(path, mmap_mode="r", allow_pickle=False)
            if list(arrays_KT.shape) != document["shape"] or arrays_KT.dtype != np.float32:
                return None
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return Kept(document["facts"], arrays_KT)

    def write(self, name: str, key: str, shape: tuple[int, int], fill: Callable[[Prepared], Facts]) -> Kept:
        """Make room for a song, let `fill` write into it and return its facts, and keep both.

        If `fill` raises, nothing is kept. Raises OutputError E502.
        """
        path = self._path(name, key, "npy")
        needs_bytes = shape[0] * shape[1] * 4
        with atomic_output(path, needs_bytes=needs_bytes) as partial:
            arrays_KT = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
            _allocate(partial)
            facts = fill(arrays_KT)
            arrays_KT.flush()
            del arrays_KT
            n_bytes, pages = partial.stat().st_size, _pages(partial)
        self._write_facts(name, key, facts, shape=list(shape), n_bytes=n_bytes, pages=pages)
        kept = self.read(name, key)
        if kept is None:
            message = f'"{path.name}" in the cache cannot be read back.'
            raise OutputError(message, code="E502", hint="another --cache, on a disk that works.")
        return kept

    def refuse(self, name: str, key: str, reason: str) -> None:
        """Keep the reason why a song cannot be prepared. Raises OutputError E502."""
        self._write_facts(name, key, {"refused": reason}, shape=None, n_bytes=0, pages=None)

    def _write_facts(
        self, name: str, key: str, facts: Facts, *, shape: list[int] | None, n_bytes: int, pages: int | None
    ) -> None:
        document = {
            "schema": SCHEMA,
            "song": name,
            "key": key,
            "shape": shape,
            "bytes": n_bytes,
            "pages": pages,
            "facts": dict(facts),
        }
        with atomic_output(self._path(name, key, "json")) as partial:
            partial.write_text(json.dumps(document, indent=1) + "\n", "utf-8")

    def _path(self, name: str, key: str, suffix: str) -> Path:
        plain = re.sub(r"[^A-Za-z0-9._~-]+", "_", name).strip("._")[:80] or "song"
        return self.folder / f"{plain}-{key[:KEY_DIGITS]}.{suffix}"


def content_key(*parts: object) -> str:
    """One digest of all that a prepared song depends on; the parts are plain data, or texts of it."""
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_stamp(path: Path) -> str:
    """A digest of a file's size, time of change, and both its ends; the whole is not read. Raises OSError."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        digest = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
        digest.update(file.read(END_BYTES))
        file.seek(max(0, status.st_size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return digest.hexdigest()


def prepared_bytes(n_inputs: int, n_samples: int) -> int:
    """What a prepared song takes on the disk."""
    return (n_inputs + 2) * n_samples * 4 + HEADER_BYTES


def check_room(folder: Path, needs_bytes: int) -> None:
    """Raise OutputError E502 where what is to be prepared will not fit on the disk."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        free = shutil.disk_usage(there).free
    except OSError:
        return
    if needs_bytes > free:
        message = (
            f'cannot write to "{printable(str(folder))}": no space left (the prepared songs need about'
            f" {size_text(needs_bytes)}, {size_text(free)} free). Nothing was begun."
        )
        hint = "free some space, another --cache, or fewer songs."
        raise OutputError(message, code="E502", hint=hint)


def _allocate(path: Path) -> None:
    """Take the room on the disk now: a full disk is an error here, and would be a signal later."""
    if hasattr(os, "posix_fallocate"):
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.posix_fallocate(descriptor, 0, path.stat().st_size)
        finally:
            os.close(descriptor)


def _pages(path: Path) -> int:
    """A checksum of pages spread over a file, the first and the last among them."""
    checksum = 0
    with path.open("rb") as file:
        last = max(0, os.fstat(file.fileno()).st_size - PAGE_BYTES)
        for number in range(N_PAGES):
            file.seek(last * number // (N_PAGES - 1))
            checksum = zlib.crc32(file.read(PAGE_BYTES), checksum)
    return checksum
