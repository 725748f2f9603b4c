"""Models on disk: weights as `NAME.safetensors` with `NAME.json` beside them; training checkpoints as `.pt`.

A model file is data from somewhere else. Nothing in it is ever run, and it is checked against the network
that its settings describe before anything is allocated for it.
"""

import hashlib
import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar

import safetensors.torch
import torch
from pydantic import Field
from torch import Tensor

from mixcli.audio.output import atomic_output
from mixcli.audio.wording import display_name, printable
from mixcli.errors import CheckpointError, SettingsError
from mixcli.models.mix_wave_u_net import MixWaveUNet
from mixcli.models.settings import ModelPart, ModelSettings
from mixcli.models.weight_files import read_safetensors, read_training_checkpoint
from mixcli.strict_yaml import validate

WEIGHTS = Path(__file__).parent / "weights"
MAX_JSON_BYTES = 64 * 1024
DEFAULT_MODEL = "base"

Part = TypeVar("Part", bound=ModelPart)


class ModelFile(ModelPart):
    """The JSON file of a model. `weights_sha256` ties it to the file of the weights."""

    format: Literal["mixcli.model/1"] = "mixcli.model/1"
    weights_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    settings: ModelSettings


@dataclass(frozen=True)
class TrainedModel:
    """What mixing needs of a model. `sha256` is of the file that the weights came from."""

    settings: ModelSettings
    module: MixWaveUNet
    sha256: str
    name: str


def build_model(settings: ModelSettings) -> MixWaveUNet:
    """Make the network that settings describe, untrained; one that gives residuals starts at zero."""
    network = settings.network
    return MixWaveUNet(
        n_inputs=settings.n_inputs,
        n_outputs=settings.n_outputs,
        depth=network.depth,
        channel_growth=network.channel_growth,
        down_kernel=network.down_kernel,
        up_kernel=network.up_kernel,
        bottleneck_kernel=network.bottleneck_kernel,
        output_kernel=network.output_kernel,
        downsampling=network.downsampling,
        upsampling=network.upsampling,
        padding=network.padding,
        bias=network.bias,
        negative_slope=network.negative_slope,
        output_activation=network.output_activation,
        zero_output=settings.outputs == "residual",
    )


