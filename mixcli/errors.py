"""The error family: each class carries the exit code of the command line, each error its own message code."""

from dataclasses import dataclass
from typing import Any


class MixcliError(Exception):
    """An expected failure, told to the user in one line with a hint for the next step."""

    exit_code = 1

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Be told to another process with code and hint."""
        return _again, (type(self), self.message, self.code, self.hint)


def _again(kind: type[MixcliError], message: str, code: str, hint: str | None) -> MixcliError:
    return kind(message, code=code, hint=hint)


class UsageError(MixcliError):
    """The command was called wrongly."""

    exit_code = 2


class SongError(MixcliError):
    """A song, or a file of it, cannot be used."""

    exit_code = 3


class SettingsError(MixcliError):
    """A preset, a recipe or a setting is not valid or not found."""

    exit_code = 4


class CheckpointError(MixcliError):
    """A model is not found, damaged, unsafe or does not fit the song."""

    exit_code = 4


class OutputError(MixcliError):
    """A result cannot be written."""

    exit_code = 5


class DeviceError(MixcliError):
    """A device is missing or out of memory."""

    exit_code = 6


class RequirementMissed(MixcliError):
    """The mix was made but misses what was required of it."""

    exit_code = 7


class TrainingError(MixcliError):
    """A training cannot go on: its loss is no longer a number. The last good checkpoint is kept."""

    exit_code = 8


class Interrupted(BaseException):
    """The user or the system asked to stop; `exit_code` is 128 + the signal's number.

    Not an Exception, so that nothing which handles failures takes it for one.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__("interrupted")
        self.exit_code = 128 + signal_number


@dataclass(frozen=True)
class Notice:
    """Something the user should know that stops nothing. `code` is W… (warning) or I… (information)."""

    code: str
    message: str
    file: str | None = None
