"""From what a network gives to a mix, and from the mix to what is lost.

Letters: B batch, K inputs or buses, C = 2 channels, T samples.
"""

from dataclasses import dataclass

from torch import Tensor

from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.bound import bound_residual
from mixcli.training.losses import (
    Spectra,
    l1,
    left_right_stft,
    log_distortion,
    matched_gain,
    residual_cost,
    sum_difference_stft,
)
from mixcli.training.mix_features import feature_distance


@dataclass(frozen=True)
class MadeMix:
    """A mix `[B, C, T]`, and where a network worked behind the console its raw residuals and their buses."""

    mix_BCT: Tensor
    sample_rate: int
    residual_BKCT: Tensor | None = None
    buses_BKCT: Tensor | None = None


def make_mix(output_BCT: Tensor, inputs_BKT: Tensor, model: ModelSettings) -> MadeMix:
    """Make the mix that mixing would make of a network's output.

    `inputs_BKT` are the network's inputs at the samples of the output, without context. Residuals are
    bounded against their buses and added to the console's mix, the last two inputs.
    """
    if model.outputs == "mix":
        return MadeMix(output_BCT, model.sample_rate)
    n_batch, n_channels, n_samples = output_BCT.shape
    residual_BKCT = output_BCT.reshape(n_batch, n_channels // 2, 2, n_samples)
    buses_BKCT = inputs_BKT[:, :-2].reshape(residual_BKCT.shape)
    bounded_BKCT = bound_residual(residual_BKCT, buses_BKCT, model.sample_rate)
    mix_BCT = inputs_BKT[:, -2:] + bounded_BKCT.sum(dim=1)
    return MadeMix(mix_BCT, model.sample_rate, residual_BKCT, buses_BKCT)


def loss_per_piece(made: MadeMix, target_BCT: Tensor, settings: TrainSettings) -> Tensor:
    """What each piece of a batch loses, `[B]`: the weighted sum of the terms that the settings name."""
    mix_BCT = made.mix_BCT
    if settings.gain_match:
        mix_BCT = mix_BCT * matched_gain(mix_BCT, target_BCT)
    spectra = Spectra(settings.stft_sizes, settings.stft_hop)
    loss_B = mix_BCT.new_zeros(mix_BCT.shape[0])
    if settings.l1:
        loss_B = loss_B + settings.l1 * l1(mix_BCT, target_BCT)
    if settings.sdr:
        loss_B = loss_B + settings.sdr * log_distortion(mix_BCT, target_BCT)
    if settings.stft:
        loss_B = loss_B + settings.stft * sum_difference_stft(mix_BCT, target_BCT, spectra)
    if settings.sides:
        loss_B = loss_B + settings.sides * left_right_stft(mix_BCT, target_BCT, spectra)
    if settings.features:
        loss_B = loss_B + settings.features * feature_distance(mix_BCT, target_BCT, made.sample_rate)
    if settings.residual and made.residual_BKCT is not None and made.buses_BKCT is not None:
        loss_B = loss_B + settings.residual * residual_cost(made.residual_BKCT, made.buses_BKCT)
    return loss_B
