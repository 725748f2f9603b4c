"""Reading the MixWaveUNet of automix-toolkit from a Lightning checkpoint, from the shapes of its tensors.

The name of a file says nothing certain: that project's network had other layouts before November 2022.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from mixcli.audio.wording import display_name
from mixcli.errors import CheckpointError
from mixcli.models.settings import (
    MAX_INPUTS,
    TOOLKIT_INPUTS,
    ModelSettings,
    ToolkitSettings,
    check_role_inputs,
)
from mixcli.models.toolkit import ToolkitWaveUNet

TRAINED_PEAK_DBFS = -12.0  # of every input, in that project's training
PREFIX = "model."  # of the network's tensors within the module that was trained


def is_toolkit(content: object) -> bool:
    """Whether what a checkpoint holds looks like a MixWaveUNet of automix-toolkit."""
    return bool(_network_tensors(content))


def read_toolkit(
    content: object, inputs: tuple[str, ...] | None, path: Path
) -> tuple[ModelSettings, dict[str, Tensor]]:
    """Return the settings and weights, under our names, of a MixWaveUNet of automix-toolkit.

    `inputs` names the channels; without them eight channels are taken for the drum microphones of that
    project, in its order. In ours a decoder layer takes the skip first, in theirs last. Raises
    CheckpointError E404 for another layout, E408 for inputs that are not known or do not fit.
    """
    theirs = _network_tensors(content)
    network, n_inputs = _shape_of(theirs, path)
    names = _check_shapes(theirs, network, n_inputs, path)
    settings = ModelSettings(
        layout="toolkit",
        inputs=_check_inputs(inputs, n_inputs, path),
        sample_rate=_sample_rate(content),
        network=network,
        input_peak_dbfs=TRAINED_PEAK_DBFS,
    )
    weights = {}
    for ours, name in names.items():
        is_decoder = ours.startswith("up.") and ours.endswith(".weight")
        tensor = torch.cat(theirs[name].chunk(2, dim=1)[::-1], dim=1) if is_decoder else theirs[name]
        weights[ours] = tensor.float()
    return settings, weights


def _network_tensors(content: object) -> dict[str, Tensor]:
    """Return the tensors of the network by their names in it, or nothing if there is no such network."""
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        return {}
    tensors = {
        str(name).removeprefix(PREFIX): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and tensor.layout == torch.strided
    }
    parts = ("encoder.", "embedding.", "decoder.", "output_conv.")
    tensors = {name: tensor for name, tensor in tensors.items() if name.startswith(parts)}
    needed = ("encoder.0.conv1.weight", "embedding.weight", "decoder.0.conv.weight", "output_conv.weight")
    return tensors if all(name in tensors and tensors[name].ndim == 3 for name in needed) else {}


def _shape_of(theirs: dict[str, Tensor], path: Path) -> tuple[ToolkitSettings, int]:
    """Tell the arguments of the network and the number of its inputs from its first and last layers."""
    growth, n_inputs, down_kernel = theirs["encoder.0.conv1.weight"].shape
    n_outputs, _, output_kernel = theirs["output_conv.weight"].shape
    depth = sum(name.startswith("encoder.") and name.endswith(".conv1.weight") for name in theirs)
    try:
        network = ToolkitSettings(
            depth=depth,
            channel_growth=growth,
            down_kernel=down_kernel,
            up_kernel=theirs["decoder.0.conv.weight"].shape[2],
            output_kernel=output_kernel,
        )
    except ValidationError as error:
        raise _other_layout(path) from error
    if n_outputs != 2 or n_inputs > MAX_INPUTS:
        raise _other_layout(path)
    return network, n_inputs


def _check_shapes(
    theirs: dict[str, Tensor], network: ToolkitSettings, n_inputs: int, path: Path
) -> dict[str, str]:
    """Return their name of every tensor by ours, once all are there in the shapes of the network, and stored.

    A tensor can claim any size of a few stored bytes that it repeats.
    """
    names = _names(network.depth)
    with torch.device("meta"):
        expected = ToolkitWaveUNet(n_inputs=n_inputs, **network.model_dump()).state_dict()
    if set(names.values()) != set(theirs) or set(names) != set(expected):
        raise _other_layout(path)
    for ours, name in names.items():
        tensor, wanted = theirs[name], expected[ours]
        same_kind = tensor.is_floating_point() == wanted.is_floating_point() and not tensor.is_complex()
        stored = tensor.untyped_storage().nbytes() >= tensor.numel() * tensor.element_size()
        if tensor.shape != wanted.shape or not same_kind or not stored:
            raise _other_layout(path)
    return names


def _check_inputs(inputs: tuple[str, ...] | None, n_inputs: int, path: Path) -> tuple[str, ...]:
    named = f'"{display_name(path)}"'
    if inputs is None and n_inputs == len(TOOLKIT_INPUTS):
        return TOOLKIT_INPUTS
    hint = "name them in its order: mixcli models convert FILE --inputs kick,snare,overhead:L,overhead:R"
    if inputs is None:
        message = f"{named} has {n_inputs} inputs and does not say what they are."
        raise CheckpointError(message, code="E408", hint=hint)
    if len(inputs) != n_inputs:
        message = f"{named} has {n_inputs} inputs; {len(inputs)} were named."
        raise CheckpointError(message, code="E408", hint=hint)
    try:
        check_role_inputs(inputs)
    except ValueError as error:
        raise CheckpointError(f"inputs: {error}.", code="E408", hint=hint) from error
    return inputs


def _sample_rate(content: object) -> int:
    """Return the rate that the checkpoint's own settings name, or that of all published models."""
    settings: Any = content.get("hyper_parameters") if isinstance(content, dict) else None
    values = vars(settings) if isinstance(settings, argparse.Namespace) else settings
    rate = values.get("sample_rate") if isinstance(values, dict) else None
    if isinstance(rate, (int, float)) and not isinstance(rate, bool) and 8_000 <= rate <= 384_000:
        return round(rate)
    return 44_100


def _names(depth: int) -> dict[str, str]:
    """Return their name of every tensor by ours."""
    tensors = {
        "norm": ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
        "conv": ("weight", "bias"),
        "slope": ("weight",),
    }
    layers = [("bottleneck", "embedding", "conv"), ("output", "output_conv", "conv")]
    for level in range(depth):
        encoder, decoder = f"encoder.{level}", f"decoder.{level}"
        layers += [
            (f"down.{level}", f"{encoder}.conv1", "conv"),
            (f"down_norm.{level}", f"{encoder}.bn", "norm"),
            (f"down_slope.{level}", f"{encoder}.prelu", "slope"),
            (f"strided.{level}", f"{encoder}.conv2", "conv"),
            (f"up.{level}", f"{decoder}.conv", "conv"),
            (f"up_norm.{level}", f"{decoder}.bn", "norm"),
            (f"up_slope.{level}", f"{decoder}.prelu", "slope"),
        ]
    return {f"{ours}.{part}": f"{name}.{part}" for ours, name, kind in layers for part in tensors[kind]}


def _other_layout(path: Path) -> CheckpointError:
    message = (
        f'"{display_name(path)}" is a network like automix-toolkit\'s MixWaveUNet, but of another layout.'
    )
    hint = "read is that of November 2022 and later: batch norm, strided halving, skips that are joined."
    return CheckpointError(message, code="E404", hint=hint)
