"""What a mix loses against the one it should have become: one value per piece, so that any batch averages.

Letters: B batch, C = 2 channels, N frequencies, M frames, T samples.
SOURCE: Steinmetz and Reiss, "auraloss", 2020 (spectral terms); Le Roux et al., "SDR - half-baked or well
done?", ICASSP 2019 (SI-SDR).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

POWER_FLOOR = 1e-8  # of a spectrum's squared magnitudes: below, there is nothing to compare
DIFFERENCE_FLOOR = 0.01  # a difference 40 dB below the sum is compared as if it were that loud
QUIET = (
    0.1  # a target 20 dB below the mix is compared as if it were that loud: silence would outweigh all else
)
LEAST_DISTORTION, MOST_DISTORTION = 1e-3, 10.0  # shares of the target's energy
GAIN_RANGE = (0.05, 20.0)  # of the matched gain: never upside down, never silence


@dataclass(frozen=True)
class Spectra:
    """Windows of the spectral terms: their lengths in samples, and the step as a share of the length."""

    sizes: tuple[int, ...] = (512, 2048, 8192)
    hop: float = 0.25


def l1(mix_BCT: Tensor, target_BCT: Tensor) -> Tensor:
    """Mean absolute error of the samples, `[B]`."""
    return (mix_BCT - target_BCT).abs().mean(dim=(1, 2))


def log_distortion(mix_BCT: Tensor, target_BCT: Tensor) -> Tensor:
    """Decimal logarithm of the error's energy as a share of the target's, `[B]`: a tenth of -SDR in dB.

    Every piece counts alike, loud or quiet, far or near. From 30 dB on there is little left to win; an error
    10 times the target's energy is the most that is felt, and silence as a target loses nothing.
    """
    error_B = (mix_BCT - target_BCT).square().sum(dim=(1, 2))
    energy_B = target_BCT.square().sum(dim=(1, 2))
    sounds_B = energy_B > POWER_FLOOR * target_BCT[0].numel()
    share_B = error_B / torch.where(sounds_B, energy_B, torch.ones_like(energy_B))
    lost_B = torch.log10(share_B.clamp(max=MOST_DISTORTION) + LEAST_DISTORTION)
    return torch.where(sounds_B, lost_B, torch.zeros_like(lost_B))


def sum_difference_stft(mix_BCT: Tensor, target_BCT: Tensor, spectra: Spectra) -> Tensor:
    """Multi-resolution spectral distance of left + right and of left - right, averaged, `[B]`.

    A level near the target's in both is blind to left and right changing places: see `left_right_stft`.
    """
    total_BT, target_total_BT = mix_BCT.sum(dim=1), target_BCT.sum(dim=1)
    difference_BT = mix_BCT[:, 0] - mix_BCT[:, 1]
    target_difference_BT = target_BCT[:, 0] - target_BCT[:, 1]
    of_sum_B = stft_distance(total_BT, target_total_BT, spectra)
    of_difference_B = stft_distance(
        difference_BT, target_difference_BT, spectra, beside_BT=DIFFERENCE_FLOOR * target_total_BT
    )
    return (of_sum_B + of_difference_B) / 2


def left_right_stft(mix_BCT: Tensor, target_BCT: Tensor, spectra: Spectra) -> Tensor:
    """Multi-resolution spectral distance of the left and the right channel, averaged, `[B]`."""
    channels = [stft_distance(mix_BCT[:, c], target_BCT[:, c], spectra) for c in (0, 1)]
    return (channels[0] + channels[1]) / 2


def stft_distance(
    mix_BT: Tensor, target_BT: Tensor, spectra: Spectra, *, beside_BT: Tensor | None = None
) -> Tensor:
    """Mean over the windows of spectral convergence and mean log magnitude difference, `[B]`.

    `beside_BT` is another signal; where the target is weaker, the convergence is measured against that. It is
    at most about 10: a rest, or a mix that begins later than its stems, must not outweigh a whole batch.
    Windows for which the piece is too short (T at most half of them) are left out; one must remain.
    """
    n_samples = mix_BT.shape[-1]
    sizes = [size for size in spectra.sizes if n_samples > size // 2]
    if not sizes:
        raise ValueError(f"{n_samples} samples are too short for windows of {spectra.sizes}")
    terms = []
    for size in sizes:
        hop = max(1, round(size * spectra.hop))
        mix_BNM, target_BNM = magnitudes(mix_BT, size, hop), magnitudes(target_BT, size, hop)
        reference_B = torch.maximum(_norm(target_BNM), QUIET * _norm(mix_BNM).detach())
        if beside_BT is not None:
            reference_B = torch.maximum(reference_B, _norm(magnitudes(beside_BT, size, hop)))
        convergence_B = _norm(mix_BNM - target_BNM) / reference_B
        terms.append(convergence_B + (mix_BNM.log() - target_BNM.log()).abs().mean(dim=(1, 2)))
    return torch.stack(terms).mean(dim=0)


def magnitudes(signal_BT: Tensor, size: int, hop: int) -> Tensor:
    """Magnitudes of a Hann-windowed short-time spectrum, `[B, N, M]`, at least the root of POWER_FLOOR."""
    window = torch.hann_window(size, device=signal_BT.device, dtype=signal_BT.dtype)
    spectrum_BNM = torch.stft(signal_BT, size, hop, window=window, return_complex=True)
    power_BNM = spectrum_BNM.real.square() + spectrum_BNM.imag.square()
    return power_BNM.clamp(min=POWER_FLOOR).sqrt()


def matched_gain(mix_BCT: Tensor, target_BCT: Tensor) -> Tensor:
    """The gain `[B, 1, 1]` on the mix with the least squared error, in closed form, kept to GAIN_RANGE.

    Released mixes carry the gain of a mastering that no network should have to learn. Silence gets a gain
    of 1.
    """
    product_B11 = (mix_BCT * target_BCT).sum(dim=(1, 2), keepdim=True)
    energy_B11 = mix_BCT.square().sum(dim=(1, 2), keepdim=True)
    is_silent_B11 = energy_B11 == 0
    gain_B11 = product_B11 / torch.where(is_silent_B11, torch.ones_like(energy_B11), energy_B11)
    return torch.where(is_silent_B11, torch.ones_like(gain_B11), gain_B11.clamp(*GAIN_RANGE))


def si_sdr_db(mix_CT: Tensor, target_CT: Tensor) -> float | None:
    """Scale-invariant signal-to-distortion ratio over both channels, in dB; None where either is silent.

    The target is scaled to the mix; what then differs is distortion. At most 200 dB, at least -200 dB.
    """
    mix_CT, target_CT = mix_CT.double(), target_CT.double()
    energy = float(target_CT.square().sum())
    if energy == 0 or not bool(mix_CT.any()):
        return None
    wanted_CT = float((mix_CT * target_CT).sum()) / energy * target_CT
    wanted, distortion = float(wanted_CT.square().sum()), float((mix_CT - wanted_CT).square().sum())
    floor = 1e-20 * (wanted + distortion)
    ratio = torch.tensor(max(wanted, floor) / max(distortion, floor), dtype=torch.float64)
    return float(10 * ratio.log10())


def residual_cost(residual_BKCT: Tensor, buses_BKCT: Tensor) -> Tensor:
    """What residuals cost, `[B]`: ln(1 + r), r being energy over the bus', summed over the buses that sound.

    That is r where the residual is small. In a piece that has but the end of a note of a bus r can be
    thousands, which would be all that a batch learns from.
    """
    energy_BK = buses_BKCT.square().sum(dim=(2, 3))
    sounds_BK = energy_BK > POWER_FLOOR * buses_BKCT.shape[-1]
    share_BK = residual_BKCT.square().sum(dim=(2, 3)) / energy_BK.clamp(min=POWER_FLOOR)
    return torch.where(sounds_BK, share_BK, torch.zeros_like(share_BK)).log1p().sum(dim=1)


def _norm(magnitudes_BNM: Tensor) -> Tensor:
    """Root of the sum of squares, `[B]`; its slope at zero is zero, where that of a root is none."""
    energy_B = magnitudes_BNM.square().sum(dim=(1, 2))
    is_zero_B = energy_B == 0
    root_B = torch.where(is_zero_B, torch.ones_like(energy_B), energy_B).sqrt()
    return torch.where(is_zero_B, torch.zeros_like(root_B), root_B)
