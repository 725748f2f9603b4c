import hashlib
import io
import json
import os
import struct
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixcli.errors import CheckpointError, MixcliError
from mixcli.models import model_paths
from mixcli.models.checkpoint import build_model, load_model, save_model
from mixcli.models.model_paths import default_model, installed_models
from mixcli.models.network import render_whole
from mixcli.models.settings import BASE, BUS_INPUTS, PAPER, MixWaveUNetSettings, ModelSettings

TINY = ModelSettings(
    inputs=("drums.kick", "drums.overhead:L", "drums.overhead:R"),
    network=MixWaveUNetSettings(depth=2, channel_growth=4, down_kernel=5, bottleneck_kernel=5),
    sample_rate=8_000,
    licence="CC0-1.0",
    data="made up",
)


@pytest.fixture
def tiny(tmp_path):
    """A small model on disk; gives the path of its weights."""
    torch.manual_seed(1)
    path = tmp_path / "tiny.safetensors"
    save_model(path, build_model(TINY), TINY)
    return path


def refusal(path) -> CheckpointError:
    with pytest.raises(CheckpointError) as refused:
        load_model(path)
    assert refused.value.message.isprintable()  # one line, no control characters
    assert refused.value.exit_code == 4
    return refused.value


def test_a_saved_model_loads_with_the_same_output_bit_for_bit(tmp_path):
    model = build_model(TINY).eval()
    save_model(tmp_path / "tiny.safetensors", model, TINY)
    loaded = load_model(tmp_path / "tiny.safetensors")
    stems_KT = torch.randn(3, 50)
    assert torch.equal(render_whole(loaded.module, stems_KT), render_whole(model, stems_KT))
    assert (loaded.settings, loaded.name) == (TINY, "tiny")
    assert loaded.sha256 == hashlib.sha256((tmp_path / "tiny.safetensors").read_bytes()).hexdigest()
    assert not loaded.module.training
    assert not any(parameter.requires_grad for parameter in loaded.module.parameters())


def test_a_model_is_found_by_weights_settings_or_folder(tiny, tmp_path):
    folder = tmp_path / "drumkit"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(tiny.read_bytes())
    (folder / "model.json").write_bytes(tiny.with_suffix(".json").read_bytes())
    assert load_model(tiny.with_suffix(".json")).name == "tiny"
    assert load_model(str(folder)).name == "drumkit"


def test_half_the_size_is_what_16_bits_hold_and_sounds_the_same(tiny, tmp_path):
    """Against IEEE 754: 11 bits of a number are kept, so each weight is off by at most 2^-11 of it."""
    half = tmp_path / "half.safetensors"
    model = load_model(tiny).module
    save_model(half, model, TINY, half=True)
    weights = safetensors.torch.load_file(half)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    n_values = sum(tensor.numel() for tensor in weights.values())
    assert tiny.stat().st_size - half.stat().st_size == pytest.approx(2 * n_values, abs=100)
    loaded = load_model(half).module
    for name, exact in model.state_dict().items():
        kept = loaded.state_dict()[name]
        assert kept.dtype == torch.float32
        assert np.array_equal(kept.numpy(), exact.numpy().astype(np.float16))
        assert bool(((kept - exact).abs() <= exact.abs() * 2**-11 + 2**-25).all())
    stems_KT = 0.1 * torch.randn(3, 4000)
    mix_CT = render_whole(model, stems_KT)
    error = (render_whole(loaded, stems_KT) - mix_CT).square().mean() / mix_CT.square().mean()
    assert error < 1e-6


def test_what_16_bits_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    model = build_model(TINY)
    with torch.no_grad():
        model.output.bias.fill_(70_000)
    with pytest.raises(CheckpointError, match="65,504") as refused:
        save_model(tmp_path / "half.safetensors", model, TINY, half=True)
    assert refused.value.code == "E409"
    assert not list(tmp_path.iterdir())


def test_saving_twice_gives_the_same_bytes_and_leaves_nothing_else(tiny):
    before = {path.name: path.read_bytes() for path in tiny.parent.iterdir()}
    torch.manual_seed(1)
    save_model(tiny, build_model(TINY), TINY)
    assert {path.name: path.read_bytes() for path in tiny.parent.iterdir()} == before
    assert set(before) == {"tiny.safetensors", "tiny.json"}


