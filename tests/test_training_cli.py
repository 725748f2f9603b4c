"""`mixcli train` through the door: from folders of songs to a model that mixes."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import RATE, plucks, write_wav
from typer.main import get_command

from mixcli.cli.main import app
from mixcli.settings import TrainSettings, load_preset, preset_names

SMALL = (
    *("-p", "train-paper", "--sample-rate", str(RATE), "--device", "cpu", "--workers", "0"),
    *(
        "--set",
        "model.depth=2",
        "--set",
        "model.channel_growth=4",
        "--set",
        "model.inputs=[drums.kick, drums.snare]",
    ),
    *("--segment", "0.2", "--batch-size", "2", "--lr", "3e-3"),
    *("--set", "train.steps_per_epoch=5", "--steps", "10", "--set", "train.linear_start=true"),
)


@pytest.fixture
def library(tmp_path, monkeypatch):
    """Three songs of kick and snare with a mix beside them: half the kick, and the snare to the left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MIXCLI_CACHE", raising=False)
    for number, name in enumerate(("One", "Two", "Three")):
        kick_T = plucks(60, 3.0, every_s=0.4, seed=number)
        snare_T = plucks(190, 3.0, every_s=0.3, seed=10 + number)
        folder = Path("songs", name)
        write_wav(folder / "Kick.wav", kick_T)
        write_wav(folder / "Snare.wav", snare_T)
        mix_TC = np.stack([0.5 * kick_T + 0.6 * snare_T, 0.5 * kick_T + 0.2 * snare_T], axis=1)
        write_wav(folder / "Mix.wav", mix_TC)
    return Path("songs")


def test_a_folder_of_songs_becomes_a_model_that_mixes(library, run, tree_digest):
    before = tree_digest(library)
    code, out, err = run("train", library, "--out", "run", *SMALL)
    assert (code, out) == (0, "run/model\n"), err
    assert tree_digest(library) == before
    lines = err.splitlines()
    assert "linear start; 2 songs (0.00 h), 1 for validation; 10 steps on cpu" in lines[0]
    assert [line.split(":")[0] for line in lines[1:4]] == [
        *("epoch 0, step 0", "epoch 1, step 5", "epoch 2, step 10")
    ]
    assert lines[-1] == 'next: mixcli mix "My Song/" --model run'
    written = {path.name for path in Path("run").iterdir()}
    assert written == {
        *("cache", "checkpoints", "config.yaml", "curve.svg", "data.json", "log.csv", "model", "samples")
    }
    options = ("--loudness-mode", "measure", "--bit-depth", "32f", "-o", "mixes")
    code, out, err = run("mix", library / "One", "--model", "run", *options)
    assert code == 0, err
    mix_TC, _ = soundfile.read(out.strip())
    wanted_TC, _ = soundfile.read(library / "One" / "Mix.wav")
    error_TC = mix_TC[: len(wanted_TC)] - wanted_TC
    assert (error_TC**2).sum() < 1e-2 * (wanted_TC**2).sum()  # 20 dB: the linear start is nearly the mix


def test_the_same_command_goes_on_and_two_runs_are_the_same(library, run):
    short = (*SMALL, "--steps", "5")
    assert run("train", library, "--out", "parts", *short)[0] == 0
    code, _, err = run("train", library, "--out", "parts", *SMALL)
    assert code == 0, err
    assert "from step 5" in err
    assert run("train", library, "--out", "whole", *SMALL, "--cache", "parts/cache")[0] == 0
    weights = [Path(name, "checkpoints", "last.pt").read_bytes() for name in ("parts", "whole")]
    assert weights[0] == weights[1]
    code, out, err = run("train", library, "--out", "whole", *SMALL, "--resume", "never")
    assert (code, out) == (5, "")
    assert err.startswith('error[E510]: "whole" holds a training already.')
    code, _, err = run("train", library, "--out", "whole", *SMALL, "--seed", "5")
    assert code == 4
    assert "error[E406]" in err
    assert "train.seed 1337 → 5" in err


def test_a_checkpoint_of_another_run_does_not_replace_a_training(library, run):
    short = (*SMALL, "--steps", "5")
    assert run("train", library, "--out", "one", *short)[0] == 0
    assert run("train", library, "--out", "two", *short, "--cache", "one/cache")[0] == 0
    before = Path("two/checkpoints/last.pt").read_bytes()
    code, out, err = run("train", library, "--out", "two", *SMALL, "--resume", "one")
    assert (code, out) == (5, "")
    assert err.startswith('error[E510]: "two" holds a training already')
    assert Path("two/checkpoints/last.pt").read_bytes() == before


