"""The journal of a batch: `manifest.jsonl`, one line per song that was finished or failed."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mixcli.audio.output import atomic_output
from mixcli.audio.parts import output_error
from mixcli.audio.raw_output import write_all

NAME = "manifest.jsonl"
SCHEMA = "mixcli.manifest/1"
SUM = ',"sum":"'
SUM_DIGITS = 12
LINES_KEPT = 1000  # a journal is written anew, with its last words alone, once it has this many more

Entry = dict[str, Any]


class Manifest:
    """What is known of the songs in an output folder: the last line of each, by the path of its mix.

    Reading never fails for what the file holds: a line that is cut short or damaged is passed over, and only
    its song is done again. Open it (as a context manager) to add lines. `others` are manifests that are read
    too, of other shares of the library: of the entries of a mix the latest counts. Raises OutputError E502.
    """

    def __init__(self, path: Path, *, others: Iterable[Path] = ()) -> None:
        self.path = path
        self.entries: dict[str, Entry] = {}  # of this one and the others
        self._own: dict[str, Entry] = {}
        self.n_damaged = 0
        self._n_lines = 0
        self._n_bytes = 0  # up to the end of the last whole line
        self._descriptor: int | None = None
        self._read()
        self.entries |= self._own
        for other in others:
            for mix, entry in Manifest(other)._own.items():
                known = self.entries.get(mix)
                if known is None or entry.get("finished", "") >= known.get("finished", ""):
                    self.entries[mix] = entry

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # torn as it was written: it counts as if it were not there
                    self._n_bytes += len(line)
                    self._n_lines += 1
                    entry = read_line(line)
                    if entry is None:
                        self.n_damaged += 1
                    else:
                        self._own[entry["mix"]] = entry
        except FileNotFoundError:
            return
        except OSError as error:
            raise output_error(self.path.parent, error) from error

    def __enter__(self) -> Self:
        """Open the journal for adding lines: what is torn is cut off, and a long one is written anew."""
        is_long = self._n_lines > 2 * len(self._own) + LINES_KEPT
        if is_long or self.n_damaged or not self.path.exists():
            self._rewrite(self._own.values())
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        try:
            self._descriptor = os.open(self.path, flags | getattr(os, "O_BINARY", 0), 0o666)
            os.ftruncate(self._descriptor, self._n_bytes)
            os.fsync(self._descriptor)
        except OSError as error:
            raise output_error(self.path.parent, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def add(self, entry: Entry) -> None:
        """Write a line, whole and to the disk; a line that cannot be written whole is taken back."""
        if self._descriptor is None:
            raise ValueError("the manifest is not open")
        line = write_line(entry)
        try:
            write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self._n_bytes)
            raise output_error(self.path.parent, error) from error
        self._n_bytes += len(line)
        self._n_lines += 1
        self.entries[entry["mix"]] = self._own[entry["mix"]] = entry

    def take_over(self) -> int:
        """Write all that the others alone know into this one; returns how many entries that were."""
        foreign = {mix: entry for mix, entry in self.entries.items() if self._own.get(mix) != entry}
        if foreign:
            self._own |= foreign
            self._rewrite(self._own.values())
        return len(foreign)

    def _rewrite(self, entries: Iterable[Entry]) -> None:
        lines = [write_line(entry) for entry in entries]
        with atomic_output(self.path) as part:
            part.write_bytes(b"".join(lines))
        self._n_lines, self._n_bytes = len(lines), sum(map(len, lines))


def write_line(entry: Entry) -> bytes:
    """An entry as a line: JSON whose last key is a digest of all that stands before it."""
    text = json.dumps({"schema": SCHEMA, **entry}, allow_nan=False, separators=(",", ":"))[:-1]
    return f'{text}{SUM}{_digest(text)}"}}\n'.encode("ascii")


def read_line(line: bytes) -> Entry | None:
    """The entry of a line, or None if it is not whole or of another kind."""
    try:
        text, mark, rest = line.decode("ascii").rpartition(SUM)
        if not mark or rest != f'{_digest(text)}"}}\n':
            return None
        entry = json.loads(text + "}")
        is_ours = entry.pop("schema") == SCHEMA and isinstance(entry["mix"], str)
        return entry if is_ours else None
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:SUM_DIGITS]
