"""Which songs are evaluated, and which file each system gives for each of them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mixcli.audio.files import display_name
from mixcli.errors import MixcliError, Notice, OutputError, SettingsError, SongError, UsageError
from mixcli.evaluation.places import (
    FIELD,
    audio_below,
    audio_in,
    check_place,
    find_file,
    find_folder,
    named_files,
    only_one,
)
from mixcli.evaluation.request import EvalRequest, System
from mixcli.mixing.output_path import lies_in
from mixcli.songs.library import FEWEST_STEMS, find_songs
from mixcli.songs.listing import song_name
from mixcli.songs.song_folder import check_folder

MAX_LABEL_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class PlannedSong:
    """A song, and what is compared for it.

    `folder` holds its stems; it is None where only finished mixes are compared. `reference` is None where
    the song's own folder is to say which file it is. `mixes` are the files of given systems; `missing` tells
    why a system has none, `failure` why the whole song cannot be scored.
    """

    name: str
    folder: Path | None
    reference: Path | None = None
    mixes: Mapping[str, Path] = field(default_factory=dict)
    missing: Mapping[str, SongError] = field(default_factory=dict)
    parts: Path | None = None
    recipe: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    failure: MixcliError | None = None


@dataclass(frozen=True, kw_only=True)
class EvalPlan:
    """All songs of an evaluation and the systems compared on them, own ones first."""

    songs: tuple[PlannedSong, ...]
    systems: tuple[System, ...]
    notices: tuple[Notice, ...] = ()


def plan_evaluation(request: EvalRequest) -> EvalPlan:
    """Find songs, references and given mixes; reads no sound.

    Two forms: a library of songs with stems; or, with `against`, a folder of finished mixes with the names of
    the references. Raises UsageError E208 and E216, SongError E301, E306, E361 and E362, SettingsError
    E423, OutputError E507.
    """
    if request.library.is_file():
        hint = "a folder of songs, or a folder of mixes with --against."
        raise UsageError(f'"{display_name(request.library)}" is a file.', code="E216", hint=hint)
    check_folder(request.library)
    for system in request.systems:
        if system.place is not None:
            check_place(system.place, f"--system {system.name}")
    if request.against is not None:
        check_place(str(request.against), "--against")
    if request.parts is not None:
        check_place(request.parts, "--parts")
    pairs = _pairs(request)
    songs, systems = _finished_mixes(request, pairs) if pairs else _library(request)
    _check_names(systems)
    _check_out(request, songs)
    labels = read_labels(request.labels) if request.labels is not None else {}
    unknown = sorted(labels.keys() - {song.name for song in songs})
    if labels and len(unknown) == len(labels):
        message = f'"{request.labels}" names none of the songs; its first one is "{unknown[0]}".'
        raise SettingsError(message, code="E423", hint=f'the songs are called like "{songs[0].name}".')
    labelled = tuple(replace(song, labels=labels.get(song.name, {})) for song in songs)
    return EvalPlan(songs=labelled, systems=systems, notices=_form_notices(request, pairs))


def _check_names(systems: tuple[System, ...]) -> None:
    """Raise UsageError E217 where two systems, or one and the reference, would be told by one name."""
    names = ["reference", *(system.name for system in systems)]
    for name in names:
        if names.count(name) > 1:
            message = f'two of what is compared are called "{name}".'
            raise UsageError(message, code="E217", hint="--system NAME=FOLDER with another name.")


def _check_out(request: EvalRequest, songs: list[PlannedSong]) -> None:
    """Raise OutputError E507 for results that would lie in a song folder, which is never written into."""
    out = request.out
    folders = [song.folder for song in songs if song.folder is not None]
    if out is not None and any(lies_in(out, folder) for folder in folders):
        message = f'"{out}" lies in a song folder, which is never written into.'
        raise OutputError(message, code="E507", hint="another --out.")


def _form_notices(request: EvalRequest, pairs: Mapping[str, tuple[Path, Path]]) -> tuple[Notice, ...]:
    if not pairs:
        return ()
    where = display_name(request.library)
    message = f"{len(pairs)} finished mixes are compared with their references; nothing is mixed."
    notices = [Notice("I361", message, where)]
    paired = {mix for mix, _ in pairs.values()}
    alone = [path for path in audio_below(request.library) if path not in paired]
    if alone:
        names = ", ".join(f'"{display_name(path)}"' for path in alone[:3]) + (", …" if len(alone) > 3 else "")
        notices.append(Notice("W367", f"without a reference of the same name, so left out: {names}.", where))
    return tuple(notices)


def _pairs(request: EvalRequest) -> dict[str, tuple[Path, Path]]:
    """Finished mixes of the first folder that have a reference of the same name in the second."""
    against = request.against
    if against is None or FIELD in str(against):
        return {}
    found = {}
    for reference in audio_below(against):
        name = reference.relative_to(against).with_suffix("").as_posix()
        mixes = [path for path in named_files(str(request.library), name) if path != reference]
        mixes = [path for path in mixes if not _is_beside_stems(path)]
        if mixes:
            found[name] = (only_one(mixes, name, "mix"), reference)
    return found


def _is_beside_stems(mix: Path) -> bool:
    """Whether a file named like its folder lies among others: `Song/Song.wav` with the song's stems."""
    return mix.parent.name == mix.stem and len(audio_in(mix.parent)) > FEWEST_STEMS


