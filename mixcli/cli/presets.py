"""`mixcli presets`: what a mix can be made for, in what style, and how to train."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mixcli.cli.show import result_line

if TYPE_CHECKING:
    from mixcli.settings import Preset

presets = typer.Typer(help="List, show and check presets.", no_args_is_help=True)

PresetArgument = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="A preset's name, or a .yaml file.", show_default=False)
]


@presets.command("list")
def list_presets(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """List the presets that come with mixcli: where a mix is going, its style, and how to train."""
    from mixcli.mixing.result import to_json
    from mixcli.settings import load_preset, preset_names

    found = {name: load_preset(name) for name in preset_names()}
    if json:
        rows = [
            {
                "name": name,
                "kind": kind_of(preset),
                "sets": keys_set(preset),
                **preset.model_dump(mode="json"),
            }
            for name, preset in found.items()
        ]
        sys.stdout.write(to_json({"schema": "mixcli.presets/1", "presets": rows}))
        return
    width = max(map(len, found), default=0)
    kind_width = max(map(len, map(kind_of, found.values())), default=0)
    for name, preset in sorted(found.items(), key=lambda item: (kind_of(item[1]), item[0])):
        result_line(f"{name.ljust(width)}  {kind_of(preset).ljust(kind_width)}  {preset.description}")


def kind_of(preset: "Preset") -> str:
    """`delivery`, `style`, `training`, or several; `nothing` for one that sets nothing."""
    return "+".join(preset.kinds) or "nothing"


def keys_set(preset: "Preset") -> list[str]:
    """The keys that a preset names, as `--set` takes them."""
    parts = preset.model_dump(include={"mix", "rules", "train", "model"}, exclude_unset=True)
    return [f"{part}.{key}" for part, values in parts.items() for key in values]


@presets.command("show")
def show_preset(name: PresetArgument) -> None:
    """Print a preset as YAML with its source, to redirect into a file of your own."""
    from mixcli.settings import load_preset, preset_path

    load_preset(name)
    sys.stdout.write(preset_path(name).read_text("utf-8"))


@presets.command("validate")
def validate_preset(name: PresetArgument) -> None:
    """Check a preset; the first mistake is named with its line or key."""
    from mixcli.settings import load_preset

    load_preset(name)
    result_line(f"{Path(name).name}: valid")
