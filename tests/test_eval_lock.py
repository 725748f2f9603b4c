"""Two evaluations on one folder, and those that were killed. Truth: real processes, and the files left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eval_library import QUIET_ONES, write_library

from mixcli.audio.output import sweep_stale_parts

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="stops processes as Linux does")
SAME = (*QUIET_ONES, "--system", "same=same")
LEAVE_PART = """
import os, sys
from pathlib import Path
from mixcli.audio.output import atomic_output
with atomic_output(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    os.kill(os.getpid(), 9)
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_library()


@pytest.fixture
def start():
    """Start an evaluation in a process of its own and stop it as soon as a file is there."""
    started = []

    def begin(*arguments, stop_at, folder=Path(), **environment):
        words = [sys.executable, "-m", "mixcli", "eval", *map(str, arguments)]
        kept = {**os.environ, **environment}
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=kept)
        started.append(process)
        wait_for(lambda: process.poll() is not None or any(folder.glob(stop_at)))
        process.send_signal(signal.SIGSTOP)
        assert process.poll() is None
        return process

    yield begin
    for process in started:
        kill(process)


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def kill(process):
    process.kill()
    process.wait()


@pytest.mark.slow
def test_the_second_on_a_folder_is_told_who_holds_it_and_changes_nothing(library, start, run, tree_digest):
    first = start(library, *SAME, "-o", "e", stop_at="e/.mixcli.lock")
    while not Path("e/.mixcli.lock").stat().st_size:  # stopped before it could say who it is
        first.send_signal(signal.SIGCONT)
        time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
    before = tree_digest("e")
    code, out, err = run("eval", library, *SAME, "-o", "e")
    assert (code, out) == (5, "")
    told, hint = err.splitlines()
    assert told.startswith(f'error[E509]: "e" is in use: mixcli eval, process {first.pid} on ')
    assert "another --out" in hint
    assert tree_digest("e") == before
    assert run("eval", library, *SAME, "-o", "e", "-n")[0] == 0  # a plan writes nothing
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    assert sorted(path.name for path in Path("e").iterdir()) == ["eval.csv", "eval.json", "scores"]


@pytest.mark.slow
def test_the_folder_of_a_killed_run_is_taken_over_and_cleaned(library, start, run):
    kill(start(library, *SAME, "-o", "e", stop_at="e/.mixcli.lock"))
    assert Path("e/.mixcli.lock").is_file()
    for place in ("e/eval.json", "e/mixes/mixcli/Blue.wav", "e/scores/deep/er/Blue.json"):
        subprocess.run([sys.executable, "-c", LEAVE_PART, place], check=False)
    (Path("e") / ".eval.json.part").write_text("mine", "utf-8")
    assert len(list(Path("e").rglob(".*.mixcli-*.part"))) == 3
    code, _, err = run("eval", library, *SAME, "-o", "e")
    assert code == 0, err
    hidden = [path.name for path in Path("e").rglob(".*")]
    assert hidden == [".eval.json.part"]
    assert sweep_stale_parts(Path("e")) == []


@pytest.mark.slow
def test_temporary_mixes_of_killed_runs_go_with_the_next_and_those_of_living_ones_stay(
    library, start, run, tmp_path, monkeypatch
):
    place = tmp_path / "temporary"
    (place / "mixcli-eval-mine").mkdir(parents=True)
    (place / "mixcli-eval-mine" / "precious").touch()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    held = "mixcli-eval-*/.mixcli.lock"
    kill(start(library, *SAME, folder=place, stop_at=held, TMPDIR=str(place)))
    (dead,) = (path.parent for path in place.glob(held))
    (dead / "mixcli").mkdir()
    (dead / "mixcli" / "Blue.wav").write_bytes(b"mix")
    assert run("eval", library, *SAME)[0] == 0
    assert [path.name for path in place.iterdir()] == ["mixcli-eval-mine"]
    alive = start(library, *SAME, folder=place, stop_at=held, TMPDIR=str(place))
    assert run("eval", library, *SAME)[0] == 0
    assert len(list(place.iterdir())) == 2
    alive.send_signal(signal.SIGCONT)
    assert alive.wait() == 0
    assert [path.name for path in place.iterdir()] == ["mixcli-eval-mine"]


@pytest.mark.slow
def test_workers_end_with_the_run_that_was_killed(library, start):
    first = start(library, *SAME, "-j", 2, "-o", "e", stop_at="e/.mixcli.lock")
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children")
    first.send_signal(signal.SIGCONT)
    wait_for(lambda: len(workers_among(children.read_text("ascii").split())) == 2)
    workers = workers_among(children.read_text("ascii").split())
    kill(first)
    wait_for(lambda: not workers_among(workers))


def workers_among(numbers):
    """Which processes run as workers of a pool."""
    found = []
    for number in numbers:
        try:
            words = Path(f"/proc/{number}/cmdline").read_text("utf-8")
        except OSError:
            continue
        if "spawn_main" in words:
            found.append(number)
    return found
