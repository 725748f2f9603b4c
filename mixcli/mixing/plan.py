"""From a song folder to all that will be done to it: the plan that a dry run shows and a mix carries out."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mixcli.console.keep_balance import keep_balance
from mixcli.console.overrides import apply_overrides
from mixcli.console.printed_stems import looks_balanced
from mixcli.console.recipe import MasterRecipe, Recipe
from mixcli.console.render import mix_length, sounding_stems
from mixcli.console.rules import make_recipe
from mixcli.errors import Notice, SettingsError
from mixcli.mixing.measured import MeasuredSong, measure_song
from mixcli.mixing.network_choice import choose_model, network_recipe
from mixcli.mixing.recipe_song import song_of_recipe
from mixcli.mixing.request import MixRequest, Progress
from mixcli.mixing.settle import settle_rules, settle_settings
from mixcli.settings import MixSettings, RuleSettings, load_preset
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey

if TYPE_CHECKING:
    from mixcli.models.checkpoint import TrainedModel


@dataclass(frozen=True, kw_only=True)
class MixPlan:
    """A song, what is known of its stems, and the recipe that will be rendered."""

    song: Song
    survey: Survey | None
    rules: RuleSettings | None  # None where a recipe was given
    recipe: Recipe
    settings: MixSettings
    model: "TrainedModel | None"
    notices: tuple[Notice, ...]
    start_s: float = 0.0
    duration_s: float | None = None
    repair: bool = False
    processes: int = 1

    @property
    def sample_rate(self) -> int:
        """Samples per second of the mix."""
        return self.recipe.sample_rate


def plan_mix(
    request: MixRequest, on_progress: Progress | None = None, *, measured: MeasuredSong | None = None
) -> MixPlan:
    """Read, measure and decide; nothing is rendered or written.

    With a recipe no rule is consulted and no stem is measured; `measured` is a song that was measured before.
    Raises SongError, SettingsError and CheckpointError.
    """
    settings, given_recipe = settle_settings(request)
    survey = rules = None
    notices: tuple[Notice, ...] = ()
    if given_recipe is not None:
        song = song_of_recipe(request.folder, given_recipe, downmix=request.discovery.downmix)
        recipe = given_recipe
        if isinstance(settings.sample_rate, int):
            recipe = recipe.model_copy(update={"sample_rate": settings.sample_rate})
    else:
        rules = settle_rules(request)
        measured = measured or measure_song(request, settings, on_progress)
        song, survey = measured.song, measured.survey
        notices += measured.notices
        recipe = make_recipe(song, survey, settings=rules, pairs=measured.pairs)
        recipe = keep_balance(recipe, survey, rules.keep_balance)
        if "keep_balance" not in rules.model_fields_set:
            notices += balance_notices(song, survey)
    moves = request.moves
    recipe = apply_overrides(recipe, moves.gains_db, moves.pans, moves.mutes, moves.solos)
    check_something_sounds(song, recipe)
    check_excerpt(song, recipe.sample_rate, request.start_s, request.duration_s)
    model, network_notices = choose_model(
        settings, recipe, has_recipe=given_recipe is not None, device=request.device
    )
    if model is not None and model.settings.outputs == "mix":
        from mixcli.engine.prepare import plan_inputs

        # refuses stems that it has no input for
        plan_inputs(sounding_stems(song, recipe), model.settings, model_name=model.name)
    master = MasterRecipe(
        target_lufs=settings.lufs,
        true_peak_dbtp=settings.true_peak_dbtp,
        mode=settings.loudness_mode,
        limit_db=settings.limit_db,
        reasons=rules_reasons(request, rules),
    )
    network = network_recipe(model, settings, None if given_recipe is None else given_recipe.network)
    return MixPlan(
        song=song,
        survey=survey,
        rules=rules,
        recipe=recipe.model_copy(update={"network": network, "master": master}),
        settings=settings,
        model=model,
        notices=song.notices + notices + network_notices,
        start_s=request.start_s,
        duration_s=request.duration_s,
        repair=request.repair,
        processes=request.processes,
    )


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


def balance_notices(song: Song, survey: Survey) -> tuple[Notice, ...]:
    """A note where the stems look like those of a mix, whose balance could be kept."""
    balance = looks_balanced(song, survey)
    if balance is None:
        return ()
    message = f"the stems look printed from a mix ({balance.words}); --keep-balance 1 keeps it."
    return (Notice("I402", message),)


def rules_reasons(request: MixRequest, rules: RuleSettings | None) -> dict[str, str]:
    """What the recipe says of how the rules were turned, and of which variant it is."""
    reasons = {}
    if request.variant is not None and request.variant.direction is not None:
        reasons["variant"] = f"{request.variant.label}: {request.variant.text}"
    if rules is not None:
        defaults = RuleSettings().model_dump()
        turned = {key: value for key, value in rules.model_dump().items() if value != defaults[key]}
        if turned:
            styles = [name for name in request.presets if "style" in load_preset(name).kinds]
            words = ", ".join(
                f"{key} {value if isinstance(value, str) else f'{value:g}'}" for key, value in turned.items()
            )
            reasons["rules"] = f"{'+'.join(styles)}: {words}" if styles else words
    return reasons
