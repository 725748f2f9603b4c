"""The performances that sessions are played from: whose they are, how long, and in which part they lie."""

import csv
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.songs.dataset_song import Part
from mixcli.synthesis.material import PERFORMANCE_SET, Material
from mixcli.synthesis.midi import drum_strokes

PARTS: tuple[Part, ...] = ("train", "validation", "test")
DRAWN_SHARES = (0.8, 0.1, 0.1)  # of the parts, where a performance has none
BEAT = "beat"  # a whole performance in the index of a set; the others are fills


@dataclass(frozen=True, kw_only=True)
class Performance:
    """One performance; `part` is that of its set's own split, else drawn by its name."""

    name: str
    player: str
    path: Path
    seconds: float
    part: Part


def find_performances(
    material: Material, *, shortest_s: float, held_out: Sequence[str] = ()
) -> list[Performance]:
    """All performances of at least `shortest_s`, sorted by name; those of players held out are for testing.

    Of a set those that its index calls beats, not fills. Files without an index are taken where there is no
    set at all. Where no duration is given the last hit counts. Raises SongError E375 for an index and E376
    for a MIDI file that cannot be read.
    """
    found = [
        each for folder in material.performance_sets for each in _of_set(folder) if each.seconds >= shortest_s
    ]
    if not material.performance_sets:
        found = [each for path in material.midi for each in _loose(path, material.folder, shortest_s)]
    return sorted(
        (replace(each, part="test") if each.player in held_out else each for each in found),
        key=lambda each: each.name,
    )


def _of_set(folder: Path) -> Iterator[Performance]:
    try:
        with (folder / PERFORMANCE_SET).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SongError(
            f'"{display_name(folder / PERFORMANCE_SET)}" cannot be read ({error}).',
            code="E375",
            hint="docs/synthesis.md says what it holds.",
        ) from error
    for row in rows:
        path = folder / (row.get("midi_filename") or "")
        if row.get("beat_type", BEAT) != BEAT or not path.is_file():
            continue
        part = row.get("split")
        name = row.get("id") or path.stem
        yield Performance(
            name=name,
            player=row.get("drummer") or path.parent.name,
            path=path,
            seconds=_seconds(row.get("duration") or "") or _last_hit_s(path),
            part=next((each for each in PARTS if each == part), drawn_part(name)),
        )


def _loose(path: Path, folder: Path, shortest_s: float) -> Iterator[Performance]:
    """A file without an index; its folder stands for the player."""
    seconds = _last_hit_s(path)
    if seconds >= shortest_s:
        name = path.relative_to(folder).with_suffix("").as_posix()
        yield Performance(
            name=name, player=path.parent.name, path=path, seconds=seconds, part=drawn_part(name)
        )


def drawn_part(name: str) -> Part:
    """A part by the name alone, so that it never changes when other performances come or go."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
    return PARTS[int(np.searchsorted(np.cumsum(DRAWN_SHARES[:-1]), place, side="right"))]


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0


def _last_hit_s(path: Path) -> float:
    strokes = drum_strokes(path)
    return strokes[-1].time_s if strokes else 0.0
