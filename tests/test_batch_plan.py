"""What a batch plans: which songs, why, where to, and what is refused before any work."""

import json
import os
import shutil
from pathlib import Path

import pytest
from batch_library import mixcli, write_library, write_song

from mixcli.batching.freshness import asked_digest
from mixcli.errors import CheckpointError
from mixcli.mixing.request import MixRequest

NAMES = ("A/One", "A/Two", "B/One")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A library whose songs are mixed, one of them broken; copied for each test."""
    folder = tmp_path_factory.mktemp("finished")
    write_library(folder / "library", (*NAMES, "C/Broken"))
    Path(folder / "library/C/Broken/Kick.wav").write_bytes(b"")
    code, _, err = mixcli(folder, "batch", "library", "-j", "1", "--out", "mixes")
    assert code == 10, err
    return folder


@pytest.fixture
def place(finished, tmp_path, monkeypatch):
    """A working directory with `library` and its `mixes`."""
    shutil.copytree(finished, tmp_path / "here")  # keeps times, changes inodes
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library of which nothing is mixed."""
    monkeypatch.chdir(tmp_path)
    return write_library(tmp_path / "library", NAMES)


def planned(run, *arguments, code=0):
    """The plan as JSON: the songs by name."""
    got, out, err = run("batch", *arguments, "--dry-run", "--json")
    assert got == code, err
    return {song["song"]: song for song in json.loads(out)["songs"]}


def states(run, *arguments):
    return {name: song["state"] for name, song in planned(run, *arguments).items()}


def test_a_dry_run_says_of_each_song_why_how_long_and_where_to_and_writes_nothing(run, place, tree_digest):
    (place / "library/A/Two/Kick.wav").unlink()
    write_song(place / "library/A/Two", 1.5, seed=5)
    write_song(place / "library/D/New", 2.0)
    before = tree_digest(place)
    code, out, err = run("batch", "library", "-n")
    assert code == 0
    assert out.splitlines() == [
        "A/One: up to date, 2 stems, 0:00 → mixes/A/One/One.wav",
        "A/Two: its stems have changed, 2 stems, 0:01 → mixes/A/Two/Two.wav",
        "B/One: up to date, 2 stems, 0:00 → mixes/B/One/One.wav",
        'C/Broken: failed before E311, E311: cannot read "Kick.wav": not a known audio format.',
        "D/New: new, 2 stems, 0:02 → mixes/D/New/New.wav",
    ]
    assert err.startswith("3 of 5 songs to mix, 0:03 of audio, about ")
    assert tree_digest(place) == before


def test_the_plan_as_json_estimates_what_the_mixes_take(run, library):
    song = planned(run, "library", "--bit-depth", "16")["B/One"]
    assert (song["stems"], song["duration"], song["mix"]) == (2, 0.7, "mixes/B/One/One.wav")
    samples = round(0.7 * 8000) * 2 * 2  # two channels of two bytes
    assert samples < song["bytes"] < samples + 100_000
    assert not Path("mixes").exists()


def test_only_chooses_by_the_state_of_a_song(run, place):
    write_song(place / "library/A/Two", 1.5, seed=5)
    write_song(place / "library/D/New")
    expected = {
        "rest": ["A/Two", "C/Broken", "D/New"],
        "new": ["D/New"],
        "failed": ["C/Broken"],
        "stale": ["A/Two"],
        "all": ["A/One", "A/Two", "B/One", "C/Broken", "D/New"],
    }
    for only, wanted in expected.items():
        plan = planned(run, "library", "--only", only)
        assert [name for name, song in plan.items() if song["wanted"]] == wanted, only