def test_weights_are_readable_without_mixcli(tiny):
    tensors = safetensors.torch.load_file(tiny)
    assert tensors["down.0.weight"].shape == (4, 3, 5)
    assert tensors["up.1.weight"].shape == (4, 12, 5)
    assert json.loads(tiny.with_suffix(".json").read_text())["settings"]["inputs"] == list(TINY.inputs)


def test_a_model_that_is_not_there_is_named_with_its_nearest(tmp_path, monkeypatch):
    monkeypatch.setattr(model_paths, "WEIGHTS", tmp_path)
    assert (installed_models(), default_model()) == ([], None)
    assert refusal("base").message == 'no model "base". No model is installed.'
    for name in ["base", "drums"]:
        save_model(tmp_path / f"{name}.safetensors", build_model(TINY), TINY)
    (tmp_path / "kit").mkdir()
    save_model(tmp_path / "kit" / "model.safetensors", build_model(TINY), TINY)
    assert (installed_models(), default_model()) == (["base", "drums", "kit"], "base")
    assert [load_model(name).name for name in installed_models()] == ["base", "drums", "kit"]
    error = refusal("bse")
    assert error.message == 'no model "bse". Installed: base, drums, kit.'
    assert (error.code, error.hint) == ("E401", 'did you mean "base"?')
    assert refusal(tmp_path / "gone.safetensors").code == "E401"


def rewritten(path, change) -> None:
    """Change the tensors of a weights file, keeping the settings file in step with it."""
    content = safetensors.torch.save(change(safetensors.torch.load(path.read_bytes())))
    settle(path, content)


