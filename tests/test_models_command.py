"""`mixcli models`: list, info, verify, convert."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
from toolkit_checkpoint import random_state, write_checkpoint

from mixcli.models import model_paths
from mixcli.models.checkpoint import build_model, load_model, save_model
from mixcli.models.settings import MixDemucsSettings, MixWaveUNetSettings, ModelSettings, ToolkitSettings

DOCS = Path(__file__).parents[1] / "docs"
INPUTS = ("drums.kick", "drums.snare", "drums.overhead:L", "drums.overhead:R")
SMALL = {
    "mix_wave_u_net": MixWaveUNetSettings(depth=2, channel_growth=4),
    "toolkit": ToolkitSettings(depth=2, channel_growth=4),
    "mix_demucs": MixDemucsSettings(depth=2, channels=4),
}


def settings_of(layout) -> ModelSettings:
    words = {"licence": "CC0-1.0", "data": "none: random weights"}
    return ModelSettings(layout=layout, inputs=INPUTS, sample_rate=8_000, network=SMALL[layout], **words)


@pytest.fixture(params=SMALL)
def layout(request):
    return request.param


@pytest.fixture
def model(layout, tmp_path, monkeypatch):
    """A small model of every layout on disk; gives the path of its weights."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(1)
    save_model(Path("small.safetensors"), build_model(settings_of(layout)), settings_of(layout))
    return Path("small.safetensors")


def test_every_layout_is_saved_and_loaded_bit_for_bit(model, layout):
    torch.manual_seed(1)
    made, loaded = build_model(settings_of(layout)).state_dict(), load_model(model)
    assert loaded.settings == settings_of(layout)
    assert list(loaded.module.state_dict()) == list(made)
    assert all(torch.equal(tensor, made[name]) for name, tensor in loaded.module.state_dict().items())


def test_every_layout_mixes_a_song(model, make_song, run):
    song = make_song("Drums", seconds=1.0, stems={"Kick": 60, "Snare": 190, "OH L": 700, "OH R": 650})
    code, out, err = run("mix", song, "--model", model)
    assert code == 0, err
    mix_TC, rate = soundfile.read(out.strip())
    assert (mix_TC.shape, rate) == ((8_000, 2), 8_000)
    assert np.abs(mix_TC).max() > 0.01
    part = run("mix", song, "--model", model, "--start", "0.3", "--duration", "0.2", "--name", "part")
    assert part[0] == 0


def test_settings_of_another_layout_are_refused(model, layout, run):
    about = json.loads(model.with_suffix(".json").read_text())
    for other in SMALL:
        if other != layout:
            about["settings"]["layout"] = other
            model.with_suffix(".json").write_text(json.dumps(about))
            code, _, err = run("models", "verify", model)
            assert (code, "error[E404]" in err) == (4, True)


def test_info_says_what_a_model_is(model, layout, run):
    code, out, _ = run("models", "info", model)
    facts = dict(line.split(": ", 1) for line in out.splitlines())
    assert code == 0
    assert (facts["layout"], facts["inputs"]) == (layout, ", ".join(INPUTS))
    assert (facts["licence"], facts["data"]) == ("CC0-1.0", "none: random weights")
    network = load_model(model).module
    assert facts["parameters"] == f"{sum(each.numel() for each in network.parameters()):,}"
    if layout == "mix_demucs":
        assert facts["reach"] == "all of the song that it is given at once"
    else:
        seconds = f"{network.reach / 8_000:.2f} s"
        assert facts["reach"] == f"{network.reach:,} samples ({seconds}) to either side of a sample"


def documented(schema: str) -> list[str]:
    text = (DOCS / "json.md").read_text("utf-8").split(f"## `{schema}`\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", text, re.M)


def test_the_keys_of_the_documents_are_those_documented(model, run, monkeypatch):
    info = json.loads(run("models", "info", model, "--json")[1])
    assert list(info) == documented("mixcli.model-info/1")
    monkeypatch.setattr(model_paths, "WEIGHTS", Path.cwd())
    listed = json.loads(run("models", "list", "--json")[1])
    keys = [*listed, *(f"models[].{key}" for key in listed["models"][0])]
    keys.remove("models")
    assert keys == documented("mixcli.models/1")
    assert info["schema"] == "mixcli.model-info/1"
    assert {key: info[key] for key in listed["models"][0]} == listed["models"][0]


def test_list_says_that_there_is_none_and_which_there_are(run, tmp_path, monkeypatch):
    monkeypatch.setattr(model_paths, "WEIGHTS", tmp_path)
    assert run("models", "list") == (0, "", "no network is installed; the console mixes alone\n")
    for name, layout in [("kit", "toolkit"), ("base", "mix_wave_u_net")]:
        save_model(tmp_path / f"{name}.safetensors", build_model(settings_of(layout)), settings_of(layout))
    _, out, _ = run("models", "list")
    first, second = out.splitlines()
    assert re.fullmatch(r"base  mix_wave_u_net, 4 inputs, 8000 Hz, [\d,]+ parameters, CC0-1.0", first)
    assert second.startswith("kit   toolkit, 4 inputs")
    assert run("models", "verify", "kit")[0] == 0


