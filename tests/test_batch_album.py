"""An album: one gain for all its songs, told by a second loudness meter."""

from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from batch_library import entries
from conftest import plucks, write_wav

from mixcli.audio.loudness import LoudnessMeter
from mixcli.mixing.console_loudness import loudness_before_master
from mixcli.mixing.request import MixRequest

RATE = 8_000
FULL = {"Kick": 60, "Snare": 190, "Bass": 90, "Gtr": 330, "LdVox": 440}
MODE = ("--loudness-mode", "gain", "--lufs", "-23", "--true-peak", "0", "--bit-depth", "32f", "-j", "1")


def write_song(folder, names):
    for index, name in enumerate(names):
        samples = plucks(FULL[name], 3.0, RATE, every_s=0.2 + 0.05 * index, seed=index)
        write_wav(folder / f"{name}.wav", samples, RATE)


def lufs_of(path):
    """Integrated loudness by another meter, with the exact filter of the standard."""
    sound_TC, rate = soundfile.read(path, always_2d=True)
    return pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(sound_TC)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "library/Album/Ballad", ["Gtr", "LdVox"])
    write_song(tmp_path / "library/Album/Single", FULL)
    write_song(tmp_path / "library/Other/Ballad", ["Gtr", "LdVox"])
    write_song(tmp_path / "library/Other/Third", ["Bass", "Kick"])
    return tmp_path / "library"


@pytest.mark.slow
def test_the_loudest_reaches_the_target_and_the_distances_are_those_before_the_master(run, library):
    code, _, err = run("batch", "library", "--album", *MODE)
    assert code == 0, err
    assert run("batch", "library", "-o", "raw", "--loudness-mode", "measure", "--bit-depth", "32f")[0] == 0
    for album, names in {"Album": ("Ballad", "Single"), "Other": ("Ballad", "Third")}.items():
        made = [lufs_of(Path("mixes") / album / name / f"{name}.wav") for name in names]
        raw = [lufs_of(Path("raw") / album / name / f"{name}.wav") for name in names]
        assert max(made) == pytest.approx(-23.0, abs=0.1)
        assert made[1] - made[0] == pytest.approx(raw[1] - raw[0], abs=0.1)
        assert abs(raw[1] - raw[0]) > 0.3, "songs that are equally loud show nothing"
        gains = [
            np.abs(soundfile.read(Path(out) / album / name / f"{name}.wav")[0]).max()
            for name in names
            for out in ("mixes", "raw")
        ]
        assert gains[0] / gains[1] == pytest.approx(gains[2] / gains[3], rel=0.01)  # one gain for both


@pytest.mark.slow
def test_an_album_is_done_once_and_again_when_a_song_moves_its_gain(run, library):
    assert run("batch", "library", "--album", *MODE)[0] == 0
    _, out, err = run("batch", "library", "--album", *MODE)
    assert (out, "0 mixed, 4 up to date" in err) == ("", True)
    target = entries(Path("mixes"))["Album/Ballad/Ballad.wav"]["album_lufs"]
    for path in (library / "Album/Single").iterdir():
        path.unlink()
    (library / "Album/Single").rmdir()
    write_song(library / "Album/Duo", ["Gtr", "LdVox"])  # as soft as the ballad, which so becomes the loudest
    _, out, _ = run("batch", "library", "--album", *MODE)
    assert out.split() == ["mixes/Album/Ballad/Ballad.wav", "mixes/Album/Duo/Duo.wav"]
    assert entries(Path("mixes"))["Album/Ballad/Ballad.wav"]["album_lufs"] == -23.0 > target
    _, _, err = run("batch", "library", *MODE)
    assert "4 mixed" in err  # without --album it is another thing that is asked


def test_the_loudness_before_the_master_is_that_of_the_mix_without_one(run, library):
    folder = library / "Album/Single"
    settings = {"loudness_mode": "measure", "bit_depth": "32f"}
    run("mix", folder, "-o", "raw.wav", "--loudness-mode", "measure", "--bit-depth", "32f")
    found = loudness_before_master(MixRequest(folder=folder, out=Path("x.wav"), settings=settings))
    assert found == pytest.approx(lufs_of("raw.wav"), abs=0.01)
    assert LoudnessMeter(RATE, 2).integrated_lufs() == float("-inf")


@pytest.mark.parametrize("options", [("--lufs", "off"), ("--shard", "1/2"), ("--loudness-mode", "measure")])
def test_an_album_without_a_target_or_in_shares_is_refused(run, library, options):
    code, _, err = run("batch", "library", "--album", *options)
    assert (code, "error[E239]" in err) == (2, True)
    assert not list(library.parent.glob("mixes/*/*"))
