"""The audio-feature distance against torch, closed forms and planted changes."""

import numpy as np
import pytest
import torch

from mixcli.measures import mixing_style
from mixcli.measures.mixing_style import MEASURES, bark_bank, compare_style, describe_style

RATE = 44_100


def noise(seconds=2.0, seed=0, level=0.05):
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def compare(mix_TC, reference_TC):
    return compare_style(describe_style(mix_TC, RATE), describe_style(reference_TC, RATE))


@pytest.mark.parametrize("n_samples", [16_385, 40_000, 262_145, 300_000])
def test_the_bark_spectra_are_torchs_centred_transform_through_the_bank(n_samples):
    signal_TC = noise(7.0)[:n_samples]
    bank = torch.from_numpy(bark_bank(RATE))
    left, right = torch.from_numpy(signal_TC.T.astype(float))
    window = torch.hann_window(32_768, dtype=torch.float64)
    for bark_B, signal in zip(
        describe_style(signal_TC, RATE).bark_SB, (left + right, left - right), strict=True
    ):
        spectrum = torch.stft(signal, 32_768, 8192, window=window, return_complex=True)
        expected = torch.log(spectrum.abs().mean(dim=1) @ bank + 1e-8)
        np.testing.assert_allclose(bark_B, expected, atol=1e-5)


@pytest.mark.parametrize("rate", [32_000, 44_100, 48_000])
def test_the_bark_bank_is_traunmuellers_scale_with_the_programs_slip_at_the_top(rate):
    bins_hz = np.arange(16_385) * rate / 32_768
    low_bark = 26.81 * 20 / 1980 - 0.53
    high_bark = 26.81 * 20_000 / 21_960 - 0.53
    points_bark = np.linspace(low_bark + 0.15 * (2 - low_bark), high_bark + 0.22 * (high_bark - 20.1), 26)
    points_hz = []
    for bark in points_bark:
        back = (bark - 0.3) / 0.85 if bark < 2 else bark  # above 20.1 it should be (bark + 4.422) / 1.22
        points_hz.append(1960 * (back + 0.53) / (26.28 - back))
    assert points_hz[0] == pytest.approx(20.0)
    assert points_hz[-1] == pytest.approx(31_700, rel=0.01)
    bank_NB = bark_bank(rate)
    for band in range(24):
        triangle_N = np.interp(bins_hz, points_hz[band : band + 3], [0, 1, 0], left=0, right=0)
        np.testing.assert_allclose(bank_NB[:, band], triangle_N, atol=1e-12)


def test_the_other_features_are_those_of_the_formulas():
    signal_TC = noise(7.0, 3) * np.array([1.0, 0.4], np.float32)
    style = describe_style(signal_TC, RATE)
    left, right = signal_TC.T.astype(float)
    rms = np.sqrt([np.mean(left**2), np.mean(right**2)])
    np.testing.assert_allclose(style.rms_C, rms, rtol=1e-6)
    np.testing.assert_allclose(
        style.crest_db_C, 20 * np.log10(np.abs(signal_TC).max(axis=0) / rms), rtol=1e-6
    )
    assert style.width == pytest.approx(np.mean((left - right) ** 2) / np.mean((left + right) ** 2), rel=1e-6)
    assert style.imbalance == pytest.approx((rms[1] ** 2 - rms[0] ** 2) / (rms**2).sum(), rel=1e-6)


def test_a_signal_is_no_distance_from_itself():
    signal_TC = noise()
    values = compare(signal_TC, signal_TC)
    assert list(values) == [measure.key for measure in MEASURES]
    assert set(values.values()) == {0.0}


def test_six_db_move_level_and_bark_spectrum_by_the_computed_amounts():
    signal_TC = noise()
    rms_C = np.sqrt(np.mean(signal_TC.astype(float) ** 2, axis=0))
    gain = 10 ** (6 / 20)
    values = compare(np.float32(gain) * signal_TC, signal_TC)
    assert values["style_rms"] == pytest.approx(np.mean(((gain - 1) * rms_C) ** 2), rel=1e-5)
    assert values["style_bark"] == pytest.approx(np.log(gain) ** 2, rel=1e-5)
    assert max(values[f"style_{name}"] for name in ("crest", "width", "imbalance")) < 1e-8
    expected = 0.1 * values["style_rms"] + 0.1 * values["style_bark"]
    assert values["style"] == pytest.approx(expected, abs=1e-8)


