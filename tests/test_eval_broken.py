"""What is broken or not there costs only what hangs on it."""

import json
from pathlib import Path

import pytest
from conftest import write_wav
from eval_library import QUIET_ONES, stems_of, write_library


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library()


def test_a_song_without_reference_is_measured_for_what_needs_none(library, run):
    (library / "Red" / "mix.wav").unlink()
    code, out, err = run("eval", library, *QUIET_ONES, "--system", "far=far", "--json")
    red = json.loads(out)["songs"][1]
    assert code == 0
    assert "W362" in err
    assert red["reference"] is None
    assert red["scores"][0]["values"]["integrated_lufs"] is not None
    assert "tone_db" not in red["scores"][0]["values"]


def test_parts_that_cannot_be_read_cost_the_balance_alone(library, run):
    for song in ("Blue", "Red"):
        write_wav(Path("parts") / song / "drums.wav", stems_of(0)["Kick"])
        write_wav(Path("parts") / song / "rest.wav", stems_of(0)["Bass"])
    (Path("parts") / "Red" / "rest.wav").write_bytes(b"")
    command = ("eval", library, *QUIET_ONES, "--system", "far=far", "--parts", "parts", "--json")
    code, out, err = run(*command)
    blue, red = (song["scores"][0]["values"] for song in json.loads(out)["songs"])
    assert code == 0
    assert blue["balance_db"] is not None
    assert "balance_db" not in red
    assert red["tone_db"] > 0.5
    assert "W366" in err


@pytest.mark.parametrize(
    "damage",
    ["mix", "stem", *(pytest.param(each, marks=pytest.mark.slow) for each in ("reference", "missing"))],
)
def test_what_is_broken_costs_only_what_hangs_on_it(library, run, damage):
    broken = {
        "mix": Path("far/Red.wav"),
        "reference": library / "Red" / "mix.wav",
        "stem": library / "Red" / "Stems" / "Kick.wav",
        "missing": Path("far/Red.wav"),
    }[damage]
    broken.write_bytes(broken.read_bytes()[:2000])
    if damage == "missing":
        broken.unlink()
    code, out, err = run(
        "eval", library, *QUIET_ONES, "--system", "far=far", "--system", "same=same", "--json"
    )
    document = json.loads(out)
    blue, red = document["songs"]
    assert [score["status"] for score in blue["scores"]] == ["ok", "ok"]
    if damage == "stem":  # whole mixes can still be compared
        assert code == 0
        assert "W361" in err
        assert [score["status"] for score in red["scores"]] == ["ok", "ok"]
        assert red["scores"][1]["values"]["tone_db"] == 0
        assert "balance_db" not in red["scores"][1]["values"]
        return
    assert code == 10
    assert document["status"] == "partial"
    assert f"error[{'E361' if damage == 'missing' else 'E312'}]" in err
    if damage == "reference":
        assert red["status"] == "error"
    else:
        assert [score["status"] for score in red["scores"]] == ["error", "ok"]
