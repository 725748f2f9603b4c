"""Going on where a run stopped: to the bit, from plain data, and only with what it began with."""

import csv
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_training import QUICK, SMALL, SMALL_BASE, bus_song, drum_song, request_for, run_training

from mixcli.errors import CheckpointError
from mixcli.models.checkpoint import build_model, load_model
from mixcli.training.checkpoints import read_checkpoint
from mixcli.training.loop import train
from mixcli.training.request import Ended, Stepped, Validated
from mixcli.training.run_folder import read_log

DRUM_SONGS = [drum_song("A"), drum_song("B", seed=1), drum_song("V", "validation", seed=2)]
BUS_SONGS = [bus_song("A"), bus_song("B", seed=1), bus_song("V", "validation", seed=2)]
VARIED = QUICK.model_copy(
    update={
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "schedule": "cosine",
        "warmup_steps": 3,
        "clip": 1.0,
        "ema": 0.9,
        "swap": 0.5,
        "gain_jitter_db": 3,
        "drop_input": 0.2,
        "accumulate": 2,
        "linear_start": True,
        "steps": 16,
    }
)
SPECTRAL = VARIED.model_copy(
    update={"stft": 1, "l1": 0, "stft_sizes": (256, 64), "gain_match": True, "residual": 0.1}
)


def weights_of(folder, name="last"):
    return torch.load(folder / "checkpoints" / f"{name}.pt", weights_only=True)


