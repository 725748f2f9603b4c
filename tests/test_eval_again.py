"""An evaluation a second time, or by several workers: the same values, and nothing measured twice."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, write_wav
from eval_library import STEMS, mixed, stems_of, write_library


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library()


def test_the_same_command_again_measures_nothing_and_says_the_same(library, run, monkeypatch):
    from mixcli.evaluation import score_song

    command = ("eval", library, "--baselines", "sum", "--system", "far=far", "-o", "e", "--json")
    _, first, _ = run(*command)
    stamp = Path("e/mixes/mixcli/Blue.wav").stat().st_mtime_ns

    def never(*_arguments):
        raise AssertionError("measured again")

    with monkeypatch.context() as patched:
        patched.setattr(score_song, "score_mix", never)
        _, second, _ = run(*command)
    one, two = json.loads(first), json.loads(second)
    assert one.pop("run") != two.pop("run")
    assert one == two
    assert Path("e/mixes/mixcli/Blue.wav").stat().st_mtime_ns == stamp

    write_wav(Path("far/Red.wav"), mixed(stems_of(10), {"Kick": 12}))
    _, third, _ = run(*command)
    songs = json.loads(third)["songs"]
    assert songs[0] == one["songs"][0]
    assert songs[1]["scores"][1] != one["songs"][1]["scores"][1]
    assert songs[1]["scores"][0] == one["songs"][1]["scores"][0]


@pytest.mark.slow
def test_kept_scores_are_taken_only_for_the_same_files_and_options(library, run):
    command = ("eval", library, "--no-mix", "--baselines", "sum", "-o", "e", "--json")
    first = json.loads(run(*command)[1])["songs"][0]["scores"][0]["values"]
    write_wav(Path("e/mixes/sum/Blue.wav"), np.zeros((RATE, 2), np.float32), subtype="FLOAT")
    again = json.loads(run(*command)[1])["songs"][0]["scores"][0]["values"]
    assert again == first  # made again, not believed
    assert soundfile.info("e/mixes/sum/Blue.wav").frames == 4 * RATE
    stem = library / "Blue" / "Stems" / "Kick.wav"
    broken = stems_of(0)["Kick"].copy()
    broken[100] = np.nan
    write_wav(stem, broken, subtype="FLOAT")
    assert json.loads(run(*command)[1])["songs"][0]["stems"] == []
    assert len(json.loads(run(*command, "--repair-nan")[1])["songs"][0]["stems"]) == len(STEMS)


def leaves(document, place=""):
    """Every value of a document with the way to it."""
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        if isinstance(value, dict | list):
            yield from leaves(value, f"{place}.{key}")
        else:
            yield f"{place}.{key}", value


@pytest.mark.slow
def test_several_workers_find_the_same(library, run):
    command = ("eval", library, "--baselines", "random-gains", "--json")
    alone, together = (json.loads(run(*command, "-j", n)[1]) for n in (1, 2))
    alone.pop("run"), together.pop("run")
    one, two = dict(leaves(alone)), dict(leaves(together))
    assert one.keys() == two.keys()
    for place, value in one.items():
        assert two[place] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), place