def test_a_pan_moves_imbalance_and_width_by_their_closed_forms():
    source_T = noise()[:, 0]
    panned_TC = np.stack([source_T, np.float32(0.5) * source_T], axis=1)
    values = compare(panned_TC, np.stack([source_T, source_T], axis=1))
    assert values["style_imbalance"] == pytest.approx((0.75 / 1.25) ** 2, rel=1e-5)
    assert values["style_width"] == pytest.approx((0.5 / 1.5) ** 4, rel=1e-5)
    assert values["style_crest"] < 1e-8


def test_a_width_change_moves_the_width_alone_of_the_stereo_features():
    middle_T, side_T = noise().T
    narrow_TC = np.stack([middle_T + side_T, middle_T - side_T], axis=1)
    wide_TC = np.stack([middle_T + 2 * side_T, middle_T - 2 * side_T], axis=1)
    ratio = np.mean(side_T.astype(float) ** 2) / np.mean(middle_T.astype(float) ** 2)
    values = compare(wide_TC, narrow_TC)
    assert values["style_width"] == pytest.approx((3 * ratio) ** 2, rel=1e-4)
    assert values["style_imbalance"] < 1e-3
    assert values["style_bark"] == pytest.approx(np.log(2) ** 2 / 2, rel=1e-3)  # in the side alone


def test_a_shelf_moves_the_bark_bands_above_it():
    signal_TC = noise(3.0)
    spectrum_NC = np.fft.rfft(signal_TC, axis=0)
    above_N = np.fft.rfftfreq(len(signal_TC), 1 / RATE)[:, None] > 1000
    mix_TC = np.fft.irfft(spectrum_NC * np.where(above_N, 2.0, 1.0), len(signal_TC), axis=0).astype(
        np.float32
    )
    difference_SB = describe_style(mix_TC, RATE).bark_SB - describe_style(signal_TC, RATE).bark_SB
    edges = np.flatnonzero(bark_bank(RATE)[round(1000 / RATE * 32_768)])  # triangles with 1 kHz in them
    np.testing.assert_allclose(difference_SB[:, : edges[0]], 0.0, atol=1e-3)
    np.testing.assert_allclose(difference_SB[:, edges[-1] + 1 :], np.log(2), atol=1e-3)


def test_a_limiter_moves_the_crest_by_the_computed_db():
    phase = 2 * np.pi * np.arange(2 * RATE) / 64
    sine_TC = np.stack([0.8 * np.sin(phase)] * 2, axis=1)
    clipped_TC = np.clip(sine_TC, -0.4, 0.4)
    rms_db = 10 * np.log10(np.mean(sine_TC**2) / np.mean(clipped_TC**2))
    values = compare(clipped_TC.astype(np.float32), sine_TC.astype(np.float32))
    assert values["style_crest"] == pytest.approx((20 * np.log10(2) - rms_db) ** 2, rel=1e-4)
    assert values["style_width"] == values["style_imbalance"] == 0.0


def test_blocks_do_not_matter(monkeypatch):
    signal_TC = noise(7.0)
    whole = describe_style(signal_TC, RATE)
    monkeypatch.setattr(mixing_style, "FRAMES_PER_BLOCK", 3)
    monkeypatch.setattr(mixing_style, "SAMPLES_PER_BLOCK", 10_000)
    assert compare_style(describe_style(signal_TC, RATE), whole)["style"] < 1e-10


def test_silence_has_numbers_and_a_signal_too_short_for_a_spectrum_has_nan():
    silence_TC = np.zeros((RATE, 2), np.float32)
    assert set(compare(silence_TC, silence_TC).values()) == {0.0}
    assert np.isfinite(list(compare(noise(1.0), silence_TC).values())).all()
    short_TC = noise()[:16_384]
    values = compare(short_TC, short_TC)
    assert np.isnan([values["style_bark"], values["style"]]).all()
    assert values["style_rms"] == 0.0
    assert np.isnan(compare(short_TC[:0], short_TC)["style"])
