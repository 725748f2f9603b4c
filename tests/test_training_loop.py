"""The loop: that it learns, what it keeps, when it stops, and what it leaves behind."""

import csv
import json
import math
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch
from made_up_training import (
    QUICK,
    RATE,
    SMALL,
    SMALL_BASE,
    bus_song,
    drum_song,
    request_for,
    run_training,
)

from mixcli.engine.residual import ResidualRenderer
from mixcli.errors import DeviceError, SettingsError, SongError, TrainingError
from mixcli.models.checkpoint import load_model
from mixcli.models.network import render_whole
from mixcli.settings import TrainSettings, load_preset, override
from mixcli.training.check import check_training
from mixcli.training.losses import si_sdr_db
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.processes import Processes
from mixcli.training.schedule import step_size, total_steps

SONGS = [drum_song("A"), drum_song("B", seed=1), drum_song("V", "validation", seed=2)]


def changed(song, inputs_KT=None, target_CT=None):
    return PreparedSong(
        name=song.name,
        group=song.group,
        part=song.part,
        sample_rate=song.sample_rate,
        inputs_KT=song.inputs_KT if inputs_KT is None else inputs_KT.astype(np.float32),
        target_CT=song.target_CT if target_CT is None else target_CT.astype(np.float32),
    )


def test_on_one_repeated_piece_the_loss_falls_below_a_tenth(tmp_path):
    settings = QUICK.model_copy(update={"lr": 1e-2, "batch_size": 1, "steps": 100, "steps_per_epoch": 100})
    song = drum_song("A", seconds=0.1)
    losses = [each.loss for each in run_training(request_for(tmp_path, settings=settings), [song])["steps"]]
    assert losses[-1] < losses[0] / 10


def test_residuals_learn_what_the_console_lacks(tmp_path):
    """Two buses of eight have other gains in the target: the network behind the console finds some of it."""
    settings = QUICK.model_copy(
        update={
            "stft": 1,
            "l1": 0,
            "stft_sizes": (256, 64),
            "gain_match": True,
            "lr": 3e-3,
            "steps": 60,
            "steps_per_epoch": 60,
        }
    )
    songs = [bus_song("A"), bus_song("B", seed=1), bus_song("V", "validation", seed=2)]
    told = run_training(request_for(tmp_path, model=SMALL_BASE, settings=settings), songs)
    first, last = (validation.scores for validation in told["validations"])
    assert told["began"].console == first  # residuals begin at nothing
    # before any step the mix is the console's: the energy of the target beyond its share of the console's mix
    gains = np.array([1.3, 0.8, 1, 1, 1, 1, 1, 1])
    expected_db = 10 * math.log10(gains.mean() ** 2 / gains.var())
    assert first.si_sdr_db == pytest.approx(expected_db, abs=0.5)
    assert last.si_sdr_db > first.si_sdr_db + 6
    assert last.loss < first.loss / 2


def test_validation_judges_the_mix_that_mixing_would_make(tmp_path):
    """SI-SDR of the pieces is that of one pass over the whole song; behind the console, bound included."""
    songs = {"mix": SONGS, "residual": [bus_song("A"), bus_song("V", "validation", seed=2)]}
    for model in (SMALL, SMALL_BASE):
        folder = tmp_path / model.outputs
        settings = QUICK.model_copy(update={"lr": 0.02, "segment_s": 0.5})
        told = run_training(request_for(folder, model=model, settings=settings), songs[model.outputs])
        trained = load_model(folder / "checkpoints" / "last.pt")
        song = songs[model.outputs][-1]
        if model.outputs == "mix":
            mix_CT = render_whole(trained.module, torch.from_numpy(song.inputs_KT))
            tolerance_db = 0.1  # the last cell of the grid of a piece looks beyond its context
        else:
            renderer = ResidualRenderer(trained, RATE, [1.0] * 8, 1.0)
            buses_KTC = song.inputs_KT[:16].reshape(8, 2, -1).transpose(0, 2, 1)
            residual_KTC = renderer.push(
                np.ascontiguousarray(buses_KTC), np.ascontiguousarray(song.inputs_KT[16:].T), last=True
            )
            mix_CT = torch.from_numpy(song.inputs_KT[16:] + residual_KTC.sum(axis=0).T)
            tolerance_db = 0.3  # beyond a piece the bound hears silence
        expected_db = si_sdr_db(mix_CT, torch.from_numpy(song.target_CT))
        assert told["validations"][-1].scores.si_sdr_db == pytest.approx(expected_db, abs=tolerance_db)


