"""Which network takes part in a mix, if any."""

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mixcli.console.recipe import NetworkRecipe, Recipe
from mixcli.errors import Notice, SettingsError
from mixcli.models.model_paths import default_model, find_model
from mixcli.settings import MixSettings

if TYPE_CHECKING:
    from mixcli.models.checkpoint import TrainedModel


def choose_model(
    settings: MixSettings, recipe: Recipe, *, has_recipe: bool, device: str = "cpu"
) -> tuple["TrainedModel | None", tuple[Notice, ...]]:
    """Load the network that was asked for, or the default one where it is installed.

    Without a network the mix is the console's alone; a notice says so, but for an asked amount of 0.
    Torch is imported only when a network takes part. Raises CheckpointError,
    SettingsError E417, and DeviceError E601.
    """
    if settings.amount == 0:
        return None, ()
    name = settings.model or (None if has_recipe else default_model())
    if name is None:
        return None, (Notice("I401", "no network takes part: the console alone makes this mix."),)
    path = find_model(name).absolute()
    model = loaded_model(path, file_marks(path), device)
    made_with = recipe.network.sha256
    if made_with is not None and recipe.network.model == settings.model and made_with != model.sha256:
        message = f'the recipe was made with other weights of "{name}" (sha256 {made_with[:12]}…).'
        raise SettingsError(message, code="E417", hint="take the line sha256 out of the recipe to use these.")
    return model, ()


@lru_cache(maxsize=1)  # a process that mixes many songs reads the weights once; two models would be too large
def loaded_model(path: Path, _marks: tuple[tuple[int, ...], ...], device: str = "cpu") -> "TrainedModel":
    """The model at a path, on a device, kept until another is asked for, or its files have other marks.

    It is shared by all who ask for it, and never changed. Raises CheckpointError and DeviceError.
    """
    from mixcli.models.checkpoint import load_model

    model = load_model(path)
    if device != "cpu":
        import torch

        from mixcli.engine.device import choose_device

        model.module.to(choose_device(device))
        # float32 as on the CPU, and sums in the same order in every run
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
    return model


def file_marks(path: Path) -> tuple[tuple[int, ...], ...]:
    """Size, time of change and number (inode) of the file of the weights, and of the settings beside it."""
    marks: list[tuple[int, ...]] = []
    for file in (path, path.with_suffix(".json")):
        try:
            status = os.stat(file)
            marks.append((status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev))
        except OSError:  # a checkpoint has no settings beside it
            marks.append(())
    return tuple(marks)


def network_recipe(
    model: "TrainedModel | None", settings: MixSettings, given: NetworkRecipe | None = None
) -> NetworkRecipe:
    """What the recipe says of the network; what a recipe has `given` of its own one holds."""
    if model is None:
        return NetworkRecipe(reasons={"model": "no network took part; this is the console's mix"})
    reasons = {"amount": "as asked for" if settings.amount != 1 else "the network's full part"}
    kept = {}
    if given is not None and given.sha256 == model.sha256:
        kept = {"familiarity": given.familiarity, "held_to": given.held_to, "gain_db": given.gain_db}
        reasons |= {key: why for key, why in given.reasons.items() if kept.get(key) is not None}
    return NetworkRecipe(
        model=settings.model or model.name,
        sha256=model.sha256,
        amount=settings.amount,
        reasons=reasons,
        **kept,
    )
