"""What was asked of a mix, from all the places it may be asked in, as settings."""

from typing import Any

from mixcli.console.recipe import Recipe
from mixcli.console.recipe_file import read_recipe
from mixcli.console.variants import vary
from mixcli.errors import SettingsError
from mixcli.mixing.output_path import output_format
from mixcli.mixing.request import MixRequest
from mixcli.settings import MixSettings, RuleSettings, override, preset_values
from mixcli.strict_yaml import validate


def settle_settings(request: MixRequest) -> tuple[MixSettings, Recipe | None]:
    """The settings of a request: presets, then recipe (read here), then what was asked for by name."""
    settings = override(MixSettings(), preset_values(request.presets, "mix"))
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


def settle_rules(request: MixRequest) -> RuleSettings:
    """The settings of the rules: presets, then what was asked for by name, then the way a variant turns.

    `model_fields_set` of the result tells what was asked for.
    """
    given = preset_values(request.presets, "rules") | dict(request.rules)
    rules = validate(RuleSettings, given, source="the command line")
    return rules if request.variant is None else vary(rules, request.variant)


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
