"""Multi-resolution spectra agree with auraloss, SI-SDR with its formula; gains move them as computed."""

import numpy as np
import pytest

from mixcli.measures.waveform import (
    AUTOMIX_RESOLUTIONS,
    DEFAULT_RESOLUTIONS,
    MEASURES,
    compare_waveforms,
    si_sdr_db,
)

RATE = 44_100
DISTANCES = ("mrstft", "mrstft_sum_difference", "mrstft_automix")


def noise(rng, n_samples=RATE):
    return (0.1 * rng.standard_normal((n_samples, 2))).astype(np.float32)


def tones(n_samples=RATE):
    time_s = np.arange(n_samples) / RATE
    left = 0.3 * np.sin(2 * np.pi * 220 * time_s) * np.exp(-3 * (time_s % 0.25))
    right = 0.2 * np.sin(2 * np.pi * 1330 * time_s)
    return np.stack([left, right], axis=1).astype(np.float32)


def by_auraloss(mix_TC, reference_TC):
    torch = pytest.importorskip("torch")
    freq = pytest.importorskip("auraloss").freq
    mix_BCT, reference_BCT = (
        torch.from_numpy(np.ascontiguousarray(signal_TC.T))[None] for signal_TC in (mix_TC, reference_TC)
    )

    def settings(resolutions):
        return {
            "fft_sizes": [each.n_fft for each in resolutions],
            "hop_sizes": [each.hop for each in resolutions],
            "win_lengths": [each.window for each in resolutions],
        }

    stereo = freq.MultiResolutionSTFTLoss()  # its own defaults
    sum_difference = freq.SumAndDifferenceSTFTLoss(**settings(DEFAULT_RESOLUTIONS))
    automix = freq.MultiResolutionSTFTLoss(
        **settings(AUTOMIX_RESOLUTIONS), w_sc=0.0, w_lin_mag=1.0, w_log_mag=1.0
    )
    return [float(loss(mix_BCT, reference_BCT)) for loss in (stereo, sum_difference, automix)]


