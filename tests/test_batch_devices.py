"""Several GPUs for one batch: which process gets which. No GPU is needed: it is a matter of environments."""

import os
import signal
import time
from contextlib import closing

import pytest

from mixcli.batching import capacity
from mixcli.batching.capacity import auto_jobs, device_environments
from mixcli.errors import DeviceError
from mixcli.lanes import Finished, Lost, run_lanes


def seen_device(task, tell):
    """The device of a process, which waits until all are at work; the second dies once."""
    folder, name = task
    if name == "b" and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / name).touch()
    while not all((folder / each).exists() for each in "abc"):
        time.sleep(0.01)
    return os.environ["CUDA_VISIBLE_DEVICES"]


def test_processes_take_devices_in_turn_and_a_new_one_takes_the_place_of_one_that_died(tmp_path):
    tasks = [(index, (tmp_path, name)) for index, name in enumerate("abc")]
    environments = device_environments(("2", "GPU-5"))
    with closing(run_lanes(seen_device, tasks, workers=3, environments=environments)) as events:
        kept = [event for event in events if isinstance(event, Finished | Lost)]
    assert [event.index for event in kept if isinstance(event, Lost)] == [1]
    assert {event.index: event.result for event in kept if isinstance(event, Finished)} == {
        0: "2",
        1: "GPU-5",
        2: "2",
    }


def test_two_processes_a_device_are_enough(monkeypatch):
    monkeypatch.setattr(capacity, "processors", lambda: 64)
    monkeypatch.setattr(capacity, "free_memory", lambda: 2**40)
    assert auto_jobs(100, with_network=True) == 64
    assert auto_jobs(100, with_network=True, n_devices=4) == 8
    assert auto_jobs(3, with_network=True, n_devices=4) == 3


@pytest.mark.parametrize(
    ("visible", "names"), [(None, ("0", "1")), ("3,GPU-1f", ("3", "GPU-1f")), ("3,1,-1,2", ("3", "1"))]
)
def test_devices_are_called_as_the_variable_calls_them(monkeypatch, visible, names):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)  # what CUDA makes of the variable
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    from mixcli.engine.device import cuda_devices

    assert cuda_devices() == names


def test_no_device_is_said_before_any_work(monkeypatch):
    from mixcli.engine.device import cuda_devices

    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(DeviceError) as refused:
        cuda_devices()
    assert (refused.value.code, refused.value.exit_code) == ("E601", 6)


def test_a_device_that_is_none_is_refused_and_without_a_network_none_is_looked_for(run, make_song, tmp_path):
    song = make_song(seconds=0.6)
    code, _, err = run("batch", song, "--out", tmp_path / "no", "--device", "gpu")
    assert (code, 'error[E203]: --device "gpu"' in err) == (2, True)
    code, _, err = run("batch", song, "--out", tmp_path / "yes", "--device", "cuda", "--amount", "0")
    assert code == 0, err
