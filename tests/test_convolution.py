"""Streamed convolution against numpy's direct one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.convolution import StreamConvolver


def pushed(stream, signal_TC, cuts):
    edges = [0, *sorted(cut % (len(signal_TC) + 1) for cut in cuts), len(signal_TC)]
    return np.concatenate([stream.push(signal_TC[a:b]) for a, b in pairwise(edges)])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_taps=st.integers(1, 700),
    n_samples=st.integers(0, 3000),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
    n_channels=st.integers(1, 2),
)
def test_any_cut_of_the_stream_gives_the_convolution(seed, n_taps, n_samples, cuts, n_channels):
    rng = np.random.default_rng(seed)
    fir_N = rng.standard_normal(n_taps)
    signal_TC = rng.standard_normal((n_samples, n_channels)).astype(np.float32)
    filtered_TC = pushed(StreamConvolver(fir_N, n_channels), signal_TC, cuts)
    assert filtered_TC.shape == signal_TC.shape
    for channel in range(n_channels if n_samples else 0):
        expected_T = np.convolve(signal_TC[:, channel].astype(float), fir_N)[:n_samples]
        assert np.abs(filtered_TC[:, channel] - expected_T).max() < 2e-6 * np.sqrt(n_taps) * 6


def test_one_channel_through_a_stereo_response_gives_two():
    rng = np.random.default_rng(3)
    fir_NC = rng.standard_normal((50, 2))
    signal_TC = rng.standard_normal((400, 1)).astype(np.float32)
    filtered_TC = StreamConvolver(fir_NC, 1).push(signal_TC)
    for channel in range(2):
        expected_T = np.convolve(signal_TC[:, 0], fir_NC[:, channel])[:400]
        assert filtered_TC[:, channel] == pytest.approx(expected_T, abs=2e-5)


def test_a_response_longer_than_the_block_of_the_renderer_is_exact():
    rng = np.random.default_rng(4)
    fir_N = np.zeros(100_000)
    fir_N[[0, 65_535, 65_536, 99_999]] = 1.0, -0.5, 0.25, 0.125  # shifts: their sum is known sample by sample
    signal_TC = rng.standard_normal((200_000, 1)).astype(np.float32)
    filtered_TC = pushed(StreamConvolver(fir_N, 1), signal_TC, [65_536, 131_072, 196_608])
    expected_T = np.zeros(200_000)
    for tap in (0, 65_535, 65_536, 99_999):
        expected_T[tap:] += fir_N[tap] * signal_TC[: 200_000 - tap, 0]
    assert np.abs(filtered_TC[:, 0] - expected_T).max() < 5e-6


def test_after_the_last_tap_has_sounded_there_is_exact_silence():
    stream = StreamConvolver(np.ones(30), 1)
    stream.push(np.ones((10, 1), np.float32))
    assert stream.push(np.zeros((29, 1), np.float32)).any()
    assert not stream.push(np.zeros((100, 1), np.float32)).any()


def test_samples_after_a_silence_do_not_remember_what_was_before_it():
    rng = np.random.default_rng(5)
    fir_N, signal_TC = rng.standard_normal(40), rng.standard_normal((100, 1)).astype(np.float32)
    stream = StreamConvolver(fir_N, 1)
    stream.push(np.ones((100, 1), np.float32))
    stream.push(np.zeros((100, 1), np.float32))
    assert np.array_equal(stream.push(signal_TC), StreamConvolver(fir_N, 1).push(signal_TC))


def test_channels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 channels do not fit a filter of 3"):
        StreamConvolver(np.ones((5, 3)), 2)
    with pytest.raises(ValueError, match="at least one tap"):
        StreamConvolver(np.ones(0), 1)
