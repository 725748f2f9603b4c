"""The folders of an evaluation: its results, held by one run at a time, and what killed runs left there."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from mixcli.audio.output import sweep_stale_parts
from mixcli.errors import OutputError
from mixcli.evaluation.request import EvalRequest
from mixcli.mixing.folder_lock import LOCK_NAME, OWNER_NAME, FolderLock

WHO = "mixcli eval"
TEMPORARY = "mixcli-eval-"


@contextmanager
def results_held(request: EvalRequest) -> Iterator[None]:
    """Keep other evaluations out of `out`, if there is one, and remove what killed ones left half written.

    Raises OutputError E509 where another run holds it, E502 where it cannot be written.
    """
    if request.out is None:
        yield
        return
    with FolderLock(request.out, WHO):
        sweep_stale_parts(request.out)
        for kind in ("mixes", "scores"):
            for folder, _, _ in os.walk(request.out / kind):
                sweep_stale_parts(Path(folder))
        yield


@contextmanager
def mixes_folder(request: EvalRequest) -> Iterator[Path]:
    """Where mixes made here go: kept below `out`, or gone with the block, or with the next one."""
    if request.out is not None:
        yield request.out / "mixes"
        return
    remove_dead_runs(Path(gettempdir()))
    with TemporaryDirectory(prefix=TEMPORARY) as name, FolderLock(Path(name), WHO):
        yield Path(name)


def remove_dead_runs(place: Path) -> None:
    """Remove the temporary folders of this user's evaluations that were killed."""
    with suppress(OSError):
        for folder in place.glob(f"{TEMPORARY}*"):
            if not _was_held(folder):
                continue
            with suppress(OutputError), FolderLock(folder, WHO):  # who is alive has it
                shutil.rmtree(folder, ignore_errors=True)


def _was_held(folder: Path) -> bool:
    """Whether a folder is this user's, and a run got as far as to lock it."""
    try:
        ours = not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except OSError:  # just removed
        return False
    is_folder = folder.is_dir() and not folder.is_symlink()
    return ours and is_folder and any((folder / name).is_file() for name in (LOCK_NAME, OWNER_NAME))
