"""Truth: the loudness meter, and the limiter itself on every sample."""

import numpy as np
import pytest

from mixcli.audio.limited_loudness import solve_limited
from mixcli.audio.limiter import TruePeakLimiter
from mixcli.audio.loudness import LoudnessMeter, integrated_lufs
from mixcli.audio.mix_sketch import MixSketch
from mixcli.audio.true_peak import TruePeakMeter


def music(rng, rate, seconds=4.0):
    """Hits of noise that die away, and a tone under them."""
    places_T = np.arange(round(seconds * rate))
    hits_T = rng.standard_normal(len(places_T)) * np.exp(-(places_T % (rate // 4)) / (0.05 * rate))
    tone_T = np.sin(2 * np.pi * 110 * places_T / rate)
    return np.stack([0.3 * hits_T + 0.1 * tone_T, 0.25 * hits_T + 0.1 * tone_T], axis=1).astype(np.float32)


def sketched(music_TC, rate, lengths):
    sketch, start = MixSketch(rate, 2), 0
    while start < len(music_TC):
        stop = start + int(next(lengths))
        sketch.push(music_TC[start:stop])
        start = stop
    sketch.finish()
    return sketch


def always(length):
    while True:
        yield length


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_a_sketch_has_the_energies_and_the_peak_that_the_meters_find(rate, rng):
    music_TC = music(rng, rate)
    sketch = sketched(music_TC, rate, always(10_000))
    loudness, true_peak = LoudnessMeter(rate, 2), TruePeakMeter(rate, 2)
    loudness.push(music_TC)
    true_peak.push(music_TC)
    assert sketch.hop_energies() == pytest.approx(loudness.hop_energies(), rel=1e-5)
    assert sketch.true_peak_dbtp == true_peak.finish()
    assert sketch.true_peak.highest_dbtp == true_peak.highest_dbtp


def test_the_cuts_of_the_stream_leave_no_trace(rng):
    music_TC = music(rng, 8000, 3.0)
    peaks = np.array([5, 900], np.int32), np.array([0.9, 0.8], np.float32)
    whole = sketched(music_TC, 8000, always(len(music_TC)))
    for longest in (50, 9000):
        cut = sketched(music_TC, 8000, iter(lambda most=longest: rng.integers(0, most), None))
        assert np.array_equal(cut.hop_energies(), whole.hop_energies())
        for ours, theirs in zip(cut.limited(*peaks, 0.5), whole.limited(*peaks, 0.5), strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("taken_db", [1.0, 6.0])
def test_the_loudness_after_the_limiter_is_foretold_without_running_it(rate, taken_db, rng):
    music_TC = music(rng, rate)
    sketch = sketched(music_TC, rate, always(20_000))
    gain_db = taken_db - 1.0 - sketch.true_peak.highest_dbtp
    found = solve_limited(
        lambda: iter([music_TC]),
        sketch,
        ceiling_dbtp=-1.0,
        first_db=gain_db,
        most_db=gain_db,
        target_lufs=0.0,
    )
    limiter, meter = TruePeakLimiter(rate, 2, -1.0 - gain_db), LoudnessMeter(rate, 2)
    meter.push(limiter.push(music_TC, last=True) * np.float32(10 ** (gain_db / 20)))
    assert found.limited_lufs == pytest.approx(meter.integrated_lufs(), abs=0.01)
    assert found.limited_lufs < integrated_lufs(sketch.hop_energies()) + gain_db - 0.01
    assert found.reduction_hops.max() == pytest.approx(limiter.max_reduction_db, abs=1e-4)
    assert len(found.reduction_hops) == len(limiter.reduction_hops)
    assert np.median(np.abs(found.reduction_hops - limiter.reduction_hops)) < 0.02


def test_nothing_and_silence_have_no_energy():
    for n_samples in (0, 1, 5000):
        sketch = sketched(np.zeros((n_samples, 2), np.float32), 8000, always(1000))
        energies, reductions = sketch.limited(np.zeros(0, np.int32), np.zeros(0, np.float32), 1.0)
        assert len(energies) == n_samples // 800
        assert not energies.any()
        assert not reductions.any()
