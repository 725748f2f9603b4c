"""Truth: what the file system holds afterwards."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mixcli.audio.output import atomic_output, output_folder, sweep_stale_parts
from mixcli.errors import OutputError

FAULTS = ("open", "write", "fsync", "replace", "mkdir")


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fail_call(monkeypatch, names, number, error_number):
    """Make the `number`-th call (from 1) of the named functions of os fail; the list returned counts them."""
    calls = []

    def wrapped(original):
        def call(*args, **kwargs):
            calls.append(original.__name__)
            if len(calls) == number:
                raise OSError(error_number, os.strerror(error_number))
            return original(*args, **kwargs)

        return call

    for name in names:
        monkeypatch.setattr(os, name, wrapped(getattr(os, name)))
    return calls


def test_a_file_appears_whole(tmp_path):
    target = tmp_path / "mix.wav"
    with atomic_output(target) as partial:
        assert partial.parent == tmp_path
        assert partial.name.startswith(".mix.wav.")
        assert partial.name.endswith(".part")
        partial.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert tree(tmp_path) == ["mix.wav"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "mix.wav"
    target.write_bytes(b"old")

    def interrupted():
        with atomic_output(target) as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert target.read_bytes() == b"old"
    assert tree(tmp_path) == ["mix.wav"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_mode_is_what_the_umask_leaves(tmp_path, mask):
    before = os.umask(mask)
    try:
        with atomic_output(tmp_path / "mix.wav") as partial:
            partial.write_bytes(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mix.wav").stat().st_mode) == 0o666 & ~mask


def test_a_symlink_at_the_target_is_replaced_and_not_followed(tmp_path):
    precious = tmp_path / "precious.txt"
    precious.write_bytes(b"precious")
    target = tmp_path / "mix.wav"
    target.symlink_to(precious)
    with atomic_output(target) as partial:
        partial.write_bytes(b"new")
    assert precious.read_bytes() == b"precious"
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"


def test_missing_folders_are_made_and_on_failure_only_those_go_again(tmp_path):
    with atomic_output(tmp_path / "a" / "b" / "mix.wav") as partial:
        partial.write_bytes(b"x")
    assert tree(tmp_path) == ["a", "a/b", "a/b/mix.wav"]

    def failing():
        with atomic_output(tmp_path / "a" / "c" / "d" / "mix.wav"):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above, without a text
        failing()
    assert tree(tmp_path) == ["a", "a/b", "a/b/mix.wav"]


def test_a_folder_that_was_filled_by_others_stays(tmp_path):
    def failing():
        with output_folder(tmp_path / "a" / "b") as folder:
            (folder / "theirs").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert tree(tmp_path) == ["a", "a/b", "a/b/theirs"]


def test_a_file_put_in_place_of_the_temporary_is_taken(tmp_path):
    with atomic_output(tmp_path / "model") as partial:
        other = tmp_path / "other"
        other.write_bytes(b"x")
        os.replace(other, partial)
    assert (tmp_path / "model").read_bytes() == b"x"
    assert tree(tmp_path) == ["model"]


def test_the_file_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace

    def logged_sync(descriptor):
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def logged_replace(source, target):
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", logged_sync)
    monkeypatch.setattr(os, "replace", logged_replace)
    with atomic_output(tmp_path / "mix.wav") as partial:
        partial.write_bytes(b"x")
    assert calls == ["file", "rename", "folder"]


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("existed", [False, True])
def test_whichever_call_fails_the_target_is_the_old_or_the_new_file(
    tmp_path, monkeypatch, error_number, existed
):
    new, old = b"new" * 1000, b"old"
    for number in range(1, 50):
        folder = tmp_path / f"{number}"
        target = folder / "deep" / "mix.wav"
        if existed:
            target.parent.mkdir(parents=True)
            target.write_bytes(old)
        with monkeypatch.context() as patch:
            calls = fail_call(patch, FAULTS, number, error_number)
            outcome = try_to_write(target, new)
        if len(calls) < number:
            assert (outcome, target.read_bytes()) == ("written", new)
            break
        assert outcome == "E502"
        if target.exists():
            assert target.read_bytes() in (old, new)
            assert tree(folder) == ["deep", "deep/mix.wav"]
        else:
            assert not existed
            assert not folder.exists()
    assert number > 8


def try_to_write(target, data):
    """Write data in three pieces; returns what came of it."""
    try:
        with atomic_output(target) as partial:
            descriptor = os.open(partial, os.O_WRONLY)
            try:
                for start in range(0, len(data), 1000):
                    os.write(descriptor, data[start : start + 1000])
            finally:
                os.close(descriptor)
    except OutputError as error:
        return error.code
    return "written"


@pytest.mark.parametrize(
    ("error_number", "text"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "no permission"), (errno.EROFS, "it is read-only")],
)
def test_a_failure_is_told_with_its_reason(tmp_path, monkeypatch, error_number, text):
    fail_call(monkeypatch, ["replace"], 1, error_number)
    with pytest.raises(OutputError) as caught, atomic_output(tmp_path / "mix.wav", needs_bytes=410_000_000):
        pass
    assert caught.value.code == "E502"
    assert caught.value.exit_code == 5
    assert caught.value.message.startswith(f'cannot write to "{tmp_path}": {text}')
    assert caught.value.message.endswith("Nothing was left half written.")
    assert ("needs about 410 MB, " in caught.value.message) == (error_number == errno.ENOSPC)


def test_a_folder_as_target_and_a_name_too_long_are_refused_before_anything_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    for target in (tmp_path / "folder", tmp_path / ("x" * 252 + ".wav"), tmp_path / "folder" / "file" / "x"):
        (tmp_path / "folder" / "file").write_bytes(b"x")
        with pytest.raises(OutputError) as caught, atomic_output(target):
            pytest.fail("not reached")
        assert caught.value.code == "E502"
    assert tree(tmp_path) == ["folder", "folder/file"]


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(OutputError, match="not a regular file"), atomic_output(Path(os.devnull)):
        pytest.fail("not reached")


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".wav", "ä" * 125 + ".wav", "🎧" * 62 + ".wav", "odd\udcff name.wav"]
)
def test_names_up_to_the_limit_and_names_that_are_not_utf_8_work(tmp_path, name):
    with atomic_output(tmp_path / name) as partial:
        assert len(os.fsencode(partial.name)) <= 255
        partial.write_bytes(b"x")
    assert os.listdir(tmp_path) == [name]


def test_only_the_temporaries_of_dead_processes_are_swept(tmp_path):
    script = (
        "import os, pathlib, sys\n"
        "from mixcli.audio.output import atomic_output\n"
        "with atomic_output(pathlib.Path(sys.argv[1]) / 'dead.wav') as partial:\n"
        "    partial.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    bystanders = [".mix.wav.part", ".x.123-aaaaaaaa.part", "mix.mixcli-1-00000000.part"]
    for name in bystanders:
        (tmp_path / name).write_bytes(b"not ours")
    with atomic_output(tmp_path / "alive.wav") as partial:
        removed = sweep_stale_parts(tmp_path)
        assert [path.name.startswith(".dead.wav.") for path in removed] == [True]
        partial.write_bytes(b"x")
    assert tree(tmp_path) == sorted([*bystanders, "alive.wav"])


def test_sweeping_a_folder_that_is_not_there_does_nothing(tmp_path):
    assert sweep_stale_parts(tmp_path / "none") == []
