"""Truth: the ideal sine, soxr's own one-shot resampler, and counting."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.resample import StreamResampler, resampled

RATES = [
    (44_100, 48_000),
    (48_000, 44_100),
    (96_000, 44_100),
    (8_000, 48_000),
    (384_000, 8_000),
    (44_100, 44_101),
]


def in_blocks(signal_TC, from_rate, to_rate, sizes):
    resampler = StreamResampler(from_rate, to_rate, signal_TC.shape[1])
    pieces, start = [], 0
    for size in sizes:
        pieces.append(resampler.push(signal_TC[start : start + size]))
        start += size
    pieces.append(resampler.push(signal_TC[start:], last=True))
    return np.concatenate(pieces)


def sine(frequency_hz, sample_rate, n_samples):
    return np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / sample_rate)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
@pytest.mark.parametrize("n_samples", [1, 2, 10, 999, 1000, 4001])
def test_the_length_is_rounded_up(from_rate, to_rate, n_samples):
    out_TC = in_blocks(np.zeros((n_samples, 1), np.float32), from_rate, to_rate, [])
    assert len(out_TC) == -(-n_samples * to_rate // from_rate)


@pytest.mark.parametrize(("from_rate", "to_rate"), RATES)
def test_a_stream_equals_the_resampler_at_one_go(from_rate, to_rate):
    signal_TC = np.random.default_rng(1).standard_normal((5000, 2)).astype(np.float32)
    whole_TC = soxr.resample(signal_TC, from_rate, to_rate, quality="HQ")
    out_TC = in_blocks(signal_TC, from_rate, to_rate, [777] * 4)
    assert abs(len(out_TC) - len(whole_TC)) <= 1
    assert np.abs(out_TC[: len(whole_TC)] - whole_TC).max() <= 1e-6


@settings(max_examples=40, deadline=None)
@given(rates=st.sampled_from(RATES), sizes=st.lists(st.integers(0, 700), max_size=12))
def test_the_samples_do_not_depend_on_the_blocks(rates, sizes):
    signal_TC = np.random.default_rng(2).standard_normal((3001, 2)).astype(np.float32)
    assert np.array_equal(in_blocks(signal_TC, *rates, sizes), in_blocks(signal_TC, *rates, []))


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [*RATES, (47_321, 44_100), (39_877, 44_100), (8_000, 8_000)]
)
@pytest.mark.parametrize(("n_channels", "n_samples"), [(1, 1), (3, 17), (8, 4001)])
def test_a_sound_in_one_piece_equals_the_stream(from_rate, to_rate, n_channels, n_samples):
    signal_TC = np.random.default_rng(4).standard_normal((n_samples, n_channels)).astype(np.float32)
    expected_TC = in_blocks(signal_TC, from_rate, to_rate, [])
    assert np.array_equal(resampled(np.ascontiguousarray(signal_TC.T), from_rate, to_rate).T, expected_TC)


def test_single_samples_give_the_same_as_one_block():
    signal_TC = np.random.default_rng(3).standard_normal((500, 1)).astype(np.float32)
    single_TC = in_blocks(signal_TC, 44_100, 48_000, [1] * 500)
    assert np.array_equal(single_TC, in_blocks(signal_TC, 44_100, 48_000, []))


@pytest.mark.parametrize(("from_rate", "to_rate"), [(44_100, 48_000), (48_000, 44_100), (96_000, 44_100)])
def test_a_tone_of_1_khz_survives_with_its_level_and_without_delay(from_rate, to_rate):
    tone_TC = sine(1000, from_rate, from_rate // 2)[:, None].astype(np.float32)
    out_T = in_blocks(tone_TC, from_rate, to_rate, [4096] * 3)[:, 0]
    ideal_T = sine(1000, to_rate, len(out_T))
    inner = slice(2000, -2000)  # away from where the tone starts and stops
    level_db = 20 * np.log10(np.std(out_T[inner]) / np.std(ideal_T[inner]))
    assert abs(level_db) < 0.01
    assert np.abs(out_T[inner] - ideal_T[inner]).max() < 1e-4


def test_a_tone_above_the_new_nyquist_frequency_dies():
    tone_TC = (sine(23_000, 48_000, 24_000) * np.hanning(24_000))[:, None].astype(np.float32)
    out_TC = in_blocks(tone_TC, 48_000, 44_100, [4096] * 3)
    assert 20 * np.log10(np.abs(out_TC).max()) < -100


def test_at_equal_rates_blocks_pass_as_they_are():
    signal_TC = np.random.default_rng(4).standard_normal((100, 2)).astype(np.float32)
    assert np.array_equal(in_blocks(signal_TC, 48_000, 48_000, [7, 0, 30]), signal_TC)


def test_an_empty_stream_stays_empty():
    assert in_blocks(np.zeros((0, 2), np.float32), 44_100, 48_000, []).shape == (0, 2)
