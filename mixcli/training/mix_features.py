"""What a mix is like whatever it plays: levels, peaks, width, balance and spectrum, to be like another's.

The only loss that needs no alignment, so mixes that differ from their stems by more than a delay, or of other
songs, can be learnt from.

Letters: B batch, C = 2 channels, T samples, N frequencies, M frames, D bands.
SOURCE: Vanka et al., "Diff-MST: Differentiable mixing style transfer", ISMIR 2024 (features and weights);
De Man et al., "An analysis and evaluation of audio features for multitrack music mixtures", ISMIR 2014.
"""

from itertools import pairwise

import torch
from torch import Tensor

# Zwicker, "Subdivision of the audible frequency range into critical bands", JASA 33, 1961
BARK_EDGES_HZ = (20, 100, 200, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700, 3150,
                 3700, 4400, 5300, 6400, 7700, 9500, 12_000, 15_500)  # fmt: skip
SPECTRUM = 32_768  # samples of a window, or as many as there are
WEIGHTS = {"rms": 0.1, "crest_db": 0.001, "width": 1.0, "imbalance": 1.0, "bark": 0.1}
SILENCE = 1e-8  # mean square: what is quieter is as loud as this
WIDEST = 4.0  # energy of the difference over the sum's: wider is out of phase, and without bound


def feature_distance(mix_BCT: Tensor, target_BCT: Tensor, sample_rate: int) -> Tensor:
    """Weighted mean squared differences of the features of two mixes, `[B]`; they need not be aligned."""
    found, wanted = (mix_features(each_BCT, sample_rate) for each_BCT in (mix_BCT, target_BCT))
    lost_B = mix_BCT.new_zeros(mix_BCT.shape[0])
    for name, weight in WEIGHTS.items():
        lost_B = lost_B + weight * (found[name] - wanted[name]).square().mean(dim=1)
    return lost_B


def mix_features(mix_BCT: Tensor, sample_rate: int) -> dict[str, Tensor]:
    """The features of mixes, each `[B, …]`: rms and crest factor (dB) by channel, and of both what follows.

    Width is the energy of left - right over that of left + right, imbalance (R - L) / (R + L) of the
    energies. Bark bands are natural logarithms of the mean magnitude of left + right and of left - right.
    """
    power_BC = mix_BCT.square().mean(dim=2).clamp(min=SILENCE)
    peak_BC = mix_BCT.abs().amax(dim=2).clamp(min=SILENCE**0.5)
    total_BT, difference_BT = mix_BCT[:, 0] + mix_BCT[:, 1], mix_BCT[:, 0] - mix_BCT[:, 1]
    energies = [each_BT.square().mean(dim=1, keepdim=True) for each_BT in (difference_BT, total_BT)]
    left_B1, right_B1 = power_BC[:, :1], power_BC[:, 1:]
    bands = [bark_spectrum(each_BT, sample_rate) for each_BT in (total_BT, difference_BT)]
    return {
        "rms": power_BC.sqrt(),
        "crest_db": 20 * torch.log10(peak_BC / power_BC.sqrt()),
        "width": (energies[0] / energies[1].clamp(min=SILENCE)).clamp(max=WIDEST),
        "imbalance": (right_B1 - left_B1) / (right_B1 + left_B1),
        "bark": torch.cat(bands, dim=1),
    }


def bark_spectrum(signal_BT: Tensor, sample_rate: int) -> Tensor:
    """Logarithm of the mean magnitude in each critical band that holds a frequency, `[B, D]`."""
    size = min(SPECTRUM, signal_BT.shape[1])
    window = torch.hann_window(size, device=signal_BT.device, dtype=signal_BT.dtype)
    spectrum_BNM = torch.stft(
        signal_BT, size, max(1, size // 4), window=window, center=False, return_complex=True
    )
    power_BNM = spectrum_BNM.real.square() + spectrum_BNM.imag.square()
    magnitude_BN = power_BNM.clamp(min=SILENCE**2).sqrt().mean(dim=2)  # a root has no slope at zero
    edges = [-(-hz * size // sample_rate) for hz in BARK_EDGES_HZ]
    edges = [min(edge, magnitude_BN.shape[1]) for edge in edges]
    bands = [magnitude_BN[:, low:high].mean(dim=1) for low, high in pairwise(edges) if high > low]
    return torch.log(torch.stack(bands, dim=1) + SILENCE)
