"""Lanes: tasks in processes, of which some die, and none of which is left behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mixcli.lanes import Began, Finished, Lost, Told, Waited, run_lanes

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")


def work(task, tell):
    """Square a number; words among the tasks do harm instead."""
    kind, value = task
    if kind == "die" or (kind == "die once" and not Path(value).exists()):
        if kind == "die once":
            Path(value).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "crash":
        os.abort()
    if kind == "wait":
        try:
            Path(value).touch()
            while True:
                time.sleep(0.01)
        finally:
            Path(value).unlink()
    tell(("half", os.environ["OMP_NUM_THREADS"]))
    return value * value if kind == "square" else os.getpid()


def gone(pid):
    """Whether a process is no more; one that nobody has waited for yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_every_task_is_done_once_and_a_process_stays_for_many():
    tasks = [(index, ("square", index)) for index in range(20)]
    with closing(run_lanes(work, tasks, workers=2)) as lanes:
        events = [event for event in lanes if not isinstance(event, Waited)]
    results = {event.index: event.result for event in events if isinstance(event, Finished)}
    assert results == {index: index * index for index in range(20)}
    assert sum(isinstance(event, Finished) for event in events) == 20
    assert len({event.pid for event in events if isinstance(event, Began)}) <= 2
    assert {event.what for event in events if isinstance(event, Told)} == {("half", "1")}
    assert all(gone(event.pid) for event in events if isinstance(event, Began))


def test_a_process_that_dies_costs_its_task_a_second_try_and_then_the_task_alone(tmp_path):
    tasks = ["die", "die once", "square", "crash", "square"]
    given = [(i, (kind, str(tmp_path / "m") if "once" in kind else i)) for i, kind in enumerate(tasks)]
    with closing(run_lanes(work, given, workers=2)) as lanes:
        events = list(lanes)
    lost = [(event.index, event.exit_code, event.final) for event in events if isinstance(event, Lost)]
    kill, abort = -signal.SIGKILL, -signal.SIGABRT
    assert sorted(lost) == [
        (0, kill, False),
        (0, kill, True),
        (1, kill, False),
        (3, abort, False),
        (3, abort, True),
    ]
    assert {event.index for event in events if isinstance(event, Finished)} == {1, 2, 4}


def test_the_next_task_is_taken_only_when_a_process_is_free():
    taken = []

    def tasks():
        for index in range(10):
            taken.append(index)
            yield index, ("square", index)

    with closing(run_lanes(work, tasks(), workers=1)) as lanes:
        for event in lanes:
            if isinstance(event, Finished):
                break
    assert taken == [0]


def test_processes_that_are_ended_early_clean_up_and_are_gone(tmp_path):
    marks = [tmp_path / "one", tmp_path / "two"]
    pids = []
    lanes = run_lanes(work, [(i, ("wait", str(mark))) for i, mark in enumerate(marks)], workers=2)
    with closing(lanes):
        for event in lanes:
            if isinstance(event, Began):
                pids.append(event.pid)
            if all(mark.exists() for mark in marks):
                break
    assert not any(mark.exists() for mark in marks)
    assert all(gone(pid) for pid in pids)


def test_processes_end_with_the_one_that_started_them_even_if_it_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\nfrom mixcli.lanes import Began, run_lanes\nfrom test_lanes import work\n"
        "if __name__ == '__main__':\n"
        f"    for event in run_lanes(work, [(0, ('wait', {str(tmp_path / 'mark')!r}))], workers=1):\n"
        "        if isinstance(event, Began):\n            print(event.pid, flush=True)\n"
    )
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=env) as parent:
        pid = int(parent.stdout.readline())
        while not (tmp_path / "mark").exists():
            time.sleep(0.02)
        parent.kill()
    deadline = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)
