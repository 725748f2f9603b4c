"""Sounds that lie on disk: the same samples as in memory, at any rate, and nothing left open."""

import gc
import os
import sys

import numpy as np
import pytest
import soundfile
from conftest import write_wav

from mixcli.errors import OutputError
from mixcli.evaluation import sounds


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("limit", [0, 10**9])
def test_a_sound_on_disk_holds_what_one_in_memory_does(tmp_path, monkeypatch, rng, limit):
    monkeypatch.setattr(sounds, "SHORT_SAMPLES", limit)
    samples = rng.uniform(-0.5, 0.5, (100_000, 2)).astype(np.float32)
    path = write_wav(tmp_path / "a.wav", samples, subtype="FLOAT")
    sound_TC, rate = sounds.read_sound(path, None)
    assert isinstance(sound_TC, np.memmap) == (limit == 0)
    assert rate == 8000
    np.testing.assert_array_equal(sound_TC, samples)
    doubled_TC = sounds.empty_sound(len(sound_TC))
    sounds.scale(sound_TC, 2.0, doubled_TC)
    np.testing.assert_array_equal(doubled_TC, samples * 2)


def test_mono_is_doubled_and_another_rate_resampled(tmp_path):
    times_T = np.arange(8000) / 8000
    path = write_wav(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * times_T), subtype="FLOAT")
    sound_TC, _ = sounds.read_sound(path, 16_000)
    assert sound_TC.shape == (16_000, 2)
    expected_T = 0.5 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(sound_TC[2000:-2000] - expected_T[2000:-2000, None]).max() < 1e-4
    assert soundfile.info(path).channels == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_files_go_with_the_arrays(monkeypatch):
    monkeypatch.setattr(sounds, "SHORT_SAMPLES", 0)
    before = open_files()
    held = [sounds.empty_sound(1000) for _ in range(10)]
    assert open_files() <= before + 10
    held.clear()
    gc.collect()
    assert open_files() == before


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="room cannot be reserved on this system")
def test_a_full_disk_is_an_error_with_a_code(monkeypatch):
    monkeypatch.setattr(sounds, "SHORT_SAMPLES", 0)
    with pytest.raises(OutputError) as caught:
        sounds.empty_sound(2**50)  # 8 PiB
    assert caught.value.code == "E502"