def test_verify_passes_a_whole_model_and_says_what_noise_becomes(model, layout, run):
    code, out, _ = run("models", "verify", model)
    assert code == 0
    assert re.match(rf"small: valid \({layout}, [\d,]+ parameters, sha256 [0-9a-f]{{12}}…; noise at", out)
    loaded = load_model(model)
    noise_KT = 0.1 * torch.randn(4, 8_000, generator=torch.Generator().manual_seed(0))
    n_after = loaded.module.valid_input_length(8_000) - loaded.module.context - 8_000
    padded_KT = torch.nn.functional.pad(noise_KT, (loaded.module.context, n_after))
    power = loaded.module(padded_KT[None])[0, :, :8_000].double().square().mean()
    level_db = float(re.search(r"out as (\S+) dBFS", out)[1].replace("−", "-"))
    assert level_db == pytest.approx(10 * np.log10(float(power)), abs=0.051)


def test_verify_refuses_a_touched_file_and_one_that_mixes_to_nothing_finite(model, layout, run):
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    code, out, err = run("models", "verify", model)
    assert (code, out) == (4, "")
    assert "the sha256 differs" in err
    network = build_model(settings_of(layout))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("weight"):
                parameter.mul_(1e30)  # finite, but not what comes out
    save_model(model, network, settings_of(layout))
    code, _, err = run("models", "verify", model)
    assert (code, "come" in err, "not finite" in err) == (4, True, True)


def test_our_own_checkpoint_converts_and_keeps_what_it_says(model, layout, run):
    loaded = load_model(model)
    weights = {"settings": loaded.settings.model_dump_json(), "weights": loaded.module.state_dict()}
    torch.save(weights | {"step": 7, "optimizer": {"state": {}}}, "best.pt")
    code, out, err = run("models", "convert", "best.pt")
    assert (code, out) == (0, "best.safetensors\n"), err
    assert Path("best.safetensors").read_bytes() == model.read_bytes()
    assert Path("best.json").read_bytes() == model.with_suffix(".json").read_bytes()
    code, out, err = run("models", "convert", "best.pt", "--half", "--out", "small-half.safetensors")
    assert code == 0, err
    assert Path(out.strip()).stat().st_size < 0.6 * model.stat().st_size
    assert run("models", "verify", "small-half.safetensors")[0] == 0
    code, _, err = run("models", "convert", "best.pt", "--inputs", "kick,snare,hihat,tom", "--force")
    assert (code, "names its own inputs" in err) == (4, True)


def test_a_run_of_training_is_a_model_by_its_folder(model, run):
    folder = Path("run-3") / "model"
    folder.mkdir(parents=True)
    model.rename(folder / "model.safetensors")
    model.with_suffix(".json").rename(folder / "model.json")
    assert run("models", "verify", "run-3")[1].startswith("run-3: valid")
    assert run("models", "verify", "run-3/model")[1].startswith("run-3: valid")


@pytest.fixture
def four(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = random_state(4, (5, 10), kernel=7, output_kernel=3)
    return write_checkpoint(Path("four.ckpt"), state)


def test_convert_names_the_inputs_as_it_is_told(four, run):
    words = (
        "--inputs",
        "kick, drums.snare,overhead:L,overhead:R",
        "--licence",
        "CC BY 4.0",
        "--data",
        "mine",
    )
    code, out, err = run("models", "convert", four, *words)
    assert (code, out) == (0, "four.safetensors\n"), err
    about = json.loads(Path("four.json").read_text())["settings"]
    assert about["inputs"] == list(INPUTS)
    assert (about["licence"], about["data"], about["layout"]) == ("CC BY 4.0", "mine", "toolkit")
    tensors = safetensors.torch.load_file("four.safetensors")
    assert tensors["down.0.weight"].shape == (5, 4, 7)


@pytest.mark.parametrize(
    ("words", "exit_code", "told"),
    [
        ((), 4, 'error[E408]: "four.ckpt" has 4 inputs and does not say'),
        (("--inputs", "kick"), 4, 'error[E408]: "four.ckpt" has 4 inputs; 1 were named.'),
        (("--inputs", "kick,kcik,snare,tom"), 4, 'error[E405]: no role "kcik".'),
        (("--inputs", "kick,kick,snare,tom"), 4, "error[E411]: --inputs: an input is named twice."),
        (("--inputs", ""), 2, "error[E211]"),
        (("--out", "four.pt"), 2, 'error[E232]: "four.pt": models are written as .safetensors.'),
        (
            ("--inputs", "kick,snare,tom,hihat", "--licence", "x" * 2000),
            4,
            'error[E411]: models convert: "lic',
        ),
    ],
)
def test_what_cannot_be_converted_is_told_in_one_line_and_leaves_nothing(four, run, words, exit_code, told):
    code, out, err = run("models", "convert", four, *words)
    assert (code, out) == (exit_code, "")
    assert err.startswith(told)
    assert [each.name for each in Path.cwd().iterdir()] == ["four.ckpt"]


def test_convert_writes_over_nothing_unless_forced(four, run):
    Path("four.json").write_text("mine")
    words = ("--inputs", "kick,snare,overhead:L,overhead:R")
    code, _, err = run("models", "convert", four, *words)
    assert (code, err.splitlines()[0]) == (5, 'error[E501]: "four.json" exists already.')
    assert Path("four.json").read_text() == "mine"
    assert run("models", "convert", four, *words, "--force")[0] == 0
    code, _, err = run("models", "convert", "four.safetensors", "--force")
    assert (code, "is a model already" in err) == (4, True)
    assert run("models", "convert", "gone.ckpt")[0] == 4
