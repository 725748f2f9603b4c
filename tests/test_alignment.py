"""Planted delays are found to the sample, whatever was done to the mix; unrelated sound is left alone."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, correlate, fftconvolve, sosfilt

from mixcli.measures.alignment import Alignment, apply_alignment, estimate_alignment

RATE = 44_100
LENGTH = 2 * RATE
BENCH = Path(__file__).parents[1].parent / "shared" / "bench"
DELAYS = [-2000, -13, 0, 697, 2000]


@cache
def music(seed, n_samples=LENGTH):
    """Notes with onsets over pink-like noise, in stereo."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / RATE
    left = np.zeros(n_samples)
    for start_s in generator.uniform(0, n_samples / RATE, 24):
        since_s = np.maximum(time_s - start_s, 0)
        pitch_hz = generator.uniform(60, 2000)
        left += (time_s >= start_s) * np.exp(-8 * since_s) * np.sin(2 * np.pi * pitch_hz * since_s)
    noise = np.cumsum(generator.standard_normal((n_samples, 2)), axis=0)
    noise = sosfilt(butter(1, 40, "high", fs=RATE, output="sos"), noise, axis=0) * 0.02
    noise += 0.01 * generator.standard_normal((n_samples, 2))
    return (0.2 * left[:, None] * [1.0, 0.7] + noise).astype(np.float32)


def delayed(signal_TC, n_samples):
    """What a program that is late by so many samples would have given (early where negative)."""
    out_TC = np.zeros_like(signal_TC)
    if n_samples >= 0:
        out_TC[n_samples:] = signal_TC[: len(signal_TC) - n_samples]
    else:
        out_TC[:n_samples] = signal_TC[-n_samples:]
    return out_TC


def equalised(signal_TC):
    return signal_TC + 2 * sosfilt(butter(1, 2000, "high", fs=RATE, output="sos"), signal_TC, axis=0)


def limited(signal_TC):
    level = np.sqrt(np.mean(signal_TC**2))
    return np.tanh(signal_TC / level) * level


def reverberated(signal_TC):
    generator = np.random.default_rng(1)
    length = RATE // 4
    tail_TC = (
        generator.standard_normal((length, 2)) * np.exp(-6.9 * np.arange(length) / length)[:, None] * 0.02
    )
    tail_TC[0] = 1.0
    return fftconvolve(signal_TC, tail_TC, axes=0)[: len(signal_TC)]


def noisy(signal_TC):
    generator = np.random.default_rng(2)
    return signal_TC + 0.1 * np.sqrt(np.mean(signal_TC**2)) * generator.standard_normal(signal_TC.shape)


def untouched(signal_TC):
    return signal_TC


@pytest.mark.parametrize("delay", DELAYS)
@pytest.mark.parametrize("change", [untouched, equalised, limited, reverberated, noisy])
def test_a_planted_delay_and_polarity_are_found_exactly(delay, change):
    reference_TC = music(0)
    mix_TC = change(delayed(reference_TC, delay)).astype(np.float32)
    for sign in (1, -1):
        found = estimate_alignment(sign * mix_TC, reference_TC, RATE)
        assert (found.delay_samples, found.inverted, found.certain) == (-delay, sign < 0, True)


@pytest.mark.parametrize("delay", [-700, 0, 700])
def test_the_plain_correlation_of_scipy_agrees(delay):
    generator = np.random.default_rng(4)
    reference_TC = generator.standard_normal((RATE, 2)).astype(np.float32)
    mix_TC = delayed(reference_TC, delay) + 0.5 * generator.standard_normal((RATE, 2)).astype(np.float32)
    correlation_L = correlate(reference_TC.sum(axis=1), mix_TC.sum(axis=1), "full", "fft")
    lag = int(np.abs(correlation_L).argmax()) - (RATE - 1)
    assert estimate_alignment(mix_TC, reference_TC, RATE).delay_samples == lag == -delay


@pytest.mark.parametrize("sample_rate", [8_000, 48_000, 192_000])
def test_the_limit_is_in_seconds_at_every_rate(sample_rate):
    generator = np.random.default_rng(5)
    reference_TC = generator.standard_normal((2 * sample_rate, 2)).astype(np.float32)
    inside, outside = round(0.045 * sample_rate), round(0.06 * sample_rate)
    assert (
        estimate_alignment(delayed(reference_TC, inside), reference_TC, sample_rate).delay_samples == -inside
    )
    beyond = estimate_alignment(delayed(reference_TC, outside), reference_TC, sample_rate)
    assert (beyond.delay_samples, beyond.certain) == (0, False)
    wider = estimate_alignment(delayed(reference_TC, outside), reference_TC, sample_rate, limit_s=0.07)
    assert (wider.delay_samples, wider.certain) == (-outside, True)


