"""Recursive filters against closed forms and scipy's own evaluation of a frequency response."""

import numpy as np
import pytest
from scipy.signal import sosfilt, sosfreqz

from mixcli.audio.filters import SosFilter, butterworth_high_pass, butterworth_low_pass

RATE = 8000


def noise(n_samples, n_channels=2, seed=1):
    return np.random.default_rng(seed).standard_normal((n_samples, n_channels)).astype(np.float32)


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_a_high_pass_has_the_magnitude_of_butterworth_after_the_bilinear_transform(order, rate):
    cutoff_hz = 90.0
    frequencies_hz = np.array([20.0, 45.0, 90.0, 180.0, 1000.0])
    _, response = sosfreqz(butterworth_high_pass(cutoff_hz, rate, order), frequencies_hz, fs=rate)
    warped = np.tan(np.pi * cutoff_hz / rate) / np.tan(np.pi * frequencies_hz / rate)
    assert np.abs(response) == pytest.approx(1 / np.sqrt(1 + warped ** (2 * order)), rel=1e-6)


def test_both_filters_are_3_db_down_at_their_frequency():
    for sos_S6 in (butterworth_high_pass(200, RATE), butterworth_low_pass(200, RATE)):
        _, response = sosfreqz(sos_S6, [200.0], fs=RATE)
        assert 20 * np.log10(np.abs(response[0])) == pytest.approx(-3.0103, abs=1e-3)


def test_a_low_pass_and_a_high_pass_of_first_order_add_up_to_the_input():
    signal_TC = noise(500)
    low_TC = SosFilter(butterworth_low_pass(300, RATE, 1), 2).push(signal_TC)
    high_TC = SosFilter(butterworth_high_pass(300, RATE, 1), 2).push(signal_TC)
    assert np.abs(low_TC + high_TC - signal_TC).max() < 1e-6


@pytest.mark.parametrize("cut", [1, 7, 333, 1999])
def test_a_stream_cut_anywhere_gives_the_same_samples(cut):
    signal_TC = noise(2000)
    sos_S6 = butterworth_high_pass(80, RATE)
    expected_TC = sosfilt(sos_S6, signal_TC.astype(np.float64), axis=0).astype(np.float32)
    stream = SosFilter(sos_S6, 2)
    blocks = [stream.push(signal_TC[start : start + cut]) for start in range(0, 2000, cut)]
    assert np.array_equal(np.concatenate(blocks), expected_TC)


def test_a_filter_dies_away_to_exact_silence():
    stream = SosFilter(butterworth_high_pass(80, RATE), 1)
    stream.push(noise(1000, 1))
    silence_TC = np.zeros((RATE, 1), np.float32)
    assert stream.push(silence_TC).any()
    assert not stream.push(silence_TC).any()
    assert not stream.push(silence_TC).any()


def test_the_input_block_is_not_written_to():
    signal_TC = noise(100)
    before_TC = signal_TC.copy()
    SosFilter(butterworth_high_pass(80, RATE), 2).push(signal_TC)
    assert np.array_equal(signal_TC, before_TC)


@pytest.mark.parametrize("frequency_hz", [0.0, -1.0, 4000.0, 9000.0])
def test_a_frequency_outside_the_band_is_refused(frequency_hz):
    with pytest.raises(ValueError, match="not between 0 and half of 8000 Hz"):
        butterworth_high_pass(frequency_hz, RATE)
