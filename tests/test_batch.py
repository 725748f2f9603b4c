"""`mixcli batch` as an operator runs it: a library, with what goes wrong in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_library import (
    command,
    entries,
    environment,
    leftovers,
    mixcli,
    results,
    start,
    write_library,
    write_song,
)

NAMES = ("A/One", "A/Two", "B/One")
MIXES = ["A/One/One.wav", "A/Two/Two.wav", "B/One/One.wav"]


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library(tmp_path / "library", NAMES)


def test_every_song_is_mixed_as_by_mix_and_the_folders_are_kept(run, library, tree_digest):
    before = tree_digest(library)
    code, out, err = run("batch", "library", "--out", "mixes", "-j", "2")
    assert code == 0, err
    assert sorted(out.split()) == [f"mixes/{mix}" for mix in MIXES]
    assert "3 mixed, 0 up to date, 0 failed" in err
    assert tree_digest(library) == before
    assert leftovers(Path("mixes")) == []
    assert run("mix", "library/A/Two", "--out", "alone")[0] == 0
    for name in ("Two.wav", "Two.recipe.yaml"):
        assert Path("mixes/A/Two", name).read_bytes() == Path("alone", name).read_bytes()
    made = results(Path("mixes"))
    times = {path: path.stat().st_mtime_ns for path in Path("mixes").rglob("*.wav")}
    assert run("batch", "library", "--out", "mixes", "-j", "1")[0::2][0] == 0
    assert {path: path.stat().st_mtime_ns for path in Path("mixes").rglob("*.wav")} == times
    code, out, _ = run("batch", "library", "--out", "again", "-j", "1")
    assert (code, results(Path("again"))) == (0, made)
    assert out.split() == [f"again/{mix}" for mix in MIXES]  # one at a time goes in order


def test_a_broken_song_costs_only_itself_and_failed_ones_are_done_when_they_are_mended(run, library):
    good = (library / "A/Two/Kick.wav").read_bytes()
    (library / "A/Two/Kick.wav").write_bytes(good[:1000])
    nan = write_song(library / "C/Hollow")
    shutil.copy(library / "B/One/Kick.wav", nan / "Kick.wav")
    nan_bytes = bytearray((nan / "LdVox.wav").read_bytes())
    (nan / "LdVox.wav").write_bytes(nan_bytes[: len(nan_bytes) // 2])
    code, out, err = run("batch", "library", "-j", "1", "--json", "--only", "rest")
    assert code == 10
    document = json.loads(out)
    assert document["counts"] == {"ok": 2, "skipped": 0, "failed": 2}
    assert [song["status"] for song in document["songs"]] == ["ok", "error", "ok", "error"]
    lines = [line for line in err.splitlines() if "error[" in line]
    assert [line.split(": ")[0] for line in lines] == ["A/Two", "C/Hollow"]
    assert all("error[E312]" in line for line in lines)
    assert "cut short" in Path("mixes/logs/A/Two/Two.wav.log").read_text()
    assert not Path("mixes/A/Two").exists()
    (library / "A/Two/Kick.wav").write_bytes(good)
    (nan / "LdVox.wav").write_bytes(nan_bytes)
    code, out, err = run("batch", "library", "-j", "1", "--only", "failed")
    assert (code, out.split()) == (0, ["mixes/A/Two/Two.wav", "mixes/C/Hollow/Hollow.wav"]), err
    assert not Path("mixes/logs").exists()
    assert {entry["status"] for entry in entries(Path("mixes")).values()} == {"ok"}


@pytest.mark.slow
def test_a_bug_inside_a_song_is_logged_with_its_traceback_and_the_rest_go_on(library):
    planted = library.parent / "planted"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(
        "import mixcli.batching.work as work\n"
        "real = work.mix_song\n"
        "def breaks(request, on_progress=None):\n"
        "    if request.folder.name == 'Two':\n        raise ZeroDivisionError('planted')\n"
        "    return real(request, on_progress)\n"
        "work.mix_song = breaks\n"
    )
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(planted), env["PYTHONPATH"]])
    process = start(library.parent, "batch", "library", "-j", "1", env=env)
    out, err = process.communicate()
    assert (process.returncode, len(out.split())) == (10, 2), err
    assert "A/Two: error[E100]: a bug in mixcli; the traceback is in mixes/logs/A/Two/Two.wav.log" in err
    assert "ZeroDivisionError: planted" in Path("mixes/logs/A/Two/Two.wav.log").read_text()


@pytest.mark.slow
def test_limits_end_a_batch_in_good_order_and_the_same_command_goes_on(run, library):
    (library / "A/One/Kick.wav").write_bytes(b"")
    code, out, err = run("batch", "library", "-j", "1", "--fail-fast", "--json")
    assert code == 10
    assert "too many failures" in err
    document = json.loads(out)
    assert (document["status"], document["stopped_by"], document["left"]) == ("stopped", "failures", 2)
    code, out, _ = run("batch", "library", "-j", "1", "--stop-after", "0s")
    assert (code, out) == (75, "")
    code, out, err = run("batch", "library", "-j", "1", "--only", "new", "--max-songs", "1")
    assert (code, out.split()) == (75, ["mixes/A/Two/Two.wav"])
    assert "--max-songs was reached. The same command goes on." in err
    assert run("batch", "library", "-j", "1", "--only", "new", "--max-songs", "1")[0] == 0


@pytest.mark.slow
def test_an_interrupted_batch_leaves_whole_files_alone_and_goes_on(library):
    write_song(library / "A/One", seconds=40)  # long enough to be hit in the middle of
    process = start(library.parent, "batch", "library", "-j", "1", "--progress", "json", "--json")
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "progress" and event["stage"] != "measuring":
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143, err
    assert json.loads(err.splitlines()[-1])["status"] == json.loads(out)["status"] == "interrupted"
    assert json.loads(out)["left"] == 3
    mixes = library.parent / "mixes"
    assert sorted(path.name for path in mixes.iterdir()) == ["index.html", "manifest.jsonl", "summary.csv"]
    code, _, err = mixcli(library.parent, "batch", "library", "-j", "1", "--only", "rest", "--max-songs", "1")
    assert code == 75, err
    assert "2 left" in err


@pytest.mark.slow
def test_a_second_run_on_the_same_output_says_who_has_it(library):
    write_song(library / "A/One", seconds=300)
    with start(library.parent, "batch", "library", "-j", "1", "--progress", "json") as first:
        first.stderr.readline()
        code, out, err = mixcli(library.parent, "batch", "library")
        assert (code, out) == (5, "")
        assert f'error[E509]: "mixes" is in use: mixcli batch, process {first.pid} on ' in err
        first.send_signal(signal.SIGINT)
        first.communicate()
        assert first.returncode == 130


@pytest.mark.slow
def test_a_killed_worker_costs_at_most_its_song(library):
    write_song(library / "A/One", seconds=40)
    killed = []
    with start(library.parent, "batch", "library", "-j", "1", "--progress", "json") as process:
        told = []
        for line in process.stderr:
            event = json.loads(line)
            told.append(event)
            if event["event"] == "song_start":
                pid = event["pid"]
            if event["event"] == "progress" and event["song"] == "A/One" and pid not in killed:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == 10
    assert len(killed) == 2
    ended = {event["song"]: event for event in told if event["event"] == "song_end"}
    assert {name: event["error"] for name, event in ended.items()} == {
        "A/One": "E603",
        "A/Two": None,
        "B/One": None,
    }
    assert [event["code"] for event in told if event["event"] == "warning"] == ["W603"]
    log = (library.parent / "mixes/logs/A/One/One.wav.log").read_text()
    assert "its process died twice, the last time of SIGKILL" in log
    assert leftovers(library.parent / "mixes" / "A") == []


def test_mixes_inside_the_library_are_no_songs(run, library):
    assert run("batch", "library", "--out", "library/mixes", "-j", "1", "--max-songs", "1")[0] == 75
    code, out, _ = run("batch", "library", "--out", "library/mixes", "-n")
    assert (code, len(out.splitlines())) == (0, 3)


def test_an_output_that_is_a_song_or_holds_songs_is_refused(run, library, tree_digest):
    before = tree_digest(library)
    for out, song in (("library/A/Two", "library/A/Two"), ("library/A", "library/A/One")):
        code, _, err = run("batch", "library", "--out", out, "-n")
        assert (code, f'error[E507]: "{out}" holds the song "{song}".' in err) == (5, True), err
    assert tree_digest(library) == before


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals of this kind here")
def test_a_terminal_that_is_closed_ends_a_batch_in_good_order(library):
    write_song(library / "A/One", seconds=40)
    ours, theirs = os.openpty()
    code = (
        "import os, sys\nos.setsid()\n"
        "terminal = os.open(sys.argv[1], os.O_RDWR)\n"  # the one that sends its signals from here on
        "for stream in range(3):\n    os.dup2(terminal, stream)\n"
        "os.execv(sys.argv[2], sys.argv[2:])\n"
    )
    line = [sys.executable, "-c", code, os.ttyname(theirs), *command("batch", "library", "-j", "1")]
    process = subprocess.Popen(line, cwd=library.parent, env=environment(CI="", TERM="xterm"))
    shown = b""
    while b"measuring" not in shown:
        shown += os.read(ours, 65_536)
    os.close(ours)
    assert process.wait() == 129
    os.close(theirs)
    mixes = library.parent / "mixes"
    assert sorted(path.name for path in mixes.iterdir()) == ["index.html", "manifest.jsonl", "summary.csv"]


@pytest.mark.slow
def test_a_reader_that_leaves_takes_nothing_with_it(library):
    told, to = os.pipe()
    heard, to_stdout = os.pipe()
    os.close(told)
    os.close(heard)
    pipes = {"stdout": to_stdout, "stderr": to}
    process = start(library.parent, "batch", "library", "-j", "1", "--progress", "json", "--json", **pipes)
    os.close(to)
    os.close(to_stdout)
    assert process.wait() == 0
    assert sorted(entries(Path("mixes"))) == MIXES
    assert Path("mixes/index.html").exists()


@pytest.mark.slow
def test_one_song_given_as_a_library_is_mixed(run, library):
    code, out, err = run("batch", "library/A/Two")
    assert (code, out) == (0, "mixes/Two.wav\n")
    assert 'warning[W306]: "Two" is one song; mixing it.' in err


def test_one_file_for_all_songs_is_refused_before_any_work(run, library):
    code, _, err = run("batch", "library", "--out", "all.wav")
    assert (code, "error[E209]" in err) == (2, True)
    assert not Path("all.wav").exists()


def test_a_library_without_songs_says_what_a_song_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    code, out, err = run("batch", "empty")
    assert (code, out) == (3, "")
    assert 'no songs in "empty"' in err
    assert not Path("mixes").exists()


def test_the_time_left_is_told_from_the_speed_that_was_measured(monkeypatch):
    from mixcli.batching.run import SongBegan, SongEnded
    from mixcli.cli.batch_pace import Pace
    from mixcli.cli.batch_progress import pace_text

    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    pace = Pace(n_songs=4, total_s=1000.0)
    pace.began(SongBegan(0, 1))
    assert pace_text(pace) == "0 of 4 songs, 0:00 of 16:40, no estimate yet"
    clock[0] += 50
    pace.ended(SongEnded(0, "ok", None), 200.0)  # 4 times real time
    pace.ended(SongEnded(1, "error", None), 300.0)
    assert pace_text(pace) == "2 of 4 songs, 8:20 of 16:40, about 2:05 left, 1 failed"
