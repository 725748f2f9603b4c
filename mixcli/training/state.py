"""What changes in the course of a training, and how it begins: anew, from a model, or where a run stopped."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mixcli.errors import CheckpointError, Notice
from mixcli.models.checkpoint import build_model, load_model
from mixcli.models.network import Network
from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.checkpoints import (
    Progress,
    read_checkpoint,
    refuse_other_training,
    save_checkpoint,
)
from mixcli.training.ema import RunningMean
from mixcli.training.linear_start import set_linear_start
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.request import Scores, TrainRequest


@dataclass(kw_only=True)
class State:
    """A network in training. `songs` is the fingerprint of the training set."""

    network: Network
    mean: RunningMean | None
    optimizer: torch.optim.Optimizer
    progress: Progress
    best: Scores | None
    songs: str

    @property
    def judged(self) -> Network:
        """The network that is validated and kept: with the running mean of the weights where there is one."""
        return self.network if self.mean is None else self.mean.network

    def save(self, path: Path, model: ModelSettings, settings: TrainSettings) -> None:
        """Write a checkpoint. Raises OutputError E502."""
        save_checkpoint(
            path,
            model=model,
            settings=settings,
            songs=self.songs,
            network=self.network,
            mean=None if self.mean is None else self.mean.network,
            optimizer=self.optimizer,
            progress=self.progress,
            best=None if self.best is None else self.best.document(),
        )


def begin(
    request: TrainRequest, train_songs: Sequence[PreparedSong], songs: str, device: torch.device
) -> tuple[State, bool, tuple[Notice, ...]]:
    """Make the first state, or the one of the checkpoint to go on from.

    Also says whether there was a linear start, and what the user should know. Raises CheckpointError.
    """
    settings, model = request.settings, request.model
    notices: tuple[Notice, ...] = ()
    torch.manual_seed(settings.seed)
    network = build_model(model)
    content = read_checkpoint(request.resume) if request.resume is not None else None
    has_linear_start = False
    if content is None and request.init is not None:
        _take_weights(network, model, request.init)
    elif content is None and settings.linear_start:
        has_linear_start = set_linear_start(network, train_songs, model, settings)
        if not has_linear_start:
            notices = (Notice("I411", f"the layout {model.layout} has no linear start as it is set."),)
    network.to(device).train()
    mean = RunningMean(network, settings.ema) if settings.ema else None
    state = State(
        network=network,
        mean=mean,
        optimizer=make_optimizer(network, settings),
        progress=Progress(),
        best=None,
        songs=songs,
    )
    if content is not None and request.resume is not None:
        refuse_other_training(request.resume, content, model, settings)
        _restore(state, content, request.resume)
        if content["training"]["songs"] != songs:
            message = "the songs are not those that this training began with; it goes on with them."
            notices = (Notice("W411", message),)
    return state, has_linear_start, notices


def make_optimizer(network: Network, settings: TrainSettings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over all parameters."""
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=settings.weight_decay)
    return torch.optim.Adam(network.parameters(), settings.lr)


def _take_weights(network: Network, model: ModelSettings, init: Path | str) -> None:
    trained = load_model(init)
    then = trained.settings
    fields = ("layout", "inputs", "outputs", "sample_rate", "network", "input_peak_dbfs", "input_loud_dbfs")
    differing = [field for field in fields if getattr(then, field) != getattr(model, field)]
    if differing:
        message = f'"{trained.name}" is another network: {", ".join(differing)}.'
        raise CheckpointError(message, code="E406", hint="without --set model.… its own settings are taken.")
    network.load_state_dict(trained.module.state_dict())


def _restore(state: State, content: dict[str, Any], path: Path) -> None:
    saved = content["training"]
    try:
        if state.mean is None:
            state.network.load_state_dict(content["weights"])
        else:
            state.network.load_state_dict(saved["weights"])
            state.mean.network.load_state_dict(content["weights"])
        state.optimizer.load_state_dict(saved["optimizer"])
        state.progress = Progress(**saved["progress"])
        state.best = _scores(saved["best"])
        torch.set_rng_state(saved["random"])
        if torch.cuda.is_available() and len(saved["random_cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(saved["random_cuda"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(f'"{path.name}" is damaged: its parts do not fit.', code="E404") from error
    if state.mean is not None:
        state.mean.n_updates = state.progress.n_mean_updates


def _scores(found: dict[str, Any] | None) -> Scores | None:
    if found is None:
        return None
    return Scores(
        loss=found["loss"], si_sdr_db=found["si_sdr_db"], stft=found["stft"], n_songs=found["songs"]
    )