@pytest.mark.parametrize("length", [4410, 6000, 20_000, 200_000])
def test_unrelated_noise_is_refused(length):
    generator = np.random.default_rng(6)
    for _ in range(200_000 // length):
        mix_TC, reference_TC = generator.standard_normal((2, length, 2)).astype(np.float32)
        found = estimate_alignment(mix_TC, reference_TC, RATE)
        assert (found.delay_samples, found.inverted, found.certain) == (0, False, False)


@pytest.mark.parametrize("cutoff_hz", [200, 1000, 4000])
def test_unrelated_sound_without_treble_is_refused_and_related_is_found(cutoff_hz):
    generator = np.random.default_rng(7)
    sos = butter(4, cutoff_hz, fs=RATE, output="sos")
    mix_TC, reference_TC = sosfilt(sos, generator.standard_normal((2, LENGTH, 2)), axis=1).astype(np.float32)
    assert not estimate_alignment(mix_TC, reference_TC, RATE).certain
    assert estimate_alignment(delayed(mix_TC, 500), mix_TC, RATE).delay_samples == -500


def test_steady_tones_have_no_lag():
    time_s = np.arange(LENGTH) / RATE
    tone_TC, late_TC, other_TC = (
        np.repeat(np.sin(2 * np.pi * pitch_hz * time_s + phase)[:, None], 2, axis=1).astype(np.float32)
        for pitch_hz, phase in [(440, 0), (440, 0.3), (300, 0)]
    )
    assert not estimate_alignment(late_TC, tone_TC, RATE).certain
    assert not estimate_alignment(other_TC, tone_TC, RATE).certain


def test_signals_without_an_answer_are_left_alone():
    some_TC = music(1)
    silence_TC = np.zeros_like(some_TC)
    side_TC = some_TC * np.float32([1, 0]) - some_TC[:, :1] * np.float32([0, 1])  # its mid is silence
    short = some_TC[: RATE // 10 - 1]
    nothing = (0, False, False)
    for mix_TC, reference_TC in [
        (silence_TC, some_TC),
        (some_TC, silence_TC),
        (silence_TC, silence_TC),
        (side_TC, some_TC),
        (short, some_TC),
        (some_TC, short),
        (some_TC[:0], some_TC),
        (some_TC[:1], some_TC[:1]),
    ]:
        found = estimate_alignment(mix_TC, reference_TC, RATE)
        assert (found.delay_samples, found.inverted, found.certain) == nothing
        assert np.isfinite(found.strength)


def test_equal_signals_and_mono_signals_lie_on_each_other():
    some_TC = music(2)
    mono_TC = np.repeat(some_TC[:, :1], 2, axis=1)
    for mix_TC, reference_TC in [(some_TC, some_TC), (mono_TC, mono_TC), (mono_TC[:, :1], some_TC)]:
        found = estimate_alignment(mix_TC, reference_TC, RATE)
        assert (found.delay_samples, found.inverted, found.certain) == (0, False, True)


def test_what_starts_late_in_a_long_silence_is_found():
    reference_TC = np.concatenate([np.zeros((2 * LENGTH, 2), np.float32), music(3)])
    assert estimate_alignment(delayed(reference_TC, 321), reference_TC, RATE).delay_samples == -321


@pytest.mark.parametrize("delay", [0, 1, 5, 40, -1, -5, -40])
@pytest.mark.parametrize("n_out", [0, 7, 20, 31])
def test_a_mix_is_written_onto_the_grid_of_the_reference(delay, n_out):
    mix_TC = np.arange(1, 41, dtype=np.float32).reshape(20, 2)
    expected_TC = np.zeros((n_out, 2), np.float32)
    for index in range(n_out):
        if 0 <= index - delay < len(mix_TC):
            expected_TC[index] = mix_TC[index - delay]
    for inverted, sign in ((False, 1), (True, -1)):
        out_TC = np.full((n_out, 2), 9, np.float32)
        apply_alignment(mix_TC, Alignment(delay, inverted, True, 99.0), out_TC)
        np.testing.assert_array_equal(out_TC, sign * expected_TC)


def test_a_mix_longer_than_a_block_is_written_whole(tmp_path):
    mix_TC = np.random.default_rng(8).standard_normal((600_000, 2)).astype(np.float32)
    out_TC = np.memmap(tmp_path / "out", np.float32, "w+", shape=mix_TC.shape)
    apply_alignment(delayed(mix_TC, -300), Alignment(300, False, True, 99.0), out_TC)
    np.testing.assert_array_equal(out_TC[300:], mix_TC[300:])
    assert not out_TC[:300].any()


@pytest.mark.skipif(not (BENCH / "score.py").is_file(), reason="no songs with human mixes here")
@pytest.mark.parametrize("song", ["rock", "disco"])
@pytest.mark.parametrize("n_samples", [1 << 18, pytest.param(-1, marks=pytest.mark.slow)])
def test_the_lag_of_real_mixes_is_that_of_one_correlation_over_everything(song, n_samples, monkeypatch):
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("pyloudnorm")
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    import score

    reference_TC, sample_rate = soundfile.read(
        BENCH / "songs" / song / "mix.flac", n_samples, dtype="float32"
    )
    mixes = sorted((BENCH / "songs" / song / "other-mixes").glob("*.flac"))
    assert len(mixes) == 4
    for path in mixes:
        mix_TC, _ = soundfile.read(path, n_samples, dtype="float32")
        found = estimate_alignment(mix_TC, reference_TC, sample_rate)
        assert found.certain
        assert not found.inverted
        assert (found.delay_samples == 0) == (song == "disco")
        out_TC = np.empty_like(reference_TC)
        apply_alignment(mix_TC, found, out_TC)
        np.testing.assert_array_equal(out_TC, score.align(mix_TC, reference_TC, sample_rate))
