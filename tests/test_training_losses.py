"""The losses of training, against another implementation, closed forms, and numerical gradients."""

import math

import numpy as np
import pytest
import torch

from mixcli.engine.bound import ResidualBound
from mixcli.models.settings import BASE, PAPER
from mixcli.settings import TrainSettings
from mixcli.training.bound import bound_residual
from mixcli.training.losses import (
    GAIN_RANGE,
    Spectra,
    l1,
    left_right_stft,
    log_distortion,
    matched_gain,
    residual_cost,
    si_sdr_db,
    stft_distance,
    sum_difference_stft,
)
from mixcli.training.mix_features import WEIGHTS, feature_distance, mix_features
from mixcli.training.objective import loss_per_piece, make_mix


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).to(dtype)


@pytest.fixture
def pair():
    """A target in stereo, its sides alike but not equal, and a mix that is near."""
    target_BCT = 0.2 * (noise(3, 2, 6000) + noise(3, 1, 6000, seed=1))
    return target_BCT + 0.05 * noise(3, 2, 6000, seed=2), target_BCT


@pytest.mark.parametrize(("sizes", "hop"), [((512, 2048), 0.25), ((1024, 256), 0.5)])
def test_the_spectral_distances_are_auraloss_s(pair, sizes, hop):
    auraloss = pytest.importorskip("auraloss")
    options = {
        "fft_sizes": list(sizes),
        "hop_sizes": [round(size * hop) for size in sizes],
        "win_lengths": list(sizes),
    }
    mix_BCT, target_BCT = (signal.float() for signal in pair)
    spectra = Spectra(sizes, hop)
    ours_B = sum_difference_stft(mix_BCT, target_BCT, spectra)
    of_left_B = stft_distance(mix_BCT[:, 0], target_BCT[:, 0], spectra)
    for piece in range(len(mix_BCT)):  # one by one, since theirs takes the norms over the whole batch
        mix_1CT, target_1CT = mix_BCT[piece : piece + 1], target_BCT[piece : piece + 1]
        theirs = auraloss.freq.SumAndDifferenceSTFTLoss(**options)(mix_1CT, target_1CT)
        assert float(ours_B[piece]) == pytest.approx(float(theirs), rel=1e-5)
        theirs = auraloss.freq.MultiResolutionSTFTLoss(**options)(mix_1CT[:, :1], target_1CT[:, :1])
        assert float(of_left_B[piece]) == pytest.approx(float(theirs), rel=1e-5)


def test_the_distance_of_a_mix_from_itself_is_zero_and_of_half_of_it_is_known(pair):
    """Half the amplitude: a convergence of 1/2, and log 2 in every bin that is above the floor."""
    _, target_BCT = pair
    spectra = Spectra((512,))
    for distance in (l1, lambda a, b: sum_difference_stft(a, b, spectra)):
        assert distance(target_BCT, target_BCT).abs().max() == 0
    half_B = sum_difference_stft(target_BCT / 2, target_BCT, spectra)
    assert half_B.numpy() == pytest.approx(0.5 + math.log(2), rel=1e-4)
    assert l1(target_BCT / 2, target_BCT).numpy() == pytest.approx(
        target_BCT.abs().mean(dim=(1, 2)).numpy() / 2
    )


def test_swapped_sides_are_nothing_to_sum_and_difference_but_to_left_and_right(pair):
    _, target_BCT = pair
    swapped_BCT = target_BCT.flip(1)
    assert sum_difference_stft(swapped_BCT, target_BCT, Spectra((512,))).max() < 1e-9
    assert left_right_stft(swapped_BCT, target_BCT, Spectra((512,))).min() > 0.5


def test_a_mono_target_does_not_make_the_distance_of_the_difference_explode():
    mono_BCT = noise(1, 1, 6000).expand(1, 2, 6000)
    slightly_wide_BCT = mono_BCT + 1e-3 * noise(1, 2, 6000, seed=4)
    assert float(sum_difference_stft(slightly_wide_BCT, mono_BCT, Spectra())) < 10


@pytest.mark.parametrize("level_db", [-20, -60])
def test_a_target_that_is_silent_where_the_mix_is_not_counts_a_few_times_as_much_as_any(level_db):
    mix_BT = 10 ** (level_db / 20) * noise(1, 6000)
    spectra = Spectra((512,), 0.25)
    distance = float(stft_distance(mix_BT, torch.zeros_like(mix_BT), spectra))
    # Convergence is 10 by its floor; the mean log of white noise over the floor of a magnitude is known:
    # those of a Hann window of 512 have a mean square of 192, and log(Rayleigh) is gamma/2 below its root.
    levels = 10 ** (level_db / 20) * math.sqrt(0.375 * 512) / 1e-4
    assert distance == pytest.approx(10 + math.log(levels) - 0.5772 / 2, rel=0.02)
    quiet_BT = 0.2 * mix_BT  # 14 dB below, as a mix before its mastering may be: as it was
    assert float(stft_distance(mix_BT, quiet_BT, spectra)) == pytest.approx(4 + math.log(5), rel=1e-3)


