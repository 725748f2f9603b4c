"""Truth: the definition of the limiter's gain, one step after the other."""

import numpy as np
import pytest

from mixcli.audio.gain_curve import CHUNK, SETTLED_DB, GainCurve

RATE, REACH = 8000, 3
LOOKAHEAD, HOLD = 13, 160  # steps: a third of 5 ms, made odd, and 20 ms
FAST, SLOW = 80.0, 2400.0  # steps in which 10 ms and 300 ms release to 1/e


def plain_gain(required_T):
    """Held, released and smoothed by loops, for required reductions with room on both sides."""
    bell = 3 * LOOKAHEAD - 2
    ahead = bell + 2 * REACH
    padded_T = np.pad(required_T, (HOLD, ahead))
    held_T = np.array([padded_T[n : n + HOLD + ahead].max() for n in range(len(required_T))])
    fast, slow, reduction_T = 0.0, 0.0, np.zeros(len(held_T))
    for place, held in enumerate(held_T):
        fast = max(held, fast * np.exp(-1 / FAST))
        slow = slow * np.exp(-1 / SLOW) + (1 - np.exp(-1 / SLOW)) * fast
        reduction_T[place] = max(fast, slow)
    reduction_T[reduction_T < SETTLED_DB] = 0.0
    loss_T = 1 - 10 ** (-reduction_T / 20)
    for _ in range(3):
        loss_T = np.convolve(loss_T, np.full(LOOKAHEAD, 1 / LOOKAHEAD))
    return 1 - np.concatenate([np.zeros(REACH), loss_T])[: len(required_T)]


def curve_gain(required_T):
    curve, gains = GainCurve(RATE, REACH), []
    for start in range(0, len(required_T), CHUNK):
        chunk_T = required_T[start : start + CHUNK]
        gains.append(curve.push(chunk_T if chunk_T.any() else None))
    gains.append(curve.push(None))
    assert gains[0] is None
    return np.concatenate(gains[1:])


@pytest.mark.parametrize("peaks", ["one", "few", "many", "at the edges"])
def test_the_gain_is_that_of_the_definition_with_and_without_peaks_in_a_chunk(peaks, rng):
    required_T = np.zeros(3 * CHUNK)
    places = {
        "one": [700],
        "few": rng.integers(300, CHUNK, 9),
        "many": rng.integers(300, 2 * CHUNK, 500),
        "at the edges": [CHUNK - 1, CHUNK, 2 * CHUNK - 5],
    }[peaks]
    required_T[places] = rng.uniform(0.5, 20.0, len(places))
    gain_T = curve_gain(required_T)
    assert gain_T == pytest.approx(plain_gain(required_T), abs=2e-7)
    assert np.all(gain_T <= 10 ** (-required_T / 20) * (1 + 1e-6))


def test_the_gain_falls_through_its_middle_as_early_as_it_says_and_is_held_as_long():
    curve = GainCurve(RATE, REACH)
    required_T = np.zeros(CHUNK)
    required_T[4000] = 40.0
    curve.push(required_T)
    low = np.flatnonzero(curve.push(None) < 0.5)
    assert abs(int(low[0]) - (4000 - curve.early)) <= 2
    released = FAST * np.log(40 / 6.02)  # from 40 dB to the middle, 6 dB
    assert len(low) == pytest.approx(curve.held + released, abs=6)