def same(one, other):
    """Whether two trees of plain data are equal to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def stop_after(n_steps):
    """Asked after every step: yes after so many."""
    count = itertools.count(1)
    return lambda: next(count) >= n_steps


@pytest.mark.parametrize(
    ("model", "settings", "songs", "cuts"),
    [
        (SMALL, VARIED, DRUM_SONGS, [5, 6]),  # within an epoch, and at once again
        pytest.param(SMALL, VARIED, DRUM_SONGS, [8], marks=pytest.mark.slow),  # 4 epochs = 2 + 2
        pytest.param(SMALL_BASE, SPECTRAL, BUS_SONGS, [7], marks=pytest.mark.slow),
        pytest.param(SMALL, VARIED, DRUM_SONGS[:2], [6], marks=pytest.mark.slow),  # nothing to validate on
    ],
)
def test_a_run_in_several_goes_is_the_run_in_one_go_to_the_bit(tmp_path, model, settings, songs, cuts):
    run_training(request_for(tmp_path / "whole", model=model, settings=settings), songs)
    parts, resume, done = tmp_path / "parts", None, 0
    for cut in [*cuts, None]:
        wants_stop = stop_after(cut - done) if cut is not None else lambda: False
        torch.manual_seed(99)  # whatever state the random numbers are in
        request = request_for(parts, model=model, settings=settings, resume=resume)
        told = run_training(request, songs, wants_stop=wants_stop)
        assert told["began"].step == done
        assert told["ended"].why == ("steps" if cut is None else "stop")
        resume, done = parts / "checkpoints" / "last.pt", cut
    assert same(weights_of(tmp_path / "whole"), weights_of(parts))
    assert same(weights_of(tmp_path / "whole", "best"), weights_of(parts, "best"))
    models = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert models[0] == models[1]


def test_an_epoch_that_ends_with_the_time_is_judged_when_the_run_goes_on(tmp_path):
    """A validation may take longer than a scheduler waits: it is begun only where time is left."""
    run_training(request_for(tmp_path / "whole"), DRUM_SONGS)
    for cut in (4, 8):  # in the middle, and after the last step
        run = tmp_path / str(cut)
        told = run_training(request_for(run), DRUM_SONGS, wants_stop=stop_after(cut))
        assert (told["ended"].why, told["ended"].step) == ("stop", cut)
        assert [each.step for each in told["validations"]] == list(range(0, cut, 4))
        told = run_training(request_for(run, resume=run / "checkpoints" / "last.pt"), DRUM_SONGS)
        assert [each.step for each in told["validations"]] == list(range(cut, 9, 4))
        assert told["ended"].why == "steps"
        for name in ("last", "best"):
            assert same(weights_of(tmp_path / "whole", name), weights_of(run, name))


def test_what_was_learnt_is_saved_before_it_is_judged(tmp_path):
    for event in train(request_for(tmp_path / "run"), DRUM_SONGS):
        if isinstance(event, Validated) and event.step:
            assert weights_of(tmp_path / "run")["training"]["progress"]["step"] == event.step


def test_a_first_validation_that_is_no_number_is_bettered_by_one_that_is(tmp_path):
    judges = [drum_song(name, "validation", seconds=0.2, seed=2) for name in "VWXY"]
    bad = replace(judges[3], target_CT=judges[3].target_CT * np.nan)
    songs = [*DRUM_SONGS[:2], *judges[:3]]
    told = run_training(request_for(tmp_path / "run"), [*songs, bad], wants_stop=stop_after(2))
    assert not told["validations"][0].best
    resume = tmp_path / "run" / "checkpoints" / "last.pt"
    told = run_training(request_for(tmp_path / "run", resume=resume), songs)
    assert told["validations"][0].best
    assert told["ended"].best_step > 0


@pytest.mark.slow
def test_the_second_stage_begins_at_the_best_weights_and_is_resumed_too(tmp_path):
    """At a step size that only destroys, patience runs out after two epochs, then the best come back."""
    settings = QUICK.model_copy(
        update={
            "schedule": "two-stage",
            "lr": 0.5,
            "final_lr": 1e-9,
            "patience": 2,
            "steps": 100,
            "linear_start": True,
        }
    )
    told = run_training(request_for(tmp_path / "whole", settings=settings), DRUM_SONGS)
    assert [step.lr for step in told["steps"]] == [0.5] * 8 + [1e-9] * (len(told["steps"]) - 8)
    assert told["ended"].why == "patience"
    scores = [validation.scores.loss for validation in told["validations"]]
    assert min(scores[1:3]) > 100 * scores[0]
    assert scores[3] == pytest.approx(scores[0], rel=0.01)
    for cut in (6, 8, 10):
        folder = tmp_path / str(cut)
        run_training(request_for(folder, settings=settings), DRUM_SONGS, wants_stop=stop_after(cut))
        resume = folder / "checkpoints" / "last.pt"
        run_training(request_for(folder, settings=settings, resume=resume), DRUM_SONGS)
        assert same(weights_of(tmp_path / "whole"), weights_of(folder))


def test_a_checkpoint_is_plain_data_and_a_model(tmp_path):
    settings = VARIED.model_copy(update={"steps": 4})
    run_training(request_for(tmp_path / "run", settings=settings), DRUM_SONGS)
    last = tmp_path / "run" / "checkpoints" / "last.pt"
    content = torch.load(last, weights_only=True)
    assert set(content) == {"settings", "weights", "training"}
    trained = load_model(last)
    assert (trained.settings.inputs, trained.settings.network) == (SMALL.inputs, SMALL.network)
    # with a running mean, that is what mixing reads, and the weights themselves are kept beside it
    mean, own = content["weights"], content["training"]["weights"]
    assert same(mean, dict(trained.module.state_dict()))
    assert not same(mean, own)
    assert read_checkpoint(last)["training"]["progress"]["step"] == 4


def test_the_running_mean_is_the_weighted_sum_of_all_weights_so_far(tmp_path):
    """w̄ ← a·w̄ + (1 − a)·w with a = min(decay, (1 + n) / (10 + n)), computed here from the steps' weights."""
    settings = QUICK.model_copy(update={"ema": 0.3, "steps": 5, "steps_per_epoch": 1})
    own = []  # a checkpoint is there when the next step is told, or the end
    for event in train(request_for(tmp_path / "run", settings=settings), DRUM_SONGS):
        if isinstance(event, (Stepped, Ended)) and (tmp_path / "run/checkpoints/last.pt").exists():
            own.append(weights_of(tmp_path / "run")["training"]["weights"])
    torch.manual_seed(settings.seed)
    expected = {name: weight.double() for name, weight in build_model(SMALL).state_dict().items()}
    for n, weights in enumerate(own, 1):
        kept = min(0.3, (1 + n) / (10 + n))
        expected = {name: kept * mean + (1 - kept) * weights[name] for name, mean in expected.items()}
    mean = weights_of(tmp_path / "run")["weights"]
    assert len(own) == 5
    assert all(torch.allclose(mean[name].double(), value, atol=1e-6) for name, value in expected.items())


@pytest.mark.parametrize(
    ("model", "change", "told"),
    [
        (SMALL, {"lr": 2e-3}, "train.lr 0.001 → 0.002"),
        (SMALL, {"seed": 4}, "train.seed 3 → 4"),
        (SMALL.model_copy(update={"sample_rate": 16_000}), {}, "model.sample_rate"),
    ],
)
def test_another_training_is_not_gone_on_with(tmp_path, model, change, told):
    run_training(request_for(tmp_path / "run"), DRUM_SONGS)
    resume = tmp_path / "run" / "checkpoints" / "last.pt"
    settings = QUICK.model_copy(update=change)
    request = request_for(tmp_path / "run", model=model, settings=settings, resume=resume)
    with pytest.raises(CheckpointError, match="is of another training") as caught:
        run_training(request, DRUM_SONGS)
    assert (caught.value.code, told in caught.value.message) == ("E406", True)


