"""What all networks have in common: they turn `[B, K, T]` into `[B, C, T]`, and mix a song in one pass."""

import torch
from torch import Tensor
from torch.nn import functional

from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.mix_wave_u_net import MixWaveUNet
from mixcli.models.toolkit import ToolkitWaveUNet

Network = MixWaveUNet | ToolkitWaveUNet | MixDemucs


def render_whole(network: Network, inputs_KT: Tensor) -> Tensor:
    """Mix a whole song, `[K, T]` to `[C, T]`, in one forward pass: what every other way must equal.

    The song is zero-padded by the network's context at both ends (and on the right by what the lengths need);
    the output is cropped to the song.
    """
    n_samples = inputs_KT.shape[-1]
    if n_samples == 0:
        return inputs_KT.new_zeros(network.n_outputs, 0)
    after = network.valid_input_length(n_samples) - network.context - n_samples
    with torch.inference_mode():
        mix_BCT: Tensor = network(functional.pad(inputs_KT, (network.context, after))[None])
    return mix_BCT[0, :, :n_samples]
