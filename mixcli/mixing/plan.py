"""From a song folder to all that will be done to it: the plan that a dry run shows and a mix carries out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mixcli.audio.files import check_channels, display_name, read_info
from mixcli.console.overrides import apply_overrides
from mixcli.console.recipe import MasterRecipe, NetworkRecipe, Recipe
from mixcli.console.recipe_file import read_recipe
from mixcli.console.rules import make_recipe
from mixcli.errors import Notice, SettingsError, SongError
from mixcli.mixing.output_path import output_format
from mixcli.mixing.request import MixRequest, Progress
from mixcli.settings import MixSettings, load_preset, override
from mixcli.songs.discovery import read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.listing import song_name
from mixcli.songs.song import Excluded, Song, Stem
from mixcli.songs.song_folder import find_song_folder
from mixcli.songs.survey import Survey, survey_song

if TYPE_CHECKING:
    from mixcli.models.checkpoint import TrainedModel


@dataclass(frozen=True, kw_only=True)
class MixPlan:
    """A song, what is known of its stems, and the recipe that will be rendered."""

    song: Song
    survey: Survey | None
    recipe: Recipe
    settings: MixSettings
    model: "TrainedModel | None"
    notices: tuple[Notice, ...]
    start_s: float = 0.0
    duration_s: float | None = None
    repair: bool = False

    @property
    def sample_rate(self) -> int:
        """Samples per second of the mix."""
        return self.recipe.sample_rate


def settle_settings(request: MixRequest) -> tuple[MixSettings, Recipe | None]:
    """The settings of a request: preset, then recipe (read here), then what was asked for by name."""
    settings = load_preset(request.preset).mix
    recipe = None
    if request.recipe is not None:
        recipe = read_recipe(request.recipe)
        settings = override(settings, settings_of_recipe(recipe), source=f'"{request.recipe.name}"')
    settings = output_format(request.out, override(settings, request.settings))
    if settings.format == "flac" and settings.bit_depth == "32f":
        message = "FLAC holds 16 or 24 bits, not 32-bit float."
        raise SettingsError(message, code="E418", hint="--format wav, or --bit-depth 24.")
    return settings, recipe


def plan_mix(request: MixRequest, on_progress: Progress | None = None) -> MixPlan:
    """Read, measure and decide; nothing is rendered or written.

    With a recipe no rule is consulted and no stem is measured. Raises SongError, SettingsError and
    CheckpointError.
    """
    settings, given_recipe = settle_settings(request)
    survey = None
    if given_recipe is not None:
        song = song_of_recipe(request.folder, given_recipe, downmix=request.discovery.downmix)
        recipe = given_recipe
        if isinstance(settings.sample_rate, int):
            recipe = recipe.model_copy(update={"sample_rate": settings.sample_rate})
    else:
        song = read_song(request.folder, request.discovery)
        survey = survey_song(
            song,
            mix_sample_rate(song, settings),
            skip_bad=request.discovery.skip_bad,
            repair=request.repair,
            on_block=measuring(song, on_progress),
        )
        song, survey = apply_survey(song, survey)
        recipe = make_recipe(song, survey)
    moves = request.moves
    recipe = apply_overrides(recipe, moves.gains_db, moves.pans, moves.mutes, moves.solos)
    check_excerpt(song, request.start_s, request.duration_s)
    model, notices = choose_model(settings, recipe, has_recipe=given_recipe is not None)
    if model is not None and model.settings.outputs == "mix":
        from mixcli.engine.prepare import plan_inputs

        plan_inputs(song.stems, model.settings, model_name=model.name)  # refuses stems it has no input for
    master = MasterRecipe(
        target_lufs=settings.lufs,
        true_peak_dbtp=settings.true_peak_dbtp,
        mode=settings.loudness_mode,
        limit_db=settings.limit_db,
    )
    network = network_recipe(model, settings)
    return MixPlan(
        song=song,
        survey=survey,
        recipe=recipe.model_copy(update={"network": network, "master": master}),
        settings=settings,
        model=model,
        notices=song.notices + notices,
        start_s=request.start_s,
        duration_s=request.duration_s,
        repair=request.repair,
    )


def measuring(song: Song, on_progress: Progress | None) -> Callable[[int, int], None] | None:
    """The survey's progress as a stage of the mix."""
    if on_progress is None:
        return None
    total_s = song.duration_s

    def on_block(done: int, total: int) -> None:
        on_progress("measuring", done / max(total, 1) * total_s, total_s)

    return on_block


def mix_sample_rate(song: Song, settings: MixSettings) -> int:
    """The asked rate, or the one that most stems have."""
    return settings.sample_rate if settings.sample_rate != "source" else most_common_rate(song.stems)


