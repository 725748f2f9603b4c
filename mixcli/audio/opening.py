"""Opening a file for the decoder: by descriptor, regular files only, never waiting."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from mixcli.audio.wording import display_name
from mixcli.errors import SongError

UNRECOGNISED_FORMAT = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT


class SequentialFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no types
    """A sound file that reads straight on.

    soundfile seeks after each read of a file it knows to be seekable, which moves some decoders (Opus) off
    their sample and hides the reason where a FLAC file is damaged.
    """

    def seekable(self) -> bool:
        """Say no, so that reading never seeks; `seek` works all the same."""
        return False


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[int, int]]:
    """Descriptor and size of a regular file, for reading; SongError E311 for everything else.

    A descriptor also takes names that decoders refuse: over 1023 bytes long, or not UTF-8. A pipe is opened
    without blocking and then refused, so nothing here waits.
    """
    flags = os.O_RDONLY
    for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # each system has its own set
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        raise unreadable(path, "no such file") from error
    except PermissionError as error:
        raise unreadable(path, "no permission") from error
    except OSError as error:
        raise unreadable(path, (error.strerror or "it cannot be opened").lower()) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise unreadable(path, "not a regular file")
        yield descriptor, status.st_size
    finally:
        os.close(descriptor)


@contextmanager
def open_sound(descriptor: int, path: Path) -> Iterator[SequentialFile]:
    """The decoder over a descriptor, which stays open; SongError E311 when no decoder takes the file."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        sound = SequentialFile(descriptor, closefd=False)
    except soundfile.LibsndfileError as error:
        if error.code == UNRECOGNISED_FORMAT:
            raise unreadable(path, "not a known audio format") from error
        reason = error.error_string.removeprefix("Error : ").rstrip(".")
        raise unreadable(path, f"damaged header ({reason})") from error
    with sound:
        yield sound


def unreadable(path: Path, reason: str, *, hint: str | None = None) -> SongError:
    """The error E311 for a file."""
    name = display_name(path)
    return SongError(
        f'cannot read "{name}": {reason}.',
        code="E311",
        hint=hint or f're-export it, or --exclude "{name}".',
    )


def cut_short(path: Path, detail: str, *, what: str = "is cut short") -> SongError:
    """The error E312 for a file; `detail` says what was promised and what is there."""
    name = display_name(path)
    return SongError(f'"{name}" {what}: {detail}.', code="E312", hint=f're-export it, or --exclude "{name}".')
