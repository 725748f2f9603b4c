"""`mixcli eval` from the command line to its tables, documents and files."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import write_wav
from eval_library import QUIET_ONES, stems_of, write_library


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library()


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
    held = ("--fail-if", "same:balance_db > 3", "--fail-if", "median(far:tone_db) < median(same:tone_db)")
    assert run(*command, *held)[0] == 0
    code, out, err = run(*command, *held, "--fail-if", "far:balance_db > 3", "--json")
    assert (code, json.loads(out)["errors"][0]["code"]) == (7, "E704")
    assert "E704" in err
    assert "balance_db" in err
    code, _, err = run(*command, "--fail-if", "balance > 3")
    assert code == 2
    assert "balance_db" in err


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


def test_songs_whose_names_make_the_same_file_name_are_kept_apart(library, run):
    (library / "Blue").rename(library / "S?")
    (library / "Red").rename(library / "S_")
    code, _, err = run("eval", library, "--no-mix", "--baselines", "sum", "-o", "e")
    assert code == 0, err
    assert len(list(Path("e/mixes/sum").iterdir())) == len(list(Path("e/scores").iterdir())) == 2


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
