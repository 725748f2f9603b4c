"""The models that come with mixcli: whole, licensed, small, and still mixing as they did."""

import numpy as np
import pytest
import soundfile
import torch
from synthesis_material import RATE, make_material

from mixcli.engine.direct import render_direct
from mixcli.engine.prepare import plan_inputs
from mixcli.models.checkpoint import load_model
from mixcli.models.model_paths import WEIGHTS, installed_models
from mixcli.models.settings import PAPER_INPUTS
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.synthesis.sessions import read_source, render, session_plans
from mixcli.training.losses import si_sdr_db

MOST_BYTES = 16 << 20
NAMES = dict(
    zip(PAPER_INPUTS, ("HiHat", "Kick", "OH L", "OH R", "Snare", "Tom 1", "Tom 2", "Tom 3"), strict=True)
)
# SI-SDR to the engineer's mixes of a kit of noise that no model has heard, dB, as the weights were shipped.
RECORDED_DB = {"drums": (9.91, 10.35), "drums-dry": (8.35, 8.34)}


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Two sessions on a made-up kit, by what the engineer did: their stems as files, and his mixes."""
    material = make_material(tmp_path_factory.mktemp("material"))
    found = {}
    for kind in ("wet", "dry"):
        plans = session_plans(
            read_source(f"synth:drums={material},shortest=1,longest=3,seed=4,{kind},sessions=2")
        )
        found[kind] = []
        for number, plan in enumerate(plans):
            session = render(plan)
            folder = tmp_path_factory.mktemp(f"{kind}{number}")
            for role, stem_T in session.stems.items():
                if stem_T.any():
                    soundfile.write(folder / f"{NAMES[role]}.wav", stem_T, RATE, subtype="FLOAT")
            found[kind].append((folder, session.mix_TC))
    return found


def network_mix(model, folder):
    """The network's own mix of a folder, [T, 2], whatever it knows of it."""
    torch.set_num_threads(1)
    song = read_song(folder, DiscoveryOptions())
    n_samples = round(song.duration_s * RATE)
    inputs = plan_inputs(song.stems, model.settings)
    return np.concatenate(list(render_direct(inputs, model, RATE, start=0, n_samples=n_samples)))


def test_all_of_them_together_are_small():
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*")) <= MOST_BYTES


@pytest.mark.parametrize("name", installed_models())
def test_each_says_its_licence_and_what_it_learnt_from_and_would_know_it_again(name):
    model = load_model(name)
    assert model.settings.licence == "Apache-2.0"
    assert "CC BY 4.0" in model.settings.data
    assert model.familiarity is not None
    assert len(model.limits.by_measure()) == 6


@pytest.mark.parametrize("name", installed_models())
def test_each_mixes_as_near_to_the_engineer_as_it_was_shipped(name, sessions):
    model = load_model(name)
    for (folder, engineer_TC), recorded_db in zip(
        sessions["dry" if name.endswith("dry") else "wet"], RECORDED_DB[name], strict=True
    ):
        mix_TC = network_mix(model, folder)
        found_db = si_sdr_db(*(torch.from_numpy(each.T.copy()) for each in (mix_TC, engineer_TC)))
        assert found_db == pytest.approx(recorded_db, abs=0.3)


@pytest.mark.parametrize("name", installed_models())
def test_how_loud_all_was_recorded_changes_nothing(name, sessions, tmp_path):
    model, (folder, _) = load_model(name), sessions["wet"][0]
    for path in folder.iterdir():
        stem_T, rate = soundfile.read(path, dtype="float32")
        soundfile.write(tmp_path / path.name, stem_T * np.float32(0.1), rate, subtype="FLOAT")
    first_TC, second_TC = network_mix(model, folder), network_mix(model, tmp_path)
    assert np.abs(first_TC - second_TC).max() < 1e-3 * np.abs(first_TC).max()
