"""`mixcli eval` from the command line to its tables, documents and files."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, plucks, write_wav

STEMS = {"Kick": 60, "Bass": 90, "Gtr": 330, "LdVox": 440}
QUIET_ONES = ("--baselines", "none", "--no-mix")


def stems_of(seed, seconds=4.0):
    return {
        name: plucks(hz, seconds, every_s=0.2 + 0.05 * index, seed=seed + index)
        for index, (name, hz) in enumerate(STEMS.items())
    }


def mixed(stems, gains_db, pans=None):
    """A plain sum with gains and linear pans, stereo."""
    total = 0
    for name, signal in stems.items():
        gain, pan = 10 ** (gains_db.get(name, 0) / 20), (pans or {}).get(name, 0)
        total = total + gain * np.stack([signal * (1 - max(pan, 0)), signal * (1 + min(pan, 0))], axis=1)
    return (0.5 * total).astype(np.float32)


HUMAN = ({"Kick": 2.0, "Bass": -1.0, "Gtr": -6.0, "LdVox": 3.0}, {"Gtr": -0.6, "Kick": 0.1})


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Two songs with a human mix beside the stems, and the mixes of two systems: one near, one far."""
    monkeypatch.chdir(tmp_path)
    for seed, song in enumerate(("Blue", "Red")):
        stems = stems_of(10 * seed)
        for name, signal in stems.items():
            write_wav(Path("library") / song / "Stems" / f"{name}.wav", signal)
        human = mixed(stems, *HUMAN)
        write_wav(Path("library") / song / "mix.wav", human)
        write_wav(Path("same") / f"{song}.wav", human)
        write_wav(Path("far") / f"{song}.wav", mixed(stems, {"Gtr": 12.0, "LdVox": -12.0}))
    return Path("library")


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


def test_mixcli_and_all_baselines_are_scored_beside_given_mixes(library, run):
    code, out, err = run("eval", library, "--system", "far=far", "-o", "e")
    assert code == 0, err
    document = json.loads(Path("e/eval.json").read_text("utf-8"))
    names = [system["name"] for system in document["systems"]]
    kinds = {system["kind"] for system in document["systems"]}
    assert names[:2] == ["mixcli", "far"]
    assert {"sum", "peak-sum", "equal-loudness", "random-gains", "blind-side", "oracle"} < set(names)
    assert kinds == {"own", "given", "baseline"}
    for song in document["songs"]:
        assert [score["status"] for score in song["scores"]] == ["ok"] * len(names)
    index = {row["system"]: row["value"] for row in document["index"]}
    assert index["blind-side"] == pytest.approx(1.0)
    assert index["oracle"] < min(index["far"], index["sum"])
    for name in names:
        assert name in out
    assert Path("e/mixes/mixcli/Blue.wav").is_file()
    loud, _ = soundfile.read("e/mixes/sum/Blue.wav")
    plain = sum(stems_of(0).values())
    assert np.abs(loud - plain[:, None]).max() < 2e-6  # 24-bit stems
    rows = list(csv.DictReader(io.StringIO(Path("e/eval.csv").read_text("utf-8"))))
    assert len(rows) == 2 * len(names)
    far = next(row for row in rows if row["system"] == "far" and row["song"] == "Red")
    assert float(far["tone_db"]) == document["songs"][1]["scores"][1]["values"]["tone_db"]


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


def leaves(document, place=""):
    """Every value of a document with the way to it."""
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        if isinstance(value, dict | list):
            yield from leaves(value, f"{place}.{key}")
        else:
            yield f"{place}.{key}", value


def test_several_workers_find_the_same(library, run):
    command = ("eval", library, "--baselines", "random-gains", "--json")
    alone, together = (json.loads(run(*command, "-j", n)[1]) for n in (1, 2))
    alone.pop("run"), together.pop("run")
    one, two = dict(leaves(alone)), dict(leaves(together))
    assert one.keys() == two.keys()
    for place, value in one.items():
        assert two[place] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), place


def test_finished_mixes_are_compared_with_references_of_the_same_names(library, run):
    for song in ("Blue", "Red"):
        human, _ = soundfile.read(library / song / "mix.wav", dtype="float32")
        write_wav(Path("references") / f"{song}.wav", human)
    code, out, _ = run("eval", "far", "--against", "references", "--json")
    document = json.loads(out)
    assert code == 0
    assert [song["name"] for song in document["songs"]] == ["Blue", "Red"]
    assert [system["name"] for system in document["systems"]] == ["far"]
    values = document["songs"][0]["scores"][0]["values"]
    assert values["tone_db"] > 0.5
    assert values.get("balance_db") is None


def test_a_requirement_that_is_missed_is_exit_7_and_names_the_song(library, run):
    command = ("eval", library, *QUIET_ONES, "--system", "far=far", "--system", "same=same")
    code, _, err = run(*command, "--fail-if", "far:balance_db > 3")
    assert code == 7
    assert "E704" in err
    assert "balance_db" in err
    assert run(*command, "--fail-if", "same:balance_db > 3")[0] == 0
    assert run(*command, "--fail-if", "median(far:tone_db) < median(same:tone_db)")[0] == 0
    code, out, err = run(*command, "--fail-if", "far:balance_db > 3", "--json")
    assert (code, json.loads(out)["errors"][0]["code"]) == (7, "E704")
    code, _, err = run(*command, "--fail-if", "balance > 3")
    assert code == 2
    assert "balance_db" in err