def settle(path, content: bytes) -> None:
    path.write_bytes(content)
    about = json.loads(path.with_suffix(".json").read_text())
    about["weights_sha256"] = hashlib.sha256(content).hexdigest()
    path.with_suffix(".json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tensors: {**tensors, "extra": torch.zeros(1)}, "'extra' does not belong"),
        (
            lambda tensors: {n: t for n, t in tensors.items() if n != "output.bias"},
            '"output.bias" is missing',
        ),
        (lambda tensors: {n.replace("down", "Down"): t for n, t in tensors.items()}, "is missing"),
        (lambda tensors: {n: t.flatten() for n, t in tensors.items()}, "another shape or type"),
        (lambda tensors: {n: t.transpose(0, -1).contiguous() for n, t in tensors.items()}, "another shape"),
        (lambda tensors: {n: t.double() for n, t in tensors.items()}, "another shape or type"),
        (lambda tensors: {n: t.bfloat16() for n, t in tensors.items()}, "another shape or type"),
        (lambda tensors: {n: t.int() for n, t in tensors.items()}, "another shape or type"),
        (lambda tensors: {n: t * float("nan") for n, t in tensors.items()}, "not finite"),
        (lambda tensors: {n: t + float("inf") for n, t in tensors.items()}, "not finite"),
        (lambda tensors: {}, "is missing"),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(tiny, change, told):
    rewritten(tiny, change)
    error = refusal(tiny)
    assert error.code == "E404"
    assert told in error.message


def test_a_tensor_named_twice_is_refused(tiny):
    content = tiny.read_bytes()
    (n_header,) = struct.unpack("<Q", content[:8])
    header = content[8 : 8 + n_header].decode().rstrip()
    entry = json.loads(header)["output.bias"]
    header = header[:-1] + f',"output.bias":{json.dumps(entry)}}}'
    settle(tiny, struct.pack("<Q", len(header)) + header.encode() + content[8 + n_header :])
    assert "header is not valid" in refusal(tiny).message


@pytest.mark.parametrize("n_header", [0, 1, 2**20 + 1, 2**40, 2**64 - 1])
def test_a_header_of_absurd_size_is_refused(tiny, n_header):
    settle(tiny, struct.pack("<Q", n_header) + tiny.read_bytes()[8:])
    assert "header is cut short or too large" in refusal(tiny).message


@pytest.mark.parametrize("header", [b"{" * 5000, b"[]", b"\xff\xfe", b'{"output.bias": 3}', b'{"a": [' * 900])
def test_a_header_that_is_not_one_is_refused(tiny, header):
    settle(tiny, struct.pack("<Q", len(header)) + header + tiny.read_bytes())
    assert refusal(tiny).code == "E404"


def test_a_weights_file_cut_anywhere_or_longer_is_refused(tiny):
    content = tiny.read_bytes()
    for n_bytes in [0, 5, 8, 100, len(content) // 2, len(content) - 1]:
        settle(tiny, content[:n_bytes])
        assert refusal(tiny).code == "E404"
    settle(tiny, content + b"\0")
    assert refusal(tiny).code == "E404"


def test_overlapping_tensors_are_refused(tiny):
    content = tiny.read_bytes()
    (n_header,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + n_header])
    for entry in header.values():
        if "data_offsets" in entry:
            entry["data_offsets"] = [0, entry["data_offsets"][1] - entry["data_offsets"][0]]
    text = json.dumps(header).encode()
    settle(tiny, struct.pack("<Q", len(text)) + text + content[8 + n_header :])
    assert refusal(tiny).code == "E404"


def test_weights_of_another_model_are_refused(tiny):
    torch.manual_seed(2)
    save_model(tiny.with_name("other.safetensors"), build_model(TINY), TINY)
    tiny.write_bytes(tiny.with_name("other.safetensors").read_bytes())
    assert "sha256 differs" in refusal(tiny).message


def test_a_missing_settings_file_is_told(tiny):
    tiny.with_suffix(".json").unlink()
    assert refusal(tiny).message.startswith('"tiny.json" cannot be read')


def with_settings(path, **changes) -> None:
    about = json.loads(path.with_suffix(".json").read_text())
    about["settings"].update(changes)
    path.with_suffix(".json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"sample_rate": float("nan")}, "NaN"),
        ({"sample_rate": float("inf")}, "Infinity"),
        ({"sample_rate": "44100"}, "sample_rate"),
        ({"sample_rate": 44_100.5}, "sample_rate"),
        ({"sample_rate": True}, "sample_rate"),
        ({"sample_rates": 1}, 'unknown key "settings.sample_rates"'),
        ({"a\n\x1bb": 1}, "unknown key"),
        ({"layout": "exec"}, "layout"),
        ({"inputs": []}, "inputs"),
        ({"inputs": "drums.kick"}, "inputs"),
        ({"inputs": ["drums.kick"] * 2}, "named twice"),
        ({"inputs": ["drums.kick\n"]}, "not an input"),
        ({"inputs": ["drums.tom:2"]}, "numbered from :1"),
        ({"inputs": ["drums.overhead:L"]}, ":L and :R"),
        ({"inputs": list(BUS_INPUTS[:4])}, "not an input"),
        ({"outputs": "residual"}, "residual"),
        ({"network": {"depth": 10**9}}, "depth"),
        ({"network": {"depth": -1}}, "depth"),
        ({"network": {"up_kernel": 4}}, "odd"),
        ({"network": {"channel_growth": 1e400}}, "Infinity"),
        ({"network": {"bias": "yes"}}, "bias"),
        ({"network": None}, "network"),
    ],
)
def test_settings_that_are_not_settings_are_refused(tiny, changes, told):
    with_settings(tiny, **changes)
    error = refusal(tiny)
    assert error.code == "E404"
    assert told in error.message + str(error.hint)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"a": 1' + "0" * 5_000 + "}",
        '{"format": 1, "format": 1}',
        " " * 70_000,
    ],
)
def test_a_settings_file_that_is_not_one_is_refused(tiny, text):
    tiny.with_suffix(".json").write_text(text)
    assert refusal(tiny).code == "E404"


def test_a_settings_file_that_is_not_text_is_refused(tiny):
    tiny.with_suffix(".json").write_bytes(b"\xff\xff")
    assert refusal(tiny).code == "E404"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_model_is_loaded_or_refused_in_one_line(tiny, data):
    file = data.draw(st.sampled_from([tiny, tiny.with_suffix(".json")]))
    whole = file.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = whole[:place] + data.draw(st.binary(max_size=3)) + whole[place + data.draw(st.integers(0, 3)) :]
    file.write_bytes(damaged)
    told, weights = "", []
    try:
        weights = list(load_model(tiny).module.state_dict().values())
    except MixcliError as error:
        told = error.message
    finally:
        file.write_bytes(whole)
    assert told.isprintable()
    assert all(bool(tensor.isfinite().all()) for tensor in weights)


