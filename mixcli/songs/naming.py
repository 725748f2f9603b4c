"""How stems are named in messages, and how the failures of several become one line."""

from collections.abc import Sequence
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SongError

LISTED = 4  # names in a message before it says "…"


def quoted(name: str) -> str:
    """A stem's path inside the song, or a file name, in double quotes and printable."""
    return '"' + "/".join(display_name(Path(part)) for part in name.split("/")) + '"'


def quoted_list(names: Sequence[str], most: int = LISTED) -> str:
    """Several names in double quotes, the rest as "…"."""
    return ", ".join(quoted(name) for name in names[:most]) + ("…" if len(names) > most else "")


def join_errors(errors: Sequence[SongError]) -> SongError:
    """One error for all broken stems of a song, with the code of the first."""
    if len(errors) == 1:
        return errors[0]
    told = "; ".join(error.message.rstrip(".") for error in errors)
    return SongError(
        f"{len(errors)} stems cannot be used: {told}.",
        code=errors[0].code,
        hint="mend or replace them, or --skip-bad to leave them out.",
    )