@pytest.mark.parametrize("n_samples", [4097, 12_345, 20_011])
def test_the_distances_are_those_of_auraloss(n_samples, rng):
    reference_TC = tones(n_samples) + 0.1 * noise(rng, n_samples)
    panned_TC = reference_TC * np.float32([1.0, 0.4])
    silence_TC = np.zeros_like(reference_TC)
    half_silent_TC = reference_TC * (np.arange(n_samples) < n_samples // 2)[:, None]
    for mix_TC in (noise(rng, n_samples), panned_TC, silence_TC, half_silent_TC, tones(n_samples)):
        found = compare_waveforms(mix_TC, reference_TC)
        np.testing.assert_allclose(
            [found[key] for key in DISTANCES], by_auraloss(mix_TC, reference_TC), rtol=1e-3
        )


def test_a_nearly_mono_reference_is_as_far_as_auraloss_says(rng):
    reference_TC = tones()
    reference_TC[:, 1] = reference_TC[:, 0] * np.float32(0.999)
    mix_TC = tones()
    found = compare_waveforms(mix_TC, reference_TC)
    np.testing.assert_allclose(
        [found[key] for key in DISTANCES], by_auraloss(mix_TC, reference_TC), rtol=1e-3
    )


def test_a_gain_moves_convergence_and_logarithm_by_closed_form(rng):
    reference_TC = noise(rng)
    gain = np.float32(10 ** (6 / 20))
    found = compare_waveforms(reference_TC * gain, reference_TC)
    # Convergence: g - 1; log magnitude: ln g. The sum and difference of noise are noise too.
    expected = float(gain) - 1 + np.log(float(gain))
    assert found["mrstft"] == pytest.approx(expected, rel=1e-4)
    assert found["mrstft_sum_difference"] == pytest.approx(expected, rel=1e-4)
    assert found["si_sdr_db"] == 100.0


def test_a_pan_leaves_the_channel_that_was_not_touched_out(rng):
    reference_TC = noise(rng)
    reference_TC[:, 1] = reference_TC[:, 0]
    gain = 0.5
    found = compare_waveforms(reference_TC * np.float32([1.0, gain]), reference_TC)
    # Left has no error: half of the squares, half of the logarithms.
    assert found["mrstft"] == pytest.approx(np.sqrt(0.5) * (1 - gain) + 0.5 * -np.log(gain), rel=1e-4)
    assert found["si_sdr_db"] == pytest.approx(10 * np.log10(1.5**2 / 2 / (1.25 - 1.5**2 / 2)), abs=1e-5)


def test_a_width_change_moves_the_difference_alone(rng):
    mid_T, side_T = rng.standard_normal((2, RATE)) * [[0.1], [0.05]]
    wide = 2.0

    def stereo(side_gain):
        return np.stack([mid_T + side_gain * side_T, mid_T - side_gain * side_T], axis=1).astype(np.float32)

    found = compare_waveforms(stereo(wide), stereo(1.0))
    assert found["mrstft_sum_difference"] == pytest.approx(0.5 * (wide - 1 + np.log(wide)), rel=1e-3)


def test_a_polarity_that_is_inverted_is_heard_by_neither_spectrum_nor_si_sdr(rng):
    reference_TC = noise(rng)
    found = compare_waveforms(-reference_TC, reference_TC)
    assert [found[key] for key in DISTANCES] == [0.0, 0.0, 0.0]
    assert found["si_sdr_db"] == 100.0


def test_a_signal_equals_itself_exactly_and_every_key_is_named(rng):
    signal_TC = noise(rng)
    found = compare_waveforms(signal_TC, signal_TC)
    assert list(found) == [measure.key for measure in MEASURES]
    assert list(found.values()) == [0.0, 0.0, 0.0, 100.0]


def test_si_sdr_is_that_of_the_formula(rng):
    reference_TC, mix_TC = noise(rng), noise(rng) + 0.5 * noise(rng)
    mix_TC += 0.8 * reference_TC
    mix_T, reference_T = (signal.astype(np.float64).ravel() for signal in (mix_TC, reference_TC))
    along_T = (mix_T @ reference_T) / (reference_T @ reference_T) * reference_T
    expected = 10 * np.log10(np.sum(along_T**2) / np.sum((mix_T - along_T) ** 2))
    assert si_sdr_db(mix_TC, reference_TC) == pytest.approx(expected, abs=1e-9)
    assert si_sdr_db(3 * mix_TC, reference_TC) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("distortion_db", [-90, -60, -20, 0, 20])
def test_si_sdr_reads_what_noise_was_added(distortion_db, rng):
    reference_TC, added_TC = rng.standard_normal((2, 200_000, 2))
    added_TC -= (added_TC * reference_TC).sum() / (reference_TC**2).sum() * reference_TC
    added_TC *= 10 ** (distortion_db / 20) * np.sqrt((reference_TC**2).sum() / (added_TC**2).sum())
    mix_TC = reference_TC + added_TC
    assert si_sdr_db(mix_TC, reference_TC) == pytest.approx(-distortion_db, abs=1e-4)


def test_what_has_nothing_in_common_reads_the_lower_limit():
    reference_TC = np.zeros((1000, 2), np.float32)
    mix_TC = np.zeros((1000, 2), np.float32)
    reference_TC[:500], mix_TC[500:] = 1, 1
    assert si_sdr_db(mix_TC, reference_TC) == -100.0


@pytest.mark.parametrize("n_samples", [0, 1, 239, 1024, 1025, 4096, 4097])
def test_short_and_silent_signals_give_finite_numbers_or_nan(n_samples, rng):
    some_TC, silence_TC = noise(rng, n_samples), np.zeros((n_samples, 2), np.float32)
    for mix_TC, reference_TC in [(some_TC, silence_TC), (silence_TC, some_TC), (silence_TC, silence_TC)]:
        found = compare_waveforms(mix_TC, reference_TC)
        assert not np.isinf(list(found.values())).any()
        assert np.isnan(found["si_sdr_db"])
        assert np.isnan(found["mrstft"]) == np.isnan(found["mrstft_sum_difference"]) == (n_samples <= 1024)
        assert np.isnan(found["mrstft_automix"]) == (n_samples <= 4096)


def test_signals_of_different_length_are_compared_over_what_both_have(rng):
    signal_TC = noise(rng, 20_000)
    assert compare_waveforms(signal_TC, signal_TC[:9_000])["mrstft"] == 0.0
    mix_TC = noise(rng, 20_000)
    # Not to the bit: arrays that lie otherwise in memory may be summed in another order.
    cut = compare_waveforms(mix_TC[:9_000], signal_TC[:9_000])
    assert compare_waveforms(mix_TC, signal_TC[:9_000]) == pytest.approx(cut, rel=1e-6)
