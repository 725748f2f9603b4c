"""Reading checkpoints of automix-toolkit, good ones and hostile ones."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import plucks, write_wav
from toolkit_checkpoint import plain_forward, random_state, write_checkpoint

from mixcli.errors import CheckpointError
from mixcli.models.checkpoint import load_checkpoint, load_model
from mixcli.models.settings import TOOLKIT_INPUTS, ToolkitSettings

SMALL = (5, 10, 15)
RATE = 8_000
MICROPHONES = {"Kick": 60, "Snare": 190, "HiHat": 900, "OH L": 700, "OH R": 650, "Tom 1": 120, "Tom 2": 90}


def small_state(n_inputs=8, **more):
    return random_state(n_inputs, SMALL, kernel=7, output_kernel=3, **more)


def refusal(path, inputs=None) -> CheckpointError:
    with pytest.raises(CheckpointError) as refused:
        load_checkpoint(path, inputs)
    assert refused.value.message.isprintable()
    return refused.value


@pytest.mark.parametrize("settings", [dict, argparse.Namespace])
def test_a_lightning_checkpoint_is_told_from_its_shapes(tmp_path, settings):
    state = small_state()
    path = write_checkpoint(tmp_path / "drums.ckpt", state, settings=settings)
    model = load_checkpoint(path)
    expected = ToolkitSettings(depth=3, channel_growth=5, down_kernel=7, up_kernel=7, output_kernel=3)
    assert (model.settings.layout, model.settings.network) == ("toolkit", expected)
    assert (model.settings.inputs, model.settings.sample_rate) == (TOOLKIT_INPUTS, 44_100)
    assert model.settings.input_peak_dbfs == -12
    inputs_BKT = torch.randn(2, 8, 64)
    assert (model.module(inputs_BKT) - plain_forward(state, inputs_BKT)).abs().max() <= 1e-5


def test_the_rate_is_that_of_its_settings_where_they_say_one(tmp_path):
    for value, rate in [(48_000, 48_000), ("fast", 44_100), (-1, 44_100), (None, 44_100), (True, 44_100)]:
        more = {"hyper_parameters": {"sample_rate": value}}
        path = write_checkpoint(tmp_path / "drums.ckpt", small_state(), **more)
        assert load_checkpoint(path).settings.sample_rate == rate


def test_weights_in_half_precision_are_read_as_they_are(tmp_path):
    state = small_state(dtype=torch.float16)
    model = load_checkpoint(write_checkpoint(tmp_path / "half.ckpt", state))
    assert torch.equal(model.module.bottleneck.weight, state["embedding.weight"].float())


def test_inputs_that_are_not_known_must_be_named(tmp_path):
    path = write_checkpoint(tmp_path / "four.ckpt", small_state(4))
    error = refusal(path)
    assert (error.code, error.exit_code) == ("E408", 4)
    assert error.message == '"four.ckpt" has 4 inputs and does not say what they are.'
    assert "--inputs" in error.hint
    four = ("drums.kick", "drums.snare", "drums.overhead:L", "drums.overhead:R")
    assert load_checkpoint(path, four).settings.inputs == four
    assert "4 inputs; 3 were named" in refusal(path, four[:3]).message
    assert ":L and :R" in refusal(path, (*four[:2], "drums.tom:1", "drums.overhead:R")).message


def without(name):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


def changed(name, change):
    return lambda state: state | {name: change(state[name])}


@pytest.mark.parametrize(
    "change",
    [
        without("embedding.bias"),
        without("decoder.1.bn.running_mean"),
        without("encoder.0.prelu.weight"),
        lambda state: state | {"decoder.9.conv.weight": torch.zeros(1)},
        changed("encoder.1.conv2.weight", lambda tensor: tensor[:, :, 1:]),
        changed("decoder.0.conv.weight", lambda tensor: tensor[:, 1:]),
        changed("decoder.0.conv.weight", lambda tensor: tensor[:, :15]),  # of a network whose skips add
        changed("decoder.0.conv.bias", lambda tensor: tensor.long()),
        changed("decoder.0.conv.bias", lambda tensor: tensor.to(torch.complex64)),
        changed("encoder.0.prelu.weight", lambda tensor: tensor[:1]),
        changed("output_conv.weight", lambda tensor: torch.cat([tensor, tensor])),
        changed("output_conv.weight", lambda tensor: tensor[:, :, :2]),
        changed("encoder.0.conv1.weight", lambda _: torch.zeros(1).expand(200_000, 8, 13)),
        changed("encoder.0.conv1.weight", lambda _: torch.zeros(0, 8, 13)),
    ],
)
def test_networks_of_another_layout_are_refused(tmp_path, change):
    path = write_checkpoint(tmp_path / "other.ckpt", change(small_state()))
    error = refusal(path)
    assert error.code == "E404"
    assert "of another layout" in error.message


def test_tensors_that_claim_more_than_they_store_are_refused_before_memory_is_taken(tmp_path):
    state = random_state(8, (200, 400, 600), kernel=3)
    swollen = {
        name: torch.zeros((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()
    }
    path = write_checkpoint(tmp_path / "swollen.ckpt", swollen)
    assert path.stat().st_size < 100_000
    assert "of another layout" in refusal(path).message


@pytest.mark.parametrize(("name", "value"), [("encoder.0.conv1.bias", "nan"), ("output_conv.bias", "inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, name, value):
    state = small_state()
    state[name][0] = float(value)
    assert "not finite" in refusal(write_checkpoint(tmp_path / "x.ckpt", state)).message


def test_variances_below_zero_are_refused(tmp_path):
    state = small_state()
    state["decoder.1.bn.running_var"][2] = -1
    assert "variances below zero" in refusal(write_checkpoint(tmp_path / "x.ckpt", state)).message


class Payload:
    """Makes a folder when it is unpickled by a loader that runs what it reads."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("place", ["callbacks", "hyper_parameters", "epoch", "state_dict"])