def test_another_seed_of_the_training_splits_the_songs_as_before_and_one_of_the_data_does_not(library, run):
    parts = {}
    for option in ("--seed", "--data-seed"):
        for seed in range(4):
            found = json.loads(run("train", library, "-n", "--json", *SMALL, option, str(seed))[1])
            said = tuple(song["part"] for song in found["songs"])
            parts.setdefault(option, set()).add(said)
    assert len(parts["--seed"]) == 1
    assert len(parts["--data-seed"]) > 1


def test_a_model_is_trained_further_on_other_songs(library, run):
    assert run("train", library, "--out", "first", *SMALL)[0] == 0
    options = ("-p", "train-paper", "--init", "first", "--steps", "2", "--segment", "0.2", "--device", "cpu")
    options = (*options, "--set", "train.steps_per_epoch=2", "--cache", "first/cache")
    code, out, err = run("train", library, "--out", "second", *options)
    assert (code, out) == (0, "second/model\n"), err
    one, two = (
        json.loads(Path(name, "model", "model.json").read_text())["settings"] for name in ("first", "second")
    )
    assert (two["inputs"], two["network"]) == (one["inputs"], one["network"])
    first_score = err.splitlines()[1].split("validation ")[1]
    best = [line for line in Path("first/log.csv").read_text().splitlines() if line.endswith(",1")][-1]
    assert float(first_score.split(",")[0]) == pytest.approx(float(best.split(",")[5]), rel=1e-3)


@pytest.mark.slow
def test_json_is_one_document_and_quiet_is_quiet(library, run):
    code, out, err = run("train", library, "--out", "run", *SMALL, "--json", "-q")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["schema"] == "mixcli.train/1"
    assert (document["status"], document["steps"], document["ended_by"]) == ("ok", 10, "steps")
    assert document["songs"] == {"train": 2, "validation": 1, "test": 0}
    assert document["best"]["songs"] == 1
    assert document["console"] is None
    page = (Path(__file__).parents[1] / "docs" / "json.md").read_text("utf-8")
    section = page.split("## `mixcli.train/1`")[1].split("\n## ")[0]
    named = {name.split(".")[0].removesuffix("[]") for name in re.findall(r"`([a-z_.]+(?:\[\])?)`", section)}
    assert set(document) - {"schema"} <= named


def test_time_that_is_up_exits_with_75_and_the_same_command_goes_on(library, run):
    code, out, err = run("train", library, "--out", "run", *SMALL, "--max-time", "0.001s", "--json")
    assert code == 75, err
    assert json.loads(out)["status"] == "stopped"
    assert "The same command goes on (checkpoint in run)" in err
    code, _, err = run("train", library, "--out", "run", *SMALL)
    assert code == 0
    assert "from step 1" in err


def test_a_census_reads_headers_and_writes_nothing(library, run):
    code, out, err = run("train", library, "-n", *SMALL)
    assert code == 0, err
    assert "train: 2 songs" in out
    assert "drums.kick 3, drums.snare 3" in out
    assert json.loads(run("train", library, "-n", "--json", *SMALL)[1])["schema"].startswith("mixcli.")
    assert sorted(path.name for path in Path().iterdir()) == ["songs"]


def test_a_check_says_that_all_will_go_well_and_leaves_only_the_prepared_songs(library, run):
    code, out, err = run("train", library, "--out", "run", "--check", *SMALL)
    assert code == 0, err
    assert out == "check passed: one batch, one step, one checkpoint there and back\n"
    assert [path.name for path in Path("run").iterdir()] == ["cache"]
    document = json.loads(run("train", library, "--out", "run", "--check", "--json", "-q", *SMALL)[1])
    assert (document["status"], document["songs"]["train"]) == ("checked", 2)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "E220"),
        (("--out", "."), 2, "E220"),
        (("--out", "songs/run"), 5, "E507"),
        (("--out", "songs/One"), 5, "E507"),
        (("--out", "run", "-p", "rock"), 4, "E425"),
        (("--out", "run", "--set", "train.l1=-1"), 4, '"l1" is -1'),
        (("--out", "run", "--set", "model.dept=3"), 4, 'did you mean "depth"?'),
        (("--out", "run", "--set", "model.depth=three"), 4, "depth"),
        (("--out", "run", "--loss", "l2"), 2, "E205"),
        (("--out", "run", "--val", "1.5"), 2, "E203"),
        (("--out", "run", "--resume", "nowhere"), 4, "E401"),
        (("--out", "run", "--init", "nowhere"), 4, "E401"),
        (("--out", "run", "--device", "cuda:77"), 6, "E601"),
        (("--out", "run", "--batch-size", "1", "--set", "train.accumulate=2"), 4, "E424"),
    ],
)
def test_what_cannot_be_is_one_line_and_its_exit_code(library, run, arguments, code, told):
    given = SMALL if "-p" not in arguments else ()
    result = run("train", library, *given, *arguments)
    assert (result[0], result[1]) == (code, "")
    assert told in result[2]
    assert "Traceback" not in result[2]
    assert not Path("run", "checkpoints").exists()
    assert not list(library.rglob("checkpoints"))


