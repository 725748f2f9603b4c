"""Layers for features that lie last in memory, `[B, T, F]`: about twice as fast on a CPU as `[B, F, T]`.

Letters: B batch, T frames, F features, J taps.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

HALF_BAND_TAPS = 12  # taps beside the centre of the fixed half-band filter (23 in all, every second one zero)
HALF_BAND_BETA = 5.0  # of its Kaiser window


def half_band_taps() -> Tensor:
    """Make the taps `[J]` that tell the value between two samples: a Kaiser-windowed sinc, its sum 1."""
    position_J = np.arange(HALF_BAND_TAPS) - (HALF_BAND_TAPS - 1) / 2
    edge = HALF_BAND_TAPS / 2  # at the doubled rate the window reaches one tap beyond the outermost of these
    taps_J = np.sinc(position_J) * np.i0(HALF_BAND_BETA * np.sqrt(1 - (position_J / edge) ** 2))
    return torch.tensor(taps_J / taps_J.sum(), dtype=torch.get_default_dtype())


def convolve(features_BTF: Tensor, conv: nn.Conv1d, *, padding: int | None = None) -> Tensor:
    """Run a convolution, `[B, T, F]` to `[B, T', F']`, with its own zero padding or with the one given.

    A 2-D convolution of height 1 is what has fast kernels for this layout.
    """
    if padding is None:
        padding = int(conv.padding[0])
    weight_FF1J = conv.weight.unsqueeze(2)
    stride = (1, conv.stride[0])
    return _flat(functional.conv2d(_as_image(features_BTF), weight_FF1J, conv.bias, stride, (0, padding)))


def filter_features(features_BTF: Tensor, taps: Tensor, stride: int = 1) -> Tensor:
    """Correlate each feature with its taps, `[J]` or `[F, J]`: T − J + 1 frames, or every `stride`-th."""
    if stride > 1 and _learns_in_16_bits_on_cpu(features_BTF):
        # The way back through strides in 16 bits has no fast kernel there: four times the time of 32 bits.
        with torch.autocast("cpu", enabled=False):
            return filter_features(features_BTF.float(), taps, stride).to(features_BTF.dtype)
    n_features, n_taps = features_BTF.shape[2], taps.shape[-1]
    taps_FJ = taps.to(features_BTF.dtype).expand(n_features, n_taps).contiguous()
    # With these strides the weights count as "features last" too; otherwise the kernel is ten times slower.
    taps_F11J = taps_FJ.as_strided((n_features, 1, 1, n_taps), (n_taps, 1, n_taps, 1))
    return _flat(functional.conv2d(_as_image(features_BTF), taps_F11J, stride=(1, stride), groups=n_features))


def double(features_BTF: Tensor, taps: Tensor) -> Tensor:
    """Double the rate: each frame is followed by the value between it and the next, 2·(T − J + 1) frames.

    The first frame given out is number J/2 − 1, the first that has enough neighbours.
    """
    before = taps.shape[-1] // 2 - 1
    between_BTF = filter_features(features_BTF, taps)
    frames_BTF = features_BTF[:, before : before + between_BTF.shape[1]]
    return torch.stack([frames_BTF, between_BTF], dim=2).flatten(1, 2)


def draw_lines(frames_BTF: Tensor, n_between: int, *, hold: bool) -> Tensor:
    """Draw straight lines from frame to frame, `n_between` values each, `[B, T, F]` to `[B, T', F]`.

    The last frame ends them, T' = (T - 1)·`n_between` + 1; with `hold` it is held, T' = T·`n_between`. Lines
    have 32 bits at least: in 16 they would be stairs.
    """
    frames_BTF = frames_BTF.to(torch.promote_types(frames_BTF.dtype, torch.float32))
    share_N1 = torch.arange(n_between, device=frames_BTF.device, dtype=frames_BTF.dtype)[:, None] / n_between
    last_B1F = frames_BTF[:, -1:]
    if hold:
        frames_BTF = torch.cat([frames_BTF, last_B1F], dim=1)
    lines_BTNF = torch.lerp(frames_BTF[:, :-1, None], frames_BTF[:, 1:, None], share_N1)
    lines_BTF = lines_BTNF.flatten(1, 2)
    return lines_BTF if hold else torch.cat([lines_BTF, last_B1F], dim=1)


def normalise(features_BTF: Tensor, norm: nn.Module) -> Tensor:
    """Run a batch norm, made as `nn.BatchNorm2d`, over batch and frames."""
    return _flat(norm(_as_image(features_BTF)))


def rectify(features_BTF: Tensor, slopes: nn.Module) -> Tensor:
    """Run a rectifier with a slope per feature, `nn.PReLU`."""
    return _flat(slopes(_as_image(features_BTF)))


def _learns_in_16_bits_on_cpu(features_BTF: Tensor) -> bool:
    is_16_bit = features_BTF.dtype == torch.bfloat16
    return is_16_bit and features_BTF.device.type == "cpu" and torch.is_grad_enabled()


def _as_image(features_BTF: Tensor) -> Tensor:
    return features_BTF.transpose(1, 2).unsqueeze(2)


def _flat(features_BF1T: Tensor) -> Tensor:
    return features_BF1T.squeeze(2).transpose(1, 2)


def low_pass_taps(half_band_J: Tensor) -> Tensor:
    """Make the half-band filter before a halving: half the sample, half what its neighbours say is there."""
    taps_J = half_band_J.new_zeros(2 * half_band_J.shape[0] - 1)
    taps_J[::2] = 0.5 * half_band_J
    taps_J[half_band_J.shape[0] - 1] = 0.5
    return taps_J