def test_a_batch_in_parts_gives_the_gradient_of_the_whole(tmp_path):
    losses = []
    for parts in (1, 3):
        settings = QUICK.model_copy(update={"batch_size": 6, "accumulate": parts, "steps": 6})
        told = run_training(request_for(tmp_path / str(parts), settings=settings), SONGS)
        losses.append([(each.loss, each.gradient) for each in told["steps"]])
    assert np.array(losses[0]) == pytest.approx(np.array(losses[1]), abs=1e-6)


def test_16_bit_floats_are_near_32(tmp_path):
    told = {
        precision: run_training(request_for(tmp_path / precision, precision=precision), SONGS)
        for precision in ("f32", "bf16")
    }
    losses = {key: np.array([step.loss for step in each["steps"]]) for key, each in told.items()}
    assert losses["bf16"] == pytest.approx(losses["f32"], rel=0.05)
    assert not np.array_equal(losses["bf16"], losses["f32"])


def test_a_loss_that_is_no_number_stops_before_the_step_and_names_song_and_second(tmp_path):
    """A sample that is no number in one song: the checkpoint of the epoch before it is kept."""
    bad_KT = SONGS[1].inputs_KT.copy()
    bad_KT[0, 4000:4100] = np.nan
    songs = [SONGS[0], changed(SONGS[1], inputs_KT=bad_KT), SONGS[2]]
    settings = QUICK.model_copy(update={"steps": 400, "steps_per_epoch": 1, "validation_s": 0.1})
    with pytest.raises(TrainingError, match=r'not a number at "B" 0:00[.]\d') as caught:
        run_training(request_for(tmp_path / "run", settings=settings), songs)
    assert (caught.value.code, caught.value.exit_code) == ("E801", 8)
    number = int(caught.value.message.split(":")[0].removeprefix("step "))
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert last["training"]["progress"]["step"] == number - 1
    assert all(bool(torch.isfinite(weight).all()) for weight in last["weights"].values())
    load_model(tmp_path / "run" / "model")


def test_a_gradient_that_overflows_stops_before_the_step(tmp_path):
    song = changed(SONGS[0], 1e25 * SONGS[0].inputs_KT, 1e25 * SONGS[0].target_CT)
    with pytest.raises(TrainingError, match='gradient is not finite; the batch: "A"') as caught:
        run_training(request_for(tmp_path / "run"), [song])
    assert caught.value.code == "E802"


def test_training_ends_when_patience_runs_out_and_the_best_weights_stay(tmp_path):
    """Learnt from songs that say the opposite of the validation: each epoch is worse than the start."""
    inverse = [changed(song, target_CT=-song.target_CT) for song in SONGS[:2]]
    settings = QUICK.model_copy(update={"patience": 3, "steps": 400, "lr": 3e-3, "linear_start": False})
    told = run_training(request_for(tmp_path / "run", settings=settings), [*inverse, SONGS[2]])
    assert told["ended"].why == "patience"
    best = told["ended"].best_step
    assert told["ended"].step == best + 3 * settings.steps_per_epoch
    losses = {each.step: each.scores.loss for each in told["validations"]}
    assert losses[best] == min(losses.values()) == told["ended"].best.loss
    kept = load_model(tmp_path / "run" / "model").module.state_dict()
    last = load_model(tmp_path / "run" / "checkpoints" / "last.pt").module.state_dict()
    assert any(not torch.equal(kept[name], last[name]) for name in kept)


def test_a_deadline_ends_the_run_with_a_checkpoint(tmp_path):
    request = request_for(tmp_path / "run", deadline=time.monotonic())
    told = run_training(request, SONGS)
    assert (told["ended"].why, told["ended"].step) == ("time", 1)
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()


