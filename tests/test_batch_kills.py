"""A batch that is killed again and again, at any moment and at the worst ones, ends as if it never was."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from batch_library import command, entries, environment, leftovers, mixcli, results, start, write_library

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system"),
]
NAMES = tuple(f"{'AB'[number % 2]}/Song {number}" for number in range(6))

# Kills the process that makes the N-th call of a system function, or half of the call, where it writes.
INJECTED = """
import os, signal
kind, _, count = os.environ.get("KILL_AT", "").partition(":")
left = [int(count or 0)]
def counted(real, half=False):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            if half:
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call
if kind == "write":
    os.write = counted(os.write, half=True)
elif kind in ("replace", "fsync", "open"):
    setattr(os, kind, counted(getattr(os, kind)))
"""


@pytest.fixture
def library(tmp_path):
    return write_library(tmp_path / "library", NAMES, seconds=1.0).parent


@pytest.fixture
def whole(library):
    """What a run that nobody disturbs makes."""
    code, _, err = mixcli(library, "batch", "library", "--out", "whole", "-j", "2")
    assert code == 0, err
    made = results(library / "whole")
    assert len(made) == 2 * len(NAMES)
    return made


def test_one_process_or_two_and_an_interruption_make_the_same_bytes(library, whole):
    assert mixcli(library, "batch", "library", "--out", "one", "-j", "1")[0] == 0
    assert results(library / "one") == whole
    for _ in range(2 * len(NAMES)):
        process = start(library, "batch", "library", "--out", "cut", "-j", "2", "--progress", "none")
        process.stdout.readline()  # a song is done, others are in hand
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode in (0, 130)
        if process.returncode == 0:
            break
    assert mixcli(library, "batch", "library", "--out", "cut")[0] == 0
    assert results(library / "cut") == whole


def test_kills_at_random_repeat_only_the_songs_in_hand(library, whole):
    chance = random.Random(3)
    out = library / "out"
    for _ in range(40):
        known = set(entries_if_any(out))
        process = start(library, "batch", "library", "--out", "out", "-j", "2", start_new_session=True)
        try:
            made, _ = process.communicate(timeout=chance.uniform(0.5, 6.0))
            assert process.returncode == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            made, _ = process.communicate()
        again = [line for line in made.split("\n") if line and line.removeprefix("out/") in known]
        assert again == []
        if process.returncode == 0:
            break
    assert mixcli(library, "batch", "library", "--out", "out")[0] == 0
    assert results(out) == whole
    assert leftovers(out) == []


def entries_if_any(out: Path):
    from mixcli.batching.manifest import Manifest

    return Manifest(out / "manifest.jsonl").entries


@pytest.mark.parametrize("kind", ["open", "write", "fsync", "replace"])
def test_kills_around_every_kind_of_call_leave_nothing_that_the_next_run_does_not_mend(library, whole, kind):
    planted = library / "planted"
    planted.mkdir()
    (planted / "sitecustomize.py").write_text(INJECTED)
    env = environment()
    env["PYTHONPATH"] = os.pathsep.join([str(planted), env["PYTHONPATH"]])
    for number in (1, 2, 3, 5, 8, 13):
        shutil.rmtree(library / "out", ignore_errors=True)
        line = command("batch", "library/A", "--out", "out", "-j", "1", "-qq")
        subprocess.run(line, cwd=library, env={**env, "KILL_AT": f"{kind}:{number}"}, check=False)
        code, _, err = mixcli(library, "batch", "library/A", "--out", "out", "-j", "1")
        assert code == 0, err
        expected = {
            name.removeprefix("A/"): digest for name, digest in whole.items() if name.startswith("A/")
        }
        assert results(library / "out") == expected, (kind, number)
        assert leftovers(library / "out") == [], (kind, number)


def test_a_library_of_which_a_third_is_broken_is_delivered_but_for_that(tmp_path):
    names = [f"Song {number:02d}" for number in range(20)]
    write_library(tmp_path / "library", names)
    kept = {}
    for number in range(0, 20, 3):
        path = tmp_path / "library" / names[number] / "Kick.wav"
        kept[path] = path.read_bytes()
        path.write_bytes([b"", kept[path][:700], b"no audio at all"][number % 3])
    code, out, err = mixcli(tmp_path, "batch", "library", "-j", "2")
    assert (code, len(out.split("\n")) - 1) == (10, 13)
    failures = [line for line in err.splitlines() if ": error[" in line]
    assert [line.split(":")[0] for line in failures] == [names[number] for number in range(0, 20, 3)]
    for path, content in kept.items():
        path.write_bytes(content)
    code, out, err = mixcli(tmp_path, "batch", "library", "-j", "2", "--only", "failed")
    assert (code, len(out.split("\n")) - 1) == (0, 7), err


def test_two_runs_at_once_hurt_nothing(library, whole):
    out = library / "out"
    for _ in range(5):
        shutil.rmtree(out, ignore_errors=True)
        pair = [start(library, "batch", "library", "--out", "out", "-j", "1", "-q") for _ in range(2)]
        ended = sorted((process.wait(), process.communicate()[1]) for process in pair)
        codes = [code for code, _ in ended]
        assert codes in ([0, 5], [0, 0]), ended  # both, where one had ended before the other began
        assert results(out) == whole
        assert len(entries(out)) == len(NAMES)


def test_the_program_killed_alone_takes_its_workers_with_it(library):
    process = start(library, "batch", "library", "--out", "out", "-j", "2")
    process.stdout.readline()
    process.kill()
    process.communicate()
    time.sleep(1)
    code, _, err = mixcli(library, "batch", "library", "--out", "out")
    assert code == 0, err
    assert leftovers(library / "out") == []
