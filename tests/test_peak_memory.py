"""Peaks that are found once: a limiter with them gives the bits of one that finds its own."""

import numpy as np
import pytest

from mixcli.audio.limiter import TruePeakLimiter
from mixcli.audio.peak_memory import PeakMemory

RATE = 44_100


@pytest.fixture
def music(rng):
    envelope_T = np.exp(-(np.arange(2 * RATE) % 9_000) / 2_000)
    return (0.5 * rng.standard_normal((2 * RATE, 2)) * envelope_T[:, None]).astype(np.float32)


def limited(music, ceiling_dbtp, peaks=None, block=65_536):
    limiter = TruePeakLimiter(RATE, 2, ceiling_dbtp, peaks=peaks)
    parts = [limiter.push(music[start : start + block]) for start in range(0, len(music), block)]
    return np.concatenate([*parts, limiter.push(music[:0], last=True)])


@pytest.mark.parametrize("most_bytes", [1 << 25, 2_000, 0])
def test_passes_that_share_their_peaks_give_the_bits_of_passes_that_do_not(music, most_bytes):
    memory = PeakMemory(10 ** (-9 / 20), most_bytes=most_bytes)
    for ceiling_dbtp, block in ((-6.0, 65_536), (-9.0, 5_000), (-3.0, 65_536), (-12.0, 30_000)):
        alone_TC = limited(music, ceiling_dbtp)
        assert np.abs(alone_TC).max() < np.abs(music).max()
        assert np.array_equal(limited(music, ceiling_dbtp, memory, block), alone_TC)


def test_what_is_kept_stays_within_its_bounds(music):
    memory = PeakMemory(0.01, most_bytes=200_000)
    limited(music, -20.0, memory)
    kept = sum(part.nbytes for found in memory._kept.values() for part in found)
    assert 0 < kept <= 200_000
