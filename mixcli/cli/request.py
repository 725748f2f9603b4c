"""From the options of `mix` and `batch` to a request."""

from pathlib import Path
from typing import Any, cast

from mixcli.cli.options import MixOptions
from mixcli.cli.parse import parse_choice, parse_levels, parse_number, parse_pairs, parse_time
from mixcli.cli.song_options import SongOptions
from mixcli.errors import UsageError
from mixcli.mixing.request import ConsoleMoves, IfExists, MixRequest, Terms
from mixcli.settings import DEFAULT_PRESET, load_preset, parse_assignments
from mixcli.songs.discovery import DiscoveryOptions
from mixcli.songs.header_checks import Alignment


def asked_settings(options: MixOptions) -> dict[str, Any]:
    """The settings asked for by name: a named preset, then `--set`, then the options of their own."""
    asked: dict[str, Any] = {}
    if options.preset is not None:
        asked |= load_preset(options.preset).mix.model_dump(exclude_unset=True)
    asked |= parse_assignments(options.set_ or [])
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
    return asked


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


def refuse_beside_recipe(options: SongOptions) -> None:
    """Raise UsageError for options that choose stems: a recipe has chosen them."""
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


def build_request(folder: Path, out: Path | None, options: MixOptions, *, if_exists: str) -> MixRequest:
    """Everything that was typed, checked and in its place. Raises UsageError and SettingsError."""
    if options.force and options.if_exists not in (None, "overwrite"):
        raise UsageError("--force and --if-exists contradict each other.", code="E206")
    if options.recipe is not None:
        refuse_beside_recipe(options)
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
        preset=options.preset or DEFAULT_PRESET,
        settings=asked_settings(options),
        discovery=discovery_options(options),
        repair=options.repair_nan,
        recipe=options.recipe,
        moves=moves,
        terms=cast(Terms, terms),
        start_s=parse_time("--start", options.start) or 0.0,
        duration_s=parse_time("--duration", options.duration),
        strict=options.strict,
    )
