"""Models on disk: weights as `NAME.safetensors` with `NAME.json` beside them; training checkpoints as `.pt`.

A model file is data from somewhere else. Nothing in it is ever run, and it is checked against the network
that its settings describe before anything is allocated for it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from mixcli.audio.output import atomic_output
from mixcli.audio.wording import display_name
from mixcli.errors import CheckpointError
from mixcli.models.familiarity import N_VALUES, Familiarity
from mixcli.models.foreign import is_toolkit, read_toolkit
from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.mix_wave_u_net import MixWaveUNet
from mixcli.models.model_file import Distances, Limits, ModelFile, parse_part, read_text
from mixcli.models.model_paths import CHECKPOINTS, find_model
from mixcli.models.network import Network
from mixcli.models.settings import MixDemucsSettings, MixWaveUNetSettings, ModelSettings, ToolkitSettings
from mixcli.models.toolkit import ToolkitWaveUNet
from mixcli.models.weight_files import MAX_WEIGHTS_BYTES, read_safetensors, read_training_checkpoint

MEAN, COVARIANCE = "familiarity.mean", "familiarity.covariance"  # beside the weights


@dataclass(frozen=True)
class TrainedModel:
    """What mixing needs of a model. `sha256` is of the file that the weights came from.

    `familiarity` is what it has heard in training, `limits` how far from the console's mix those mixes lay
    that it learnt from, where that is known.
    """

    settings: ModelSettings
    module: Network
    sha256: str
    name: str
    familiarity: Familiarity | None = None
    limits: Limits | None = None


def build_model(settings: ModelSettings) -> Network:
    """Make the network that settings describe, untrained; one that gives residuals starts at zero."""
    n_inputs, n_outputs = settings.n_inputs, settings.n_outputs
    arguments = settings.network.model_dump()
    match settings.network:
        case ToolkitSettings():
            return ToolkitWaveUNet(n_inputs=n_inputs, n_outputs=n_outputs, **arguments)
        case MixDemucsSettings():
            return MixDemucs(n_inputs=n_inputs, n_outputs=n_outputs, **arguments)
        case MixWaveUNetSettings():
            zero_output = settings.outputs == "residual"
            return MixWaveUNet(n_inputs=n_inputs, n_outputs=n_outputs, zero_output=zero_output, **arguments)


def save_model(
    path: Path,
    model: Network,
    settings: ModelSettings,
    *,
    half: bool = False,
    familiarity: Familiarity | None = None,
    limits: Limits | None = None,
) -> None:
    """Write `path` (`NAME.safetensors`) and `NAME.json` beside it, each whole or not at all.

    Weights are stored as 32-bit floats, with `half` as 16-bit ones. Raises OutputError E502, and
    CheckpointError E409 for weights that 16 bits cannot hold.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"{path.name}: weights are written as .safetensors")
    weights = {
        # Counters of batches are whole numbers, and larger than 16 bits hold.
        name: tensor.detach().to(torch.float16 if half and tensor.is_floating_point() else torch.float32)
        for name, tensor in model.state_dict().items()
    }
    weights = {name: tensor.cpu().contiguous() for name, tensor in weights.items()}
    for name, tensor in weights.items():
        if half and not bool(torch.isfinite(tensor).all()):
            message = f'"{name}" holds values over 65,504, the most that 16 bits can hold.'
            raise CheckpointError(message, code="E409", hint="leave --half out.")
    distances = None
    if familiarity is not None:
        distances = Distances(near=familiarity.near, far=familiarity.far)
        weights[MEAN] = torch.tensor(familiarity.mean_D, dtype=torch.float32)
        weights[COVARIANCE] = torch.tensor(familiarity.covariance_DD, dtype=torch.float32)
    content = safetensors.torch.save(weights, metadata={"format": "mixcli.model/1"})
    sha256 = hashlib.sha256(content).hexdigest()
    about = ModelFile(weights_sha256=sha256, settings=settings, familiarity=distances, limits=limits)
    with atomic_output(path) as partial:
        partial.write_bytes(content)
    with atomic_output(path.with_suffix(".json")) as partial:
        partial.write_text(about.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_model(model: str | Path) -> TrainedModel:
    """Load a model by name or from a path, ready to mix (32-bit floats, no gradients).

    A path is a `.safetensors` or `.json` file, a folder with `model.safetensors` and `model.json` (or a
    folder `model` that has them, as a run of training does), or a checkpoint (see `load_checkpoint`). Raises
    CheckpointError: E401 not found, E403 unsafe, E404 damaged or contradictory, E408 inputs not known.
    """
    path = find_model(model)
    if path.suffix in CHECKPOINTS:
        return load_checkpoint(path)
    about = parse_part(ModelFile, read_text(path.with_suffix(".json")), path.with_suffix(".json"))
    shapes = _expected_shapes(about.settings)
    if about.familiarity is not None:
        n_values = N_VALUES * about.settings.n_inputs
        shapes |= {MEAN: (n_values,), COVARIANCE: (n_values, n_values)}
    weights, sha256 = read_safetensors(path, shapes)
    if sha256 != about.weights_sha256:
        message = (
            f'"{display_name(path)}" is not the file that its settings were written for (the sha256 differs).'
        )
        raise CheckpointError(message, code="E404", hint="copy both files of the model again")
    familiarity = _familiarity(about.familiarity, weights, path)
    module = _module(about.settings, weights, path)
    return TrainedModel(about.settings, module, sha256, _name(path), familiarity, about.limits)


def load_checkpoint(path: Path, inputs: tuple[str, ...] | None = None) -> TrainedModel:
    """Load a `.pt` or `.ckpt` file of training, of mixcli or of automix-toolkit's MixWaveUNet.

    Ours is a dictionary with `settings` (ModelSettings as JSON text) and `weights`; what else it holds is
    ignored. In the other the network is told from the shapes of its tensors; `inputs` names what its channels
    are, where they are not the toolkit's own eight. Raises CheckpointError E403, E404 and E408.
    """
    content, sha256 = read_training_checkpoint(path)
    if is_toolkit(content):
        settings, found = read_toolkit(content, inputs, path)
        return TrainedModel(settings, _module(settings, found, path), sha256, path.stem)
    if not isinstance(content, dict) or not isinstance(content.get("settings"), str):
        message = f'"{display_name(path)}" is not a checkpoint of mixcli, nor of a layout that it reads.'
        hint = "of other tools' files, only automix-toolkit's MixWaveUNet can be read."
        raise CheckpointError(message, code="E404", hint=hint)
    settings = parse_part(ModelSettings, content["settings"], path)
    if inputs not in (None, settings.inputs):
        message = f'"{display_name(path)}" names its own inputs: {", ".join(settings.inputs)}.'
        raise CheckpointError(message, code="E408", hint="leave --inputs out.")
    return TrainedModel(settings, _module(settings, content.get("weights"), path), sha256, path.stem)


def _expected_shapes(settings: ModelSettings) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor of a network, without allocating one."""
    with torch.device("meta"):
        network = build_model(settings)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _module(settings: ModelSettings, weights: object, path: Path) -> Network:
    """Build the network with these weights, once they are what it needs and nothing else."""
    named = f'"{display_name(path)}"'
    expected = _expected_shapes(settings)
    if not isinstance(weights, dict) or set(weights) != set(expected):
        raise CheckpointError(f"{named} does not hold the weights of its own network.", code="E404")
    n_bytes = 0
    for name, shape in expected.items():
        tensor = weights[name]
        # Counters of batches are whole numbers where a training loop wrote them.
        kinds = (torch.float32, torch.int64) if name.endswith("num_batches_tracked") else (torch.float32,)
        if not isinstance(tensor, Tensor) or tensor.dtype not in kinds or tuple(tensor.shape) != shape:
            raise CheckpointError(f'{named}: "{name}" has another shape or type.', code="E404")
        n_bytes += tensor.numel() * tensor.element_size()
        # A tensor can claim any size of a few stored bytes that it repeats.
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise CheckpointError(f'{named}: "{name}" is larger than what is stored of it.', code="E404")
        if n_bytes > MAX_WEIGHTS_BYTES:
            raise CheckpointError(f"{named}: its network would take over {n_bytes} bytes.", code="E404")
        if not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f'{named}: "{name}" holds values that are not finite.', code="E404")
        if name.endswith("running_var") and bool((tensor < 0).any()):
            raise CheckpointError(f'{named}: "{name}" holds variances below zero.', code="E404")
    module = build_model(settings)
    module.load_state_dict(weights)
    return module.eval().requires_grad_(False)


def _familiarity(distances: Distances | None, weights: dict[str, Tensor], path: Path) -> Familiarity | None:
    """Take what a model has heard out of its weights. Raises CheckpointError E404."""
    if distances is None:
        return None
    mean_D, covariance_DD = (weights.pop(name).double().numpy() for name in (MEAN, COVARIANCE))
    whole = np.isfinite(mean_D).all() and np.isfinite(covariance_DD).all()
    if not whole or not (covariance_DD == covariance_DD.T).all() or np.linalg.eigvalsh(covariance_DD)[0] <= 0:
        message = f'"{display_name(path)}": what it has heard in training is no mean and covariance.'
        raise CheckpointError(message, code="E404")
    return Familiarity(mean_D, covariance_DD, distances.near, distances.far)


def _name(path: Path) -> str:
    """Name a model: by its file, or by the folder of a `model.safetensors`, or of a run."""
    if path.stem != "model":
        return path.stem
    return path.parent.parent.name if path.parent.name == "model" else path.parent.name
