"""The song that a recipe speaks of: its stems as they lie in a folder, checked like any others."""

from pathlib import Path, PurePosixPath

from mixcli.audio.files import AudioInfo, check_channels, display_name, read_info
from mixcli.console.recipe import Recipe, StemRecipe
from mixcli.errors import Notice, SettingsError, SongError
from mixcli.songs.listing import list_below, song_name
from mixcli.songs.naming import join_errors, quoted_list
from mixcli.songs.roles import match_role
from mixcli.songs.song import Excluded, Song, Stem
from mixcli.songs.song_folder import find_song_folder
from mixcli.songs.tokens import strip_suffix

LONGEST_OFFSET_S = 24 * 60 * 60


def song_of_recipe(folder: Path, recipe: Recipe, *, downmix: bool = False) -> Song:
    """The stems a recipe names, as they lie in a song folder.

    Raises SettingsError E414, E415 and E420 for what a recipe cannot ask, SongError E351 with all files that
    are missing, and for broken ones the errors of all of them in one.
    """
    files = [file for part in recipe.stems.values() for file in part.files]
    for file in files:
        if PurePosixPath(file).is_absolute() or ".." in Path(file).parts:
            message = f'the recipe names "{file}", which is outside the song folder.'
            raise SettingsError(message, code="E414")
    if not files:
        raise SettingsError("the recipe has no stems.", code="E415")
    room = _room_with(folder, files)
    missing = [file for file in files if not (room / file).exists()]
    if missing:
        message = f'the recipe names stems that are not in "{display_name(folder)}": {quoted_list(missing)}.'
        hint = "give the folder the recipe was made from, or take the stem out of the recipe."
        raise SongError(message, code="E351", hint=hint)
    stems, errors = [], []
    for name, part in recipe.stems.items():
        try:
            stems.append(_stem(name, part, room, downmix))
        except SongError as error:
            errors.append(error)
    if errors:
        raise join_errors(errors)
    excluded = [Excluded(name=name, why="option", detail=detail) for name, detail in recipe.excluded.items()]
    return Song(
        name=song_name(folder),
        folder=room,
        stems=tuple(stems),
        excluded=tuple(excluded),
        notices=_not_named(room, {*files, *recipe.excluded}),
    )


def _stem(name: str, part: StemRecipe, room: Path, downmix: bool) -> Stem:
    infos = tuple(read_info(room / file) for file in part.files)
    for info in infos:
        check_channels(info, downmix=downmix)
    if len(infos) == 2:
        _check_pair(*infos)
    if part.offset > LONGEST_OFFSET_S * infos[0].sample_rate:
        message = f'the recipe lets "{name}" begin after more than a day (offset: {part.offset}).'
        raise SettingsError(message, code="E420", hint="offset is in samples.")
    path = PurePosixPath(name)
    attributes = match_role(strip_suffix(path.name), path.parent.parts).attributes
    return Stem(
        name=name, files=infos, role=part.role, role_from="recipe", attributes=attributes, offset=part.offset
    )


def _check_pair(left: AudioInfo, right: AudioInfo) -> None:
    if left.n_channels != 1 or right.n_channels != 1 or left.sample_rate != right.sample_rate:
        names = f'"{display_name(left.path)}" and "{display_name(right.path)}"'
        message = f"{names} are no left and right: a pair is two mono files of one rate."
        raise SongError(message, code="E352", hint="make two stems of them in the recipe.")


def _room_with(folder: Path, files: list[str]) -> Path:
    """The folder that a recipe's files are in: the song's own, or the one below it that holds the stems."""
    if folder.is_dir() and all((folder / file).exists() for file in files):
        return folder
    return find_song_folder(folder, recursive=False, allow_single=True).folder


def _not_named(room: Path, named: set[str]) -> tuple[Notice, ...]:
    """A note of the audio files beside the stems that the recipe says nothing of."""
    others = [path.relative_to(room).as_posix() for path in list_below(room).audio]
    silent = [name for name in others if name not in named]
    if not silent:
        return ()
    return (Notice("I351", f"not in the recipe, so not mixed: {quoted_list(silent)}."),)