def save_model(path: Path, model: MixWaveUNet, settings: ModelSettings) -> None:
    """Write `path` (`NAME.safetensors`) and `NAME.json` beside it, each whole or not at all.

    Weights are stored as 32-bit floats. Raises OutputError E502.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name}: weights are written as .safetensors")
    weights = {
        name: tensor.detach().float().cpu().contiguous() for name, tensor in model.state_dict().items()
    }
    content = safetensors.torch.save(weights, metadata={"format": "mixcli.model/1"})
    about = ModelFile(weights_sha256=hashlib.sha256(content).hexdigest(), settings=settings)
    with atomic_output(path) as partial:
        partial.write_bytes(content)
    with atomic_output(path.with_suffix(".json")) as partial:
        partial.write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_model(model: str | Path) -> TrainedModel:
    """Load a model by name or from a path, ready to mix (32-bit floats, no gradients).

    A path is a `.safetensors` or `.json` file, a folder with `model.safetensors` and `model.json`, or a
    `.pt` or `.ckpt` file of training: a dictionary with `settings` (ModelSettings as JSON text) and
    `weights`; what else it holds is ignored. Raises CheckpointError: E401 not found, E403 unsafe, E404
    damaged or contradictory.
    """
    path = _find(model)
    if path.suffix in (".pt", ".ckpt"):
        content, sha256 = read_training_checkpoint(path)
        if not isinstance(content, dict) or not isinstance(content.get("settings"), str):
            raise CheckpointError(f'"{display_name(path)}" is not a checkpoint of mixcli.', code="E404")
        settings = _parse(ModelSettings, content["settings"], path)
        module = _module(settings, content.get("weights"), path)
        return TrainedModel(settings, module, sha256, path.stem)
    about = _parse(ModelFile, _read_text(path.with_suffix(".json")), path.with_suffix(".json"))
    expected = _expected_shapes(about.settings)
    weights, sha256 = read_safetensors(path, expected)
    if sha256 != about.weights_sha256:
        message = (
            f'"{display_name(path)}" is not the file that its settings were written for (the sha256 differs).'
        )
        raise CheckpointError(message, code="E404", hint="copy both files of the model again")
    name = path.parent.name if path.stem == "model" else path.stem
    return TrainedModel(about.settings, _module(about.settings, weights, path), sha256, name)


def installed_models() -> list[str]:
    """Return the names of the models that come with mixcli, sorted."""
    single = {path.stem for path in WEIGHTS.glob("*.safetensors") if path.stem != "model"}
    folders = {path.parent.name for path in WEIGHTS.glob("*/model.safetensors")}
    return sorted(single | folders)


def default_model() -> str | None:
    """Return the name of the model that mixes when none is asked for, or None if it is not installed."""
    return DEFAULT_MODEL if DEFAULT_MODEL in installed_models() else None


def _find(model: str | Path) -> Path:
    """Find the file with the weights of a model."""
    path = Path(model)
    if str(model) in installed_models():
        path = WEIGHTS / f"{model}.safetensors"
        path = path if path.is_file() else WEIGHTS / str(model)
    if path.is_dir():
        path = path / "model.safetensors"
    if path.suffix == ".json":
        path = path.with_suffix(".safetensors")
    if path.is_file() and path.suffix in (".safetensors", ".pt", ".ckpt"):
        return path
    installed = installed_models()
    listed = f"Installed: {', '.join(installed)}." if installed else "No model is installed."
    near = get_close_matches(str(model), installed, n=1)
    hint = f'did you mean "{near[0]}"?' if near else "-m takes the name of a model or a .safetensors file."
    raise CheckpointError(f'no model "{printable(str(model))}". {listed}', code="E401", hint=hint)


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
        if len(content) > MAX_JSON_BYTES:
            raise CheckpointError(
                f'"{display_name(path)}" is larger than {MAX_JSON_BYTES} bytes; not read.', code="E404"
            )
        return content.decode("utf-8")
    except OSError as error:
        raise CheckpointError(
            f'"{display_name(path)}" cannot be read: {error.strerror}.', code="E404"
        ) from error
    except UnicodeDecodeError as error:
        raise CheckpointError(f'"{display_name(path)}" is not UTF-8 text.', code="E404") from error


def _parse(part: type[Part], text: str, path: Path) -> Part:
    """Check JSON text against a part of the settings; every mistake is one line."""

    def refuse_number(text: str) -> None:
        raise ValueError(f"{text} is not a number of JSON")

    def refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        if len(text) > MAX_JSON_BYTES:
            raise ValueError("too long")
        data = json.loads(text, parse_constant=refuse_number, object_pairs_hook=refuse_twice)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0] if isinstance(error, ValueError) else "nested too deeply"
        raise CheckpointError(f'"{display_name(path)}" is not valid JSON: {reason}.', code="E404") from error
    try:
        return validate(part, data, source=f'"{display_name(path)}"', code="E404")
    except SettingsError as error:
        raise CheckpointError(printable(error.message), code=error.code, hint=error.hint) from error


def _expected_shapes(settings: ModelSettings) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network, without allocating one."""
    with torch.device("meta"):
        network = build_model(settings)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _module(settings: ModelSettings, weights: object, path: Path) -> MixWaveUNet:
    """Build the network with these weights, once they are what it needs and nothing else."""
    expected = _expected_shapes(settings)
    if not isinstance(weights, dict) or set(weights) != set(expected):
        raise CheckpointError(
            f'"{display_name(path)}" does not hold the weights of its own network.', code="E404"
        )
    for name, shape in expected.items():
        tensor = weights[name]
        if not isinstance(tensor, Tensor) or tensor.dtype != torch.float32 or tuple(tensor.shape) != shape:
            raise CheckpointError(f'"{display_name(path)}": "{name}" has another shape or type.', code="E404")
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f'"{display_name(path)}": "{name}" holds values that are not finite.', code="E404"
            )
    module = build_model(settings)
    module.load_state_dict(weights)
    return module.eval().requires_grad_(False)