def test_the_next_command_can_be_copied_whatever_the_folder_is_called(library, run):
    told = run("train", library, "--out", "first run's", *SMALL, "--steps", "1")[2].splitlines()[-1]
    assert shlex.split(told)[-2:] == ["--model", "first run's"]


def test_a_run_folder_belongs_to_one_run(library, run):
    from mixcli.mixing.folder_lock import FolderLock

    with FolderLock(Path("run"), "mixcli train"):
        code, _, err = run("train", library, "--out", "run", *SMALL)
    assert code == 5
    assert "E509" in err


def start_training(*arguments, launcher=()):
    command = [
        sys.executable,
        *launcher,
        "-m",
        "mixcli",
        "train",
        "songs",
        "--out",
        "run",
        *SMALL,
        *arguments,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_says_how_to_go_on(library, number):
    training = start_training("--steps", "1000000")
    until = time.monotonic() + 60
    while not Path("run/checkpoints/last.pt").exists() and time.monotonic() < until:
        time.sleep(0.05)
    training.send_signal(number)
    out, err = training.communicate(timeout=60)
    assert training.returncode == 128 + number, err
    assert out == "run/model\n"
    assert "interrupted after" in err
    assert "The same command goes on (checkpoint in run)" in err
    import torch

    step = torch.load("run/checkpoints/last.pt", weights_only=True)["training"]["progress"]["step"]
    assert f"interrupted after {step} steps" in err


@pytest.mark.slow
def test_torchrun_trains_with_two_processes_and_only_the_first_speaks(library):
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    training = start_training(launcher=launcher)
    out, err = training.communicate(timeout=300)
    assert training.returncode == 0, err
    assert out == "run/model\n"
    assert err.count("epoch 2, step 10") == 1


def test_every_option_and_setting_is_on_the_page_of_training():
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text("utf-8")
    words = set(re.findall(r"(?<![\w-])--?[a-z-]+", page))
    options = [parameter.opts for parameter in get_command(app).commands["train"].params]
    options = [[option for option in names if option.startswith("-")] for names in options]
    options = [names for names in options if names and "--help" not in names]
    assert [names for names in options if not words.intersection(names)] == []
    table = page.split("### All settings\n")[1].split("\n\n")[0].strip()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]
    schema = TrainSettings.model_json_schema()["properties"]
    assert {row[0].strip("`"): row[2] for row in rows} == {
        key: each["description"] for key, each in schema.items()
    }
    shown = {row[0].strip("`"): row[1] for row in rows}
    for key, each in schema.items():
        default = each["default"]
        told = "none" if default is None else f"{default:g}" if isinstance(default, float) else str(default)
        told = ", ".join(map(str, default)) if isinstance(default, list) else told
        assert shown[key] == (told.lower() if isinstance(default, bool) else told), key
    training = [name for name in preset_names() if "training" in load_preset(name).kinds]
    assert training == sorted(re.findall(r"^\| `(train-[a-z]+)`", page, re.MULTILINE))


def test_an_artist_on_both_sides_of_a_split_is_told():
    from mixcli.cli.train import shared_notices
    from mixcli.training.prepared_song import PreparedSong

    def song(name, group, part):
        nothing = np.zeros((1, 8), np.float32)
        return PreparedSong(
            name=name, group=group, part=part, sample_rate=8, inputs_KT=nothing, target_CT=nothing
        )

    apart = [song("a", "Ann", "train"), song("b", "Ann", "train"), song("c", "Bob", "validation")]
    assert shared_notices(apart) == []
    (notice,) = shared_notices([*apart, song("d", "Bob", "train")])
    assert (notice.code, '"Bob"' in notice.message, "Ann" in notice.message) == ("W382", True, False)


def test_off_a_terminal_a_line_tells_now_and_then_how_far_it_is(capfd, monkeypatch):
    from mixcli.cli import train_show

    clock = iter([0.0, 10.0, 31.0, 31.0, 50.0, 61.5, 61.5])
    monkeypatch.setattr(train_show.time, "monotonic", lambda: next(clock))
    shown = train_show.Bar("Preparing", "song", hidden=False, total=9)
    for name in ("One", "Two", "Three", "Four"):
        shown.advance(name)
    monkeypatch.undo()
    assert capfd.readouterr().err.splitlines() == [
        "Preparing: song 2 of 9, Two",
        "Preparing: song 4 of 9, Four",
    ]
