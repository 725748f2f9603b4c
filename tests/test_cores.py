import os

import pytest

from mixcli.lanes import Finished, run_lanes
from mixcli.songs.cores import n_threads


@pytest.mark.parametrize(("said", "expected"), [("1", 1), ("3", 3), ("0", None), ("many", None), ("", None)])
def test_the_environment_says_how_many_threads_else_the_processors_do(monkeypatch, said, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert n_threads() == (expected or allowed)


def count_threads(_task, _tell):
    return n_threads()


def test_a_process_of_a_batch_works_in_one_thread():
    results = [event.result for event in run_lanes(count_threads, [(0, None)], workers=1)
               if isinstance(event, Finished)]  # fmt: skip
    assert results == [1]