def save_checkpoint(path, **more) -> None:
    weights = build_model(TINY).state_dict()
    torch.save({"settings": TINY.model_dump_json(), "weights": weights, "step": 3, **more}, path)


def test_a_training_checkpoint_loads_its_weights(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path, optimizer={"lr": 1e-4, "state": {0: torch.zeros(3)}})
    loaded = load_model(path)
    assert (loaded.settings, loaded.name) == (TINY, "last")
    weights = torch.load(path, weights_only=True)["weights"]
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.module.state_dict().items())
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


class Payload:
    """Writes a file when it is unpickled by a loader that runs what it reads."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("suffix", [".pt", ".ckpt"])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_that_would_run_something_is_not_loaded(tmp_path, suffix, legacy):
    path, marker = tmp_path / f"last{suffix}", tmp_path / "marker"
    torch.save({"weights": Payload(marker)}, path, _use_new_zipfile_serialization=not legacy)
    error = refusal(path)
    named = "" if legacy else f" ({os.mkdir.__module__}.mkdir)"
    assert error.message == f'"last{suffix}" holds more than weights{named}; not loaded.'
    assert (error.code, error.hint) == ("E403", "export its weights as .safetensors where it was made.")
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # so the test would have noticed


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.pt"
    content = io.BytesIO()
    torch.save({"weights": {"a": torch.zeros(2_000_000)}}, content)
    with zipfile.ZipFile(content) as stored, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for entry in stored.infolist():
            packed.writestr(entry.filename, stored.read(entry))
    assert path.stat().st_size < 100_000
    assert refusal(path).code == "E403"


def test_a_checkpoint_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    save_checkpoint(path)
    content = path.read_bytes()
    for n_bytes in [0, 10, 1000, len(content) // 2, len(content) - 1]:
        path.write_bytes(content[:n_bytes])
        assert refusal(path).code in ("E403", "E404")


@pytest.mark.parametrize(
    "more",
    [
        {"settings": 3},
        {"settings": "{"},
        {"settings": BASE.model_dump_json()},
        {"weights": None},
        {"weights": {}},
        {"weights": {"output.bias": 1}},
    ],
)
def test_a_checkpoint_that_is_not_ours_is_refused(tmp_path, more):
    save_checkpoint(tmp_path / "last.pt", **more)
    assert refusal(tmp_path / "last.pt").code == "E404"


def test_a_checkpoint_with_weights_that_are_not_finite_is_refused(tmp_path):
    weights = build_model(TINY).state_dict()
    weights["output.bias"][0] = float("nan")
    save_checkpoint(tmp_path / "last.pt", weights=weights)
    assert "not finite" in refusal(tmp_path / "last.pt").message


def test_a_checkpoint_that_claims_more_than_it_stores_is_refused_before_memory_is_taken(tmp_path):
    settings = TINY.model_copy(update={"network": MixWaveUNetSettings(depth=8, channel_growth=256)})
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in build_model(settings).state_dict().items()}
    weights = {name: torch.zeros(()).expand(shape) for name, shape in shapes.items()}
    torch.save({"settings": settings.model_dump_json(), "weights": weights}, tmp_path / "swollen.pt")
    assert (tmp_path / "swollen.pt").stat().st_size < 100_000
    assert "is larger than what is stored of it" in refusal(tmp_path / "swollen.pt").message


def test_the_two_layouts_are_what_they_are_called():
    assert (PAPER.n_inputs, PAPER.n_outputs, PAPER.takes_buses) == (8, 2, False)
    assert (BASE.n_inputs, BASE.n_outputs, BASE.takes_buses) == (18, 16, True)
    assert BASE.inputs[:3] == ("bus:kick:L", "bus:kick:R", "bus:snare_toms:L")
    assert BASE.inputs[-2:] == ("mix:L", "mix:R")
    assert ModelSettings.model_validate_json(BASE.model_dump_json()) == BASE
