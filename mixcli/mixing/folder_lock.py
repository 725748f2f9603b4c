"""One run at a time in a folder of results: a lock that says who holds it."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from mixcli.audio.output import output_folder
from mixcli.audio.parts import output_error
from mixcli.audio.wording import printable
from mixcli.errors import OutputError
from mixcli.mixing.folder_owner import FolderOwner, read_owner, write_owner

try:
    import fcntl
except ImportError:  # not on Windows, where the owner's file alone decides
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".mixcli.lock"  # locked by the system: free as soon as its process is gone, however it went
OWNER_NAME = ".mixcli.owner"  # where the system has no locks: whoever creates it has the folder
# A run that has a share of the folder only is named in between: ".mixcli.SHARE.lock".
SUFFIXES = (".lock", ".owner")
WAIT = "wait until it is done, or another --out."
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class FolderLock:
    """Hold a folder for one run, as a context manager; the folder is made if need be.

    `what` names the run to those who come second: `mixcli batch`. They get OutputError E509, which says who
    holds the folder; a folder that cannot be written raises E502. With a `share`, a short name without dots,
    only that share of it is held: other shares, and the whole, are other locks (see `refuse_if_held`).

    The lock is one of the system (`flock`), on network file systems mostly across machines too, so a killed
    run leaves none behind. On file systems without locks, and on Windows, it is a file with the owner's
    process and host: that of a process of this host that is gone is taken over, any other must be deleted by
    hand, as the hint says.

    Folders made here go again when the block raises and nothing was put into them.
    """

    def __init__(self, folder: Path, what: str, *, share: str = "") -> None:
        self.folder = folder
        self.what = what
        self.share = share
        self._held = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(output_folder(self.folder))
            try:
                owner = FolderOwner.this_process(self.what)
                stack.enter_context(_held(self.folder, owner, self.share))
            except OSError as error:
                raise output_error(self.folder, error) from error
            self._held = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.__exit__(kind, error, trace)


def refuse_if_held(folder: Path, share: str = "") -> None:
    """Raise OutputError E509 if another process holds a folder, or a share of it, now; hold nothing."""
    path, owner_path = folder / lock_name(share), folder / owner_name(share)
    owner = read_owner(owner_path)
    if owner is not None and not owner.is_gone:
        raise _in_use(owner_path, WAIT)
    if fcntl is None or not path.exists():
        return
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            fcntl.flock(
                descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # shared: those who only ask do not collide
        except (BlockingIOError, PermissionError):
            raise _in_use(path, WAIT) from None
        except OSError:  # a file system without locks
            return
        finally:
            os.close(descriptor)


def refuse_if_shares_held(folder: Path) -> None:
    """Raise OutputError E509 if another process holds any share of a folder."""
    names = {path.name.split(".")[2] for path in folder.glob(".mixcli.*.*") if path.suffix in SUFFIXES}
    for share in sorted(names):
        refuse_if_held(folder, share)


def lock_name(share: str = "") -> str:
    """The name of the file that is locked."""
    return f".mixcli.{share}.lock" if share else LOCK_NAME


def owner_name(share: str = "") -> str:
    """The name of the file that names the owner where there are no locks."""
    return f".mixcli.{share}.owner" if share else OWNER_NAME


@contextmanager
def _held(folder: Path, owner: FolderOwner, share: str) -> Iterator[None]:
    """Hold a folder that exists, by a lock of the system or by the owner's file. Raises OSError and E509."""
    path = folder / lock_name(share)
    descriptor = _lock(path)
    if descriptor is None:
        path = folder / owner_name(share)
        _own(path, owner)
    try:
        if descriptor is not None:
            write_owner(descriptor, owner)
        yield
    finally:
        with contextlib.suppress(OSError):  # while it is locked, or it could be another one's by now
            os.unlink(path)
        if descriptor is not None:
            os.close(descriptor)


def _lock(path: Path) -> int | None:
    """Lock the file, made if need be; returns its descriptor, None where there are no locks."""
    if fcntl is None:
        return None
    while True:
        descriptor = os.open(path, FLAGS, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except FileNotFoundError:
            pass  # the one who held it has removed it between the two lines above; so make it again
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise _in_use(path, WAIT) from None
        except OSError:  # a file system without locks
            os.close(descriptor)
            with contextlib.suppress(OSError):
                os.unlink(path)
            return None
        os.close(descriptor)


def _own(path: Path, owner: FolderOwner) -> None:
    """Create the owner's file; one whose owner is gone is taken out of the way."""
    while True:
        try:
            descriptor = os.open(path, FLAGS | os.O_EXCL, 0o666)
        except FileExistsError:
            if not _removed(path):
                hint = f'if that run is gone, delete "{printable(str(path))}".'
                raise _in_use(path, hint) from None
            continue
        try:
            write_owner(descriptor, owner)
        except BaseException:
            os.unlink(path)
            raise
        finally:
            os.close(descriptor)
        return


def _removed(path: Path) -> bool:
    """Whether the owner's file was that of a process that is gone, and is removed."""
    found = read_owner(path)
    if found is None or not found.is_gone:
        return not path.exists()
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:  # another process was quicker
        return True
    if read_owner(aside) == found:
        os.unlink(aside)
        return True
    os.rename(aside, path)  # one that was quicker than both has it already
    return False


def _in_use(path: Path, hint: str) -> OutputError:
    owner = read_owner(path)
    who = "another run of mixcli" if owner is None else owner.words
    return OutputError(f'"{printable(str(path.parent))}" is in use: {who}.', code="E509", hint=hint)
