"""What a model is, as plain data, and a check that it works."""

import math
from pathlib import Path
from typing import Any

import torch

from mixcli.errors import CheckpointError
from mixcli.models.checkpoint import TrainedModel, build_model, load_model
from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.model_file import ModelFile, parse_part, read_text
from mixcli.models.model_paths import find_model
from mixcli.models.network import Network, render_whole
from mixcli.models.settings import ModelSettings

NOISE_RMS = 0.1
NOISE_S = 1.0


def describe(model: TrainedModel) -> dict[str, Any]:
    """Say what a loaded model takes and gives, how large it is, and what it was trained on."""
    settings, network, known = model.settings, model.module, model.familiarity
    return {
        "name": model.name,
        "sha256": model.sha256,
        "layout": settings.layout,
        "inputs": list(settings.inputs),
        "outputs": settings.outputs,
        "sample_rate": settings.sample_rate,
        "input_peak_dbfs": settings.input_peak_dbfs,
        "input_loud_dbfs": settings.input_loud_dbfs,
        "parameters": count_parameters(network),
        "reach": None if isinstance(network, MixDemucs) else network.reach,
        "network": settings.network.model_dump(),
        "familiarity": None if known is None else {"near": round(known.near, 3), "far": round(known.far, 3)},
        "limits": None if model.limits is None else model.limits.model_dump(),
        "licence": settings.licence,
        "data": settings.data,
    }


def describe_installed(name: str) -> dict[str, Any]:
    """Say in short what an installed model is, from its JSON file alone: the weights are not read.

    Raises CheckpointError E401 and E404.
    """
    path = find_model(name).with_suffix(".json")
    settings = parse_part(ModelFile, read_text(path), path).settings
    with torch.device("meta"):
        network = build_model(settings)
    return {
        "name": name,
        "layout": settings.layout,
        "inputs": list(settings.inputs),
        "outputs": settings.outputs,
        "sample_rate": settings.sample_rate,
        "parameters": count_parameters(network),
        "licence": settings.licence,
    }


def count_parameters(network: Network) -> int:
    """Count what training changes; running means of a batch norm are not among it."""
    return sum(parameter.numel() for parameter in network.parameters())


def verify_model(model: str | Path) -> tuple[TrainedModel, float | None]:
    """Load a model with all checks, and mix a second of noise with it; also how loud that came out, in dBFS.

    None stands for silence, as untrained residuals are. Raises CheckpointError, E404 where the mix has values
    that are not finite.
    """
    loaded = load_model(model)
    rms = float(_mix_of_noise(loaded.module, loaded.settings).square().mean().sqrt())
    if not math.isfinite(rms):
        message = f'"{loaded.name}": a second of noise comes out as values that are not finite.'
        raise CheckpointError(
            message, code="E404", hint="its training went wrong; take an earlier checkpoint"
        )
    return loaded, 20 * math.log10(rms) if rms > 0 else None


def _mix_of_noise(network: Network, settings: ModelSettings) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    n_samples = round(NOISE_S * settings.sample_rate)
    noise_KT = NOISE_RMS * torch.randn(settings.n_inputs, n_samples, generator=generator)
    return render_whole(network, noise_KT).double()
