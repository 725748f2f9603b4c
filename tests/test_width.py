"""The filters of the side signal against the curves they are made from."""

import numpy as np
import pytest
from scipy.signal import freqz

from mixcli.audio.width import curve_at, curve_fir, decorrelation_fir, side_from_mid_fir

GUITAR = {90.0: -60.0, 110.0: -18.0, 200.0: -18.0, 1000.0: -10.0, 3000.0: -9.0, 8000.0: -8.0}


def band_level_db(taps, rate, low_hz, high_hz):
    """Mean power of a response over a band: what white noise in that band is changed by."""
    frequencies_hz = np.linspace(low_hz, high_hz, 2000)
    _, response = freqz(taps, worN=frequencies_hz, fs=rate)
    return 10 * np.log10(np.mean(np.abs(response) ** 2))


def test_a_curve_is_straight_between_its_points_over_log_frequency():
    curve = {100.0: -10.0, 1000.0: 0.0}
    levels_db = curve_at(curve, np.array([0.0, 50.0, 100.0, np.sqrt(1e5), 1000.0, 9000.0]))
    assert levels_db == pytest.approx([-10, -10, -10, -5, 0, 0])


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(
    "curve", [GUITAR, {90.0: -12.0, 140.0: 1.5, 320.0: -3.0, 1000.0: 0.0, 3500.0: 1.5}, {1000.0: -6.0}]
)
def test_a_curve_filter_has_the_curves_levels(curve, rate):
    frequencies_hz = np.array([160.0, 250.0, 500.0, 1000.0, 2000.0, 3500.0])
    _, response = freqz(curve_fir(curve, rate), worN=frequencies_hz, fs=rate)
    assert 20 * np.log10(np.abs(response)) == pytest.approx(curve_at(curve, frequencies_hz), abs=0.5)


def test_a_curve_filter_is_minimum_phase_no_zero_lies_outside_the_unit_circle():
    taps = curve_fir({90.0: -12.0, 140.0: 1.5, 320.0: -3.0, 1000.0: 1.0}, 8000)
    # Rouché on a circle just outside: the phase winds as often as the delay, so no zero is beyond it.
    circle = 1.01 * np.exp(2j * np.pi * np.arange(1 << 15) / (1 << 15))
    phase = np.unwrap(np.angle(np.polyval(taps[::-1], 1 / circle)))
    assert phase[-1] - phase[0] == pytest.approx(0, abs=0.1)


def test_a_flat_curve_is_a_gain_alone():
    taps = curve_fir({1000.0: -6.0}, 8000)
    assert taps[0] == pytest.approx(10 ** (-6 / 20), rel=1e-6)
    assert np.abs(taps[1:]).max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 44_100])
@pytest.mark.parametrize("seed", [0, 1, 77, 4_294_967_295])
def test_a_decorrelation_filter_colours_no_band_and_has_unit_energy(seed, rate):
    taps = decorrelation_fir(seed, rate)
    assert len(taps) == round(0.018 * rate)
    assert np.square(taps).sum() == pytest.approx(1)
    for low_hz, high_hz in ((100, 200), (200, 500), (500, 2000), (2000, 3900)):
        assert abs(band_level_db(taps, rate, low_hz, high_hz)) < 0.5


def test_decorrelated_signals_do_not_resemble_their_source_nor_each_other():
    signal_T = np.random.default_rng(1).standard_normal(16_000)
    made = [np.convolve(signal_T, decorrelation_fir(seed, 8000))[:16_000] for seed in range(4)]
    for first in range(4):
        assert abs(np.corrcoef(made[first], signal_T)[0, 1]) < 0.25
        for second in range(first):
            assert abs(np.corrcoef(made[first], made[second])[0, 1]) < 0.25


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@pytest.mark.parametrize("seed", [0, 123_456_789])
def test_a_made_side_lies_at_the_curve_in_every_band_and_has_nothing_below_90_hz(seed, rate):
    taps = side_from_mid_fir(GUITAR, seed, rate)
    for low_hz, high_hz in ((150, 300), (300, 600), (600, 1500), (1500, 3900)):
        frequencies_hz = np.linspace(low_hz, high_hz, 2000)
        wanted_db = 10 * np.log10(np.mean(10 ** (curve_at(GUITAR, frequencies_hz) / 10)))
        assert band_level_db(taps, rate, low_hz, high_hz) == pytest.approx(wanted_db, abs=1.0)
    assert band_level_db(taps, rate, 20, 85) < -40


def test_a_seed_belongs_to_frequencies_so_two_rates_sound_alike():
    responses = []
    for rate in (44_100, 48_000):
        _, response = freqz(decorrelation_fir(9, rate), worN=np.linspace(200, 4000, 500), fs=rate)
        responses.append(response / np.abs(response))
    likeness = np.abs(np.mean(responses[0] * np.conj(responses[1])))
    _, other = freqz(decorrelation_fir(10, 48_000), worN=np.linspace(200, 4000, 500), fs=48_000)
    assert likeness > 5 * np.abs(np.mean(responses[0] * np.conj(other / np.abs(other))))


def test_the_same_seed_gives_the_same_filter():
    assert np.array_equal(side_from_mid_fir(GUITAR, 5, 8000), side_from_mid_fir(GUITAR, 5, 8000))
