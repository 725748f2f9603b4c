"""Shared fixtures: the command line called in this process, and small songs made on the spot."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 8_000


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def run(capfd, monkeypatch):
    """Call `mixcli` with arguments; returns exit code, stdout and stderr."""

    def call(*arguments):
        from mixcli.cli.main import main
        from mixcli.cli.stopping import StopRequest

        monkeypatch.setattr(sys, "argv", ["mixcli", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as done:
            main(StopRequest())
        out, err = capfd.readouterr()
        code = done.value.code
        return (0 if code is None else code), out, err

    return call


def plucks(frequency_hz, seconds, rate=RATE, every_s=0.25, level=0.2, seed=0):
    """Decaying notes with a little noise: something that has onsets, a pitch and a crest factor."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    phase = time_s % every_s
    tone = np.sin(2 * np.pi * frequency_hz * time_s) * np.exp(-phase * 12)
    noise = generator.standard_normal(len(time_s)) * np.exp(-phase * 40) * 0.3
    return (level * (tone + noise)).astype(np.float32)


def write_wav(path: Path, samples, rate=RATE, subtype="PCM_24"):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.fixture
def make_song(tmp_path):
    """Write a song of named stems; returns its folder."""

    def make(name="Song A", seconds=2.0, rate=RATE, stems=None, subtype="PCM_24"):
        stems = stems or {"Kick": 60, "Snare": 190, "Bass": 90, "Gtr": 330, "LdVox": 440}
        folder = tmp_path / name
        for index, (stem, frequency_hz) in enumerate(stems.items()):
            samples = plucks(frequency_hz, seconds, rate, every_s=0.2 + 0.05 * index, seed=index)
            write_wav(folder / f"{stem}.wav", samples, rate, subtype)
        return folder

    return make


@pytest.fixture
def tree_digest():
    """A digest of every file below a folder: names, bytes."""

    def digest(folder):
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(Path(folder).rglob("*"))
            if path.is_file()
        }

    return digest
