"""Mixing with a network through the command line: residuals behind the console, and networks on their own."""

import json
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
import torch
import yaml
from scipy import signal

from mixcli.models.checkpoint import build_model, save_model
from mixcli.models.settings import BUS_INPUTS, MixWaveUNetSettings, ModelSettings
from mixcli.songs.roles import BUSES

MEASURE = ("--loudness-mode", "measure", "--bit-depth", "32f")
DRUMS = (
    "drums.hihat",
    "drums.kick",
    "drums.overhead:L",
    "drums.overhead:R",
    "drums.snare",
    "drums.tom:1",
    "drums.tom:2",
    "drums.tom:3",
)


def write_model(path, rate, *, residual, seed=0):
    """A small network with every layer random, the last one too."""
    network = {"depth": 2, "channel_growth": 4}
    if residual:
        network |= {"downsampling": "filtered", "upsampling": "filtered", "bias": False}
    settings = ModelSettings(
        inputs=BUS_INPUTS if residual else DRUMS,
        outputs="residual" if residual else "mix",
        sample_rate=rate,
        network=MixWaveUNetSettings(**network),
        licence="CC0",
        data="none: random weights",
    )
    generator = torch.Generator().manual_seed(seed)
    model = build_model(settings)
    for name, parameter in model.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 1
        scale = (2 / fan_in) ** 0.5 if parameter.ndim > 1 else 0.01
        torch.nn.init.normal_(parameter, 0, scale, generator=generator)
        assert parameter.abs().max() > 0, name
    save_model(path, model, settings)
    return path