def test_the_matched_gain_is_the_one_with_the_least_squared_error(pair):
    mix_BCT, target_BCT = pair
    gain_B = matched_gain(mix_BCT, target_BCT).flatten()
    solved = [
        np.linalg.lstsq(mix_CT.reshape(-1, 1), target_CT.flatten(), rcond=None)[0][0]
        for mix_CT, target_CT in zip(mix_BCT.numpy(), target_BCT.numpy(), strict=True)
    ]
    assert gain_B.numpy() == pytest.approx(solved, rel=1e-12)
    assert matched_gain(target_BCT * 4, target_BCT).flatten().numpy() == pytest.approx(0.25)
    assert matched_gain(-target_BCT, target_BCT).flatten().numpy() == pytest.approx(GAIN_RANGE[0])
    assert float(matched_gain(torch.zeros(1, 2, 9), noise(1, 2, 9))) == 1


def test_the_distortion_is_a_tenth_of_the_ratio_in_db_and_every_piece_has_its_own(pair):
    """Errors of a known share of the target's energy, in pieces of very different levels."""
    _, target_BCT = pair
    levels_B11 = torch.tensor([1.0, 1e-2, 30.0], dtype=torch.float64)[:, None, None]
    ratios_db = np.array([20.0, 10.0, -6.0])
    error_BCT = noise(3, 2, 6000, seed=5)
    error_BCT = error_BCT / error_BCT.square().sum(dim=(1, 2), keepdim=True).sqrt()
    error_BCT = error_BCT * target_BCT.square().sum(dim=(1, 2), keepdim=True).sqrt()
    shares = 10 ** (-ratios_db / 10)
    mix_BCT = target_BCT + error_BCT * torch.from_numpy(np.sqrt(shares))[:, None, None]
    lost_B = log_distortion(levels_B11 * mix_BCT, levels_B11 * target_BCT)
    assert lost_B.numpy() == pytest.approx(np.log10(shares + 1e-3), rel=1e-12)
    assert lost_B.numpy() == pytest.approx(-ratios_db / 10, abs=0.05)


def test_with_a_matched_gain_the_distortion_is_that_of_si_sdr(pair):
    """The same number by way of si_sdr_db: of what remains at the best gain, the error is 1 / (1 + SDR)."""
    mix_BCT, target_BCT = pair
    settings = TrainSettings(sdr=1.0, stft=0.0, gain_match=True)
    lost_B = loss_per_piece(make_mix(3 * mix_BCT, mix_BCT, PAPER), target_BCT, settings)
    for piece in range(len(mix_BCT)):
        ratio = 10 ** (si_sdr_db(mix_BCT[piece], target_BCT[piece]) / 10)
        assert float(lost_B[piece]) == pytest.approx(math.log10(1 / (1 + ratio) + 1e-3), rel=1e-9)


def test_silence_loses_nothing_and_an_exploded_mix_has_no_pull(pair):
    mix_BCT, target_BCT = pair
    mix_BCT = (mix_BCT * torch.tensor([1.0, 100.0, 1.0])[:, None, None]).requires_grad_()
    target_BCT = target_BCT * torch.tensor([0.0, 1.0, 1.0])[:, None, None]
    lost_B = log_distortion(mix_BCT, target_BCT)
    assert float(lost_B[0].detach()) == 0
    assert float(lost_B[1].detach()) == pytest.approx(1.0, abs=1e-4)
    lost_B.sum().backward()
    assert [float(each.abs().max()) > 0 for each in mix_BCT.grad] == [False, False, True]


def test_si_sdr_is_the_power_of_the_target_over_that_of_what_is_orthogonal_to_it():
    """Noise made orthogonal to the target, 20 dB below it: 20 dB whatever the scale."""
    target_CT, noise_CT = noise(2, 5000), noise(2, 5000, seed=1)
    noise_CT -= (noise_CT * target_CT).sum() / target_CT.square().sum() * target_CT
    noise_CT *= 0.1 * (target_CT.square().sum() / noise_CT.square().sum()).sqrt()
    assert si_sdr_db(target_CT + noise_CT, target_CT) == pytest.approx(20, abs=1e-9)
    assert si_sdr_db(-3 * (target_CT + noise_CT), target_CT) == pytest.approx(20, abs=1e-9)
    assert si_sdr_db(target_CT, target_CT) > 150
    assert si_sdr_db(torch.zeros(2, 9), target_CT[:, :9]) is None


