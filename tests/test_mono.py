"""Mono fold-down, lean, correlation and width per band, against closed forms."""

import math

import numpy as np
import pytest

from mixcli.measures.mono import (
    ERROR_KEYS,
    MEASURES,
    WIDTH_BANDS,
    WIDTH_KEYS,
    compare_mono,
    describe_mono,
    mono_values,
)

RATE = 44_100


def noise(rng, seconds=8.0, channels=2):
    return rng.standard_normal((round(seconds * RATE), channels)).astype(np.float32) * np.float32(0.1)


def mid_side(mid_T, side_T):
    return np.stack([mid_T + side_T, mid_T - side_T], axis=1).astype(np.float32)


def values_of(signal_TC, rate=RATE):
    return mono_values(describe_mono(signal_TC, rate))


def test_every_key_has_its_measure(rng):
    described = describe_mono(noise(rng, 1.0), RATE)
    assert set(mono_values(described)) | set(compare_mono(described, described)) == {
        each.key for each in MEASURES
    }


def test_dual_mono_loses_nothing_and_unrelated_channels_lose_three_db(rng):
    signal_TC = noise(rng, 20.0)
    assert values_of(signal_TC)["mono_loss_db"] == pytest.approx(10 * math.log10(2), abs=0.05)
    dual = values_of(np.repeat(signal_TC[:, :1], 2, axis=1))
    assert dual["mono_loss_db"] == 0.0
    assert dual["correlation_min"] == pytest.approx(1.0)
    assert dual["imbalance_db"] == 0.0


def test_a_channel_in_opposite_polarity_vanishes_at_the_cap(rng):
    signal_TC = noise(rng, channels=1) * np.float32([1.0, -1.0])
    values = values_of(signal_TC)
    assert values["mono_loss_db"] == 60.0
    assert values["correlation_min"] == pytest.approx(-1.0)
    assert all(values[key] == 40.0 for key in WIDTH_KEYS)


@pytest.mark.parametrize("side", [0.1, 0.5, 1.0])
def test_mono_loss_follows_the_side_of_a_mix(rng, side):
    mid_T, side_T = noise(rng, 20.0).T
    expected = 10 * math.log10(1 + side**2)  # (M² + S²) / M²
    assert values_of(mid_side(mid_T, side * side_T))["mono_loss_db"] == pytest.approx(expected, abs=0.05)


def test_bass_in_the_middle_does_not_hide_what_the_rest_loses(rng):
    time_s = np.arange(8 * RATE) / RATE
    bass_T = np.sin(2 * np.pi * 30 * time_s)
    treble_T = np.sin(2 * np.pi * 2000 * time_s)
    lost = values_of(mid_side(0.5 * bass_T, 0.2 * treble_T))["mono_loss_db"]
    plain = 10 * math.log10(1 + (0.2 / 0.5) ** 2)
    assert lost > 3 * plain


@pytest.mark.parametrize("level_db", [-6.0, 0.5, 6.0])
def test_imbalance_is_the_difference_of_the_channels_whichever_is_louder(rng, level_db):
    signal_TC = np.repeat(noise(rng, channels=1), 2, axis=1) * np.float32([1.0, 10 ** (level_db / 20)])
    assert values_of(signal_TC)["imbalance_db"] == pytest.approx(abs(level_db), abs=1e-4)


def test_one_silent_channel_reads_the_cap_and_no_correlation(rng):
    values = values_of(noise(rng) * np.float32([1.0, 0.0]))
    assert values["imbalance_db"] == 60.0
    assert values["correlation_min"] == 0.0
    assert values["mono_loss_db"] == pytest.approx(10 * math.log10(2), abs=1e-4)


def test_the_lowest_correlation_is_that_of_three_seconds_out_of_polarity(rng):
    signal_TC = np.repeat(noise(rng, 10.0, channels=1), 2, axis=1)
    signal_TC[4 * RATE : 7 * RATE, 1] *= -1
    assert values_of(signal_TC)["correlation_min"] == pytest.approx(-1.0, abs=0.01)
    signal_TC[5 * RATE : 7 * RATE, 1] *= -1  # one second left: (2 - 1) / 3
    assert values_of(signal_TC)["correlation_min"] == pytest.approx(1 / 3, abs=0.03)


