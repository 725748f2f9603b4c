"""The reader of manifests: a table of stems, one per row, as CSV or JSON lines, for any folders at all."""

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.songs.dataset_separation import PARTS
from mixcli.songs.dataset_song import DatasetSong, FoundSongs, Part
from mixcli.songs.dataset_stems import song_or_reason, stems_of
from mixcli.songs.roles import ROLES, RoleMatch, match_role, nearest_role

COLUMNS = ("song", "stem", "role", "mix", "group", "part")
NEEDED = ("song", "stem")
SUFFIXES = (".csv", ".jsonl")
MOST_BYTES = 64 << 20

Row = Mapping[str, str]


def read_manifest(path: Path) -> FoundSongs:
    """A row per stem: `song`, `stem`, and, where wanted, `role`, `mix`, `group`, `part`.

    Paths are relative to the manifest. What is empty in a row is taken from the song's other rows; without a
    `mix` the sum of the stems is meant, without a `group` the song is its own. Raises SongError E372 for a
    manifest that cannot be understood.
    """
    songs: dict[str, list[Row]] = {}
    for row in _rows(path):
        songs.setdefault(row["song"], []).append(row)
    if not songs:
        raise _broken(path, 1, "no rows")
    for name, rows in songs.items():
        yield song_or_reason(name, partial(_song_of_rows, name, rows, path.parent))


def _song_of_rows(name: str, rows: Sequence[Row], home: Path) -> DatasetSong:
    paths = [home / row["stem"] for row in rows]
    missing = [row["stem"] for row, path in zip(rows, paths, strict=True) if not path.is_file()]
    if missing:
        raise SongError(f"{', '.join(missing[:3])} missing.", code="E371")
    roles: dict[Path, RoleMatch | None] = {}
    for row, path in zip(rows, paths, strict=True):
        role = row.get("role", "")
        if role and role not in ROLES:
            message = f'"{row["stem"]}": no role "{role}"; did you mean {nearest_role(role)}?'
            raise SongError(message, code="E371")
        named = match_role(path.name)
        roles[path] = RoleMatch(role=role, role_from="option", attributes=named.attributes) if role else None
    folder = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    absolute = {path.absolute(): match for path, match in roles.items()}
    mix = _only(rows, "mix")
    part = _only(rows, "part").casefold()
    if part and part not in PARTS:
        raise SongError(f'no part "{part}": train, validation or test.', code="E371")
    published: Part | None = PARTS[part] if part else None
    return DatasetSong(
        name=name,
        group=_only(rows, "group") or name,
        part=published,
        folder=folder,
        stems=stems_of(folder, list(absolute), absolute),
        mix=home / mix if mix else None,
    )


def _only(rows: Sequence[Row], column: str) -> str:
    """The one value of a column in a song's rows; "" where it is nowhere given."""
    values = sorted({row[column] for row in rows if row.get(column)})
    if len(values) > 1:
        raise SongError(f'its rows differ in "{column}": {values[0]}, {values[1]}.', code="E371")
    return values[0] if values else ""


def _rows(path: Path) -> list[Row]:
    text = _text(path)
    if path.suffix.lower() == ".jsonl":
        numbered = [
            (number, _json_row(path, number, line))
            for number, line in enumerate(text.split("\n"), 1)
            if line.strip()
        ]
    else:
        reader = csv.DictReader(io.StringIO(text), restkey="", restval="")
        try:
            columns = [column.strip() for column in reader.fieldnames or []]
            unknown = [column for column in columns if column not in COLUMNS]
            missing = [column for column in NEEDED if column not in columns]
            if unknown or missing:
                what = f'no column "{missing[0]}"' if missing else f'unknown column "{unknown[0]}"'
                raise _broken(path, 1, what)
            reader.fieldnames = columns
            numbered = [(reader.line_num, row) for row in reader]
        except csv.Error as error:
            raise _broken(path, reader.line_num, str(error)) from error
    rows: list[Row] = []
    for number, raw in numbered:
        if "" in raw:
            raise _broken(path, number, "more fields than columns")
        row = {column: str(value).strip() for column, value in raw.items() if value is not None}
        for column in NEEDED:
            if not row.get(column):
                raise _broken(path, number, f'no "{column}"')
        rows.append(row)
    return rows


def _json_row(path: Path, number: int, line: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, "not JSON") from error
    if not isinstance(row, dict):
        raise _broken(path, number, "not an object")
    unknown = [key for key in row if key not in COLUMNS]
    if unknown:
        raise _broken(path, number, f'unknown key "{unknown[0]}"')
    return row


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _broken(path, 1, "too large")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise SongError(f'"{display_name(path)}" cannot be read: {error.strerror}.', code="E372") from error
    except UnicodeDecodeError as error:
        raise _broken(path, 1, "not UTF-8 text") from error


def _broken(path: Path, line: int, what: str) -> SongError:
    columns = ", ".join(COLUMNS)
    return SongError(f'"{display_name(path)}" line {line}: {what}.', code="E372", hint=f"columns: {columns}")