def test_a_residual_costs_the_logarithm_of_its_share_of_its_bus():
    buses_BKCT = noise(2, 3, 2, 400)
    buses_BKCT[:, 2] = 0  # a silent bus counts for nothing
    residual_BKCT = buses_BKCT * torch.tensor([0.5, 0.1, 1.0])[None, :, None, None] + 0
    residual_BKCT[:, 2] = 1
    assert residual_cost(residual_BKCT, buses_BKCT).numpy() == pytest.approx(np.log(1.25) + np.log(1.01))


@pytest.mark.parametrize("n_samples", [160, 4001, 999])
def test_the_bound_is_the_one_that_mixing_applies(n_samples):
    """Against the engine's, over loud and quiet stretches of the bus, and one without any sound."""
    generator = np.random.default_rng(5)
    buses_KTC = generator.standard_normal((3, n_samples, 2)).astype(np.float32)
    buses_KTC[1] *= np.linspace(0, 2, n_samples, dtype=np.float32)[:, None]
    buses_KTC[2, n_samples // 3 :] = 0
    residual_KTC = generator.standard_normal((3, n_samples, 2)).astype(np.float32)
    residual_KTC[0] *= 0.1
    expected_KTC = ResidualBound(8_000, 3).push(buses_KTC, residual_KTC, last=True)
    as_pieces = [torch.from_numpy(each).transpose(1, 2)[None].double() for each in (residual_KTC, buses_KTC)]
    bounded_BKCT = bound_residual(*as_pieces, 8_000)
    difference = bounded_BKCT[0].transpose(1, 2).numpy() - expected_KTC
    assert np.abs(difference).max() < 1e-6
    assert np.abs(expected_KTC - residual_KTC).max() > 0.1  # it does something


def test_the_features_of_sines_are_those_of_closed_forms():
    """1 kHz left at 0.5, 5 kHz right at 0.1: Bark bands 9 (920 to 1080 Hz) and 19 (4,400 to 5,300 Hz)."""
    time_s = torch.arange(2 * 44_100, dtype=torch.float64) / 44_100
    left_T = 0.5 * torch.sin(2 * math.pi * 1_000 * time_s)
    right_T = 0.1 * torch.sin(2 * math.pi * 5_000 * time_s)
    found = mix_features(torch.stack([left_T, right_T])[None], 44_100)
    assert found["rms"][0].numpy() == pytest.approx([0.5 / 2**0.5, 0.1 / 2**0.5], rel=1e-4)
    assert found["crest_db"][0].numpy() == pytest.approx([3.01, 3.01], abs=0.01)
    assert found["width"].item() == pytest.approx(1, abs=1e-4)  # one channel each: not a thing in common
    assert found["imbalance"].item() == pytest.approx((0.01 - 0.25) / (0.01 + 0.25), rel=1e-4)
    bark_BD = found["bark"][0].reshape(2, 24)
    for bands_D in bark_BD:  # the same in the sum and in the difference
        assert set(bands_D.topk(2).indices.tolist()) == {8, 18}
        # The main lobe of a Hann window sums to the same, within 5 %, wherever a sine lies between bins.
        n_bins = [len(range(math.ceil(low * 32_768 / 44_100), math.ceil(high * 32_768 / 44_100)))
                  for low, high in ((920, 1080), (4400, 5300))]  # fmt: skip
        sums = torch.exp(bands_D[[8, 18]]) * torch.tensor(n_bins)
        assert float(sums[0] / sums[1]) == pytest.approx(5, rel=0.05)


def test_features_are_blind_to_when_and_to_the_order_of_things_but_not_to_what_a_mix_is_like():
    rng = np.random.default_rng(3)
    target_BCT = torch.from_numpy(0.1 * rng.standard_normal((1, 2, 120_000)))
    later_BCT = target_BCT.roll(30_011, dims=2)
    assert float(feature_distance(later_BCT, target_BCT, 44_100)) < 1e-3
    assert float(sum_difference_stft(later_BCT, target_BCT, Spectra((512,)))) > 1
    assert float(feature_distance(target_BCT, target_BCT, 44_100)) == 0
    mono_BCT = target_BCT.mean(dim=1, keepdim=True).expand(-1, 2, -1)
    # 1 of width, and in the side's bands the logarithm of what is there against 1e-8 (its floor).
    assert float(feature_distance(mono_BCT, target_BCT, 44_100)) > WEIGHTS["width"] * 0.9
    half_BCT = target_BCT / 2
    by_hand = WEIGHTS["rms"] * 0.05**2 + WEIGHTS["bark"] * math.log(2) ** 2
    assert float(feature_distance(half_BCT, target_BCT, 44_100)) == pytest.approx(by_hand, rel=1e-3)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000])
