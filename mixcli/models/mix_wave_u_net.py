"""The Mix-Wave-U-Net: a Wave-U-Net from the recordings (or buses) of a song to its stereo mix (or residuals).

Letters: B batch, K inputs, C outputs, F features, T samples (at any of the network's rates), J taps.
Between the layers features lie last in memory, `[B, T, F]`: convolutions run about twice as fast on a CPU.
SOURCE: Martínez Ramírez, Stoller, Moffat, "A deep learning approach to intelligent drum mixing with the
Wave-U-Net", JAES 69(3), 2021, and its published code; Stoller, Ewert, Dixon, "Wave-U-Net", ISMIR 2018.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixcli.models.features_last import (
    HALF_BAND_TAPS,
    convolve,
    double,
    draw_lines,
    filter_features,
    half_band_taps,
    low_pass_taps,
)

Downsampling = Literal["decimate", "strided", "filtered"]
Upsampling = Literal["linear", "learned", "nearest", "filtered"]
Padding = Literal["valid", "same"]
OutputActivation = Literal["linear", "tanh"]
Head = Literal["mix", "gains"]

_QUIET_ENERGY = 1e-8  # of features: what is quieter moves no fader
_MANY = 1000  # frames: enough for lengths that are read off one piece and hold for all


class MixWaveUNet(nn.Module):
    """A U-Net over samples: `depth` halvings of the rate, as many doublings, skip connections between them.

    Level i (0-based) has `channel_growth`·(i+1) features, the bottleneck one growth more. `padding="valid"`
    takes real context instead of zeros: an input of `valid_input_length(n)` samples gives at least n output
    samples, the first of which belongs to input sample `context`. With `bias=False` (and no tanh) the network
    is homogeneous of degree 1: f(αx) = αf(x) for α ≥ 0, and f(0) = 0. `zero_output` starts the last layer at
    zero, as residuals should.

    With `head="gains"` the bottleneck also draws faders: a gain g for each input and output at each of its
    frames, with straight lines between them, so that y_c = d_c + Σ_k g_ck · x_k, d being the output as ever.
    A fader that follows the song is then a slow curve, and not a product of two of the network's signals at
    the full rate, which rectifiers are bad at.
    """

    half_band_J: Tensor

    def __init__(
        self,
        *,
        n_inputs: int,
        n_outputs: int = 2,
        depth: int = 10,
        channel_growth: int = 24,
        down_kernel: int = 15,
        up_kernel: int = 5,
        bottleneck_kernel: int = 15,
        output_kernel: int = 1,
        downsampling: Downsampling = "decimate",
        upsampling: Upsampling = "linear",
        padding: Padding = "valid",
        bias: bool = True,
        negative_slope: float = 0.2,
        output_activation: OutputActivation = "linear",
        head: Head = "mix",
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        kernels = (down_kernel, up_kernel, bottleneck_kernel, output_kernel)
        if any(kernel < 1 or kernel % 2 == 0 for kernel in kernels):
            raise ValueError(f"kernels have an odd number of taps, not {kernels}")
        if depth < 1 or (downsampling == "strided" and down_kernel == 1):
            raise ValueError("there is at least one level, and a strided halving needs a kernel of 3 or more")
        if head == "gains" and output_kernel > 1:
            raise ValueError("gains are of single samples: they need an output_kernel of 1")
        self.n_inputs, self.n_outputs, self.depth = n_inputs, n_outputs, depth
        self.down_kernel, self.up_kernel = down_kernel, up_kernel
        self.bottleneck_kernel, self.output_kernel = bottleneck_kernel, output_kernel
        self.downsampling, self.upsampling, self.padding = downsampling, upsampling, padding
        self.bias, self.negative_slope, self.output_activation = bias, negative_slope, output_activation
        self.head = head

        def conv(n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Conv1d:
            same = kernel // 2 if padding == "same" else 0
            return nn.Conv1d(n_in, n_out, kernel, stride=stride, padding=same, bias=bias)

        widths = [channel_growth * (level + 1) for level in range(depth + 1)]
        self.down = nn.ModuleList(
            conv(n_in, n_out, down_kernel)
            for n_in, n_out in zip([n_inputs, *widths[:-2]], widths[:-1], strict=True)
        )
        self.strided = nn.ModuleList(
            conv(width, width, down_kernel, stride=2) for width in widths[:-1] if downsampling == "strided"
        )
        self.bottleneck = conv(widths[-2], widths[-1], bottleneck_kernel)
        # From the deepest level to the first, in the order of the signal; the skip comes first in the concat.
        self.up = nn.ModuleList(
            conv(widths[level] + widths[level + 1], widths[level], up_kernel)
            for level in reversed(range(depth))
        )
        self.interpolation = nn.ParameterList(
            torch.zeros(widths[level + 1]) for level in reversed(range(depth)) if upsampling == "learned"
        )
        self.output = conv(n_inputs + widths[0], n_outputs, output_kernel)
        n_faders = n_outputs * n_inputs
        self.faders = nn.Conv1d(widths[-1], n_faders, 1, bias=bias) if head == "gains" else None
        self.register_buffer("half_band_J", half_band_taps(), persistent=False)
        self._initialise(zero_output)

    def _initialise(self, zero_output: bool) -> None:
        """Set every layer to He's normal initialisation for its slope, biases to zero."""
        if self.output.weight.is_meta:
            return  # only shapes are wanted; random numbers without memory would load a compiler, 2 s
        for module in self.modules():
            if isinstance(module, nn.Conv1d):
                nn.init.kaiming_normal_(module.weight, a=self.negative_slope)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if zero_output:
            nn.init.zeros_(self.output.weight)
        if self.faders is not None:
            nn.init.zeros_(self.faders.weight)

    @property
    def grid(self) -> int:
        """Samples between two frames of the bottleneck: parts of a song must start on this grid."""
        return 1 << self.depth

    @property
    def reach(self) -> int:
        """Input samples to either side that an output sample on the grid looks.

        A sample inside a cell of the grid looks up to `grid` − 1 samples further.
        """
        return self.crops()[0] + self.output_kernel // 2

    @property
    def context(self) -> int:
        """Input samples that are lost at either end: `reach`, or none where zeros are padded."""
        return self.reach if self.padding == "valid" else 0

    @property
    def interpolation_taps(self) -> int:
        """Frames that the value between two frames is made of."""
        return HALF_BAND_TAPS if self.upsampling == "filtered" else 2

    def joined_lengths(self, n_frames: int) -> list[tuple[int, int]]:
        """Lengths of what is joined when the bottleneck gives `n_frames` frames and no layer pads.

        Pairs of (skip, decoder): first the network's input and the last decoder level, then levels from 0.
        """
        encoder, decoder = n_frames + self.bottleneck_kernel - 1, n_frames
        pairs = []
        for _ in range(self.depth):
            if self.downsampling == "strided":
                encoder = 2 * (encoder - 1) + self.down_kernel
            else:
                n_filter = 2 * (HALF_BAND_TAPS - 1) if self.downsampling == "filtered" else 0
                encoder = 2 * encoder - 1 + n_filter
            decoder = 2 * (decoder - self.interpolation_taps + 2) - 1
            pairs.append((encoder, decoder))
            encoder += self.down_kernel - 1
            decoder -= self.up_kernel - 1
        return [(encoder, decoder), *reversed(pairs)]

    def crops(self) -> list[int]:
        """Frames that a skip loses at either end before it is joined, in the order of `joined_lengths`."""
        return [(skip - decoder) // 2 for skip, decoder in self.joined_lengths(_MANY)]

    def valid_input_length(self, n_samples: int) -> int:
        """Return the smallest input length, context included, for at least `n_samples` ≥ 1 output samples."""
        if self.padding == "same":
            return -(-n_samples // self.grid) * self.grid
        n_decoder = n_samples + self.output_kernel - 1
        n_frames = _MANY + -((self.joined_lengths(_MANY)[0][1] - n_decoder) // self.grid)
        # Very short pieces need more frames than they fill: no doubling or convolution may get too few.
        shortest = max(3, self.up_kernel)
        while min(decoder for _, decoder in self.joined_lengths(n_frames)[1:]) < shortest:
            n_frames += 1
        return self.joined_lengths(n_frames)[0][0]

    def forward(self, stems_BKT: Tensor) -> Tensor:
        """Run the network: `[B, K, T]` in, `[B, C, T']` out; T' = T for `same`, T − 2·`context` for `valid`.

        T must be a length that `valid_input_length` gives, or the centre crops would be half a sample off.
        """
        n_samples = stems_BKT.shape[-1]
        n_wanted = n_samples if self.padding == "same" else n_samples - 2 * self.context
        if n_wanted < 1 or self.valid_input_length(n_wanted) != n_samples:
            raise ValueError(f"{n_samples} samples is not a length of this network: ask valid_input_length")
        stems_BTK = stems_BKT.transpose(1, 2).contiguous()
        features_BTF = stems_BTK
        skips = []
        for level, conv in enumerate(convolutions(self.down)):
            skips.append(self.after_down(convolve(features_BTF, conv), level))
            features_BTF = self._halve(skips[-1], level)
        features_BTF = deepest_BTF = self.after_bottleneck(convolve(features_BTF, self.bottleneck))
        for index, conv in enumerate(convolutions(self.up)):
            features_BTF = self._double(features_BTF, index)
            skip_BTF = _centre_crop(skips.pop(), features_BTF.shape[1])
            features_BTF = self.after_up(convolve(torch.cat([skip_BTF, features_BTF], dim=2), conv), index)
        stems_BTK = _centre_crop(stems_BTK, features_BTF.shape[1])
        mix_BTC = convolve(torch.cat([stems_BTK, features_BTF], dim=2), self.output)
        if self.faders is not None:
            gains_BTG = draw_lines(self.draw_faders(deepest_BTF), self.grid, hold=self.padding == "same")
            mix_BTC = self.add_faders(mix_BTC, _centre_crop(gains_BTG, mix_BTC.shape[1]), stems_BTK)
        return self.activate_output(mix_BTC).transpose(1, 2)

    def after_down(self, features_BTF: Tensor, _level: int) -> Tensor:
        """Apply what follows a convolution on the way down: the leaky rectifier."""
        return self._rectify(features_BTF)

    def after_bottleneck(self, features_BTF: Tensor) -> Tensor:
        """Apply what follows the convolution of the bottleneck: the leaky rectifier."""
        return self._rectify(features_BTF)

    def after_up(self, features_BTF: Tensor, _index: int) -> Tensor:
        """Apply what follows a convolution on the way up: the leaky rectifier."""
        return self._rectify(features_BTF)

    def output_layer_on_inputs(self) -> Tensor:
        """Return the weights `[C, K]` by which an input sample reaches the output sample in step with it.

        A view, before the activation of the output: what is written there (in `torch.no_grad()`) is the
        network's.
        """
        return self.output.weight[:, : self.n_inputs, self.output_kernel // 2]

    @property
    def fader_start(self) -> int:
        """Where the first output sample lies on the faders' lines, in samples from the first frame on."""
        if self.padding == "same":
            return 0
        return ((_MANY - 1) * self.grid + 1 - self.joined_lengths(_MANY)[0][1]) // 2

    def draw_faders(self, deepest_BTF: Tensor) -> Tensor:
        """Return the gains `[B, T, G]` at the frames of the bottleneck; G = C·K, first those of output 0.

        The features of a frame are brought to one level first: faders follow how inputs are to one another,
        not how loud all of them are.
        """
        if self.faders is None:
            raise ValueError("this network has no faders")
        energy_BT1 = deepest_BTF.square().mean(dim=2, keepdim=True)
        return convolve(deepest_BTF * torch.rsqrt(energy_BT1 + _QUIET_ENERGY), self.faders)

    def add_faders(self, mix_BTC: Tensor, gains_BTG: Tensor, stems_BTK: Tensor) -> Tensor:
        """Add the inputs `[B, T, K]`, each with its gain for every output, to the mix."""
        gains_BTCK = gains_BTG.reshape(*mix_BTC.shape, self.n_inputs)
        return mix_BTC + (gains_BTCK * stems_BTK.unsqueeze(-2)).sum(dim=-1)

    def activate_output(self, mix: Tensor) -> Tensor:
        """Apply the activation of the output, if it has one."""
        return torch.tanh(mix) if self.output_activation == "tanh" else mix

    def taps_between(self, index: int) -> Tensor:
        """Return the taps `[J]`, or `[F, J]`, of the value between two frames in the `index`-th doubling."""
        if self.upsampling == "filtered":
            return self.half_band_J
        if self.upsampling == "learned":
            weight_F = torch.sigmoid(self.interpolation[index])
            return torch.stack([weight_F, 1 - weight_F], dim=1)
        taps = (0.5, 0.5) if self.upsampling == "linear" else (1.0, 0.0)
        return self.output.weight.new_tensor(taps)

    def _rectify(self, features: Tensor) -> Tensor:
        # Nobody else holds what a convolution gave out; only training needs it again.
        in_place = not torch.is_grad_enabled()
        return functional.leaky_relu(features, self.negative_slope, inplace=in_place)

    def _halve(self, features_BTF: Tensor, level: int) -> Tensor:
        if self.downsampling == "decimate":
            return features_BTF[:, ::2].contiguous()
        if self.downsampling == "strided":
            return convolve(features_BTF, convolutions(self.strided)[level])
        if self.padding == "same":
            features_BTF = functional.pad(features_BTF, (0, 0, HALF_BAND_TAPS - 1, HALF_BAND_TAPS - 1))
        return filter_features(features_BTF, low_pass_taps(self.half_band_J), stride=2)

    def _double(self, features_BTF: Tensor, index: int) -> Tensor:
        before = self.interpolation_taps // 2 - 1  # frames looked at beyond the left neighbour
        if self.padding == "same":
            features_BTF = functional.pad(features_BTF, (0, 0, before, before + 1))
        doubled_BTF = double(features_BTF, self.taps_between(index))
        if self.padding == "same":
            return doubled_BTF
        last = features_BTF.shape[1] - before - 1
        return torch.cat([doubled_BTF, features_BTF[:, last : last + 1]], dim=1)


def convolutions(modules: nn.ModuleList) -> list[nn.Conv1d]:
    """Return the convolutions of a list, typed as such."""
    return [module for module in modules if isinstance(module, nn.Conv1d)]


def _centre_crop(features_BTF: Tensor, n_frames: int) -> Tensor:
    start = (features_BTF.shape[1] - n_frames) // 2
    return features_BTF[:, start : start + n_frames]
