"""Silence, one channel, no side, hardly any samples: values or nan, never a warning."""

import numpy as np
import pytest
from music_like import RATE, add_up, music_like_stems

from mixcli.measures.nearness import MEASURES, compare_profiles, curves, is_silent
from mixcli.measures.profile import describe_profile

KEYS = [measure.key for measure in MEASURES]


@pytest.fixture(scope="module")
def mix():
    return add_up(music_like_stems(2.0))


def compare(found_TC, wanted_TC):
    return compare_profiles(describe_profile(found_TC, RATE), describe_profile(wanted_TC, RATE))


def mono(signal_TC):
    return np.repeat(signal_TC.mean(axis=1, keepdims=True), 2, axis=1)


def test_silence_has_no_distance_and_no_curves(mix):
    silence_TC = np.zeros_like(mix)
    for pair in ((silence_TC, mix), (mix, silence_TC), (silence_TC, silence_TC)):
        assert np.isnan([compare(*pair)[key] for key in KEYS]).all()
    described = describe_profile(silence_TC, RATE)
    assert is_silent(described)
    assert all(np.isnan(values).all() for values in curves(described).values())


def test_dither_alone_is_silence(rng):
    noise_TC = (2.0**-16 * rng.standard_normal((RATE, 2))).astype(np.float32)
    assert is_silent(describe_profile(noise_TC, RATE))


def test_two_mono_mixes_are_compared_without_a_side(mix):
    found = compare(mono(mix) * np.float32(2), mono(mix))
    assert (found["width_db"], found["image_db"]) == (0.0, 0.0)
    assert found["tone_db"] == pytest.approx(20 * np.log10(2), abs=0.005)
    assert 0 < found["spectra_db"] < 20 * np.log10(2)


def test_a_mono_mix_of_a_wide_reference_is_off_by_the_whole_width(rng):
    wide_TC = (0.1 * rng.standard_normal((2 * RATE, 2))).astype(np.float32)
    found = compare(mono(wide_TC), wide_TC)
    assert found["width_db"] == pytest.approx(12.0)
    assert found["tone_db"] == pytest.approx(0.0, abs=1e-4)
    assert found["spectra_db"] > 20


def test_a_wide_mix_of_a_mono_reference_is_finite(rng):
    wide_TC = (0.1 * rng.standard_normal((2 * RATE, 2))).astype(np.float32)
    found = compare(wide_TC, mono(wide_TC))
    assert found["width_db"] == pytest.approx(12.0)
    # A side as loud as the mid over a floor 60 dB under the mid's peaks: 60 dB at most, half of the measure.
    assert 20 < found["spectra_db"] < 30


def test_a_reference_that_is_all_side_has_no_width_to_weigh_by(mix):
    inverted_TC = mono(mix) * np.array([1, -1], np.float32)
    found = compare(mix, inverted_TC)
    assert np.isnan(found.pop("width_db"))
    assert np.isfinite(list(found.values())).all()


def test_a_mix_in_one_channel_is_finite(mix):
    one_sided_TC = mix * np.array([1, 0], np.float32)
    for pair in ((one_sided_TC, mix), (mix, one_sided_TC)):
        assert np.isfinite(list(compare(*pair).values())).all()


def test_quiet_mixes_have_no_dynamics(mix):
    quiet_TC = mix * np.float32(10 ** (-45 / 20))
    assert np.isnan(compare(quiet_TC, quiet_TC)["dynamics_db"])


@pytest.mark.parametrize("n_samples", [0, 1, 2, 100, 2047, 4095, 4096, 4410, 17_639, 17_640, 24_000])
def test_the_shortest_mixes_have_values_or_none(n_samples, mix):
    start = 5000
    found = compare(mix[start : start + n_samples], mix[start : start + n_samples])
    assert all(value == 0.0 or np.isnan(value) for value in found.values())
    if n_samples > 100:
        assert np.isnan(found.pop("dynamics_db")) == (n_samples < 0.4 * RATE)
        assert np.isnan(found.pop("features")) == (n_samples < 0.1 * RATE)
        assert not np.isnan(list(found.values())).any()


def test_different_short_mixes_are_finite(rng):
    pair = (0.1 * rng.standard_normal((2, 3000, 2))).astype(np.float32)
    found = compare(*pair)
    assert {key for key, value in found.items() if np.isnan(value)} == {"dynamics_db", "features"}
    assert np.isfinite(list(compare(pair[0][:1000], pair[1]).values())).sum() == 4