def test_a_song_without_reference_is_measured_for_what_needs_none(library, run):
    (library / "Red" / "mix.wav").unlink()
    code, out, err = run("eval", library, *QUIET_ONES, "--system", "far=far", "--json")
    red = json.loads(out)["songs"][1]
    assert code == 0
    assert "W362" in err
    assert red["reference"] is None
    assert red["scores"][0]["values"]["integrated_lufs"] is not None
    assert "tone_db" not in red["scores"][0]["values"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--no-mix", "--baselines", "none"), "E215", "nothing to compare"),
        (("--by", "gnere"), "E219", "gnere"),
        (("--report", "html"), "E215", "--out"),
        (("--baselines", "some"), "E205", "sum"),
        (("--system", "sum=far"), "E217", "sum"),
        (("--system", "far"), "E202", "NAME=FOLDER"),
        (("--fail-if", "farr:tone_db > 1", "--system", "far=far"), "E213", "far"),
        (("-j", "0"), "E203", "-j"),
        (("--system", "reference=far"), "E217", "reference"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(
    library, run, options, code, words, tree_digest, tmp_path
):
    before = tree_digest(tmp_path)
    status, out, err = run("eval", library, *options)
    assert (status, out) == (2, "")
    assert f"error[{code}]" in err
    assert words in err
    assert tree_digest(tmp_path) == before


def test_results_that_could_not_be_written_are_refused_before_any_work(library, run, monkeypatch):
    from mixcli.evaluation import run as eval_run

    monkeypatch.setattr(eval_run, "score_one", None)  # nothing is scored
    Path("file").write_text("mine", "utf-8")
    Path("labels.csv").write_text("song,genre\nBlue,jazz\n", "utf-8")
    assert run("eval", library, "-o", "file")[0] == 5
    assert run("eval", library, "--csv", "library")[0] == 5
    code, _, err = run("eval", library, "--labels", "labels.csv", "--csv", "labels.csv")
    assert (code, "labels.csv" in err) == (2, True)
    assert Path("labels.csv").read_text("utf-8").startswith("song")
    code, _, err = run("eval", library, "-o", library / "Blue" / "e")
    assert (code, "E507" in err) == (5, True)


def test_a_plan_is_shown_in_words_and_as_json(library, run):
    (library / "Red" / "mix.wav").unlink()
    options = ("--system", "far=far", "--system", "same={song}/nothing")
    _, out, _ = run("eval", library, *options, "-n")
    assert "Blue: 4 stems, reference mix.wav, no mix of same" in out
    assert "Red: 4 stems, no reference" in out
    _, out, _ = run("eval", library, *options, "-n", "--json")
    planned = json.loads(out)
    assert planned["schema"] == "mixcli.eval-plan/1"
    assert [song["reference"] for song in planned["songs"]] == ["mix.wav", None]


def test_the_table_of_all_values_may_go_to_stdout(library, run):
    _, out, _ = run("eval", library, *QUIET_ONES, "--system", "far=far", "--csv", "-", "-q")
    assert [row["song"] for row in csv.DictReader(io.StringIO(out))] == ["Blue", "Red"]


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


def test_songs_whose_names_make_the_same_file_name_are_kept_apart(library, run):
    (library / "Blue").rename(library / "S?")
    (library / "Red").rename(library / "S_")
    code, _, err = run("eval", library, "--no-mix", "--baselines", "sum", "-o", "e")
    assert code == 0, err
    assert len(list(Path("e/mixes/sum").iterdir())) == len(list(Path("e/scores").iterdir())) == 2


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


@pytest.mark.parametrize("damage", ["mix", "reference", "stem", "missing"])
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


def test_groups_by_a_label_and_by_role_are_told(library, run):
    Path("labels.csv").write_text("song,genre\nBlue,jazz\nRed,rock\n", "utf-8")
    options = ("--labels", "labels.csv", "--by", "genre,role")
    _, out, _ = run("eval", library, *QUIET_ONES, "--system", "far=far", *options, "--json")
    groups = json.loads(out)["groups"]
    labels = {(row["by"], row["label"]) for row in groups}
    assert {("genre", "jazz"), ("genre", "rock"), ("role", "vox"), ("role", "gtr")} <= labels


def test_nothing_is_written_into_the_library_and_a_dry_run_writes_nothing(
    library, run, tree_digest, tmp_path
):
    before = tree_digest(library)
    run("eval", library, "--baselines", "sum", "-o", "e")
    assert tree_digest(library) == before
    everything = tree_digest(tmp_path)
    code, out, _ = run("eval", library, "--system", "far=far", "-o", "other", "-n")
    assert code == 0
    assert "Blue" in out
    assert "far" in out
    assert tree_digest(tmp_path) == everything
