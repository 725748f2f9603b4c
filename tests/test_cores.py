import os

import pytest

from mixcli.lanes import Finished, run_lanes
from mixcli.songs.cores import MOST_PROCESSES, WORTH_A_PROCESS_S, n_threads, share_out


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


def work_of(*lengths_s):
    return {f"{number}.wav": length_s for number, length_s in enumerate(lengths_s)}


def test_much_work_is_shared_out_evenly_and_every_name_once_in_its_order():
    work_s = work_of(240, 240, 30, 240, 120, 120, 240, 200, 10, 1)
    for processes in (2, 3, 4):
        shares = share_out(work_s, processes)
        assert len(shares) == processes
        assert sorted(name for share in shares for name in share) == sorted(work_s)
        assert all(share == sorted(share, key=list(work_s).index) for share in shares)
        # The longest first, each to the one with least: at most 4/3 of the best (Graham 1969).
        longest_s = max(sum(work_s[name] for name in share) for share in shares)
        assert longest_s <= 4 / 3 * max(240, sum(work_s.values()) / processes)


def test_little_work_and_a_single_name_and_one_process_are_one_share():
    short = work_of(*[WORTH_A_PROCESS_S / 20] * 16)
    assert share_out(short, 8) == [list(short)]
    assert len(share_out(work_of(*[WORTH_A_PROCESS_S / 10] * 16), 8)) == 2
    assert share_out(work_of(10_000), 8) == [["0.wav"]]
    assert len(share_out(work_of(*[300] * 30), 1)) == 1
    assert len(share_out(work_of(*[300] * 60), 64)) == MOST_PROCESSES
    assert share_out({}, 4) == [[]]