def test_a_training_may_be_made_longer_and_its_log_goes_on(tmp_path):
    run_training(request_for(tmp_path / "run"), DRUM_SONGS)
    resume = tmp_path / "run" / "checkpoints" / "last.pt"
    longer = QUICK.model_copy(update={"steps": 12})
    told = run_training(request_for(tmp_path / "run", settings=longer, resume=resume), DRUM_SONGS)
    assert [step.step for step in told["steps"]] == [9, 10, 11, 12]
    with (tmp_path / "run" / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["0", "4", "8", "12"]
    (tmp_path / "log.csv").write_text("step,epoch,loss\n1234567,1000000,0.5\n")
    assert str(read_log(tmp_path / "log.csv")) == "[{'step': 1234567, 'epoch': 1000000, 'loss': 0.5}]"
    others = [*DRUM_SONGS[:1], drum_song("C", seed=5), DRUM_SONGS[2]]
    request = request_for(tmp_path / "run", settings=longer, resume=resume)
    assert [notice.code for notice in run_training(request, others)["began"].notices] == ["W411"]


def test_a_run_may_go_on_in_another_folder_with_its_best_weights(tmp_path):
    settings = QUICK.model_copy(update={"lr": 0.5, "linear_start": True})  # the start is never bettered
    run_training(request_for(tmp_path / "one", settings=settings), DRUM_SONGS, wants_stop=stop_after(5))
    resume = tmp_path / "one" / "checkpoints" / "last.pt"
    told = run_training(request_for(tmp_path / "two", settings=settings, resume=resume), DRUM_SONGS)
    assert told["ended"].best_step == 0
    kept = [load_model(tmp_path / name / "model").module.state_dict() for name in ("one", "two")]
    assert same(dict(kept[0]), dict(kept[1]))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content.pop("training"),
        lambda content: content["training"].pop("optimizer"),
        lambda content: content["training"].update(format="mixcli.training/9"),
        lambda content: content["training"].update(progress={"steps": 3}),
        lambda content: content["training"].update(settings="{"),
        lambda content: content.pop("settings"),
        lambda content: content["weights"].popitem(),
        lambda content: content["training"].update(random=torch.zeros(3)),
    ],
)
def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path, damage):
    run_training(request_for(tmp_path / "run"), DRUM_SONGS)
    resume = tmp_path / "run" / "checkpoints" / "last.pt"
    content = torch.load(resume, weights_only=True)
    damage(content)
    torch.save(content, resume)
    with pytest.raises(CheckpointError) as caught:
        run_training(request_for(tmp_path / "run", resume=resume), DRUM_SONGS)
    assert caught.value.code == "E404"
    assert "last.pt" in caught.value.message


def test_a_model_s_weights_are_the_first_ones_of_another_training(tmp_path):
    run_training(request_for(tmp_path / "first"), DRUM_SONGS)
    still = QUICK.model_copy(update={"lr": 1e-12, "steps": 1, "linear_start": True})
    request = request_for(tmp_path / "second", settings=still, init=tmp_path / "first" / "model")
    told = run_training(request, DRUM_SONGS)
    assert not told["began"].linear_start
    one, other = (load_model(tmp_path / name / "model").module.state_dict() for name in ("first", "second"))
    assert all(torch.allclose(one[name], other[name], atol=1e-7) for name in one)
    larger = SMALL.model_copy(update={"network": SMALL.network.model_copy(update={"depth": 3})})
    with pytest.raises(CheckpointError, match="is another network: network") as caught:
        run_training(request_for(tmp_path / "x", model=larger, init=tmp_path / "first/model"), DRUM_SONGS)
    assert caught.value.code == "E406"


TOGETHER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from made_up_training import QUICK, drum_song, request_for, run_training
from mixcli.training.processes import joined
settings = QUICK.model_copy(update={{"batch_size": 4, "accumulate": {accumulate}, "clip": 1.0}})
songs = [drum_song("A"), drum_song("B", seed=1), drum_song("V", "validation", seed=2)]
with joined("cpu") as processes:
    told = run_training(request_for(Path({out!r}), settings=settings), songs, processes=processes)
    if processes.is_first:
        print(processes.world_size, *(step.loss for step in told["steps"]))
        print(*(each.scores.loss for each in told["validations"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_two_processes_learn_what_one_learns_from_the_whole_batch(tmp_path, accumulate):
    said = {}
    for n_processes in (1, 2):
        code = TOGETHER.format(
            tests=str(Path(__file__).parent),
            accumulate=accumulate if n_processes == 2 else 2 * accumulate,
            out=str(tmp_path / str(n_processes)),
        )
        script = tmp_path / f"{n_processes}.py"
        script.write_text(code)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={n_processes}", str(script)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        said[n_processes] = [np.array(line.split(), float) for line in done.stdout.splitlines()]
    assert (said[1][0][0], said[2][0][0]) == (1, 2)
    assert said[2][0][1:] == pytest.approx(said[1][0][1:], abs=1e-6)
    assert said[2][1] == pytest.approx(said[1][1], abs=1e-6)
    one, two = weights_of(tmp_path / "1")["weights"], weights_of(tmp_path / "2")["weights"]
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
