"""Truth: real processes, of which only one may be inside at a time, and what the file system holds after."""

import calendar
import errno
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time

import pytest

from mixcli.errors import OutputError
from mixcli.mixing import folder_lock
from mixcli.mixing.folder_lock import LOCK_NAME, OWNER_NAME, FolderLock

fcntl = pytest.importorskip("fcntl", reason="locks of the system are made by other calls here")

HOLD = """
import sys
from pathlib import Path
from mixcli.mixing.folder_lock import FolderLock
with FolderLock(Path(sys.argv[1]), "mixcli eval"):
    print("held", flush=True)
    sys.stdin.read()
"""
NO_LOCKS = """
import errno, fcntl, os
def flock(descriptor, operation):
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
fcntl.flock = flock
"""
COUNT = """
import os, sys, time
from pathlib import Path
from mixcli.errors import OutputError
from mixcli.mixing.folder_lock import FolderLock
folder, rounds = Path(sys.argv[1]), 0
while rounds < 25:
    try:
        with FolderLock(folder, "count"):
            os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
            number = int((folder / "number").read_text())
            (folder / "number").write_text(str(number + 1))
            os.unlink(folder / "inside")
            rounds += 1
    except OutputError as error:
        assert error.code == "E509", error
    time.sleep(0.0005)
"""


@pytest.fixture(params=["system locks", "owner's file"])
def no_locks(request, monkeypatch):
    """Code for other processes that takes the system's locks from them, as from this one, or does not."""
    if request.param == "system locks":
        return ""

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    return NO_LOCKS


@pytest.fixture
def hold(no_locks):
    """Start a process that holds a folder until its stdin ends."""
    started = []

    def start(folder):
        process = subprocess.Popen(
            [sys.executable, "-c", no_locks + HOLD, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def in_use(folder):
    with pytest.raises(OutputError) as refused, FolderLock(folder, "second"):
        pass
    assert refused.value.code == "E509"
    assert refused.value.exit_code == 5
    return refused.value


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_second_is_told_who_holds_the_folder_and_gets_it_afterwards(hold, tmp_path):
    holder = hold(tmp_path)
    before = time.time()
    error = in_use(tmp_path)
    assert "\n" not in error.message
    found = re.fullmatch(
        rf'"{re.escape(str(tmp_path))}" is in use: mixcli eval, process (\d+) on (.+) since (.+) UTC\.',
        error.message,
    )
    assert found, error.message
    assert int(found[1]) == holder.pid
    assert found[2] == platform.node()
    since = calendar.timegm(time.strptime(found[3], "%Y-%m-%d %H:%M:%S"))
    assert before - 60 < since <= before + 1
    holder.communicate("")
    assert holder.returncode == 0
    with FolderLock(tmp_path, "second"):
        pass
    assert files(tmp_path) == []


def test_the_lock_of_a_killed_process_is_taken_over(hold, tmp_path):
    holder = hold(tmp_path)
    in_use(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert len(files(tmp_path)) == 1  # it could not clean up
    with FolderLock(tmp_path, "second"):
        in_use(tmp_path)
    assert files(tmp_path) == []


def test_two_folders_are_held_at_the_same_time(hold, tmp_path):
    hold(tmp_path / "one")
    hold(tmp_path / "two")
    in_use(tmp_path / "one")
    with FolderLock(tmp_path / "three", "third"):
        pass


def test_of_many_processes_only_one_is_inside_at_a_time(no_locks, tmp_path):
    (tmp_path / "number").write_text("0")
    racers = [subprocess.Popen([sys.executable, "-c", no_locks + COUNT, tmp_path]) for _ in range(4)]
    assert [racer.wait() for racer in racers] == [0] * 4
    assert (tmp_path / "number").read_text() == "100"  # a lost update would be missing
    assert files(tmp_path) == ["number"]


def test_the_folder_is_made_and_goes_again_when_nothing_was_put_into_it(no_locks, tmp_path):
    with pytest.raises(ValueError, match="stop"), FolderLock(tmp_path / "new" / "er", "first"):
        raise ValueError("stop")
    assert files(tmp_path) == []
    with FolderLock(tmp_path / "new" / "er", "first"):
        pass
    assert files(tmp_path / "new") == ["er"]


def test_one_that_failed_inside_leaves_the_folder_free(no_locks, tmp_path):
    (tmp_path / "kept").touch()
    with pytest.raises(KeyboardInterrupt), FolderLock(tmp_path, "first"):
        raise KeyboardInterrupt
    with FolderLock(tmp_path, "second"):
        pass
    assert files(tmp_path) == ["kept"]


def test_any_file_left_under_the_name_of_the_system_s_lock_is_taken_over(tmp_path):
    for content in (b"", b"{", b"\xff" * 5000, json.dumps({"pid": os.getppid()}).encode()):
        (tmp_path / LOCK_NAME).write_bytes(content)
        with FolderLock(tmp_path, "second"):
            pass
        assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({}, False),
        ({"pid": 2**22 + 5}, True),  # above what Linux gives out
        ({"pid": 10**30}, True),
        ({"started": "1"}, True),  # the number belongs to another process by now
        ({"pid": 1, "started": None}, False),
        ({"pid": 2**22 + 5, "host": "elsewhere"}, False),
        ({"pid": "none"}, False),
        ({"pid": -1}, False),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="numbers of processes as Linux gives them")
def test_without_locks_only_a_process_of_this_host_that_is_gone_loses_the_folder(
    tmp_path, monkeypatch, change, free
):
    monkeypatch.setattr(folder_lock, "fcntl", None)
    started = (folder_lock.FolderOwner.this_process("x")).started
    owner = {"what": "mixcli eval", "pid": os.getpid(), "host": platform.node(), "since": "…"}
    (tmp_path / OWNER_NAME).write_text(json.dumps({**owner, "started": started, **change}))
    if free:
        with FolderLock(tmp_path, "second"):
            in_use(tmp_path)
        assert files(tmp_path) == []
    else:
        error = in_use(tmp_path)
        assert error.hint == f'if that run is gone, delete "{tmp_path / OWNER_NAME}".'
        assert files(tmp_path) == [OWNER_NAME]


def test_a_hostile_owner_cannot_write_to_the_terminal(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "fcntl", None)
    owner = {"what": "\x1b[2J\n", "pid": os.getpid(), "host": "a\nb", "since": "", "started": None}
    (tmp_path / OWNER_NAME).write_text(json.dumps(owner))
    assert in_use(tmp_path).message.isprintable()


@pytest.mark.parametrize("name", [LOCK_NAME, OWNER_NAME])
def test_a_link_in_the_place_of_the_lock_is_never_followed(tmp_path, monkeypatch, name):
    if name == OWNER_NAME:
        monkeypatch.setattr(folder_lock, "fcntl", None)
    (tmp_path / "precious").write_text("precious")
    (tmp_path / name).symlink_to(tmp_path / "precious")
    with pytest.raises(OutputError), FolderLock(tmp_path, "first"):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_an_error_of_the_output(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as refused, FolderLock(tmp_path / "file" / "below", "first"):
        pass
    assert refused.value.code == "E502"
