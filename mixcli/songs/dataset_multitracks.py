"""Readers of data sets of recordings with an engineer's mix: MedleyDB, ENST-drums, Cambridge-MT."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mixcli.errors import SongError
from mixcli.songs.dataset_roles import instrument_role
from mixcli.songs.dataset_separation import metadata_of
from mixcli.songs.dataset_song import DatasetSong, FoundSongs
from mixcli.songs.dataset_stems import audio_in, folders_in, song_or_reason, stems_of
from mixcli.songs.listing import path_key
from mixcli.songs.roles import RoleMatch, family_of
from mixcli.songs.tokens import split_words

MIX_ENDING = "_MIX.wav"
# The folders of ENST-drums, and the role of the microphone in each; the overheads are one stereo pair.
ENST_MICROPHONES: Mapping[str, str] = {
    "hi-hat": "drums.hihat",
    "kick": "drums.kick",
    "overhead_L": "drums.overhead",
    "overhead_R": "drums.overhead",
    "snare": "drums.snare",
    "tom_1": "drums.tom",
    "tom_2": "drums.tom",
    "tom_3": "drums.tom",
}
TITLES_OF_MIXES = ("mixes", "mix")
ROOMS_OF_STEMS = ("tracks", "stems", "multitracks")


def read_medleydb(root: Path, inputs: Literal["raw", "stems"]) -> FoundSongs:
    """MedleyDB v1 and v2: `Artist_Title/{Artist_Title_MIX.wav,…_RAW/,…_STEMS/}` at any depth.

    `…_METADATA.yaml`, in the song's folder or anywhere below the root, says what the recordings are.
    """
    documents = {path.name: path for path in sorted(root.rglob("*_METADATA.yaml"))}
    for mix in sorted(root.rglob(f"*{MIX_ENDING}"), key=lambda path: path_key(path.as_posix())):
        if mix.name.startswith("."):
            continue
        name = mix.name.removesuffix(MIX_ENDING)
        beside = mix.with_name(f"{name}_METADATA.yaml")
        document = beside if beside.is_file() else documents.get(beside.name)
        yield song_or_reason(name, partial(_medleydb_song, name, mix, document, inputs))


def read_enst(root: Path, mixed: Literal["dry", "wet"]) -> FoundSongs:
    """ENST-drums: `drummer_N/audio/MICROPHONE/TAKE.wav`, the mixes in `dry_mix` and `wet_mix`.

    Every take is a song, every drummer a group. Overheads left and right become one stereo stem, a tom that
    a kit does not have is no stem.
    """
    for drummer in enst_drummers(root):
        audio = drummer / "audio"
        takes = {path.stem for mic in ENST_MICROPHONES for path in audio_in(audio / mic)}
        takes |= {path.stem for path in audio_in(audio / f"{mixed}_mix")}
        for take in sorted(takes, key=path_key):
            name = f"{drummer.name}/{take}"
            yield song_or_reason(name, partial(_enst_song, name, audio, take, mixed))


def read_cambridge(root: Path) -> FoundSongs:
    """Multitracks as Cambridge-MT's library hands them out: `SONG/tracks/…` and `SONG/mixes/…`.

    The recordings may lie deeper (`tracks/Artist_Song_Full/NN_Name.wav`). Of several mixes the one called
    "full" counts, and one that is no preview.
    """
    for folder in folders_in(root):
        room = next((each for each in folders_in(folder) if each.name.casefold() in ROOMS_OF_STEMS), None)
        if room is not None:
            yield song_or_reason(folder.name, partial(_cambridge_song, folder, room))


def enst_drummers(root: Path) -> list[Path]:
    """The folders of the drummers, at the root, below it, or the root itself."""
    candidates = [
        root,
        *folders_in(root),
        *(below for folder in folders_in(root) for below in folders_in(folder)),
    ]
    return [
        folder
        for folder in candidates
        if folder.name.casefold().startswith("drummer") and (folder / "audio" / "kick").is_dir()
    ]


def _medleydb_song(
    name: str, mix: Path, document: Path | None, inputs: Literal["raw", "stems"]
) -> DatasetSong:
    folder = mix.parent
    data = {} if document is None else metadata_of(document)
    problems = []
    if not data:
        problems.append("no metadata: roles are told by the sound")
    instruments = _medleydb_instruments(data, inputs)
    room = folder / f"{name}_{inputs.upper()}"
    paths = audio_in(room)
    if not paths:
        raise SongError(f'no recordings in "{room.name}".', code="E371")
    missing = sorted(set(instruments) - {path.name for path in paths}, key=path_key)
    if missing:
        problems.append(f"the metadata name {', '.join(missing[:3])}, not there")
    if str(data.get("has_bleed", "no")).casefold() in ("yes", "true") and inputs == "raw":
        problems.append("microphones hear each other (has_bleed)")
    roles = {path: instrument_role(*instruments.get(path.name, ())) for path in paths}
    # Names are numbers: what the metadata do not say is heard.
    unknown = RoleMatch(role="other", role_from="none")
    stated = {path: roles[path] or unknown for path in paths}
    stems = stems_of(folder, _without_live_mix(paths, instruments), stated)
    return DatasetSong(
        name=name,
        group=str(data.get("artist") or name.split("_")[0]),
        folder=folder,
        stems=stems,
        mix=mix,
        problems=tuple(problems),
    )


def _without_live_mix(paths: Sequence[Path], instruments: Mapping[str, tuple[str, ...]]) -> list[Path]:
    """The recordings without those of a whole desk: "Main System" is the mix of a hall, not a source."""
    return [path for path in paths if "main system" not in map(str.casefold, instruments.get(path.name, ()))]


def _medleydb_instruments(
    data: Mapping[str, Any], inputs: Literal["raw", "stems"]
) -> dict[str, tuple[str, ...]]:
    """What the metadata call every file; `instrument` may be a list."""
    found = {}
    for stem in _entries(data.get("stems")):
        for entry in [stem] if inputs == "stems" else _entries(stem.get("raw")):
            said = [entry.get("instrument"), stem.get("instrument")]
            words = [word for each in said for word in (each if isinstance(each, list) else [each])]
            found[str(entry.get("filename"))] = tuple(str(word) for word in words if word)
    return found


def _entries(part: Any) -> list[dict[str, Any]]:
    """The mappings in a mapping, such as S01, S02 …; [] where the metadata have another shape."""
    return [each for each in part.values() if isinstance(each, dict)] if isinstance(part, dict) else []


def _enst_song(name: str, audio: Path, take: str, mixed: Literal["dry", "wet"]) -> DatasetSong:
    roles: dict[Path, RoleMatch | None] = {}
    for microphone, role in ENST_MICROPHONES.items():
        path = audio / microphone / f"{take}.wav"
        if path.is_file():
            side = {"overhead_L": {"side": "L"}, "overhead_R": {"side": "R"}}.get(microphone, {})
            roles[path] = RoleMatch(role=role, role_from="folder", attributes=side)
    mix = audio / f"{mixed}_mix" / f"{take}.wav"
    if not mix.is_file():
        raise SongError(f'no "{mixed}_mix/{take}.wav".', code="E371")
    heard = {path.parent.name for path in roles}
    missing = [mic for mic in ENST_MICROPHONES if mic not in heard and (audio / mic).is_dir()]
    return DatasetSong(
        name=name,
        group=audio.parent.name,
        folder=audio,
        stems=stems_of(audio, list(roles), roles),
        mix=mix,
        problems=(f"no recording of {', '.join(missing)}",) if missing else (),
    )


def _cambridge_song(folder: Path, room: Path) -> DatasetSong:
    paths = audio_in(room) or [path for below in folders_in(room) for path in audio_in(below)]
    mixes = [
        path
        for title in TITLES_OF_MIXES
        for path in (
            *audio_in(folder / title),
            *(p for below in folders_in(folder / title) for p in audio_in(below)),
        )
    ]
    mixes += audio_in(folder)
    if not mixes:
        raise SongError('no mix beside the recordings (looked in "mixes" too).', code="E371")
    stems = tuple(stem for stem in stems_of(room, paths) if family_of(stem.role) != "util")
    return DatasetSong(
        name=folder.name, group=_artist_below(room, folder), folder=room, stems=stems, mix=_best_mix(mixes)
    )


def _artist_below(room: Path, folder: Path) -> str:
    """The artist of `Artist_Song_Full`, by the folder around the recordings or the song's own."""
    inner = [below.name for below in folders_in(room) if audio_in(below)]
    title = inner[0] if len(inner) == 1 else folder.name
    words = title.removesuffix("_Full").split("_")
    return words[0] if len(words) > 1 else title.split(" - ")[0]


def _best_mix(mixes: Sequence[Path]) -> Path:
    def rank(path: Path) -> tuple[bool, bool]:
        words = set(split_words(path.name))
        return "full" not in words, bool(words & {"preview", "rough", "unmastered", "excerpt"})

    return min(mixes, key=rank)
