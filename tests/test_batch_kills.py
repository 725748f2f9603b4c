"""A batch that is killed again and again, at any moment and at the worst ones, ends as if it never was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from batch_library import environment, leftovers, mixcli, results, start, write_library
from conftest import write_wav

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system"),
]
NAMES = tuple(f"{'AB'[number % 2]}/Song {number}" for number in range(6))


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


def test_kills_pairs_and_lost_workers_cost_nothing_that_is_finished(tmp_path):
    script = Path(__file__).parents[1] / "benchmarks" / "kill_batch.py"
    few = ("--kills", "46", "--pairs", "4", "--workers", "4", "--songs", "6")  # each moment once
    line = [sys.executable, str(script), *few]
    done = subprocess.run(line, env=environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed 46 times" in done.stdout


def test_a_library_of_which_three_in_ten_are_broken_is_delivered_but_for_these(tmp_path):
    names = [f"Song {number:02d}" for number in range(20)]
    library = write_library(tmp_path / "library", names)
    kept = {path: path.read_bytes() for path in library.rglob("*.wav")}
    hollow, wide, silent = np.zeros(8_000), np.ones((8_000, 6)) / 9, np.zeros(8_000)
    hollow[100] = np.nan
    (library / names[1] / "Kick.wav").write_bytes(b"")
    (library / names[4] / "Kick.wav").write_bytes(kept[library / names[4] / "Kick.wav"][:700])
    (library / names[7] / "Kick.wav").write_bytes(b"no audio at all")
    write_wav(library / names[10] / "Kick.wav", hollow, subtype="FLOAT")
    write_wav(library / names[13] / "Kick.wav", wide)
    for name in ("Kick", "LdVox"):
        write_wav(library / names[16] / f"{name}.wav", silent)
    code, out, err = mixcli(tmp_path, "batch", "library", "-j", "2")
    assert (code, len(out.splitlines())) == (10, 14), err
    failures = {line.split(": ")[0]: line.split(": ")[1] for line in err.splitlines() if ": error[" in line}
    codes = {1: "E311", 4: "E312", 7: "E311", 10: "E314", 13: "E315", 16: "E332"}
    assert failures == {names[number]: f"error[{code}]" for number, code in codes.items()}
    for path, content in kept.items():
        path.write_bytes(content)
    code, out, err = mixcli(tmp_path, "batch", "library", "-j", "2", "--only", "failed")
    assert (code, len(out.splitlines())) == (0, 6), err


def test_the_program_killed_alone_takes_its_workers_with_it(library):
    process = start(library, "batch", "library", "--out", "out", "-j", "2")
    process.stdout.readline()
    process.kill()
    process.communicate()
    time.sleep(1)
    code, _, err = mixcli(library, "batch", "library", "--out", "out")
    assert code == 0, err
    assert leftovers(library / "out") == []
