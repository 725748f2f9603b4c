"""Truth: the same calls made one after the other, and what Python says of exceptions."""

import threading

import pytest

from mixcli.audio.behind import MOST_WAITING, Behind


def test_every_block_is_taken_once_in_order_and_all_are_done_at_the_end():
    taken: list[int] = []
    with Behind(taken.append) as behind:
        for block in range(1000):
            behind.push(block)
    assert taken == list(range(1000))


def test_no_more_blocks_wait_than_it_says():
    gate = threading.Event()
    waiting: list[int] = []

    def slow(block):
        gate.wait(10)
        waiting.append(block)

    def open_gate_once_full():
        full.wait(10)
        gate.set()

    full = threading.Event()
    threading.Thread(target=open_gate_once_full).start()
    with Behind(slow) as behind:
        for block in range(MOST_WAITING):
            behind.push(block)
        assert not waiting
        full.set()
        behind.push(MOST_WAITING)  # waits for the first
        assert waiting[0] == 0
    assert waiting == list(range(MOST_WAITING + 1))


def test_an_error_of_the_function_comes_out_and_no_later_block_follows_it():
    taken: list[int] = []

    def refuse_three(block):
        if block == 3:
            raise OSError(f"block {block}")
        taken.append(block)

    def push_all():
        with Behind(refuse_three) as behind:
            for block in range(100):
                behind.push(block)

    with pytest.raises(OSError, match="block 3"):
        push_all()
    assert taken == [0, 1, 2]


def test_an_error_at_the_last_block_comes_out_at_the_end():
    def refuse(block):
        raise ValueError("last")

    with pytest.raises(ValueError, match="last"), Behind(refuse) as behind:
        behind.push(0)


def test_an_error_of_the_caller_is_the_one_that_comes_out_and_leaves_no_thread():
    def refuse(block):
        raise ValueError("behind")

    before = threading.active_count()

    def fail_ahead():
        with Behind(refuse) as behind:
            behind.push(0)
            raise KeyError("ahead")

    with pytest.raises(KeyError, match="ahead"):
        fail_ahead()
    assert threading.active_count() == before
