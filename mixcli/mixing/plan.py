"""From a song folder to all that will be done to it: the plan that a dry run shows and a mix carries out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mixcli.console.overrides import apply_overrides
from mixcli.console.recipe import MasterRecipe, Recipe
from mixcli.console.recipe_file import read_recipe
from mixcli.console.render import mix_length, sounding_stems
from mixcli.console.rules import make_recipe
from mixcli.errors import Notice, SettingsError
from mixcli.mixing.network_choice import choose_model, network_recipe
from mixcli.mixing.output_path import output_format
from mixcli.mixing.recipe_song import song_of_recipe
from mixcli.mixing.request import MixRequest, Progress
from mixcli.settings import MixSettings, load_preset, override
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.header_checks import most_common_rate
from mixcli.songs.song import Song
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
    asked = override(settings, request.settings)
    settings = output_format(request.out, asked)
    if "format" in request.settings and settings.format != asked.format:
        message = f'"{request.out}" and --format {asked.format} contradict each other.'
        raise SettingsError(message, code="E418", hint="let the name of the file say the format.")
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
    notices: tuple[Notice, ...] = ()
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
        notices += one_stem_left(song, request.discovery)
        recipe = make_recipe(song, survey)
    moves = request.moves
    recipe = apply_overrides(recipe, moves.gains_db, moves.pans, moves.mutes, moves.solos)
    check_something_sounds(song, recipe)
    check_excerpt(song, recipe.sample_rate, request.start_s, request.duration_s)
    model, network_notices = choose_model(settings, recipe, has_recipe=given_recipe is not None)
    if model is not None and model.settings.outputs == "mix":
        from mixcli.engine.prepare import plan_inputs

        # refuses stems that it has no input for
        plan_inputs(sounding_stems(song, recipe), model.settings, model_name=model.name)
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
        notices=song.notices + notices + network_notices,
        start_s=request.start_s,
        duration_s=request.duration_s,
        repair=request.repair,
    )


def one_stem_left(song: Song, discovery: DiscoveryOptions) -> tuple[Notice, ...]:
    """A warning where silence, copies and bounces have left a single stem of several."""
    if len(song.stems) > 1 or discovery.allow_single:
        return ()
    name = song.stems[0].name
    return (Notice("W308", f'only "{name}" is left of the song; the rest was left out.', name),)


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


def check_something_sounds(song: Song, recipe: Recipe) -> None:
    """Raise SettingsError when every stem is muted."""
    if not sounding_stems(song, recipe):
        raise SettingsError("every stem is muted.", code="E419", hint="see --mute and --solo, or the recipe.")


def check_excerpt(song: Song, sample_rate: int, start_s: float, duration_s: float | None) -> None:
    """Raise SettingsError when a preview would lie outside the song."""
    if start_s < 0 or (duration_s is not None and duration_s <= 0):
        raise SettingsError("--start cannot be below 0, nor --duration 0 or below.", code="E416")
    if round(start_s * sample_rate) >= mix_length(song, sample_rate):
        message = f"--start {start_s:g} s is after the end of the song ({song.duration_s:.1f} s)."
        raise SettingsError(message, code="E416")
