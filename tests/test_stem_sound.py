"""What a stem sounds like: nothing of its level, its polarity or the silence around it."""

from dataclasses import asdict, replace
from itertools import pairwise

import numpy as np
import pytest

from mixcli.songs.stem_meters import BandMeter
from mixcli.songs.stem_sound import BAND_EDGES_HZ, DISTANCES, StemSound

RATE = 44_100
BLOCK = 65_536


def sound_of(samples, cuts=None, rate=RATE):
    wide_TC = samples.reshape(len(samples), -1).astype(np.float32)
    meter = BandMeter(rate, wide_TC.shape[1], with_sound=True)
    for start, stop in pairwise(cuts or [*range(0, len(wide_TC), BLOCK), len(wide_TC)]):
        block_TC = np.ascontiguousarray(wide_TC[start:stop])
        meter.push(block_TC, silent=not block_TC.any())
    return meter.sound()


def numbers(sound):
    return np.concatenate([np.atleast_1d(part) for part in asdict(sound).values()])


def seconds(length_s, rate=RATE):
    return np.arange(round(length_s * rate)) / rate


def phrase(rng, length_s=8.0):
    """Notes over noise, in stereo, with a rest."""
    times = seconds(length_s)
    notes = sum(
        np.sin(2 * np.pi * f * times) * (np.sin(2 * np.pi * r * times) > 0) for f, r in [(220, 1), (900, 2.3)]
    )
    wide = notes[:, None] * [0.2, 0.1] + 0.01 * rng.standard_normal((len(times), 2))
    wide[len(wide) // 2 : len(wide) // 2 + RATE // 2] = 0
    return wide.astype(np.float32)


def bursts(length_s, per_second, decay_s, wave):
    """A wave (of the time since the stroke) struck again and again."""
    since = seconds(length_s) % (1 / per_second)
    return wave(since) * np.exp(-since / decay_s)


@pytest.mark.parametrize("gain", [10.0, 0.1, -1.0, 0.5])
def test_no_gain_and_no_polarity_changes_it(rng, gain):
    samples = phrase(rng)
    before, after = sound_of(samples), sound_of(samples * np.float32(gain))
    assert numbers(after) == pytest.approx(numbers(before), abs=2e-3)


def test_left_and_right_may_be_swapped_and_either_turned_over(rng):
    samples = phrase(rng)
    before = numbers(sound_of(samples))
    assert numbers(sound_of(samples[:, ::-1])) == pytest.approx(before, abs=2e-3)
    assert numbers(sound_of(samples * [1, -1])) == pytest.approx(before, abs=2e-3)


def test_a_mono_sound_is_the_same_in_one_channel_and_in_two(rng):
    samples = phrase(rng)[:, 0]
    assert numbers(sound_of(np.column_stack([samples, samples]))) == pytest.approx(
        numbers(sound_of(samples)), abs=2e-3
    )


def test_silence_before_and_after_changes_nothing(rng):
    samples = phrase(rng, 12.0)
    before, padded = (
        sound_of(samples),
        sound_of(np.concatenate([np.zeros((3 * BLOCK, 2)), samples, np.zeros((BLOCK, 2))])),
    )
    assert numbers(padded) == pytest.approx(numbers(before), abs=2e-3)
    # Off the blocks the frames lie elsewhere in the sound; what they say on the mean is the same.
    shifted = sound_of(np.concatenate([np.zeros((50_001, 2)), samples]))
    assert np.mean(np.abs(numbers(shifted) - numbers(before))) < 0.3


def test_no_cut_into_blocks_changes_a_bit(rng):
    samples = phrase(rng)
    cuts = [0, *sorted(rng.integers(0, len(samples), 30).tolist()), len(samples)]
    whole, cut = BandMeter(RATE, 2, with_sound=True), BandMeter(RATE, 2, with_sound=True)
    whole.push(samples)
    for start, stop in pairwise(cuts):
        cut.push(samples[start:stop])
    assert whole.sound() == cut.sound()


def test_its_size_is_that_of_any_other_whatever_the_length(rng):
    short, long = sound_of(phrase(rng, 1.0)), sound_of(phrase(rng, 60.0))
    assert len(numbers(short)) == len(numbers(long))
    assert replace(long, seconds=0.0) != StemSound()
    assert sound_of(np.zeros(RATE)) == StemSound()


def test_a_long_stem_sounds_like_its_first_minute(rng):
    minute = phrase(rng, 20.0)
    once, often = sound_of(minute), sound_of(np.tile(minute, (6, 1)))
    assert np.abs(numbers(replace(once, seconds=0)) - numbers(replace(often, seconds=0))).max() < 1.0


def test_bands_of_white_noise_are_as_wide_as_their_edges_say(rng):
    sound = sound_of(rng.standard_normal(20 * RATE) * 0.1)
    widths = np.diff(BAND_EDGES_HZ)
    # From eight bins on; the mean of the logarithm lies little under that of the power.
    assert np.array(sound.band_db[8:]) == pytest.approx(10 * np.log10(widths / widths.sum())[8:], abs=0.6)
    # The geometric mean of exponential variables lies 2.51 dB under their mean (Euler's constant).
    assert np.array(sound.noise_db) == pytest.approx([-2.51] * 4, abs=0.15)
    # Peak over RMS of 512 Gaussian samples: 3.1 on the mean.
    assert sound.crest_db[0] == pytest.approx(9.8, abs=0.5)


def test_a_steady_tone_is_held_and_a_siren_glides():
    times = seconds(8.0)
    tone = sound_of(0.3 * np.sin(2 * np.pi * 440 * times))
    assert tone.held[0] > 0.95
    assert tone.gliding[0] < 0.05
    assert tone.crest_db[0] == pytest.approx(3.01, abs=0.1)
    siren = sound_of(
        0.3 * np.sin(2 * np.pi * 440 * np.cumsum(2 ** (0.05 * np.sin(2 * np.pi * 1.3 * times))) / RATE)
    )
    assert siren.gliding[0] > 0.6


def test_a_decay_falls_by_what_its_time_constant_says_and_rises_at_once():
    decay_s = 0.1
    struck = sound_of(bursts(10.0, 1.0, decay_s, lambda since: np.sin(2 * np.pi * 1_000 * since)))
    steps_s = np.array(DISTANCES) * 512 / RATE
    kept = np.exp(-steps_s / decay_s)
    # By amplitude, t steps after the stroke: falls weigh the sum of kept^t over all t, and the rise, over
    # the steps that reach back before the stroke, its first (1 - kept^distance) of that.
    expected_db = -20 * np.log10(kept) / (2 - kept)
    assert np.array(struck.fall_db[:4]) == pytest.approx(expected_db[:4], rel=0.08)
    slower = sound_of(bursts(10.0, 1.0, 0.3, lambda since: np.sin(2 * np.pi * 1_000 * since)))
    assert slower.fall_db[2] < struck.fall_db[2] / 2
    steady = sound_of(np.sin(2 * np.pi * 1_000 * seconds(10.0)))
    assert max(steady.rise_db[:3]) < 0.5 < min(struck.rise_db[:3])
