"""Temporary files beside what they will become: locked, and swept when nobody holds them."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from pathlib import Path

from mixcli.audio.wording import display_name, printable, size_text
from mixcli.errors import OutputError

try:
    import fcntl
except ImportError:  # not on Windows; there are no locks then, and nothing is swept
    fcntl = None  # type: ignore[assignment]

MAX_NAME_BYTES = 255
PART_NAME = re.compile(r"\.(?P<target>.*)\.mixcli-\d+-[0-9a-f]{8}\.part", re.DOTALL)
REASONS = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EIO: "the disk reports an error",
    errno.EROFS: "it is read-only",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOTDIR: "part of the path is a file",
}


def create_part(folder: Path, name: str) -> tuple[Path, int]:
    """Create an empty temporary for `name`, open for reading and writing and locked against sweeping.

    Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        ending = f".mixcli-{os.getpid()}-{secrets.token_hex(4)}.part"
        while len(os.fsencode(f".{name}{ending}")) > MAX_NAME_BYTES:
            name = name[:-1]
        path = folder / f".{name}{ending}"
        try:
            descriptor = os.open(path, flags, 0o666)
        except FileExistsError:
            continue
        if _is_locked(descriptor, path):
            return path, descriptor
        os.close(descriptor)  # a sweep was quicker than the lock


def sweep_stale_parts(folder: Path) -> list[Path]:
    """Remove temporaries of `atomic_output` and `ScratchFile` whose process is gone; returns their paths.

    A writer holds a lock on its temporary, so that those of other processes, on other machines too, are
    left alone.
    """
    removed: list[Path] = []
    names: list[str] = []
    if fcntl is not None:
        with contextlib.suppress(OSError):  # no such folder, or none of ours
            names = sorted(os.listdir(folder))
    for name in names:
        if not PART_NAME.fullmatch(name):
            continue
        path = folder / name
        with contextlib.suppress(OSError):  # gone, locked, or not ours to touch
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                    removed.append(path)
            finally:
                os.close(descriptor)
    return removed


def target_name(path: Path) -> str:
    """The name that messages show for a file being written: of the target, where `path` is a temporary."""
    match = PART_NAME.fullmatch(path.name)
    return display_name(Path(match["target"]) if match else path)


def output_error(folder: Path, error: OSError, *, needs_bytes: int | None = None) -> OutputError:
    """The error E502 for a failure of the system while writing into a folder."""
    reason = REASONS.get(error.errno or 0) or (error.strerror or str(error)).lower()
    if error.errno == errno.ENOSPC:
        figures = [] if needs_bytes is None else [f"needs about {size_text(needs_bytes)}"]
        with contextlib.suppress(OSError):
            figures.append(f"{size_text(shutil.disk_usage(folder).free)} free")
        reason += f" ({', '.join(figures)})" if figures else ""
    return OutputError(
        f'cannot write to "{printable(str(folder))}": {reason}. Nothing was left half written.',
        code="E502",
        hint="free some space, or another --out." if error.errno == errno.ENOSPC else "another --out.",
    )


def _is_locked(descriptor: int, path: Path) -> bool:
    """Lock a new temporary; false if a sweep has taken it in the meantime."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks, where no sweep gets one either
    return path.exists()
