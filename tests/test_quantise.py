"""Truth: the theory of dither (Lipshitz, Wannamaker, Vanderkooy 1992)."""

import numpy as np
import pytest

from mixcli.audio.quantise import Quantiser


@pytest.mark.parametrize("offset", [0.0, 0.1, 0.25, 0.5, 0.77])
def test_the_dithered_error_has_mean_0_and_power_a_quarter_whatever_the_signal(offset):
    n_samples = 200_000
    constant_TC = np.full((n_samples, 1), (1000 + offset) / 2**15)
    error_T = Quantiser(16, 1, 11).push(constant_TC)[:, 0] - (1000 + offset)
    # Lipshitz et al. 1992: with TPDF dither of 2 LSB both moments are free of the signal; 5 standard errors.
    assert abs(error_T.mean()) < 5 * 0.5 / np.sqrt(n_samples)
    spread = max(np.mean(error_T**4) - 0.0625, 0)  # at 0.5 every error is half a step
    assert abs(np.mean(error_T**2) - 0.25) < 5 * np.sqrt(spread / n_samples) + 1e-9
    assert np.abs(error_T).max() <= 1.5


def test_the_dither_itself_is_triangular_and_white():
    # On a grid 2^15 times finer than the dither its own shape shows; the signal is silence.
    noise_T = Quantiser(16, 1, 5).push(np.zeros((100_000, 1)))[:, 0]
    shares = [np.mean(noise_T == level) for level in (-1, 0, 1)]
    assert shares == pytest.approx(
        [1 / 8, 3 / 4, 1 / 8], abs=0.006
    )  # the triangle beyond, within and beyond ±1/2
    assert abs(np.mean(noise_T[1:] * noise_T[:-1])) < 5 * 0.25 / np.sqrt(100_000)


def test_without_dither_the_error_is_at_most_half_a_step():
    signal_TC = np.random.default_rng(7).uniform(-1, 1, (5001, 2)).astype(np.float32)
    levels_TC = Quantiser(16, 2, None).push(signal_TC)
    assert np.abs(levels_TC - signal_TC.astype(np.float64) * 2**15).max() <= 0.5
