import os
from types import SimpleNamespace

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


def stems_of(*lengths_s, n_channels=1):
    return [
        SimpleNamespace(name=f"{number}.wav", duration_s=length_s, n_channels=n_channels)
        for number, length_s in enumerate(lengths_s)
    ]


def work_of(share):
    return sum(stem.duration_s * stem.n_channels for stem in share)


def test_long_songs_are_shared_out_evenly_and_every_stem_once_in_its_order():
    stems = stems_of(240, 240, 30, 240, 120, 120, 240, 200, 10, 1)
    for processes in (2, 3, 4):
        shares = share_out(stems, processes)
        assert len(shares) == processes
        assert sorted((stem for share in shares for stem in share), key=stems.index) == stems
        assert all(share == sorted(share, key=stems.index) for share in shares)
        # The longest first, each to the one with least: at most 4/3 of the best (Graham 1969).
        assert max(map(work_of, shares)) <= 4 / 3 * max(240, work_of(stems) / processes)


def test_short_songs_and_single_stems_and_one_process_are_one_share():
    short = stems_of(*[WORTH_A_PROCESS_S / 20] * 16)
    assert share_out(short, 8) == [short]
    assert len(share_out(stems_of(*[WORTH_A_PROCESS_S / 20] * 16, n_channels=2), 8)) == 2
    assert share_out(stems_of(10_000), 8) == [stems_of(10_000)]
    assert len(share_out(stems_of(*[300] * 30), 1)) == 1
    assert len(share_out(stems_of(*[300] * 60), 64)) == MOST_PROCESSES
    assert share_out([], 4) == [[]]
    assert len(share_out(stems_of(*[1000] * 16), 4, most_s=10)) == 1  # ten seconds of a long song
