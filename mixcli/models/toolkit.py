"""The Mix-Wave-U-Net of automix-toolkit: batch norm, learned halving, nearest doubling, zeros at the edges.

Letters: B batch, K inputs, C outputs, F features, T samples (at any of the network's rates).
Between the layers features lie last in memory, `[B, T, F]`: convolutions run about twice as fast on a CPU.
SOURCE: the network of automix-toolkit (Steinmetz, since November 2022), after Martínez Ramírez, Stoller,
Moffat, JAES 69(3), 2021. Files of it are read by mixcli.models.foreign.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from mixcli.models.features_last import convolve, normalise, rectify


class ToolkitWaveUNet(nn.Module):
    """A U-Net over samples: `depth` learned halvings of the rate, as many doublings, skips between them.

    Level i (0-based) has `channel_growth`·(i+1) features. A level is convolution, batch norm and a rectifier
    with a slope per feature; what comes out is the skip, and a convolution of stride 2 takes it a level down.
    The bottleneck is a convolution of one tap without a rectifier. The last layer sees the inputs too. Every
    layer pads with zeros, so as many samples come out as go in, a multiple of `grid`.
    """

    padding: Literal["same"] = "same"
    bias = True
    context = 0  # samples lost at either end
    interpolation_taps = 2

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int = 2,
        depth: int = 12,
        channel_growth: int = 24,
        down_kernel: int = 13,
        up_kernel: int = 13,
        output_kernel: int = 5,
    ) -> None:
        super().__init__()
        kernels = (down_kernel, up_kernel, output_kernel)
        if depth < 1 or down_kernel < 3 or any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"there is at least one level, and kernels are odd, not {kernels}")
        self.n_inputs, self.n_outputs, self.depth = n_inputs, n_outputs, depth
        self.down_kernel, self.up_kernel, self.output_kernel = kernels

        def conv(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Conv1d:
            return nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=kernel // 2)

        widths = [channel_growth * (level + 1) for level in range(depth)]
        ups = [max(width - channel_growth, channel_growth) for width in reversed(widths)]
        self.down = nn.ModuleList(
            conv(n_in, n_out, down_kernel) for n_in, n_out in zip([n_inputs, *widths], widths, strict=False)
        )
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.down_slope = nn.ModuleList(nn.PReLU(width) for width in widths)
        self.strided = nn.ModuleList(conv(width, width, down_kernel, stride=2) for width in widths)
        self.bottleneck = conv(widths[-1], widths[-1], 1)
        # From the deepest level to the first, in the order of the signal; the skip comes first in the concat.
        self.up = nn.ModuleList(
            conv(2 * width, n_out, up_kernel) for width, n_out in zip(reversed(widths), ups, strict=True)
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(width) for width in ups)
        self.up_slope = nn.ModuleList(nn.PReLU(width) for width in ups)
        self.output = conv(n_inputs + ups[-1], n_outputs, output_kernel)

    @property
    def grid(self) -> int:
        """Samples between two frames of the bottleneck: parts of a song must start on this grid."""
        return 1 << self.depth

    @property
    def reach(self) -> int:
        """Samples that an output sample may look to either side, less what lies within its cell of the grid.

        SOURCE: half of the taps of each layer, at the rate of that layer.
        """
        halves = self.down_kernel // 2
        reach = self.output_kernel // 2
        for level in range(self.depth):
            reach += (2 * halves + self.up_kernel // 2) << level
        return reach

    def valid_input_length(self, n_samples: int) -> int:
        """Return the smallest input length for at least `n_samples` ≥ 1 output samples."""
        return -(-n_samples // self.grid) * self.grid

    def forward(self, inputs_BKT: Tensor) -> Tensor:
        """Mix `[B, K, T]` to `[B, C, T]`; T must be a multiple of `grid`."""
        n_samples = inputs_BKT.shape[2]
        if n_samples == 0 or n_samples % self.grid:
            raise ValueError(f"{n_samples} samples is not a length of this network: ask valid_input_length")
        inputs_BTK = inputs_BKT.transpose(1, 2).contiguous()
        features_BTF = inputs_BTK
        skips = []
        for level, (conv, strided) in enumerate(zip(self.down, self.strided, strict=True)):
            skips.append(self.after_down(convolve(features_BTF, _conv(conv)), level))
            features_BTF = convolve(skips[-1], _conv(strided))
        features_BTF = self.after_bottleneck(convolve(features_BTF, self.bottleneck))
        for index, conv in enumerate(self.up):
            features_BTF = torch.cat([skips.pop(), features_BTF.repeat_interleave(2, dim=1)], dim=2)
            features_BTF = self.after_up(convolve(features_BTF, _conv(conv)), index)
        mix_BTC = convolve(torch.cat([inputs_BTK, features_BTF], dim=2), self.output)
        return self.activate_output(mix_BTC).transpose(1, 2)

    def after_down(self, features_BTF: Tensor, level: int) -> Tensor:
        """Apply what follows the convolution of a level on the way down."""
        return rectify(normalise(features_BTF, self.down_norm[level]), self.down_slope[level])

    def after_bottleneck(self, features_BTF: Tensor) -> Tensor:
        """Apply nothing."""
        return features_BTF

    def after_up(self, features_BTF: Tensor, index: int) -> Tensor:
        """Apply what follows the `index`-th convolution on the way up."""
        return rectify(normalise(features_BTF, self.up_norm[index]), self.up_slope[index])

    def activate_output(self, mix: Tensor) -> Tensor:
        """Apply nothing."""
        return mix

    def taps_between(self, index: int) -> Tensor:
        """Return the taps `[2]` of the value between two frames: the frame before it."""
        return _conv(self.up[index]).weight.new_tensor((1.0, 0.0))

    def output_layer_on_inputs(self) -> Tensor:
        """Return the weights `[C, K]` by which an input sample reaches the output sample in step with it.

        A view: what is written there (in `torch.no_grad()`) is the network's.
        """
        return self.output.weight[:, : self.n_inputs, self.output_kernel // 2]


def _conv(module: nn.Module) -> nn.Conv1d:
    if not isinstance(module, nn.Conv1d):
        raise TypeError(f"{type(module).__name__} is no convolution")
    return module