def test_a_checkpoint_that_would_run_something_is_not_loaded_wherever_that_lies(tmp_path, place):
    marker = tmp_path / "marker"
    payload = Payload(marker)
    path = tmp_path / "drums.ckpt"
    content = {"hyper_parameters": {"model": payload}, "callbacks": {"callbacks": {"x": payload}}}
    more = content.get(place, {place: payload})
    write_checkpoint(path, small_state(), **more)
    error = refusal(path)
    assert error.code == "E403"
    assert f"{os.mkdir.__module__}.mkdir" in error.message
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # so the test would have noticed


class Setting(argparse.Namespace):
    """A class that is not the one allowed, though it is derived from it."""


def test_only_the_plain_namespace_is_let_in_and_it_stays_outside_elsewhere(tmp_path):
    path = write_checkpoint(tmp_path / "own.ckpt", small_state(), settings=Setting)
    assert "Setting" in refusal(path).message
    plain = write_checkpoint(tmp_path / "plain.ckpt", small_state())
    load_checkpoint(plain)
    with pytest.raises(Exception, match=r"argparse\.Namespace"):
        torch.load(plain, weights_only=True)  # letting it in was for that one file


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": None},
        {"state_dict": {}},
        {"state_dict": {"model.encoder.spec_bn.weight": torch.ones(1)}},  # of another of its networks
        {"state_dict": {3: torch.ones(1), "model.embedding.weight": torch.ones(1)}},
        {"state_dict": [1, 2]},
        [],
        torch.ones(3),
        {"weights": {}},
    ],
)
def test_what_is_neither_ours_nor_theirs_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.ckpt")
    error = refusal(tmp_path / "x.ckpt")
    assert (error.code, "nor of a layout that it reads" in error.message) == ("E404", True)
    assert "automix-toolkit" in error.hint


@pytest.fixture
def drums(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, (name, frequency_hz) in enumerate(MICROPHONES.items()):
        samples_T = plucks(frequency_hz, 1.0, every_s=0.2 + 0.05 * number, level=0.05 + 0.1 * number)
        write_wav(tmp_path / "Drums" / f"{name}.wav", samples_T)
    return tmp_path / "Drums"


def mixed(run, song, model, out):
    options = ("--loudness-mode", "measure", "--bit-depth", "32f", "--model", model, "-o", out)
    code, path, err = run("mix", song, *options)
    assert code == 0, err
    return soundfile.read(path.strip(), always_2d=True)[0]


def test_a_checkpoint_mixes_a_song_as_plain_calls_do_once_its_inputs_peak_at_minus_12_dbfs(run, drums):
    state = small_state()
    path = write_checkpoint(
        drums.parent / "drums.ckpt", state, hyper_parameters={"sample_rate": RATE, "lr": 1.0}
    )
    mix_TC = mixed(run, drums, path, "direct")
    inputs_KT = np.zeros((8, RATE))  # the third tom is silence
    for number, name in enumerate(MICROPHONES):
        samples_T = soundfile.read(drums / f"{name}.wav")[0]
        inputs_KT[number] = samples_T * 10 ** (-12 / 20) / np.abs(samples_T).max()
    double = {name: tensor.double() for name, tensor in state.items()}
    expected_BCT = plain_forward(double, torch.from_numpy(inputs_KT)[None])  # 8,000 is a multiple of 8
    assert np.abs(mix_TC.T - expected_BCT[0].numpy()).max() <= 1e-5 * max(1, expected_BCT.abs().max())


def test_a_converted_checkpoint_mixes_the_same_to_the_bit(run, drums):
    path = write_checkpoint(
        drums.parent / "drums.ckpt", small_state(), hyper_parameters={"sample_rate": RATE}
    )
    code, out, err = run("models", "convert", path, "--out", "models/kit.safetensors")
    assert (code, out) == (0, "models/kit.safetensors\n"), err
    assert sorted(each.name for each in Path("models").iterdir()) == ["kit.json", "kit.safetensors"]
    assert np.array_equal(mixed(run, drums, path, "a"), mixed(run, drums, "models/kit.safetensors", "b"))
    assert load_model("models/kit.safetensors").settings == load_model(path).settings
