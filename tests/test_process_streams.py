import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from mixcli.errors import DeviceError, SongError
from mixcli.process_streams import RING_BYTES, ProcessStream, open_stream

MIB = 1 << 20


def blocks(seed, n_items, most_bytes):
    """Arrays of several kinds, sizes and orders; now and then none."""
    rng = np.random.default_rng(seed)
    for number in range(n_items):
        if number % 7 == 3:
            yield ("none", number), ()
            continue
        n_samples = int(rng.integers(1, most_bytes // 32))
        made_TC = rng.standard_normal((n_samples, 2)).astype(np.float32)
        spectra_PF = np.fft.rfft(rng.standard_normal((3, 1 + n_samples // 3))).astype(np.complex64)
        turned_TC = np.asfortranarray(made_TC) if number % 2 else made_TC
        yield ("some", number), (turned_TC, spectra_PF, np.zeros((0, 5)))


def then_raise(error):
    yield 0, (np.zeros(100),)
    yield 1, ()
    raise error


def endless():
    yield os.getpid(), ()
    while True:
        yield None, (np.zeros(MIB // 8),)


def on_demand(path):
    """Waits for a file before it goes on."""
    yield os.getpid(), ()
    while not Path(path).exists():
        time.sleep(0.01)
    yield "on", ()


def has_gone(pid, within_s=10.0):
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:  # one that nobody has waited for yet counts as gone
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("most_bytes", [4096, 3 * MIB])
def test_what_comes_is_what_is_made_here(most_bytes):
    n_items = 150
    n_bytes = 0
    with ProcessStream(blocks, 5, n_items, most_bytes) as stream:
        for expected, arrays in blocks(5, n_items, most_bytes):
            what, found = next(stream)
            assert what == expected
            assert len(found) == len(arrays)
            for one, other in zip(found, arrays, strict=True):
                assert one.dtype == other.dtype
                assert np.array_equal(one, other)
                assert one.flags.f_contiguous == other.flags.f_contiguous
                n_bytes += one.nbytes
        assert next(stream, "end") == "end"
    assert most_bytes < MIB or n_bytes > 3 * RING_BYTES  # it has gone round several times


def test_several_at_once_do_not_mix_and_an_open_stream_is_the_same_here_and_apart():
    with ExitStack() as opened:
        one, two, here = (
            opened.enter_context(open_stream(blocks, seed, 9, 4096, apart=apart))
            for seed, apart in ((1, True), (2, True), (2, False))
        )
        for (_, first), (_, second), (_, third) in zip(one, two, here, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(second, third, strict=True))
            assert not first or not np.array_equal(first[0], second[0])


def test_what_is_raised_comes_in_its_turn_and_whole():
    for error in (
        SongError("cut.wav is cut short.", code="E312", hint="export it again."),
        ValueError("odd"),
    ):
        with ProcessStream(then_raise, error) as stream:
            assert [next(stream)[0], next(stream)[0]] == [0, 1]
            with pytest.raises(type(error)) as raised:
                next(stream)
        assert str(raised.value) == str(error)
        if isinstance(error, SongError):
            assert (raised.value.code, raised.value.hint) == (error.code, error.hint)
        else:
            assert "then_raise" in raised.value.__notes__[0]  # where it was raised


def test_an_item_that_can_never_fit_is_refused():
    with (
        ProcessStream(blocks, 1, 1000, 4 * RING_BYTES) as stream,
        pytest.raises(ValueError, match="too large"),
    ):
        list(stream)


def test_a_process_that_dies_is_an_error_that_says_how_and_what_to_do():
    with ProcessStream(endless) as stream:
        pid = next(stream)[0]
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(DeviceError, match=r"signal 9") as raised:
            for _ in stream:
                pass
    assert raised.value.code == "E608"
    assert "OMP_NUM_THREADS=1" in raised.value.hint


def test_a_stream_that_is_left_early_leaves_no_process():
    with ProcessStream(endless) as stream:
        pid = next(stream)[0]
        next(stream)
    assert has_gone(pid)


def test_a_failure_while_it_is_read_ends_the_process_at_once():
    pids = []

    def read():
        with ProcessStream(endless) as stream:
            pids.append(next(stream)[0])
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        read()
    assert has_gone(pids[0])


def test_an_interruption_is_for_the_process_that_began_it(tmp_path):
    with ProcessStream(on_demand, str(tmp_path / "go")) as stream:
        pid = next(stream)[0]
        os.kill(pid, signal.SIGINT)
        (tmp_path / "go").touch()
        assert next(stream)[0] == "on"
        assert next(stream, "end") == "end"
        assert next(stream, "end") == "end"  # as of any iterator


@pytest.mark.parametrize("error", [FileNotFoundError("/dev/shm"), BrokenPipeError(), EOFError()])
def test_where_no_process_can_be_begun_it_is_made_here(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(ProcessStream, "__init__", fail)
    with open_stream(endless, apart=True) as stream:
        assert next(stream)[0] == os.getpid()


def test_it_ends_with_the_process_that_began_it_even_if_that_is_killed():
    code = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from mixcli.process_streams import ProcessStream\n"
        "from test_process_streams import endless\n"
        "stream = ProcessStream(endless)\n"
        "print(next(stream)[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    assert has_gone(int(done.stdout))


def test_a_stream_that_is_left_open_does_not_hold_up_the_end_of_the_program():
    code = (
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from mixcli.process_streams import ProcessStream\n"
        "from test_process_streams import endless\n"
        "stream = ProcessStream(endless)\n"
        "print(next(stream)[0], flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert has_gone(int(done.stdout))


@pytest.mark.slow
def test_processes_load_nothing_from_the_current_folder(make_song, tmp_path):
    song = make_song(seconds=40, stems=dict.fromkeys(("Kick", "Bass", "Keys", "LdVox", *"abcdefg"), 100.0))
    (song / "soundfile.py").write_text("open('seen', 'w')\n", "utf-8")
    (song / "pydantic.py").write_text("open('seen', 'w')\n", "utf-8")
    command = Path(sys.executable).with_name("mixcli")
    done = subprocess.run(
        [command, "mix", ".", "-o", str(tmp_path / "mix.wav")],
        cwd=song,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (song / "seen").exists()