def test_files_that_look_new_but_hold_what_they_held_are_up_to_date(run, place):
    os.utime(place / "library/A/One/Kick.wav", (1, 1))
    before = (place / "library/B/One/Kick.wav").stat()
    samples = (place / "library/B/One/Kick.wav").read_bytes()
    changed = bytearray(samples)
    changed[-2] ^= 1
    (place / "library/B/One/Kick.wav").write_bytes(changed)
    os.utime(place / "library/B/One/Kick.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    # the copy has other inodes than the manifest, so the change is found though size and time are the same
    assert states(run, "library") == {
        "A/One": "current",
        "A/Two": "current",
        "B/One": "changed",
        "C/Broken": "failed",
    }


def test_a_change_that_neither_size_nor_time_nor_inode_tells_is_found_by_content(run, place):
    assert run("batch", "library", "-j", "1", "--only", "new")[0] == 0  # the manifest learns the new inodes
    path = place / "library/B/One/Kick.wav"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\x55")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert states(run, "library")["B/One"] == "current"
    assert states(run, "library", "--check", "content")["B/One"] == "changed"


def test_renamed_and_removed_stems_and_other_settings_count_as_changes(run, place):
    (place / "library/A/One/Kick.wav").rename(place / "library/A/One/Snare.wav")
    assert states(run, "library")["A/One"] == "changed"
    assert set(states(run, "library", "--lufs", "-16").values()) == {"changed", "failed"}
    assert states(run, "library", "--name", "{song} x")["B/One"] == "new"  # another mix, beside this one


def test_a_run_that_was_trained_on_makes_the_mixes_of_its_model_old_and_no_others(tmp_path):
    import torch

    from mixcli.models.checkpoint import build_model, save_model
    from mixcli.models.settings import MixWaveUNetSettings, ModelSettings

    tiny = ModelSettings(
        inputs=("drums.kick", "vox.lead"), network=MixWaveUNetSettings(depth=1, channel_growth=1)
    )
    weights = tmp_path / "run" / "model" / "model.safetensors"
    weights.parent.mkdir(parents=True)

    def digest(**settings):
        return asked_digest(MixRequest(folder=tmp_path, settings=settings))

    found = []
    for seed, told in ((1, {}), (1, {}), (2, {}), (2, {"input_loud_dbfs": -20.0})):
        torch.manual_seed(seed)
        settings = tiny.model_copy(update=told)
        save_model(weights, build_model(settings), settings)
        found.append((digest(model=str(tmp_path / "run")), digest(), digest(model="gone", amount=0.0)))
    of_run, without, console = zip(*found, strict=True)
    assert [of_run[0] == other for other in of_run] == [True, True, False, False]
    assert of_run[2] != of_run[3]  # the same weights, but their inputs come at another level
    assert len(set(without)) == len(set(console)) == 1
    with pytest.raises(CheckpointError, match='no model "gone"'):
        digest(model="gone")


def test_a_mix_that_is_gone_or_not_as_it_was_left_is_made_again_but_a_recipe_may_be_edited(run, place):
    (place / "mixes/A/One/One.wav").unlink()
    (place / "mixes/A/Two/Two.wav").write_bytes(b"cut short")
    (place / "mixes/B/One/One.recipe.yaml").write_text("edited: true\n")
    assert list(states(run, "library").values()) == ["changed", "changed", "current", "failed"]


def test_mixes_that_the_manifest_does_not_know_are_recognised_by_what_lies_beside_them(run, place):
    (place / "mixes/manifest.jsonl").unlink()
    (place / "mixes/A/Two/Two.mix.json").write_text("{cut")
    found = states(run, "library")
    assert found == {"A/One": "current", "A/Two": "changed", "B/One": "current", "C/Broken": "new"}
    code, _, err = run("batch", "library", "-j", "1", "--only", "failed")
    assert (code, "2 up to date" in err) == (0, True)
    assert len((place / "mixes/manifest.jsonl").read_text().splitlines()) == 2


def test_a_damaged_manifest_is_told_and_costs_only_its_lines(run, place):
    path = place / "mixes/manifest.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"\0" * 40 + b"\n", *lines[1:-1], lines[-1][:50]]))
    _, _, err = run("batch", "library", "-n")
    assert "warning[W371]: 1 damaged line" in err


def test_several_places_lists_and_patterns_keep_the_paths_as_they_were_written(run, library, monkeypatch):
    named = ["library/A/One", "library/A/Two", "library/B/One"]
    assert list(planned(run, "library/A", "library/B")) == named
    assert list(planned(run, "library/A", "library/A/One", "library/B")) == named  # each folder once
    assert list(planned(run, "library/*")) == named
    assert list(planned(run, "library/**/One")) == [named[0], named[2]]
    Path("list.txt").write_text("library/A/One\n\n./library/B/One\r\n", "utf-8-sig")  # as Notepad does
    assert list(planned(run, "list.txt")) == [named[0], named[2]]
    monkeypatch.chdir(library / "A")
    assert list(planned(run, "../../library/B", ".")) == ["B/One", "One", "Two"]


@pytest.mark.slow
def test_a_list_comes_on_standard_input_by_lines_or_with_nul(library):
    text = "library/A/One\0library/B/One\0"
    _, out, _ = mixcli(library.parent, "batch", "-", "-0", "-n", input=text)
    assert [line.split(":")[0] for line in out.splitlines()] == ["library/A/One", "library/B/One"]
    code, out, err = mixcli(library.parent, "batch", "-", "-n", input=text.replace("\0", "\n") + "gone\n")
    assert (code, len(out.splitlines())) == (0, 3), err
    assert 'gone: new, E301: no folder "gone".' in out


def test_songs_that_would_have_one_mix_are_refused_before_any_work(run, library, tmp_path):
    shutil.copytree(library, tmp_path / "other" / "library")
    code, _, err = run("batch", library, tmp_path / "other" / "library", "--out", "mixes")
    assert code == 4
    assert 'error[E421]: 3 mixes would be of several songs: "library/A/One/One.wav"' in err
    assert not Path("mixes").exists()


def test_places_that_do_not_exist_and_lists_that_are_none_are_named(run, library):
    assert "error[E301]" in run("batch", "libary")[2]
    assert "error[E301]" in run("batch", "library/[xyz]*")[2]
    Path("list.txt").write_bytes(b"RIFF\0\0")
    code, _, err = run("batch", "list.txt")
    assert (code, "error[E308]" in err) == (3, True)
    assert not Path("mixes").exists()


def test_what_does_not_fit_on_the_disk_is_not_begun(run, library, monkeypatch):
    usage = shutil.disk_usage(library)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=100_000))
    code, out, err = run("batch", "library", "-j", "1")
    assert (code, out) == (5, "")
    assert "no space left (needs about " in err
    assert not Path("mixes").exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("-j", "0"), "E203"),
        (("-j", "many", "--dry-run"), "E203"),
        (("--only", "some"), "E205"),
        (("--check", "never"), "E205"),
        (("--stop-after", "soon"), "E204"),
        (("--fail-fast", "--max-failures", "3"), "E206"),
        (("--progress", "loud"), "E205"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_looked_for(run, options, code):
    got, _, err = run("batch", "no library", *options)
    assert (got, f"error[{code}]" in err) == (2, True)


def test_spans_of_time_are_read_as_people_write_them():
    from mixcli.cli.batch_request import parse_span

    spans = {"8h": 28_800, "90m": 5400, "1h30m": 5400, "45s": 45, "1.5h": 5400, "90": 90, "1:30:00": 5400}
    assert {text: parse_span("--stop-after", text) for text in spans} == spans


def test_an_output_inside_a_song_is_refused_and_not_made(run, library, tree_digest):
    before = tree_digest(library)
    code, _, err = run("batch", "library/A/One", "--out", "library/A/One/mixes")
    assert (code, "error[E507]" in err) == (5, True)
    assert tree_digest(library) == before
