"""A process that mixes several songs reads the weights of its network once."""

import os
from pathlib import Path

import pytest
import torch

from mixcli.models.checkpoint import build_model, save_model
from mixcli.models.settings import BASE


def write_model(path, seed):
    """A small network that says something."""
    network = BASE.network.model_copy(update={"depth": 1, "channel_growth": 2})
    settings = BASE.model_copy(update={"network": network, "sample_rate": 8_000})
    module = build_model(settings)
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2, generator=generator)
    save_model(path, module, settings)
    return path


@pytest.fixture
def songs(make_song, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_song(seconds=1, stems={"Kick": 60, "LdVox": 440})


def test_the_second_song_does_not_read_the_weights_again_and_a_changed_file_is_read(run, songs, tmp_path):
    model = write_model(tmp_path / "small.safetensors", seed=1)
    mixes = []

    def mix(out):
        code, _, err = run("mix", songs, "-m", model, "-o", out)
        if code == 0:
            mixes.append(Path(out).read_bytes())
        return code, err

    assert mix("one.wav")[0] == 0
    whole, status = model.read_bytes(), model.stat()
    with model.open("r+b") as file:  # the same file to all that the system tells of it, with other bytes
        file.write(bytes(len(whole)))
    os.utime(model, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert mix("two.wav")[0] == 0  # whoever had read it would have refused it
    assert mixes[1] == mixes[0]
    os.utime(model, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    code, err = mix("three.wav")
    assert (code, "error[E404]" in err) == (4, True)
    write_model(model, seed=2)
    assert mix("four.wav")[0] == 0
    assert mixes[2] != mixes[0]


def test_of_two_models_each_song_gets_the_one_that_was_asked_for(run, songs, tmp_path):
    models = [write_model(tmp_path / f"{seed}.safetensors", seed) for seed in (1, 2)]
    made = {}
    for turn, model in enumerate((*models, *models)):
        code, _, err = run("mix", songs, "-m", model, "-o", f"{turn}.wav")
        assert code == 0, err
        made.setdefault(model, set()).add(Path(f"{turn}.wav").read_bytes())
    assert [len(each) for each in made.values()] == [1, 1]
    assert made[models[0]] != made[models[1]]
