"""The state of a training on disk: plain data and tensors, written whole, read without running anything.

A checkpoint is also a model: its `settings` and `weights` are what mixing reads, and it ignores the rest.
"""

import hashlib
import io
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mixcli.audio.output import atomic_output
from mixcli.audio.wording import display_name
from mixcli.errors import CheckpointError
from mixcli.models.settings import ModelSettings
from mixcli.models.weight_files import read_training_checkpoint
from mixcli.settings import TrainSettings

FORMAT = "mixcli.training/1"
MAY_CHANGE = ("epochs", "steps", "patience", "validation_s", "accumulate")  # without being another training

Weights = dict[str, Tensor]


@dataclass(kw_only=True)
class Progress:
    """How far a training is. Losses are of the validation; the weights of `best_step` are in best.pt.

    At the end of an epoch, `epoch_steps` above 0 says that its weights are still to be judged.
    """

    step: int = 0
    stage: int = 0
    epochs_without_better: int = 0
    best_loss: float | None = None
    best_step: int = 0
    n_mean_updates: int = 0
    epoch_loss: float = 0.0  # sum over the steps of the epoch so far
    epoch_steps: int = 0


def save_checkpoint(
    path: Path,
    *,
    model: ModelSettings,
    settings: TrainSettings,
    songs: str,
    network: nn.Module,
    mean: nn.Module | None,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    best: Mapping[str, float | None] | None = None,
) -> None:
    """Write all that the next step needs. `mean` is the running mean of the weights, which mixing then reads.

    `songs` is the fingerprint of the training set. Raises OutputError E502.
    """
    weights = _plain(network.state_dict())
    state: dict[str, Any] = {
        "format": FORMAT,
        "settings": settings.model_dump_json(),
        "songs": songs,
        "progress": asdict(progress),
        "best": dict(best) if best is not None else None,
        "weights": weights if mean is not None else None,
        "optimizer": optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    read = weights if mean is None else _plain(mean.state_dict())
    write_plain(path, {"settings": model.model_dump_json(), "weights": read, "training": state})


def save_weights(path: Path, model: ModelSettings, network: nn.Module, step: int) -> None:
    """Write what mixing reads and no more. Raises OutputError E502."""
    weights = _plain(network.state_dict())
    write_plain(path, {"settings": model.model_dump_json(), "weights": weights, "step": step})


def write_plain(path: Path, content: dict[str, Any]) -> None:
    """Write plain data with tensors, whole or not at all; the same content gives the same bytes."""
    buffer = io.BytesIO()
    torch.save(_settled(content), buffer)
    with atomic_output(path) as partial:
        partial.write_bytes(buffer.getvalue())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint that training can go on from: `settings`, `weights` and `training`.

    Raises CheckpointError E403 or E404.
    """
    content: Any = read_training_checkpoint(path)[0]
    state = content.get("training") if isinstance(content, dict) else None
    keys = {"format", "settings", "songs", "progress", "weights", "optimizer", "random"}
    if not isinstance(state, dict) or state.get("format") != FORMAT or not keys <= set(state):
        message = f'"{display_name(path)}" is no checkpoint that training can go on from.'
        raise CheckpointError(message, code="E404", hint="--init takes the weights of any model.")
    checked: dict[str, Any] = content
    return checked


def read_weights(path: Path) -> Weights:
    """Read the weights of a checkpoint. Raises CheckpointError E403 or E404."""
    content, _ = read_training_checkpoint(path)
    if not isinstance(content, dict) or not isinstance(content.get("weights"), dict):
        raise CheckpointError(f'"{display_name(path)}" holds no weights.', code="E404")
    weights: Weights = content["weights"]
    return weights


def refuse_other_training(
    path: Path, content: Mapping[str, Any], model: ModelSettings, settings: TrainSettings
) -> None:
    """Raise CheckpointError E406 where a checkpoint is of another network or was trained in another way.

    How long to train may change, what is learnt may not.
    """
    then, then_model = _settings_of(path, content)
    differing = [
        f"train.{key} {getattr(then, key)} → {getattr(settings, key)}"
        for key in TrainSettings.model_fields
        if key not in MAY_CHANGE and getattr(then, key) != getattr(settings, key)
    ]
    stated = ("data", "licence")  # words about the model, not the model
    differing += [
        f"model.{key}"
        for key in ModelSettings.model_fields
        if key not in stated and getattr(then_model, key) != getattr(model, key)
    ]
    if differing:
        message = f'"{display_name(path)}" is of another training: {", ".join(differing[:4])}.'
        hint = "the settings as they were, another --out, or --init for its weights alone."
        raise CheckpointError(message, code="E406", hint=hint)


def fingerprint(text: str) -> str:
    """A short name of a training set's description."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _settings_of(path: Path, content: Mapping[str, Any]) -> tuple[TrainSettings, ModelSettings]:
    try:
        return (
            TrainSettings.model_validate_json(content["training"]["settings"]),
            ModelSettings.model_validate_json(content["settings"]),
        )
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f'"{display_name(path)}" has settings that are not valid.', code="E404"
        ) from error


def _plain(weights: Mapping[str, Tensor]) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}


def _settled(value: Any) -> Any:
    """The same data with every tensor on the CPU, and with one object for every text.

    What is pickled also says which texts are the same object, and that differs after a resumption.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_settled(key): _settled(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_settled(item) for item in value)
    return value
