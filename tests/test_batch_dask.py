"""`mixcli batch --engine dask` against a real scheduler and real workers, of which some die."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from batch_library import entries, environment, leftovers, mixcli, results, start, write_library, write_song

needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="the package distributed is missing")
NAMES = tuple(f"{'AB'[number % 2]}/Song {number}" for number in range(8))


class Cluster:
    """A scheduler and workers, each a process of its own, as an operator starts them."""

    def __init__(self, folder, **settings):
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.env = environment(OMP_NUM_THREADS="1", **settings)
        self.env["PYTHONPATH"] = os.pathsep.join([str(folder / "planted"), self.env["PYTHONPATH"]])
        self.processes = []

    def start(self, *arguments):
        (self.folder / "logs").mkdir(exist_ok=True)
        with (self.folder / "logs" / f"{len(self.processes)}.log").open("wb") as log:
            line = [sys.executable, "-m", *arguments, "--no-dashboard", "--scheduler-file", str(self.file)]
            process = subprocess.Popen(line, env=self.env, stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def start_scheduler(self):
        self.file.unlink(missing_ok=True)
        process = self.start("distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1")
        until = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return process

    def start_workers(self, number, *arguments):
        line = ("distributed.cli.dask_worker", "--nthreads", "1", "--host", "127.0.0.1")
        return [self.start(*line, *arguments) for _ in range(number)]


@contextmanager
def cluster(folder, workers, *arguments, **settings):
    made = Cluster(folder, **settings)
    try:
        made.start_scheduler()
        made.start_workers(workers, *arguments)
        yield made
    finally:
        for process in reversed(made.processes):
            process.terminate()
        for process in made.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def on_dask(*more):
    return ("batch", "library", "--engine", "dask", "--scheduler", "scheduler.json", *more)


def plant(folder, text):
    """Code that every process of the cluster runs at its start."""
    (folder / "planted").mkdir()
    (folder / "planted" / "sitecustomize.py").write_text(text)


def test_a_scheduler_without_its_engine_and_an_unknown_engine_are_refused(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "library/One")
    for arguments, code in (
        (("--scheduler", "tcp://127.0.0.1:1"), "E238"),
        (("--engine", "ray"), "E205"),
    ):
        done, out, err = run("batch", "library", *arguments)
        assert (done, out, f"error[{code}]" in err) == (2, "", True)
    assert not Path("mixes").exists()


def test_without_the_package_one_line_says_what_to_install(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "library/One")
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    code, out, err = run(*on_dask())
    assert (code, out) == (6, "")
    assert err.splitlines() == [
        "error[E604]: --engine dask needs the package distributed.",
        "  hint: pip install 'mixcli[dask]', where all workers start too.",
    ]


@needs_dask
def test_without_a_scheduler_nothing_is_begun_and_one_line_says_so(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "library/One")
    code, out, err = run("batch", "library", "--engine", "dask")
    assert (code, out) == (2, "")
    assert "error[E238]: --engine dask needs a scheduler." in err
    code, out, err = run(*on_dask(), "-q")
    assert (code, out) == (6, "")
    assert err.splitlines()[0] == 'error[E606]: no file "scheduler.json" of a Dask scheduler.'
    assert list((tmp_path / "mixes").rglob("*.wav")) == []


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("address", ["up://nowhere", "tcp://127.0.0.1:1", "127.0.0.1:1"])
def test_an_address_where_no_scheduler_is_costs_one_line(tmp_path, address):
    write_song(tmp_path / "library/One")
    code, _, err = mixcli(tmp_path, "batch", "library", "--engine", "dask", "--scheduler", address, "-q")
    assert (code, err.splitlines()[0]) == (6, f"error[E606]: no Dask scheduler at {address}.")


@needs_dask
@pytest.mark.slow
def test_a_lost_worker_and_a_scheduler_that_is_restarted_cost_nothing(tmp_path):
    write_library(tmp_path / "library", NAMES, seconds=30)
    code, _, err = mixcli(tmp_path, "batch", "library", "-o", "alone", "-j", "1")
    assert code == 0, err
    with cluster(tmp_path, 3, "--no-nanny") as made:
        killed, restarted, told, pids = None, False, [], {}
        with start(tmp_path, *on_dask("--progress", "json")) as process:
            for line in process.stderr:
                event = json.loads(line)
                told.append(event)
                if event["event"] == "song_start":
                    pids.setdefault(event["song"], []).append(event["pid"])
                if event["event"] == "progress" and event["stage"] == "mixing" and killed is None:
                    killed = event["song"]
                    os.kill(pids[killed][0], signal.SIGKILL)
                taken_up = killed is not None and len(pids[killed]) == 2  # by another worker
                if event["event"] == "song_end" and event["songs_done"] >= 3 and taken_up and not restarted:
                    restarted = True
                    made.processes[0].kill()
                    made.start_scheduler()
                    made.start_workers(2, "--no-nanny")
            process.wait()
        assert process.returncode == 0, told
        warnings = [event["code"] for event in told if event["event"] == "warning"]
        assert restarted
        assert (warnings.count("W603"), warnings.count("W606")) == (1, 1)
        assert results(tmp_path / "mixes") == results(tmp_path / "alone")
        lines = (tmp_path / "mixes/manifest.jsonl").read_text().splitlines()
        told_of = Counter(json.loads(line)["mix"] for line in lines)
        assert (len(told_of), set(told_of.values())) == (len(NAMES), {1})
        assert leftovers(tmp_path / "mixes") == []
        time.sleep(2)  # nobody is at work on a song that another has done
        code, out, err = mixcli(tmp_path, *on_dask())
        assert (code, out) == (0, ""), err
        assert f"0 mixed, {len(NAMES)} up to date, 0 failed" in err


@needs_dask
@pytest.mark.slow
def test_a_song_that_kills_its_workers_fails_alone(tmp_path):
    write_library(tmp_path / "library", NAMES[:4])
    plant(
        tmp_path,
        "import os, signal, sys\n"
        "def look(event, arguments):\n"
        "    if event == 'open' and 'Song 1/Kick' in str(arguments[0]):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "if 'dask_worker' in ' '.join(sys.orig_argv) or 'spawn' in ' '.join(sys.orig_argv):\n"
        "    sys.addaudithook(look)\n",
    )
    with cluster(tmp_path, 2, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1"):
        code, out, err = mixcli(tmp_path, *on_dask())
    assert (code, len(out.splitlines())) == (10, 3), err
    known = entries(tmp_path / "mixes")
    assert {name: entry["status"] for name, entry in known.items() if entry["status"] != "ok"} == {
        "B/Song 1/Song 1.wav": "error"
    }
    assert "B/Song 1: error[E603]: its process died 2 times, the last time with the Dask worker tcp://" in err
    assert leftovers(tmp_path / "mixes/B") == []


@needs_dask
@pytest.mark.slow
def test_an_interrupted_batch_takes_its_songs_back_from_the_workers(tmp_path):
    write_library(tmp_path / "library", NAMES[:2], seconds=120)
    with cluster(tmp_path, 2):
        process = start(tmp_path, *on_dask("--progress", "json"))
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == "mixing":
                break
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate()
        assert process.returncode == 143, err
        time.sleep(3)  # what a worker went on with would come to light
        mixes = tmp_path / "mixes"
        assert sorted(path.name for path in mixes.iterdir()) == [
            "index.html",
            "manifest.jsonl",
            "summary.csv",
        ]
        code, out, err = mixcli(tmp_path, *on_dask())
        assert (code, len(out.splitlines())) == (0, 2), err


@needs_dask
@pytest.mark.slow
def test_workers_with_another_version_of_mixcli_are_refused(tmp_path):
    write_library(tmp_path / "library", NAMES[:2])
    plant(tmp_path, "import mixcli\nmixcli.__version__ = '0.0.1'\n")
    with cluster(tmp_path, 1):
        code, out, err = mixcli(tmp_path, *on_dask(), "-q")
    assert (code, out) == (6, "")
    assert "error[E607]: the Dask worker tcp://127.0.0.1:" in err.splitlines()[0]
    assert "has mixcli 0.0.1, this is " in err.splitlines()[0]
    assert list((tmp_path / "mixes").rglob("*.wav")) == []


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", "dask"])
def test_the_weights_are_read_once_by_each_process_that_mixes(tmp_path, engine):
    from test_network_choice import write_model

    write_library(tmp_path / "library", NAMES[:4])
    model = write_model(tmp_path / "small.safetensors", seed=1)
    plant(
        tmp_path,
        "import os, sys\n"
        "def look(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('small.safetensors'):\n"
        f"        with open({str(tmp_path / 'read.txt')!r}, 'a') as file:\n"
        "            print(os.getpid(), file=file)\n"
        "sys.addaudithook(look)\n",
    )
    arguments = ("-m", model.name, "-o", "mixes", "--progress", "json")
    if engine == "dask":
        with cluster(tmp_path, 2):
            code, _, err = mixcli(tmp_path, *on_dask(*arguments))
    else:
        env = Cluster(tmp_path).env
        process = start(tmp_path, "batch", "library", "-j", "2", *arguments, env=env)
        err, code = process.communicate()[1], process.returncode
    assert code == 0, err
    begun = [json.loads(line) for line in err.splitlines() if '"song_start"' in line]
    assert len(begun) == 4
    mixing = {event["pid"] for event in begun}
    read = Counter(int(line) for line in (tmp_path / "read.txt").read_text().split())
    assert len(mixing) < 4
    assert {pid: read[pid] for pid in mixing} == dict.fromkeys(mixing, 1)
    code, _, err = mixcli(tmp_path, "batch", "library", "-j", "1", "-m", model.name, "-o", "alone")
    assert code == 0, err
    for path in (tmp_path / "alone").rglob("*.wav"):
        assert path.read_bytes() == (tmp_path / "mixes" / path.relative_to(tmp_path / "alone")).read_bytes()


class LostWithItsResult:
    """A future whose worker dies while its result is fetched, and which is made again in vain."""

    def __init__(self, error):
        self.status, self.error = "finished", error

    def exception(self, timeout):
        return self.error if self.status == "error" else None

    def result(self, timeout):
        self.status = "error"
        raise self.error


@needs_dask
def test_a_result_that_dies_with_its_worker_is_a_failure_of_the_song_and_no_bug():
    from distributed import KilledWorker

    from mixcli.batching.dask_session import DaskSession

    error = KilledWorker("mixcli-song-0", SimpleNamespace(address="tcp://127.0.0.1:1"), 1)
    session = DaskSession.__new__(DaskSession)
    session._client = SimpleNamespace(status="running")
    session._futures = {7: LostWithItsResult(error)}
    assert list(session.ended()) == []
    assert list(session.ended()) == [(7, error)]
    assert list(session.ended()) == []