def test_a_faint_passage_does_not_set_the_lowest_correlation(rng):
    signal_TC = np.repeat(noise(rng, 12.0, channels=1), 2, axis=1)
    signal_TC[8 * RATE :] *= np.float32([0.003, -0.003])
    assert values_of(signal_TC)["correlation_min"] > 0.9


def test_width_per_band_is_the_planted_side_to_mid_ratio(rng):
    mid_T, side_T = noise(rng, 20.0).T
    values = values_of(mid_side(mid_T, side_T * 10 ** (-8 / 20)))
    assert [values[key] for key in WIDTH_KEYS] == pytest.approx([-8.0] * 5, abs=0.4)


def test_a_tone_in_the_side_widens_its_own_band_alone(rng):
    mid_T, side_T = noise(rng, 10.0).T
    narrow = describe_mono(mid_side(mid_T, 0.01 * side_T), RATE)
    tone_T = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(len(mid_T)) / RATE)
    wide = describe_mono(mid_side(mid_T, 0.01 * side_T + tone_T), RATE)
    errors = compare_mono(wide, narrow)
    assert errors[ERROR_KEYS[2]] > 10
    assert max(errors[key] for key in ERROR_KEYS if key != ERROR_KEYS[2]) < 0.1


def test_six_db_more_side_is_six_db_of_error_in_every_band_and_identity_none(rng):
    mid_T, side_T = noise(rng).T
    reference = describe_mono(mid_side(mid_T, 0.2 * side_T), RATE)
    wider = describe_mono(mid_side(mid_T, 0.2 * 10 ** (6 / 20) * side_T), RATE)
    assert list(compare_mono(wider, reference).values()) == pytest.approx([6.0] * 5, abs=1e-3)
    assert list(compare_mono(reference, reference).values()) == [0.0] * 5


def test_width_energies_agree_with_scipy(rng):
    from scipy.signal import stft

    signal_TC = noise(rng, 3.0)
    described = describe_mono(signal_TC, RATE)
    for found_B, signal_T in (
        (described.mid_B, signal_TC.mean(axis=1)),
        (described.side_B, (signal_TC[:, 0] - signal_TC[:, 1]) / 2),
    ):
        frequencies, _, spectrum = stft(
            signal_T, RATE, nperseg=4096, noverlap=3072, boundary=None, padded=False
        )
        power = (np.abs(spectrum) ** 2).mean(axis=1)
        bands = [power[(frequencies >= low) & (frequencies < high)].sum() for low, high in WIDTH_BANDS]
        assert found_B == pytest.approx(bands, rel=1e-4)


def test_energies_do_not_depend_on_the_weighting_of_blocks(rng):
    from scipy.signal import sosfilt

    from mixcli.audio.loudness import k_weighting_sos

    signal_TC = noise(rng, 9.03)
    left_T, right_T = sosfilt(k_weighting_sos(RATE), signal_TC.astype(np.float64), axis=0).T
    expected = [(left_T**2).sum(), (right_T**2).sum(), (left_T * right_T).sum()]
    assert describe_mono(signal_TC, RATE).products_H3.sum(axis=0) == pytest.approx(expected, rel=1e-4)


def test_silence_and_missing_bands_are_nan(rng):
    assert all(math.isnan(value) for value in values_of(np.zeros((2 * RATE, 2), np.float32)).values())
    assert all(math.isnan(value) for value in values_of(np.zeros((0, 2), np.float32)).values())
    values = values_of(noise(rng, 1.0), 8000)
    assert [math.isnan(values[key]) for key in WIDTH_KEYS] == [False, False, False, True, True]
    short = values_of(noise(rng, 0.05))
    assert all(math.isfinite(value) for value in short.values())
