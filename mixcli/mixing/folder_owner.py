"""Who holds a folder of results, as the file in it says."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from mixcli.audio.raw_output import write_all
from mixcli.audio.wording import printable

MOST_BYTES = 4096
BEHIND_NAME = 19  # where the start stands in /proc/PID/stat, counted from the field behind the process's name


@dataclass(frozen=True, kw_only=True)
class FolderOwner:
    """A run that holds a folder; `started` tells its process from a later one with the same number."""

    what: str
    pid: int
    host: str
    since: str
    started: str | None = None

    @classmethod
    def this_process(cls, what: str) -> Self:
        """The process that asks, from now on."""
        pid, since = os.getpid(), f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return cls(what=what, pid=pid, host=platform.node(), since=since, started=start_of(pid))

    @property
    def words(self) -> str:
        """The owner as messages name it."""
        return printable(f"{self.what}, process {self.pid} on {self.host} since {self.since}")

    @property
    def is_gone(self) -> bool:
        """Whether it ran on this host and does so no more, as far as the system can tell."""
        if os.name == "nt" or self.host != platform.node():  # to ask on Windows is to kill
            return False
        try:
            os.kill(self.pid, 0)
        except (ProcessLookupError, OverflowError):
            return True
        except OSError:  # somebody else's
            pass
        return self.started is not None and start_of(self.pid) not in (self.started, None)


def write_owner(descriptor: int, owner: FolderOwner) -> None:
    """Make an open file say who holds the folder. Raises OSError."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, json.dumps(asdict(owner)).encode())


def read_owner(path: Path) -> FolderOwner | None:
    """The owner that a file names; None where it names none (yet), or is gone."""
    try:
        with path.open("rb") as file:
            kept: Any = json.loads(file.read(MOST_BYTES))
        texts = {key: str(kept[key]) for key in ("what", "host", "since")}
        pid, started = int(kept["pid"]), kept["started"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if pid <= 0:  # a process group, never a process
        return None
    return FolderOwner(pid=pid, started=None if started is None else str(started), **texts)


def start_of(pid: int) -> str | None:
    """When a process started, in ticks since the system did; None where that is not told (not Linux)."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return words[BEHIND_NAME] if len(words) > BEHIND_NAME else None
