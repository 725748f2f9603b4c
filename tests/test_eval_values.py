"""What `mixcli eval` measures on mixes whose distance from the reference is known."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, write_wav
from eval_library import HUMAN, QUIET_ONES, mixed, stems_of, write_library


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library()


def test_the_reference_itself_is_at_no_distance_and_wins(library, run):
    code, out, _ = run("eval", library, *QUIET_ONES, "--system", "same=same", "--system", "far=far", "--json")
    document = json.loads(out)
    assert code == 0
    distances = [m["key"] for m in document["measures"] if m["family"] in ("nearness", "robust")]
    assert len(distances) > 15
    for song in document["songs"]:
        same, far = song["scores"]
        assert same["alignment"] == {
            "delay_samples": 0,
            "delay_ms": 0.0,
            "inverted": False,
            "certain": True,
        }
        for key in distances:
            assert same["values"][key] in (0, None), key
        assert far["values"]["balance_db"] > 3
        assert far["values"]["tone_db"] > 0.5


def test_a_fader_and_the_level_of_a_whole_mix_are_told_apart(library, run):
    """One of four stems 6 dB up: 2 · 6 · 3 / 4² = 2.25 dB of balance; 9 dB of gain on all: none."""
    stems = stems_of(0)
    gains, pans = HUMAN
    write_wav(Path("planted") / "Blue.wav", mixed(stems, {**gains, "Gtr": gains["Gtr"] + 6}, pans))
    write_wav(Path("louder") / "Blue.wav", mixed(stems, gains, pans) * 10 ** (-9 / 20), subtype="FLOAT")
    run("eval", library, *QUIET_ONES, "--system", "planted=planted", "--system", "louder=louder", "-o", "e")
    blue = json.loads(Path("e/eval.json").read_text("utf-8"))["songs"][0]
    planted, louder = (score["values"] for score in blue["scores"])
    assert planted["balance_db"] == pytest.approx(2.25, abs=0.1)
    assert louder["balance_db"] < 0.01
    assert louder["tone_db"] < 0.01
    assert louder["integrated_lufs_error"] == pytest.approx(9.0, abs=0.01)


def test_a_late_inverted_mix_is_brought_into_time_and_said_so(library, run):
    for song in ("Blue", "Red"):
        human, _ = soundfile.read(library / song / "mix.wav", dtype="float32")
        late = np.concatenate([np.zeros((123, 2), np.float32), human])[: len(human)]
        write_wav(Path("late") / f"{song}.wav", -late)
    _, out, _ = run("eval", library, *QUIET_ONES, "--system", "late=late", "--json")
    for song in json.loads(out)["songs"]:
        score = song["scores"][0]
        assert score["alignment"]["delay_samples"] == -123
        assert score["alignment"]["delay_ms"] == pytest.approx(-123 / RATE * 1000, abs=1e-3)
        assert score["alignment"]["inverted"] is True
        assert score["values"]["tone_db"] < 0.05
        assert score["values"]["si_sdr_db"] > 20


def test_a_mix_that_is_far_off_or_of_another_length_or_silent_is_told(library, run):
    human, _ = soundfile.read(library / "Blue" / "mix.wav", dtype="float32")
    late = np.concatenate([np.zeros((int(0.4 * RATE), 2), np.float32), human])
    write_wav(Path("late/Blue.wav"), late)
    write_wav(Path("short/Blue.wav"), human[: len(human) // 2])
    write_wav(Path("silent/Blue.wav"), np.zeros_like(human))
    write_wav(Path("other/Blue.wav"), np.random.default_rng(5).normal(0, 0.1, human.shape))
    names = ("late", "short", "silent", "other")
    options = [word for name in names for word in ("--system", f"{name}={name}")]
    code, out, err = run("eval", library, *QUIET_ONES, *options, "--json")
    assert code == 10  # Red has no such mixes
    late, short, silent, other = json.loads(out)["songs"][0]["scores"]
    assert late["alignment"]["delay_samples"] == -int(0.4 * RATE)
    assert late["values"]["click_share"] == 0
    assert late["values"]["tone_db"] < 0.01
    assert [notice["code"] for notice in short["warnings"]] == ["W364"]
    assert [notice["code"] for notice in silent["warnings"]] == ["W365"]
    assert silent["values"]["tone_db"] is None
    assert [notice["code"] for notice in other["warnings"]] == ["W363"]
    assert "Blue: other: warning[W363]" in err


def test_only_what_mix_and_reference_both_have_is_compared(library, run):
    """The reference without its first 0.3 s, and without its last: the rest of it is the same."""
    human, _ = soundfile.read(library / "Blue" / "mix.wav", dtype="float32")
    cut = int(0.3 * RATE)
    write_wav(Path("front/Blue.wav"), human[cut:])
    write_wav(Path("end/Blue.wav"), human[:-cut])
    _, out, _ = run("eval", library, *QUIET_ONES, "--system", "front=front", "--system", "end=end", "--json")
    front, end = json.loads(out)["songs"][0]["scores"]
    assert front["alignment"]["delay_samples"] == cut
    for values in (front["values"], end["values"]):
        for key in ("tone_db", "width_db", "dynamics_db", "spectra_db", "mrstft"):
            assert values[key] < 1e-3, key
        assert values["si_sdr_db"] == 100