def _finished_mixes(
    request: EvalRequest, pairs: Mapping[str, tuple[Path, Path]]
) -> tuple[list[PlannedSong], tuple[System, ...]]:
    """Songs that are only mixes and references: nothing is mixed, and no baseline can be."""
    given = tuple(system for system in request.systems if system.kind == "given")
    own_name = request.library.resolve().name or "mixes"
    system = System(name=own_name, kind="given", place=str(request.library))
    songs = []
    for name, (mix, reference) in pairs.items():
        song = PlannedSong(name=name, folder=None, reference=reference, mixes={own_name: mix})
        songs.append(_looked_up(request, song, given))
    return songs, (system, *given)


def _library(request: EvalRequest) -> tuple[list[PlannedSong], tuple[System, ...]]:
    """Songs with stems; their references lie with them, or in a folder of their own."""
    found = find_songs(request.library)
    out = request.out
    if out is not None and lies_in(out, request.library):  # earlier results are no songs
        found = [(name, folder) for name, folder in found if not lies_in(folder, out)]
    if not found:
        hint = "a song is a folder of stems; finished mixes are compared with --against REFERENCES."
        raise SongError(f'no songs in "{display_name(request.library)}".', code="E306", hint=hint)
    given = tuple(system for system in request.systems if system.kind == "given")
    songs = []
    for relative, folder in found:
        name = song_name(folder) if relative == "." else relative
        song = _looked_up(request, PlannedSong(name=name, folder=folder), given)
        songs.append(_with_recipe(request, song, len(found)))
    failures = [song.failure for song in songs if song.failure is not None]
    if len(failures) == len(songs):
        raise failures[0]
    return songs, request.systems


def _looked_up(request: EvalRequest, song: PlannedSong, given: tuple[System, ...]) -> PlannedSong:
    """A song with the files that lie elsewhere: its reference, its parts, the mixes of given systems."""
    mixes, missing = _given_mixes(given, song.name)
    song = replace(song, mixes={**song.mixes, **mixes}, missing=missing)
    try:
        if request.against is not None and song.reference is None:
            song = replace(song, reference=find_file(str(request.against), song.name, "reference"))
        if request.parts is not None:
            song = replace(song, parts=find_folder(request.parts, song.name))
    except SongError as error:
        song = replace(song, failure=error)
    return song


def _given_mixes(systems: tuple[System, ...], song: str) -> tuple[dict[str, Path], dict[str, SongError]]:
    mixes: dict[str, Path] = {}
    missing: dict[str, SongError] = {}
    for system in systems:
        try:
            mixes[system.name] = find_file(system.place or "", song, f"mix of {system.name}")
        except SongError as error:
            missing[system.name] = error
    return mixes, missing


def _with_recipe(request: EvalRequest, song: PlannedSong, n_songs: int) -> PlannedSong:
    if request.recipe is None:
        return song
    if FIELD not in request.recipe and n_songs > 1:
        message = f'--recipe "{request.recipe}" is one recipe, and there are {n_songs} songs.'
        raise UsageError(message, code="E208", hint="--recipe 'recipes/{song}.recipe.yaml'")
    recipe = Path(request.recipe.replace(FIELD, song.name))
    if not recipe.is_file():
        message = f'"{song.name}": no recipe "{recipe}".'
        return replace(song, failure=SettingsError(message, code="E411", hint="{song} stands for the song."))
    return replace(song, recipe=recipe)


def read_labels(path: Path) -> dict[str, dict[str, str]]:
    """The labels of songs from a CSV file with a column `song` and any others, such as `genre`.

    Raises SettingsError E423.
    """
    hint = "a CSV file whose first line is like: song,genre"
    try:
        if path.stat().st_size > MAX_LABEL_BYTES:
            raise SettingsError(f'"{display_name(path)}" is too long for labels.', code="E423", hint=hint)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no CSV in UTF-8"
        message = f'"{display_name(path)}" cannot be read as labels: {reason}.'
        raise SettingsError(message, code="E423", hint=hint) from error
    if not rows or "song" not in rows[0]:
        raise SettingsError(f'"{display_name(path)}" has no column "song".', code="E423", hint=hint)
    return {
        row["song"]: {key: text for key, text in row.items() if key and key != "song" and text}
        for row in rows
        if row["song"]
    }
