"""A trial of everything a long training will need: a batch, a step, a checkpoint there and back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from mixcli.errors import TrainingError
from mixcli.models.checkpoint import load_model
from mixcli.training.checkpoints import read_checkpoint
from mixcli.training.loop import train
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.processes import Processes
from mixcli.training.request import Began, Stepped, TrainRequest, Validated

TRIAL_S = 5.0  # of each validation song


def check_training(
    request: TrainRequest, songs: Sequence[PreparedSong], processes: Processes
) -> tuple[Began, Stepped, Validated]:
    """Take one step in a temporary folder, read its checkpoint back, and begin a second step from it.

    Returns what was told. Raises what training raises, and TrainingError E803 where the weights read are not
    those written.
    """
    settings = request.settings.model_copy(update={"steps": 1, "validation_s": TRIAL_S})
    with TemporaryDirectory(prefix="mixcli-check-") as folder:
        trial = replace(request, settings=settings, resume=None, out=Path(folder), tensorboard=False)
        told = list(train(trial, songs, processes=processes))
        last = Path(folder, "checkpoints", "last.pt")
        if processes.is_first:
            written = read_checkpoint(last)["weights"]
            read = load_model(last).module.state_dict()
            if any(not torch.equal(weight, read[name]) for name, weight in written.items()):
                raise TrainingError("the weights read back are not those written.", code="E803")
        if processes.world_size == 1:
            further = settings.model_copy(update={"steps": 2})
            told += list(train(replace(trial, settings=further, resume=last), songs))
    began = next(event for event in told if isinstance(event, Began))
    stepped = next(event for event in told if isinstance(event, Stepped))
    return began, stepped, next(event for event in reversed(told) if isinstance(event, Validated))
