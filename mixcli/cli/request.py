"""From the options of `mix` and `batch` to a request."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from mixcli.audio.wording import printable
from mixcli.cli.options import MixOptions
from mixcli.cli.parse import parse_choice, parse_levels, parse_number, parse_pairs, parse_time
from mixcli.cli.song_options import SongOptions
from mixcli.errors import UsageError
from mixcli.mixing.request import ConsoleMoves, IfExists, MixRequest, Terms
from mixcli.settings import DEFAULT_PRESET, load_preset, parse_assignments, preset_values
from mixcli.songs.discovery import DiscoveryOptions
from mixcli.songs.header_checks import Alignment


def chosen_presets(given: list[str] | None) -> tuple[str, ...]:
    """The presets to use: those of MIXCLI_PRESET, then those named with --preset.

    A style from the environment holds until a style is named, and a delivery until a delivery is. Raises
    SettingsError.
    """
    named = tuple(given or ())
    kinds = {kind for name in named for kind in load_preset(name).kinds}
    waiting = [word.strip() for word in os.environ.get("MIXCLI_PRESET", "").split(",")]
    return (*(word for word in waiting if word and kinds.isdisjoint(load_preset(word).kinds)), *named)


def asked_settings(options: MixOptions, presets: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings of mix and rules asked for by name.

    Those of the mix begin with the presets, which win over a recipe; then comes `--set`, then the options of
    their own.
    """
    asked, rules = parse_assignments(options.set_ or [])
    asked = preset_values(presets, "mix") | asked
    if options.keep_balance is not None:
        rules["keep_balance"] = options.keep_balance
    named = {
        "format": options.format,
        "bit_depth": options.bit_depth,
        "loudness_mode": options.loudness_mode,
        "model": options.model,
        "amount": options.amount,
        "true_peak_dbtp": options.true_peak,
    }
    asked |= {key: value for key, value in named.items() if value is not None}
    if options.lufs is not None:
        asked["lufs"] = None if options.lufs == "off" else parse_number("--lufs", options.lufs)
    if options.sample_rate is not None:
        text = options.sample_rate
        asked["sample_rate"] = text if text == "source" else int(parse_number("--sample-rate", text))
    return asked, rules


def discovery_options(options: SongOptions) -> DiscoveryOptions:
    """What was said about the files of a song. Raises UsageError and SettingsError."""
    align = parse_choice("--align", options.align, ("auto", "start", "bwf"))
    return DiscoveryOptions(
        include=tuple(options.include or ()),
        exclude=tuple(options.exclude or ()),
        recursive=options.recursive,
        roles=tuple(parse_pairs("--role", options.role)),
        align=cast(Alignment, align),
        pair=not options.no_pair,
        downmix=options.downmix,
        allow_single=options.allow_single,
        keep_click=options.keep_click,
        skip_bad=options.skip_bad,
    )


def refuse_beside_recipe(options: MixOptions, rules: Mapping[str, Any]) -> None:
    """Raise UsageError for options that choose stems or turn the rules: a recipe has chosen and decided."""
    chosen = {
        "--include": options.include,
        "--exclude": options.exclude,
        "--recursive": options.recursive,
        "--role": options.role,
        "--align": options.align != "auto",
        "--no-pair": options.no_pair,
        "--allow-single": options.allow_single,
        "--keep-click": options.keep_click,
        "--skip-bad": options.skip_bad,
    }
    given = [name for name, value in chosen.items() if value]
    if given:
        message = f"a recipe names its stems and their roles; {', '.join(given)} cannot change them."
        raise UsageError(message, code="E210", hint="edit the recipe, or make a new one without --recipe.")
    turned = [f"--preset {name}" for name in options.preset or () if load_preset(name).kinds == ("style",)]
    turned += [f"rules.{key}" for key in rules]
    if turned:
        message = f"no rule is consulted beside a recipe; {', '.join(turned)} cannot change it."
        raise UsageError(message, code="E230", hint="edit the recipe, or make a new one without --recipe.")


def parse_device(text: str) -> str:
    """A device as torch names it. Raises UsageError E203."""
    if re.fullmatch(r"cpu|cuda(:\d{1,3})?|mps", text) is None:
        raise UsageError(f'--device "{printable(text)}": cpu, cuda, cuda:1 or mps.', code="E203")
    return text


def build_request(folder: Path, out: Path | None, options: MixOptions, *, if_exists: str) -> MixRequest:
    """Everything that was typed, checked and in its place. Raises UsageError and SettingsError."""
    if options.force and options.if_exists not in (None, "overwrite"):
        raise UsageError("--force and --if-exists contradict each other.", code="E206")
    presets = chosen_presets(options.preset)
    settings, rules = asked_settings(options, presets)
    if options.recipe is not None:
        refuse_beside_recipe(options, rules)
    existing = "overwrite" if options.force else options.if_exists or if_exists
    existing = parse_choice("--if-exists", existing, ("error", "skip", "overwrite", "number"))
    terms = parse_choice("--terms", options.terms, ("none", "stems", "buses"))
    parse_choice("--report", options.report, ("none",))
    moves = ConsoleMoves(
        gains_db=parse_levels("--gain", options.gain),
        pans=parse_levels("--pan", options.pan),
        mutes=tuple(options.mute or ()),
        solos=tuple(options.solo or ()),
    )
    return MixRequest(
        folder=folder,
        out=out,
        name_template=options.name,
        if_exists=cast(IfExists, existing),
        presets=presets or (DEFAULT_PRESET,),
        settings=settings,
        rules=rules,
        discovery=discovery_options(options),
        repair=options.repair_nan,
        recipe=options.recipe,
        moves=moves,
        terms=cast(Terms, terms),
        start_s=parse_time("--start", options.start) or 0.0,
        duration_s=parse_time("--duration", options.duration),
        strict=options.strict,
        device=parse_device(options.device),
    )
