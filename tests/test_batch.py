"""`mixcli batch`: a library, with what goes wrong in it."""

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def library(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("A/One", "A/Two", "B/One"):
        make_song(f"library/{name}", seconds=1)
    return tmp_path / "library"


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*.wav")}


def test_every_song_is_mixed_and_the_folders_are_kept(run, library, tree_digest):
    before = tree_digest(library)
    code, out, err = run("batch", "library", "--out", "mixes")
    assert code == 0, err
    made = ["mixes/A/One/One.wav", "mixes/A/Two/Two.wav", "mixes/B/One/One.wav"]
    assert out.split() == made
    assert "3 mixed, 0 up to date, 0 failed" in err
    assert all(Path(path).with_suffix(".recipe.yaml").exists() for path in made)
    assert tree_digest(library) == before


def test_finished_songs_are_skipped_and_changed_ones_made_again(run, library):
    run("batch", "library", "--out", "mixes")
    before = stamps("mixes")
    assert "0 mixed, 3 up to date" in run("batch", "library", "--out", "mixes")[2]
    assert stamps("mixes") == before
    os.utime(library / "A/Two/Kick.wav", (1, 1))
    code, out, _ = run("batch", "library", "--out", "mixes")
    assert (code, out) == (0, "mixes/A/Two/Two.wav\n")
    assert "3 mixed" in run("batch", "library", "--out", "mixes", "--lufs", "-16")[2]
    Path("mixes/B/One/One.wav").write_bytes(b"cut short")
    assert run("batch", "library", "--out", "mixes", "--lufs", "-16")[1] == "mixes/B/One/One.wav\n"


def test_a_broken_song_costs_only_itself_and_the_same_command_retries_it(run, library):
    good = (library / "A/Two/Kick.wav").read_bytes()
    (library / "A/Two/Kick.wav").write_bytes(good[:1000])
    code, out, err = run("batch", "library", "--out", "mixes")
    assert code == 10
    assert out.split() == ["mixes/A/One/One.wav", "mixes/B/One/One.wav"]
    assert "A/Two: error[E312]" in err
    assert "2 mixed, 0 up to date, 1 failed" in err
    assert not Path("mixes/A/Two").exists()
    (library / "A/Two/Kick.wav").write_bytes(good)
    code, out, _ = run("batch", "library", "--out", "mixes")
    assert (code, out) == (0, "mixes/A/Two/Two.wav\n")


def test_a_bug_inside_a_song_is_logged_with_its_traceback_and_the_rest_go_on(run, library, monkeypatch):
    import mixcli.batching.run as batching

    real = batching.mix_song

    def breaks(request, on_progress=None):
        if request.folder.name == "Two":
            raise ZeroDivisionError("planted")
        return real(request, on_progress)

    monkeypatch.setattr(batching, "mix_song", breaks)
    code, out, err = run("batch", "library", "--out", "mixes")
    assert code == 10
    assert len(out.split()) == 2
    assert "A/Two: error[E100]" in err
    assert "ZeroDivisionError: planted" in Path("mixes/batch.log").read_text()


def test_a_mix_that_is_there_but_unfinished_is_made_again(run, library):
    run("batch", "library", "--out", "mixes")
    Path("mixes/A/One/One.mix.json").write_text("{cut")
    assert run("batch", "library", "--out", "mixes")[1] == "mixes/A/One/One.wav\n"


def test_mixes_inside_the_library_are_no_songs(run, library):
    assert run("batch", "library", "--out", "library/mixes")[0] == 0
    code, out, err = run("batch", "library", "--out", "library/mixes")
    assert (code, out) == (0, "")
    assert "0 mixed, 3 up to date, 0 failed" in err


def test_json_holds_every_song_and_the_counts(run, library):
    (library / "A/Two/Kick.wav").write_bytes(b"")
    code, out, _ = run("batch", "library", "--out", "mixes", "--json")
    document = json.loads(out)
    assert code == 10
    assert document["counts"] == {"ok": 2, "skipped": 0, "failed": 1}
    assert [song["status"] for song in document["songs"]] == ["ok", "error", "ok"]
    assert document["songs"][1]["errors"][0]["code"] == "E311"


def test_a_dry_run_lists_the_songs(run, library):
    code, out, _ = run("batch", "library", "--out", "mixes", "-n")
    assert (code, out.split()) == (0, ["A/One", "A/Two", "B/One"])
    assert not Path("mixes").exists()


def test_one_file_for_all_songs_is_refused_before_any_work(run, library):
    code, _, err = run("batch", "library", "--out", "all.wav")
    assert code == 2
    assert "error[E209]" in err
    assert not Path("all.wav").exists()


def test_a_library_without_songs_says_what_a_song_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = run("batch", "empty")
    assert (code, out) == (3, "")
    assert 'no songs in "empty"' in err
