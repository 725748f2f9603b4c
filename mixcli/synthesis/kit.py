"""A sampled drum kit on disk: a folder of hits recorded with all microphones at once, and its index.

The index, `hits.csv`, has a row for each hit: `piece`, `velocity_rank` (1 is the softest), `file`, and if it
likes `room_file`, whose channels follow those of `file`. The microphones are named in the order of the
channels by its columns `peak_db_…`, or by a file `microphones.csv` with the columns `microphone` and `input`
(an input of the mix, or nothing for a channel that is not used).
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.synthesis.note_map import DRUM_INPUTS, INPUTS_OF_MICROPHONE, OVERHEADS, PIECE_ALIASES, ROOMS

INDEX = "hits.csv"
MICROPHONES = "microphones.csv"
PEAK_COLUMN = "peak_db_"


@dataclass(frozen=True)
class HitFile:
    """One recorded hit: its loudness rank, and the files whose channels together are the microphones."""

    rank: int
    paths: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Kit:
    """A kit: its hits by piece, softest first, and which channel each input takes."""

    name: str
    folder: Path
    pieces: Mapping[str, tuple[HitFile, ...]]
    channel_of_input: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class SnarePack:
    """Single snare drums: channel 0 is the top microphone, the last two are the overheads."""

    folder: Path
    snares: Mapping[str, tuple[HitFile, ...]]


def is_kit(folder: Path) -> bool:
    """Whether a folder holds the index of a kit."""
    return "piece" in _head(folder)


def is_snare_pack(folder: Path) -> bool:
    """Whether a folder holds the index of single snares: `snare`, `velocity_rank`, `file`."""
    head = _head(folder)
    return "snare" in head and "piece" not in head


def read_kit(folder: Path) -> Kit:
    """Read the index of a kit; raises SongError E375 for what is missing in it or beside it."""
    rows = _rows(folder, ("piece", "velocity_rank", "file"))
    pieces: dict[str, list[HitFile]] = defaultdict(list)
    for number, row in enumerate(rows, start=2):
        names = [row["file"], *([row["room_file"]] if row.get("room_file") else [])]
        piece = PIECE_ALIASES.get(row["piece"], row["piece"])
        pieces[piece].append(_hit(folder, number, row["velocity_rank"], names))
    return Kit(
        name=folder.name,
        folder=folder,
        pieces={piece: tuple(sorted(hits, key=_order)) for piece, hits in sorted(pieces.items())},
        channel_of_input=_channels(folder, rows[0]),
    )


def read_snare_pack(folder: Path) -> SnarePack:
    """Read the index of single snares; raises SongError E375."""
    snares: dict[str, list[HitFile]] = defaultdict(list)
    for number, row in enumerate(_rows(folder, ("snare", "velocity_rank", "file")), start=2):
        snares[row["snare"]].append(_hit(folder, number, row["velocity_rank"], [row["file"]]))
    return SnarePack(
        folder=folder,
        snares={name: tuple(sorted(hits, key=_order)) for name, hits in sorted(snares.items())},
    )


def _order(hit: HitFile) -> tuple[int, list[str]]:
    return hit.rank, [path.name for path in hit.paths]


def _head(folder: Path) -> Sequence[str]:
    try:
        with (folder / INDEX).open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _rows(folder: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    rows = _table(folder, INDEX)
    if not rows:
        raise _broken(folder, "has no rows")
    for column in columns:
        if column not in rows[0]:
            raise _broken(folder, f'has no column "{column}"')
    return rows


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    try:
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            return [{key: (value or "").strip() for key, value in row.items() if key} for row in
                    csv.DictReader(file)]  # fmt: skip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _broken(folder, f"cannot be read ({error})", name) from error


def _hit(folder: Path, line: int, rank: str, names: Sequence[str]) -> HitFile:
    if not rank.isdecimal():
        raise _broken(folder, f'line {line}: velocity_rank is "{rank}", not a whole number')
    paths = tuple(folder / name for name in names)
    for name, path in zip(names, paths, strict=True):
        if not name or not path.is_file():
            raise _broken(folder, f'line {line}: there is no file "{name}"')
    return HitFile(int(rank), paths)


def _channels(folder: Path, row: Mapping[str, str]) -> dict[str, int]:
    """The channel of each input; the first microphone of an input is the one that counts.

    One overhead or room microphone alone stands for both sides, whichever it is called.
    """
    known = (*DRUM_INPUTS, *ROOMS)
    if (folder / MICROPHONES).is_file():
        inputs = [each.get("input", "") for each in _table(folder, MICROPHONES)]
        wrong = [name for name in inputs if name and name not in known]
        if wrong:
            raise _broken(folder, f'"{wrong[0]}" is no input of a drum mix', MICROPHONES)
        named: list[tuple[str, ...]] = [(name,) if name else () for name in inputs]
    else:
        microphones = [name.removeprefix(PEAK_COLUMN) for name in row if name.startswith(PEAK_COLUMN)]
        named = [INPUTS_OF_MICROPHONE.get(name, ()) for name in microphones]
    channels: dict[str, int] = {}
    for channel, names in enumerate(named):
        for name in names:
            channels.setdefault(name, channel)
    if not channels:
        raise _broken(folder, "names no microphones (columns peak_db_…, or a file microphones.csv)")
    for pair in (OVERHEADS, ROOMS):
        one = next((channels[side] for side in pair if side in channels), None)
        if one is not None:
            channels |= {side: channels.get(side, one) for side in pair}
    if OVERHEADS[0] not in channels:
        raise _broken(folder, "names no overhead microphone, against which all levels of a mix are set")
    return channels


def _broken(folder: Path, reason: str, file: str = INDEX) -> SongError:
    return SongError(
        f'"{display_name(folder / file)}" {reason}.',
        code="E375",
        hint="docs/synthesis.md says what the folder of a kit holds.",
    )