@pytest.fixture
def song(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_song(seconds=3)


def mixed(run, *arguments):
    code, out, err = run("mix", *arguments)
    assert code == 0, err
    return soundfile.read(out.strip(), dtype="float64", always_2d=True)[0]


@pytest.mark.parametrize("model_rate", [8_000, 11_025])
def test_a_residual_takes_part_and_the_ledger_sums(run, song, tmp_path, model_rate):
    model = write_model(tmp_path / "small.safetensors", model_rate, residual=True)
    options = ("-m", model, "--bit-depth", "32f", "--terms", "stems", "-o", "out")
    mix_TC = mixed(run, song, *options)
    terms = {
        path.stem: soundfile.read(path, dtype="float64")[0] for path in Path("out/Song A.terms").iterdir()
    }
    assert {f"residual {bus}" for bus in BUSES} <= set(terms)
    assert np.abs(sum(terms.values()) - mix_TC).max() <= 1e-6  # -120 dBFS
    assert np.abs(terms["residual kick"]).max() > 1e-3
    result = json.loads(Path("out/Song A.mix.json").read_text())
    assert result["model"]["name"] == str(model)
    # signal.md's bound: the residual of a bus stays 6 dB below it; here over the whole song
    kick = terms["Kick"]
    assert (terms["residual kick"] ** 2).sum() <= 10 ** (-6 / 10) * (kick**2).sum() * 1.001
    assert np.abs(terms["residual guitars"]).max() <= np.abs(terms["Gtr"]).max()


def test_amount_0_is_the_console_alone_to_the_bit(run, song, tmp_path):
    model = write_model(tmp_path / "small.safetensors", 8_000, residual=True)
    console_TC = mixed(run, song, *MEASURE, "-o", "console")
    silent_TC = mixed(run, song, *MEASURE, "-m", model, "--amount", "0", "-o", "silent")
    full_TC = mixed(run, song, *MEASURE, "-m", model, "-o", "full")
    half_TC = mixed(run, song, *MEASURE, "-m", model, "--amount", "0.5", "-o", "half")
    assert np.array_equal(console_TC, silent_TC)
    assert np.abs(full_TC - console_TC).max() > 1e-3
    assert np.abs((full_TC + console_TC) / 2 - half_TC).max() <= 1e-6


def test_a_preview_with_a_network_is_a_part_of_the_mix(run, song, tmp_path):
    model = write_model(tmp_path / "small.safetensors", 11_025, residual=True)
    whole_TC = mixed(run, song, *MEASURE, "-m", model, "-o", "whole")
    part_TC = mixed(run, song, *MEASURE, "-m", model, "--start", "1.3", "--duration", "0.7", "-o", "part")
    assert np.abs(part_TC - whole_TC[10_400:16_000]).max() <= 1e-6


def test_the_recipe_names_the_network_and_renders_with_it_again(run, song, tmp_path):
    model = write_model(tmp_path / "small.safetensors", 8_000, residual=True)
    first_TC = mixed(run, song, "-m", model, "--amount", "0.7", "-o", "first")
    again_TC = mixed(run, song, "--recipe", "first/Song A.recipe.yaml", "-o", "again")
    assert np.array_equal(first_TC, again_TC)
    write_model(tmp_path / "small.safetensors", 8_000, residual=True, seed=1)
    code, _, err = run("mix", song, "--recipe", "first/Song A.recipe.yaml", "-o", "third")
    assert code == 4
    assert "E417" in err


def test_a_network_named_beside_a_recipe_of_the_console_takes_part(run, song, tmp_path):
    model = write_model(tmp_path / "small.safetensors", 8_000, residual=True)
    mixed(run, song, *MEASURE, "-o", "console")
    recipe = Path("console/Song A.recipe.yaml")
    with_TC = mixed(run, song, *MEASURE, "-m", model, "-o", "with")
    again_TC = mixed(run, song, *MEASURE, "--recipe", recipe, "-m", model, "-o", "again")
    assert np.array_equal(with_TC, again_TC)
    text = recipe.read_text()
    start, stop = text.index("  guitars:"), text.index("  keys:")
    (tmp_path / "fewer.yaml").write_text(text[: text.index("  keys:")] + text[text.index("  lead:") :])
    assert start < stop
    fewer_TC = mixed(run, song, *MEASURE, "--recipe", tmp_path / "fewer.yaml", "-m", model, "-o", "fewer")
    assert np.array_equal(with_TC, fewer_TC)  # no stem uses the bus that is not named


def test_a_network_that_mixes_drums_refuses_a_song_with_a_voice(run, song, tmp_path):
    model = write_model(tmp_path / "drums.safetensors", 8_000, residual=False)
    code, out, err = run("mix", song, "-m", model)
    assert (code, out) == (4, "")
    assert 'error[E402]: model "drums" mixes drums only (8 inputs); this song has' in err
    assert not Path("mixes").exists()


def test_a_network_that_mixes_drums_is_crossfaded_with_the_console(run, make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drums = make_song("Drums", seconds=3, stems={"Kick": 60, "Snare": 190, "HiHat": 900, "Tom 1": 120})
    model = write_model(tmp_path / "drums.safetensors", 8_000, residual=False)
    console_TC = mixed(run, drums, *MEASURE, "--amount", "0", "-o", "a")
    network_TC = mixed(run, drums, *MEASURE, "-m", model, "-o", "b")
    half_TC = mixed(run, drums, *MEASURE, "-m", model, "--amount", "0.5", "-o", "c", "--terms", "stems")
    assert np.abs(network_TC - console_TC).max() > 1e-3
    recipe = yaml.safe_load(Path("c/Drums.recipe.yaml").read_text())["network"]
    # Both come at one loudness: the gain is what another meter finds between the two mixes.
    found_db = integrated_lufs(console_TC) - integrated_lufs(network_TC)
    assert abs(found_db) > 3
    assert recipe["gain_db"] == pytest.approx(found_db, abs=0.02)
    assert json.loads(Path("c/Drums.mix.json").read_text())["model"]["gain_db"] == recipe["gain_db"]
    levelled_TC = network_TC * 10 ** (recipe["gain_db"] / 20)
    assert np.abs((levelled_TC + console_TC) / 2 - half_TC).max() <= 1e-6
    terms = [soundfile.read(path, dtype="float64")[0] for path in Path("c/Drums.terms").iterdir()]
    assert np.abs(sum(terms) - half_TC).max() <= 1e-6
    assert "gain_db" not in yaml.safe_load(Path("b/Drums.recipe.yaml").read_text())["network"]


def test_the_level_of_a_network_is_that_of_the_whole_song_and_a_recipe_keeps_it(
    run, make_song, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    drums = make_song("Drums", seconds=3, stems={"Kick": 60, "Snare": 190})
    model = write_model(tmp_path / "drums.safetensors", 8_000, residual=False)
    half = ("-m", model, "--amount", "0.25")
    whole_TC = mixed(run, drums, *MEASURE, *half, "-o", "whole")
    part_TC = mixed(run, drums, *MEASURE, *half, "--start", "1", "--duration", "0.5", "-o", "part")
    assert np.abs(part_TC - whole_TC[8_000:12_000]).max() <= 1e-6
    recipe = Path("whole/Drums.recipe.yaml")
    again_TC = mixed(run, drums, *MEASURE, "--recipe", recipe, "-o", "again")
    assert np.array_equal(again_TC, whole_TC)
    gain_db = yaml.safe_load(recipe.read_text())["network"]["gain_db"]
    Path("up.yaml").write_text(recipe.read_text().replace(f"gain_db: {gain_db}", f"gain_db: {gain_db + 6}"))
    louder_TC = mixed(run, drums, *MEASURE, "--recipe", "up.yaml", "-o", "louder")
    network_TC = mixed(run, drums, *MEASURE, "-m", model, "-o", "network")
    more = 0.25 * 10 ** (gain_db / 20) * (10 ** (6 / 20) - 1)
    assert np.abs(louder_TC - whole_TC - more * network_TC).max() <= 1e-6


def integrated_lufs(mix_TC):
    return pyloudnorm.Meter(8_000).integrated_loudness(mix_TC)


def test_the_network_hears_the_stems_as_they_are_at_its_inputs(run, make_song, tmp_path, monkeypatch):
    """The mix is the network's forward pass over the raw stems, padded by its context, with no offset."""
    monkeypatch.chdir(tmp_path)
    drums = make_song("Drums", seconds=1, stems={"Kick": 60, "Snare": 190, "HiHat": 900})
    model_path = write_model(tmp_path / "drums.safetensors", 8_000, residual=False)
    mix_TC = mixed(run, drums, *MEASURE, "-m", model_path, "-o", "out")
    from mixcli.models.checkpoint import load_model

    module = load_model(model_path).module
    stems_KT = np.zeros((8, 8_000), np.float32)
    for index, name in ((0, "HiHat"), (1, "Kick"), (4, "Snare")):
        stems_KT[index] = soundfile.read(drums / f"{name}.wav", dtype="float32")[0]
    context = module.context
    length = module.valid_input_length(8_000)
    padded_KT = np.pad(stems_KT, ((0, 0), (context, length - 8_000 - context)))
    with torch.inference_mode():
        expected_CT = module(torch.from_numpy(padded_KT)[None])[0, :, :8_000].numpy()
    no_offset = signal.butter(1, 1.0, "highpass", fs=8_000, output="sos")
    assert np.abs(mix_TC.T - signal.sosfilt(no_offset, expected_CT)).max() <= 1e-5
