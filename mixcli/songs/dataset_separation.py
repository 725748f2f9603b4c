"""Readers of data sets for source separation and transcription: MUSDB18-HQ, DSD100, Slakh2100, MoisesDB."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mixcli.errors import SettingsError, SongError
from mixcli.songs.dataset_roles import instrument_role
from mixcli.songs.dataset_song import DatasetSong, FoundSongs, Part, RefusedSong
from mixcli.songs.dataset_stems import artist_of, audio_in, folders_in, song_or_reason, stems_of
from mixcli.songs.roles import RoleMatch
from mixcli.strict_yaml import load_mapping

FOUR_STEMS = ("bass", "drums", "other", "vocals")
PARTS: Mapping[str, Part] = {
    "train": "train",
    "dev": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}
MOST_BYTES = 1 << 20  # of a song's metadata
EQUAL_LOUDNESS = "its mix is the stems at equal loudness, not a person's mix"


def read_musdb18(root: Path) -> FoundSongs:
    """MUSDB18-HQ: `train|test/"Artist - Title"/{mixture,drums,bass,other,vocals}.wav`; no MP4."""
    for part_folder in folders_in(root):
        part = PARTS.get(part_folder.name.casefold())
        if part is None:
            continue
        for path in sorted(part_folder.glob("*.stem.mp4")):
            reason = "MP4 stems (AAC) cannot be read: decode them, or get MUSDB18-HQ."
            yield RefusedSong(f"{part_folder.name}/{path.name.removesuffix('.stem.mp4')}", reason)
        for folder in folders_in(part_folder):
            name = f"{part_folder.name}/{folder.name}"
            yield song_or_reason(name, partial(_four_stems, name, folder, folder / "mixture.wav", part))


def read_dsd100(root: Path) -> FoundSongs:
    """DSD100: `Mixtures/Dev|Test/"NNN - Artist - Title"/mixture.wav`, and `Sources/` with the stems."""
    for part_folder in folders_in(root / "Sources"):
        part = PARTS.get(part_folder.name.casefold())
        for folder in folders_in(part_folder):
            name = f"{part_folder.name}/{folder.name}"
            mix = root / "Mixtures" / part_folder.name / folder.name / "mixture.wav"
            yield song_or_reason(name, partial(_four_stems, name, folder, mix, part))


def read_slakh2100(root: Path) -> FoundSongs:
    """Slakh2100: `train|validation|test/TrackNNNNN/{metadata.yaml,mix.flac,stems/S00.flac}`.

    `omitted/` is left out, as the data set itself does. Copies of one MIDI file are one group.
    """
    homes = [(folder, PARTS.get(folder.name.casefold())) for folder in folders_in(root)]
    homes = [(folder, part) for folder, part in homes if part is not None] or [(root, None)]
    for home, part in homes:
        for folder in folders_in(home):
            name = folder.relative_to(root).as_posix()
            yield song_or_reason(name, partial(_slakh_song, name, folder, part))


def read_moisesdb(root: Path) -> FoundSongs:
    """MoisesDB: `[moisesdb_v0.1/]UUID/{data.json,STEM/UUID.wav}`; the mix is the sum of the stems."""
    taken: set[str] = set()
    for document in sorted((*root.glob("*/data.json"), *root.glob("*/*/data.json"))):
        folder = document.parent
        data, reason = _json(document)
        artist = str(data.get("artist") or folder.name)
        name = f"{artist} - {data.get('song') or folder.name}".replace("/", "_")
        name = f"{name} ({folder.name[:8]})" if name in taken else name
        taken.add(name)
        if reason:
            yield RefusedSong(name, reason)
        else:
            yield song_or_reason(name, partial(_moises_song, name, artist, folder, data))


def _four_stems(name: str, folder: Path, mix: Path, part: Part | None) -> DatasetSong:
    paths = [folder / f"{stem}.wav" for stem in FOUR_STEMS]
    missing = [path.name for path in (*paths, mix) if not path.is_file()]
    if missing:
        raise SongError(f"{', '.join(missing)} missing.", code="E371")
    roles = {path: instrument_role(path.stem) for path in paths}
    stems = stems_of(folder, paths, roles)
    return DatasetSong(
        name=name, group=artist_of(folder.name), part=part, folder=folder, stems=stems, mix=mix
    )


def _slakh_song(name: str, folder: Path, part: Part | None) -> DatasetSong:
    data = metadata_of(folder / "metadata.yaml")
    stems = data.get("stems")
    listed: Mapping[str, Any] = stems if isinstance(stems, dict) else {}
    roles: dict[Path, RoleMatch | None] = {}
    for path in audio_in(folder / "stems"):
        stem = listed.get(path.stem)
        if isinstance(stem, dict):
            words = (str(stem.get("midi_program_name", "")), str(stem.get("inst_class", "")))
            roles[path] = instrument_role("drums") if stem.get("is_drum") else instrument_role(*words[::-1])
        else:
            roles[path] = None
    unrendered = [
        key for key, stem in listed.items() if isinstance(stem, dict) and not stem.get("audio_rendered", True)
    ]
    mixes = [path for path in (folder / "mix.flac", folder / "mix.wav") if path.is_file()]
    if not mixes:
        raise SongError("mix.flac missing.", code="E371")
    return DatasetSong(
        name=name,
        group=str(data.get("UUID") or folder.name),
        part=part,
        folder=folder,
        stems=stems_of(folder, list(roles), roles),
        mix=mixes[0],
        caution=EQUAL_LOUDNESS,
        problems=(f"not rendered: {', '.join(unrendered)}",) if unrendered else (),
    )


def _moises_song(name: str, artist: str, folder: Path, data: Mapping[str, Any]) -> DatasetSong:
    roles: dict[Path, RoleMatch | None] = {}
    missing: list[str] = []
    for stem in data["stems"]:
        for recording in stem["tracks"]:
            stem_name = str(stem.get("stemName", ""))
            path = folder / stem_name / f"{recording.get('id')}.{recording.get('extension', 'wav')}"
            if path.is_file():
                roles[path] = instrument_role(str(recording.get("trackType", "")), stem_name)
            else:
                missing.append(f"{stem_name}/{path.name}")
    if missing:
        raise SongError(f"{', '.join(missing[:3])} missing: the sum would not be the song.", code="E371")
    stems = stems_of(folder, list(roles), roles)
    lengths = {round(stem.duration_s, 2) for stem in stems}
    problems = (f"stems end between {min(lengths):g} and {max(lengths):g} s",) if len(lengths) > 1 else ()
    return DatasetSong(name=name, group=artist, folder=folder, stems=stems, mix=None, problems=problems)


def metadata_of(path: Path) -> dict[str, Any]:
    """A song's YAML metadata; {} where there is none or it cannot be understood."""
    if not path.is_file():
        return {}
    try:
        return load_mapping(path, max_bytes=MOST_BYTES)
    except SettingsError:
        return {}


def _json(path: Path) -> tuple[Mapping[str, Any], str | None]:
    try:
        data = json.loads(path.read_text("utf-8")) if path.stat().st_size <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return {}, f'"{path.name}" cannot be read.'
    stems = data.get("stems")
    if not isinstance(stems, list) or not all(
        isinstance(stem, dict)
        and isinstance(stem.get("tracks"), list)
        and all(isinstance(recording, dict) for recording in stem["tracks"])
        for stem in stems
    ):
        return {}, f'"{path.name}" cannot be read.'
    return data, None
