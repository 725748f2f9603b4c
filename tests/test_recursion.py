"""Filtering by matrix products, against scipy's recursion sample by sample."""

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from mixcli.audio.loudness import k_weighting_sos
from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 192_000, 384_000])
def test_the_k_filter_gives_the_samples_of_the_recursion(rng, sample_rate):
    signal_CT = rng.standard_normal((2, 3 * GRID)).astype(np.float32)
    expected_CT = sosfilt(k_weighting_sos(sample_rate), signal_CT.astype(np.float64))
    filtered_CT = GridFilter(FilterMatrices(k_weighting_sos(sample_rate)), 2).push(signal_CT)
    assert np.abs(filtered_CT - expected_CT).max() < 1e-6 * np.abs(expected_CT).max()


def test_three_sections_in_series_are_filtered_as_well(rng):
    sos_S6 = butter(5, [200, 3_000], "bandpass", fs=48_000, output="sos")
    signal_CT = rng.standard_normal((1, 2 * GRID)).astype(np.float32)
    filtered_CT = GridFilter(FilterMatrices(sos_S6), 1).push(signal_CT)
    expected_CT = sosfilt(sos_S6, signal_CT.astype(np.float64))
    assert np.abs(filtered_CT - expected_CT).max() < 1e-5 * np.abs(expected_CT).max()


def test_the_high_pass_leaves_quiet_sound_on_a_loud_rumble_within_a_thousandth_of_a_decibel(rng):
    rate = 192_000
    times_T = np.arange(8 * GRID) / rate
    rumble_T = 0.5 * np.sin(2 * np.pi * 2 * times_T)  # the K filter takes 50 dB off it
    signal_CT = (rumble_T + 1e-4 * rng.standard_normal(len(times_T))).astype(np.float32)[None]
    filtered_CT = GridFilter(FilterMatrices(k_weighting_sos(rate)), 1).push(signal_CT)
    expected_CT = sosfilt(k_weighting_sos(rate), signal_CT.astype(np.float64))
    energy, expected = (
        np.square(each[:, 4 * GRID :].astype(np.float64)).sum() for each in (filtered_CT, expected_CT)
    )
    assert 10 * np.log10(energy / expected) == pytest.approx(0, abs=1e-3)


def test_cuts_between_grids_change_no_bit(rng):
    signal_CT = rng.standard_normal((2, 5 * GRID)).astype(np.float32)
    matrices = FilterMatrices(k_weighting_sos(44_100))
    whole_CT = GridFilter(matrices, 2).push(signal_CT)
    cut = GridFilter(matrices, 2)
    parts = [
        cut.push(signal_CT[:, start:stop])
        for start, stop in ((0, GRID), (GRID, 4 * GRID), (4 * GRID, 5 * GRID))
    ]
    assert np.array_equal(np.concatenate(parts, axis=1), whole_CT)


def test_the_state_comes_to_rest_in_silence(rng):
    filtering = GridFilter(FilterMatrices(k_weighting_sos(8_000)), 1)
    filtering.push(rng.standard_normal((1, GRID)).astype(np.float32))
    filtering.push(np.zeros((1, 4 * GRID), np.float32))
    assert not filtering.state_CN.any()
