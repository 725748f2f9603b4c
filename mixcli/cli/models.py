"""`mixcli models`: which networks there are, what one is, whether it is whole, and converting others."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mixcli.cli.show import line, path_line, result_line

if TYPE_CHECKING:
    from mixcli.models.settings import ModelSettings

models = typer.Typer(help="List, describe, check and convert networks.", no_args_is_help=True)

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model's name, its .safetensors, .pt or .ckpt file, or its folder.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@models.command("list")
def list_models(json: AsJson = False) -> None:
    """List the networks that are installed with mixcli; the others are named by their path."""
    from mixcli.models.describe import describe_installed
    from mixcli.models.model_paths import installed_models

    found = [describe_installed(name) for name in installed_models()]
    if json:
        write_json({"schema": "mixcli.models/1", "models": found})
        return
    if not found:
        line("no network is installed; the console mixes alone")
    width = max((len(each["name"]) for each in found), default=0)
    for each in found:
        size = f"{len(each['inputs'])} inputs, {each['sample_rate']} Hz, {each['parameters']:,} parameters"
        result_line(f"{each['name'].ljust(width)}  {each['layout']}, {size}, {each['licence']}")


@models.command("info")
def show_model(model: ModelArgument, json: AsJson = False) -> None:
    """Show what a network takes and gives, its size, its licence and what it was trained on."""
    from mixcli.models.checkpoint import load_model
    from mixcli.models.describe import describe

    facts = describe(load_model(model))
    if json:
        write_json({"schema": "mixcli.model-info/1", **facts})
        return
    for key, value in facts.items():
        result_line(f"{key}: {as_words(key, value, facts['sample_rate'])}")


def as_words(key: str, value: Any, sample_rate: int) -> str:
    """A fact about a model as people read it."""
    if key == "reach":
        whole = "all of the song that it is given at once"
        seconds = f"{value / sample_rate:.2f} s" if value is not None else ""
        return whole if value is None else f"{value:,} samples ({seconds}) to either side of a sample"
    if key == "input_peak_dbfs":
        return "inputs as they are" if value is None else f"every input is brought to {value:g} dBFS"
    if key == "input_loud_dbfs":
        return "inputs as they are" if value is None else f"loud moments are brought to {value:g} dBFS"
    if key == "familiarity" and value is None:
        return "not known: every song is mixed as if it were like those it learnt from"
    if key == "limits":
        known = {} if value is None else {name: limit for name, limit in value.items() if limit is not None}
        return ", ".join(f"{name} {limit:g}" for name, limit in known.items()) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting}" for name, setting in value.items())
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if key == "parameters" else str(value)


@models.command("verify")
def check_model(model: ModelArgument) -> None:
    """Check a network: sha256, names, shapes, finite values, finite output of noise; exit 4 if not."""
    from mixcli.models.describe import count_parameters, verify_model

    found, level_db = verify_model(model)
    size = f"{count_parameters(found.module):,} parameters, sha256 {found.sha256[:12]}…"
    level = "silence" if level_db is None else f"{level_db:.1f} dBFS".replace("-", "−")
    noise = f"noise at −20 dBFS comes out as {level}"
    result_line(f"{found.name}: valid ({found.settings.layout}, {size}; {noise})")


@models.command("convert")
def convert_model(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A checkpoint: .ckpt of automix-toolkit's MixWaveUNet, or .pt of mixcli train; "
            "with --half a model too.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="NAME.safetensors", help="Default: FILE's name, here.", show_default=False
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="ROLE,ROLE…",
            help="What its inputs are, in order: kick,snare,overhead:L,overhead:R,tom:1. "
            "Known where there are the eight drum microphones of automix-toolkit.",
            show_default=False,
        ),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The weights' licence.", show_default=False)
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What they were trained on.", show_default=False)
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store 16-bit floats: half the size.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Write over what is there.")] = False,
) -> None:
    """Turn a checkpoint into a model file, with what it means beside it; nothing in the checkpoint is run."""
    from mixcli.models.checkpoint import save_model
    from mixcli.models.convert import convert_target, read_convertible

    path = convert_target(file, out, overwrite=force)
    model = read_convertible(file, inputs, half=half)
    settings = stated(model.settings, licence, data)
    save_model(path, model.module, settings, half=half, familiarity=model.familiarity, limits=model.limits)
    line(f"{settings.layout}, {len(settings.inputs)} inputs: {', '.join(settings.inputs)}")
    line(f'next: mixcli models verify "{path}"')
    path_line(path)


def stated(settings: "ModelSettings", licence: str | None, data: str | None) -> "ModelSettings":
    """Settings with the licence and the data that were stated."""
    from mixcli.models.settings import ModelSettings
    from mixcli.strict_yaml import validate

    words = {"licence": licence, "data": data}
    given = {key: value for key, value in words.items() if value is not None}
    return validate(ModelSettings, settings.model_dump() | given, source="models convert")


def write_json(document: dict[str, Any]) -> None:
    """Write a document to stdout."""
    from mixcli.mixing.result import to_json

    sys.stdout.write(to_json(document))