def settings_of_recipe(recipe: Recipe) -> dict[str, Any]:
    """What a recipe says of loudness and network, as settings."""
    master = recipe.master
    settings: dict[str, Any] = {
        "lufs": master.target_lufs,
        "loudness_mode": master.mode,
        "limit_db": master.limit_db,
        "sample_rate": recipe.sample_rate,
    }
    if recipe.network.model is not None:  # else an amount of 0 only says that there was no network
        settings |= {"model": recipe.network.model, "amount": recipe.network.amount}
    if master.true_peak_dbtp is not None:
        settings["true_peak_dbtp"] = master.true_peak_dbtp
    return settings


def song_of_recipe(folder: Path, recipe: Recipe, *, downmix: bool = False) -> Song:
    """The stems a recipe names, as they lie in a song folder. Raises SongError with all that is missing."""
    files = [file for part in recipe.stems.values() for file in part.files]
    for file in files:
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            message = f'the recipe names "{file}", which is outside the song folder.'
            raise SettingsError(message, code="E414")
    if not files:
        raise SettingsError("the recipe has no stems.", code="E415")
    room = _room_with(folder, files)
    missing = [f'"{file}"' for file in files if not (room / file).exists()]
    if missing:
        listed, name = ", ".join(missing), display_name(folder)
        message = f'the recipe names stems that are not in "{name}": {listed}.'
        hint = "give the folder the recipe was made from, or take the stem out of the recipe."
        raise SongError(message, code="E351", hint=hint)
    stems = tuple(
        Stem(
            name=name,
            files=tuple(read_info(room / file) for file in part.files),
            role=part.role,
            role_from="recipe",
            offset=part.offset,
        )
        for name, part in recipe.stems.items()
    )
    for stem in stems:
        for info in stem.files:
            check_channels(info, downmix=downmix)
    excluded = tuple(
        Excluded(name=name, why="option", detail=detail) for name, detail in recipe.excluded.items()
    )
    return Song(name=song_name(folder), folder=room, stems=stems, excluded=excluded)


def _room_with(folder: Path, files: list[str]) -> Path:
    """The folder that a recipe's files are in: the song's own, or the one below it that holds the stems."""
    if folder.is_dir() and all((folder / file).exists() for file in files):
        return folder
    return find_song_folder(folder, recursive=False, allow_single=True).folder


def check_excerpt(song: Song, start_s: float, duration_s: float | None) -> None:
    """Raise SettingsError when a preview would lie outside the song."""
    if start_s < 0 or (duration_s is not None and duration_s <= 0):
        raise SettingsError("--start cannot be below 0, nor --duration 0 or below.", code="E416")
    if start_s >= song.duration_s:
        message = f"--start {start_s:g} s is after the end of the song ({song.duration_s:.1f} s)."
        raise SettingsError(message, code="E416")


def choose_model(
    settings: MixSettings, recipe: Recipe, *, has_recipe: bool
) -> tuple["TrainedModel | None", tuple[Notice, ...]]:
    """Load the network that was asked for, or the default one where it is installed.

    Without a network, or with an amount of 0, the mix is the console's alone, and a notice says so. Torch is
    imported only when a network takes part. Raises CheckpointError.
    """
    if settings.amount == 0:
        return None, ()
    if settings.model is None and (has_recipe or not default_weights_installed()):
        return None, (Notice("I401", "no network takes part: the console alone makes this mix."),)
    from mixcli.models.checkpoint import default_model, load_model

    name = settings.model or default_model()
    if name is None:
        return None, (Notice("I401", "no network takes part: the console alone makes this mix."),)
    model = load_model(name)
    made_with = recipe.network.sha256
    if made_with is not None and recipe.network.model == settings.model and made_with != model.sha256:
        message = f'the recipe was made with other weights of "{name}" (sha256 {made_with[:12]}…).'
        raise SettingsError(message, code="E417", hint="take the line sha256 out of the recipe to use these.")
    return model, ()


def default_weights_installed() -> bool:
    """Whether any weights lie in the package, found without importing torch."""
    weights = Path(__file__).parents[1] / "models" / "weights"
    return any(weights.glob("*.safetensors")) or any(weights.glob("*/*.safetensors"))


def network_recipe(model: "TrainedModel | None", settings: MixSettings) -> NetworkRecipe:
    """What the recipe says of the network."""
    if model is None:
        return NetworkRecipe(reasons={"model": "no network took part; this is the console's mix"})
    reasons = {"amount": "as asked for" if settings.amount != 1 else "the network's full part"}
    return NetworkRecipe(
        model=settings.model or model.name, sha256=model.sha256, amount=settings.amount, reasons=reasons
    )