def test_bands_above_half_the_rate_are_left_out(sample_rate):
    mix_BCT = noise(1, 2, 40_000)
    n_bands = {8_000: 18, 44_100: 24, 96_000: 24}[sample_rate]  # the last of 18 begins at 3,700 Hz
    assert mix_features(mix_BCT, sample_rate)["bark"].shape == (1, 2 * n_bands)


def test_the_gradients_are_those_of_the_functions():
    target_BCT = noise(1, 2, 48)
    mix_BCT = (target_BCT + 0.3 * noise(1, 2, 48, seed=3)).requires_grad_()
    spectra = Spectra((32, 16))
    buses_BKCT = noise(1, 2, 2, 60) * torch.tensor([1.0, 0.2])[None, :, None, None]
    residual_BKCT = (0.9 * noise(1, 2, 2, 60, seed=6)).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda mix: l1(mix, target_BCT), mix_BCT)
    assert check(lambda mix: log_distortion(mix, target_BCT), mix_BCT)
    assert check(lambda mix: sum_difference_stft(mix, target_BCT, spectra), mix_BCT)
    assert check(
        lambda mix: sum_difference_stft(mix * matched_gain(mix, target_BCT), target_BCT, spectra), mix_BCT
    )
    assert check(lambda mix: feature_distance(mix, target_BCT, 44_100), mix_BCT)
    assert check(lambda residual: bound_residual(residual, buses_BKCT, 400), residual_BKCT)
    assert check(lambda residual: residual_cost(residual, buses_BKCT), residual_BKCT)


def test_no_gradient_is_lost_or_infinite_where_all_is_silent_or_equal():
    settings = TrainSettings(
        l1=1, sdr=1, stft=1, sides=1, features=1, residual=1, gain_match=True, stft_sizes=(64,)
    )
    inputs_BKT = torch.zeros(1, 18, 200)
    for target_BCT in (torch.zeros(1, 2, 200), noise(1, 2, 200, dtype=torch.float32)):
        residual_BKT = torch.zeros(1, 16, 200, requires_grad=True)
        made = make_mix(residual_BKT, inputs_BKT, BASE)
        loss_per_piece(made, target_BCT, settings).sum().backward()
        assert bool(torch.isfinite(residual_BKT.grad).all())
    mix_BCT = noise(1, 2, 200, dtype=torch.float32).requires_grad_()
    loss_per_piece(make_mix(mix_BCT, inputs_BKT, PAPER), mix_BCT.detach(), settings).sum().backward()
    assert bool(torch.isfinite(mix_BCT.grad).all())


def test_residuals_of_zero_give_the_console_s_mix_and_can_learn():
    inputs_BKT = noise(1, 18, 400, dtype=torch.float32)
    residual_BKT = torch.zeros(1, 16, 400, requires_grad=True)
    made = make_mix(residual_BKT, inputs_BKT, BASE)
    assert torch.equal(made.mix_BCT, inputs_BKT[:, -2:])
    made.mix_BCT.square().sum().backward()
    assert torch.allclose(residual_BKT.grad[:, 6:8], 2 * inputs_BKT[:, -2:])


def test_the_loss_is_the_weighted_sum_of_its_terms(pair):
    mix_BCT, target_BCT = pair
    made = make_mix(mix_BCT, mix_BCT, PAPER)
    sizes = {"stft_sizes": (512, 128), "stft_hop": 0.5}
    spectra = Spectra((512, 128), 0.5)
    weights = {"l1": 0.3, "sdr": 0.9, "stft": 2, "sides": 0.7, "features": 0.4}
    whole_B = loss_per_piece(made, target_BCT, TrainSettings(**weights, **sizes))
    expected_B = 0.3 * l1(mix_BCT, target_BCT) + 2 * sum_difference_stft(mix_BCT, target_BCT, spectra)
    expected_B = expected_B + 0.9 * log_distortion(mix_BCT, target_BCT)
    expected_B = expected_B + 0.7 * left_right_stft(mix_BCT, target_BCT, spectra)
    expected_B = expected_B + 0.4 * feature_distance(mix_BCT, target_BCT, PAPER.sample_rate)
    assert torch.allclose(whole_B, expected_B)
    matched_B = loss_per_piece(
        make_mix(5 * mix_BCT, mix_BCT, PAPER), target_BCT, TrainSettings(gain_match=True, **sizes)
    )
    near_B = loss_per_piece(made, target_BCT, TrainSettings(gain_match=True, **sizes))
    assert torch.allclose(matched_B, near_B)