def test_between_epochs_it_is_saved_as_often_as_asked(tmp_path):
    bad_KT = SONGS[1].inputs_KT * np.nan
    settings = QUICK.model_copy(update={"steps_per_epoch": 1000, "steps": 1000, "batch_size": 1})
    songs = [SONGS[0], changed(SONGS[1], inputs_KT=bad_KT[:, :900], target_CT=SONGS[1].target_CT[:, :900])]
    with pytest.raises(TrainingError) as caught:
        run_training(request_for(tmp_path / "run", settings=settings, save_every=2), songs)
    number = int(caught.value.message.split(":")[0].removeprefix("step "))
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert last["training"]["progress"]["step"] == (number - 1) // 2 * 2


@pytest.mark.parametrize(
    ("change", "processes", "told"),
    [
        ({"batch_size": 3}, 2, "cannot be shared by 2 processes"),
        ({"accumulate": 3}, 1, "2 pieces cannot be taken in 3 parts"),
        ({"l1": 0}, 1, "nothing is to be learnt"),
        ({"stft": 1, "stft_sizes": (8192,)}, 1, "too short for the windows"),
        ({"schedule": "two-stage"}, 1, "needs a patience"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(tmp_path, change, processes, told):
    request = request_for(tmp_path / "run", settings=QUICK.model_copy(update=change))
    with pytest.raises(SettingsError, match=told) as caught:
        run_training(request, SONGS, processes=Processes(world_size=processes))
    assert caught.value.code == "E424"
    assert not (tmp_path / "run").exists()


def test_without_songs_or_a_device_nothing_begins(tmp_path):
    with pytest.raises(SongError) as caught:
        run_training(request_for(tmp_path / "run"), SONGS[2:])
    assert caught.value.code == "E381"
    request = request_for(tmp_path / "run")
    with pytest.raises(DeviceError) as caught:
        run_training(type(request)(**{**vars(request), "device": "cuda:99"}), SONGS)
    assert caught.value.code == "E601"
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_settings_songs_log_curve_samples_and_a_model_with_its_statement(tmp_path):
    settings = QUICK.model_copy(update={"steps": 12})
    sources = ("far/away/mine", "synth:drums=far/kits,sessions=8")
    told = run_training(request_for(tmp_path / "run", settings=settings, sources=sources), SONGS)
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("checkpoints", "config.yaml", "curve.svg", "data.json", "log.csv", "model", "samples"),
    ]
    about = json.loads((folder / "model" / "model.json").read_text())["settings"]
    assert about["data"] == "2 songs, 0.00 h, of mine, synth:drums=kits,sessions=8"
    data = json.loads((folder / "data.json").read_text())
    rows = [(row["name"], row["part"], row["seconds"]) for row in data["songs"]]
    assert rows == [("A", "train", 1), ("B", "train", 1), ("V", "validation", 1)]
    assert len({row["sha256"] for row in data["songs"]}) == 3
    with (folder / "log.csv").open() as file:
        log = list(csv.DictReader(file))
    assert [row["step"] for row in log] == ["0", "4", "8", "12"]
    for row, validation in zip(log, told["validations"], strict=True):
        assert float(row["val_loss"]) == pytest.approx(validation.scores.loss, rel=1e-5)
    mean = np.mean([step.loss for step in told["steps"][:4]])
    assert float(log[1]["loss"]) == pytest.approx(mean, rel=1e-5)
    assert ElementTree.parse(folder / "curve.svg").getroot().tag.endswith("svg")


def test_samples_are_excerpts_of_validation_songs_as_the_kept_model_mixes_them(tmp_path):
    run_training(request_for(tmp_path / "run"), SONGS)
    trained = load_model(tmp_path / "run" / "model")
    samples = tmp_path / "run" / "samples"
    mix_TC, rate = soundfile.read(samples / "1 V mix.wav", dtype="float32")
    target_TC, _ = soundfile.read(samples / "1 V target.wav", dtype="float32")
    assert rate == RATE
    song_TC = SONGS[2].target_CT.T
    start = next(at for at in range(len(song_TC)) if np.array_equal(song_TC[at : at + 50], target_TC[:50]))
    assert np.array_equal(song_TC[start : start + len(target_TC)], target_TC)
    whole_CT = render_whole(trained.module, torch.from_numpy(SONGS[2].inputs_KT)).numpy()
    assert np.abs(mix_TC[:500] - whole_CT.T[start : start + 500]).max() < 1e-5


def test_the_settings_of_a_run_are_a_preset_that_trains_in_the_same_way(tmp_path):
    from mixcli.training.model_choice import choose_model

    request = request_for(tmp_path / "run", model=SMALL_BASE)
    run_training(request, [bus_song("A")])
    preset = load_preset(str(tmp_path / "run" / "config.yaml"))
    assert preset.kinds == ("training",)
    assert override(TrainSettings(), preset.train.model_dump(exclude_unset=True)) == QUICK
    assert choose_model("paper", preset.model) == SMALL_BASE


def test_the_step_size_rises_and_falls_as_the_settings_say():
    cosine = QUICK.model_copy(
        update={"schedule": "cosine", "warmup_steps": 10, "steps": 110, "lr": 0.2, "final_lr": 0.1}
    )
    assert [step_size(cosine, step) for step in (0, 4, 9)] == pytest.approx([0.02, 0.1, 0.2])
    assert step_size(cosine, 60) == pytest.approx(0.1)  # half way down, cos(π/2) = 0
    assert step_size(cosine, 10 + 25) == pytest.approx(0.2 * (1 + math.sqrt(0.5)) / 2)
    assert step_size(cosine, 110) == pytest.approx(0, abs=1e-12)
    steps = QUICK.model_copy(update={"schedule": "steps", "steps": 100, "lr": 1.0})
    sizes = [step_size(steps, step) for step in (0, 84, 85, 94, 95, 99)]
    assert sizes == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    two = QUICK.model_copy(update={"schedule": "two-stage", "lr": 1e-4})
    assert [step_size(two, 10**6, stage=stage) for stage in (0, 1)] == [1e-4, 1e-5]
    assert total_steps(QUICK.model_copy(update={"steps": None, "epochs": 7})) == 28


def test_the_paper_s_preset_is_the_paper_s_training():
    """Adam at 1e-4 then 1e-5, batches of 16, 2000 a epoch, twenty epochs of patience, L1 and no more."""
    train = load_preset("train-paper").train
    assert (train.lr, train.final_lr, train.schedule, train.optimizer) == (1e-4, 1e-5, "two-stage", "adam")
    assert (train.batch_size, train.steps_per_epoch, train.patience, train.seed) == (16, 2000, 20, 1337)
    assert (train.l1, train.stft, train.sides, train.residual, train.gain_match) == (1, 0, 0, 0, False)
    assert (train.swap, train.polarity, train.gain_jitter_db, train.drop_input) == (0, 0, 0, 0)
    assert (train.linear_start, train.ema, train.clip) == (False, 0, None)
    for name in ("train-base", "train-drums", "train-toolkit", "train-demucs"):
        assert load_preset(name).train.linear_start


def test_a_check_takes_a_step_and_leaves_nothing_behind(tmp_path):
    began, stepped, validated = check_training(request_for(tmp_path / "run"), SONGS, Processes())
    assert (began.total_steps, stepped.step, validated.step) == (1, 1, 2)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_tensorboard_is_told_can_be_read_back(tmp_path):
    pytest.importorskip("tensorboard")
    settings = QUICK.model_copy(update={"segment_s": 0.3})
    told = run_training(request_for(tmp_path / "run", settings=settings, tensorboard=True), SONGS)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    found = [event.value for event in events.Scalars("training/loss")]
    assert found == pytest.approx([step.loss for step in told["steps"]])
    assert events.Tags()["audio"] == ["1 V"]
    assert events.Tags()["images"] == ["1 V spectrogram"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own compiler
def test_a_compiled_network_learns_the_same(tmp_path):
    losses = []
    for compiled in (False, True):
        settings = QUICK.model_copy(update={"steps": 3})
        request = request_for(tmp_path / str(compiled), settings=settings, compile=compiled)
        told = run_training(request, SONGS[:2])
        losses.append([step.loss for step in told["steps"]])
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
