"""What lies in a folder of material: kits, single snares, performances, impulse responses.

Nothing is told by the names of folders: a kit and a pack of snares are known by the columns of their index
`hits.csv`, a set of performances by its `info.csv`, other performances by `.mid`, an impulse response by how
its name begins (`plate_`, `room_`, `cab_`), a pack of notes by its `notes.csv`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.synthesis.kit import INDEX, is_kit, is_snare_pack

PERFORMANCE_SET = "info.csv"
NOTES = "notes.csv"
MIDI_SUFFIXES = (".mid", ".midi")
SOUND_SUFFIXES = (".wav", ".flac", ".aif", ".aiff")


@dataclass(frozen=True, kw_only=True)
class Material:
    """The paths of what was found, sorted; `midi` are files outside of the performance sets."""

    folder: Path
    kits: tuple[Path, ...]
    snare_packs: tuple[Path, ...]
    performance_sets: tuple[Path, ...]
    midi: tuple[Path, ...]
    plates: tuple[Path, ...]
    rooms: tuple[Path, ...]
    cabinets: tuple[Path, ...] = ()
    note_packs: tuple[Path, ...] = ()


def find_material(folder: Path) -> Material:
    """Look through a folder and all below it; raises SongError E374 where there is no such folder.

    Hidden folders and files are left out, folders are not entered twice.
    """
    if not folder.is_dir():
        raise SongError(f'"{display_name(folder)}" is not a folder.', code="E374", hint=_HINT)
    kits: list[Path] = []
    packs: list[Path] = []
    sets: list[Path] = []
    midi: list[Path] = []
    plates: list[Path] = []
    rooms: list[Path] = []
    cabinets: list[Path] = []
    note_packs: list[Path] = []
    for place, names, files in os.walk(folder):
        names[:] = sorted(name for name in names if not name.startswith("."))
        here = Path(place)
        if INDEX in files:
            if is_kit(here):
                kits.append(here)
            elif is_snare_pack(here):
                packs.append(here)
        if PERFORMANCE_SET in files:
            sets.append(here)
        if NOTES in files:
            note_packs.append(here)
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            if name.startswith("."):
                continue
            if suffix in MIDI_SUFFIXES:
                midi.append(here / name)
            elif suffix in SOUND_SUFFIXES and name.lower().startswith("plate_"):
                plates.append(here / name)
            elif suffix in SOUND_SUFFIXES and name.lower().startswith("room_"):
                rooms.append(here / name)
            elif suffix in SOUND_SUFFIXES and name.lower().startswith("cab_"):
                cabinets.append(here / name)
    loose = (path for path in midi if not any(path.is_relative_to(each) for each in sets))
    return Material(
        folder=folder,
        kits=tuple(sorted(kits)),
        snare_packs=tuple(sorted(packs)),
        performance_sets=tuple(sorted(sets)),
        midi=tuple(sorted(loose)),
        plates=tuple(sorted(plates)),
        rooms=tuple(sorted(rooms)),
        cabinets=tuple(sorted(cabinets)),
        note_packs=tuple(sorted(note_packs)),
    )


def nothing_found(folder: Path, what: str) -> SongError:
    """The error E374 for a folder in which something is missing."""
    return SongError(f'no {what} found in "{display_name(folder)}" or below it.', code="E374", hint=_HINT)


_HINT = "docs/synthesis.md says what sessions are rendered from."
