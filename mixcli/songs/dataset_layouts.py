"""Which data set a folder is, by what lies in it, and its reader."""

from pathlib import Path
from typing import Literal

from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.songs.dataset_folders import read_folders
from mixcli.songs.dataset_manifest import SUFFIXES, read_manifest
from mixcli.songs.dataset_multitracks import (
    MIX_ENDING,
    ROOMS_OF_STEMS,
    TITLES_OF_MIXES,
    enst_drummers,
    read_cambridge,
    read_enst,
    read_medleydb,
)
from mixcli.songs.dataset_separation import PARTS, read_dsd100, read_moisesdb, read_musdb18, read_slakh2100
from mixcli.songs.dataset_song import DatasetLayout, FoundSongs
from mixcli.songs.dataset_stems import audio_in, folders_in

LOOKED_AT = 50  # folders: a layout shows in the first


def find_layout(source: Path) -> DatasetLayout:
    """The layout of a source: a manifest by its suffix, a folder by the names of what lies in it.

    Raises SongError E301 for what is neither a folder nor a manifest.
    """
    if source.is_file() and source.suffix.lower() in SUFFIXES:
        return "manifest"
    if not source.is_dir():
        what = "is no folder, .csv or .jsonl" if source.exists() else "does not exist"
        raise SongError(f'"{display_name(source)}" {what}.', code="E301", hint="name a folder of songs.")
    if enst_drummers(source):
        return "enst"
    below = folders_in(source)
    if {"mixtures", "sources"} <= {folder.name.casefold() for folder in below}:
        return "dsd100"
    inner = [
        song for folder in below if folder.name.casefold() in PARTS for song in folders_in(folder)[:LOOKED_AT]
    ]
    if any((song / "mixture.wav").is_file() for song in inner) or any(
        True for folder in below if folder.name.casefold() in PARTS for _ in folder.glob("*.stem.mp4")
    ):
        return "musdb18"
    if any(_is_slakh_song(folder) for folder in (*below[:LOOKED_AT], *inner)):
        return "slakh2100"
    if any(True for pattern in ("*/data.json", "*/*/data.json") for _ in source.glob(pattern)):
        return "moisesdb"
    if any(_is_medleydb_mix(path) for path in source.rglob(f"*{MIX_ENDING}")):
        return "medleydb"
    if any(_is_cambridge_song(folder) for folder in below[:LOOKED_AT]):
        return "cambridge"
    return "songs"


def read_dataset(
    source: Path,
    layout: DatasetLayout,
    *,
    drums: Literal["dry", "wet"] = "wet",
    medleydb: Literal["raw", "stems"] = "raw",
) -> FoundSongs:
    """The songs of a source, in order, from headers; those that cannot be used with the reason.

    `drums` chooses the mix of ENST-drums, `medleydb` the recordings of MedleyDB. Raises SongError E301 where
    the folder cannot be read and E372 for a manifest that is broken.
    """
    if layout == "enst":
        return read_enst(source, drums)
    if layout == "medleydb":
        return read_medleydb(source, medleydb)
    readers = {
        "songs": read_folders,
        "musdb18": read_musdb18,
        "dsd100": read_dsd100,
        "cambridge": read_cambridge,
        "slakh2100": read_slakh2100,
        "moisesdb": read_moisesdb,
        "manifest": read_manifest,
    }
    return readers[layout](source)


def _is_slakh_song(folder: Path) -> bool:
    return (folder / "all_src.mid").is_file() or (
        (folder / "metadata.yaml").is_file() and (folder / "stems").is_dir()
    )


def _is_medleydb_mix(path: Path) -> bool:
    name = path.name.removesuffix(MIX_ENDING)
    return any((path.parent / f"{name}_{room}").is_dir() for room in ("RAW", "STEMS"))


def _is_cambridge_song(folder: Path) -> bool:
    rooms = {below.name.casefold() for below in folders_in(folder)}
    if not rooms & set(ROOMS_OF_STEMS):
        return False
    return bool(rooms & set(TITLES_OF_MIXES)) or (
        "tracks" in rooms and bool(audio_in(folder)) and not audio_in(folder / "tracks")
    )
