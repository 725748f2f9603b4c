"""Writing files whole or not at all: a temporary beside the target, synced, then renamed over it."""

import contextlib
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mixcli.audio.parts import MAX_NAME_BYTES, create_part, output_error, sweep_stale_parts
from mixcli.audio.scratch import ScratchFile
from mixcli.audio.wording import display_name, printable
from mixcli.errors import OutputError

__all__ = ["ScratchFile", "atomic_output", "output_folder", "sweep_stale_parts"]

# Failures inside the block that can only be about the file being written; others belong to who raised them.
WRITE_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EISDIR)  # file systems that cannot do it


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Make a folder, and those above it, for the time of the block and after it.

    If anything is raised, the folders made here are removed again, unless something was put into them. Raises
    OutputError E502.
    """
    made: list[Path] = []
    try:
        with _translated(folder, None):
            _make_folders(folder, made)
        yield folder
    except BaseException:
        with contextlib.suppress(OSError):  # one that is not empty stays, and so do those above it
            for new in reversed(made):
                os.rmdir(new)
        raise
    with _translated(folder, None):
        for new in made:
            _sync_folder(new.parent)


@contextmanager
def atomic_output(path: Path, *, needs_bytes: int | None = None) -> Iterator[Path]:
    """Give a temporary path beside `path`; what is written there appears at `path` when the block ends.

    The folder is made if need be. The temporary exists already, empty, with the mode that the umask leaves.
    At the end it is synced, renamed over the target (a symlink there is replaced, never followed) and the
    folder is synced. If anything is raised, KeyboardInterrupt included, the temporary and the folders made
    here are removed and the target is as it was. `needs_bytes` is only said when the disk is full. Raises
    OutputError E502.
    """
    with _translated(path.parent, needs_bytes):
        _refuse_target(path)
    with output_folder(path.parent) as folder:
        with _translated(folder, needs_bytes):
            partial, lock = create_part(folder, path.name)
        try:
            if os.name == "nt":  # Windows renames no open file
                os.close(lock)
            with _translated(folder, needs_bytes, only=WRITE_FAILURES):
                yield partial
            with _translated(folder, needs_bytes):
                _sync_file(partial)
                os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise
        finally:
            if os.name != "nt":
                os.close(lock)
        with _translated(folder, needs_bytes):
            _sync_folder(folder)


def _refuse_target(path: Path) -> None:
    """Refuse at once what can never be written, before hours of work go into it."""
    reason = None
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        reason = f'the name "{display_name(path)[:40]}…" is too long'
    elif path.is_dir() and not path.is_symlink():
        reason = f'"{display_name(path)}" is a folder'
    elif path.exists() and not path.is_file() and not path.is_symlink():
        reason = f'"{display_name(path)}" is not a regular file'
    if reason is not None:
        folder = printable(str(path.parent))
        raise OutputError(f'cannot write to "{folder}": {reason}.', code="E502", hint="another --out.")


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; `made` lists the new ones, outermost first."""
    missing: list[Path] = []
    while not folder.exists() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            os.mkdir(new)
            made.append(new)


@contextmanager
def _translated(
    folder: Path, needs_bytes: int | None, *, only: tuple[int, ...] | None = None
) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if only is not None and error.errno not in only:
            raise
        raise output_error(folder, error, needs_bytes=needs_bytes) from error


def _sync_file(path: Path) -> None:
    # By name: what the block wrote may be another file than the one created, under the same name.
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
