"""What a model knows of its training, against scipy, closed forms, and songs that it has or has not heard."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
import yaml
from made_up_training import QUICK, SMALL, bus_song, drum_song, request_for, run_training
from scipy.spatial.distance import mahalanobis

from mixcli.engine.stretches import EDGES_HZ, QUIET, STRETCH_S, Stretches, stretch_values
from mixcli.errors import CheckpointError
from mixcli.models.checkpoint import build_model, load_model, save_model
from mixcli.models.familiarity import N_VALUES, Familiarity
from mixcli.models.settings import MixWaveUNetSettings, ModelSettings
from mixcli.training.heard import learn_familiarity

RATE = 44_100
TINY = ModelSettings(
    inputs=("drums.kick", "drums.snare"),
    network=MixWaveUNetSettings(depth=2, channel_growth=2),
    sample_rate=8_000,
)


def bands_of(inputs_KT, rate=RATE):
    return stretch_values(inputs_KT.astype(np.float32), rate).reshape(len(inputs_KT), N_VALUES)


@pytest.mark.parametrize("band", range(8))
def test_a_tone_has_its_power_in_its_own_band(band):
    edges = (40.0, *EDGES_HZ, 20_000.0)
    tone_T = 0.1 * np.sin(2 * np.pi * (edges[band] * edges[band + 1]) ** 0.5 * np.arange(2 * RATE) / RATE)
    (values_V,) = bands_of(tone_T[None])
    assert values_V[band] == pytest.approx(10 * np.log10(0.1**2 / 2), abs=0.2)
    assert np.delete(values_V[:8], band).max() < values_V[band] - 30
    assert values_V[8] == pytest.approx(0, abs=0.3)  # never louder than on average


def test_noise_has_the_power_of_each_band_s_width_and_a_click_the_peak_of_one_window():
    noise_T = 0.1 * np.random.default_rng(0).standard_normal(4 * RATE)
    click_T = np.zeros(4 * RATE)
    click_T[70_000] = 0.5
    noise_V, click_V = bands_of(np.stack([noise_T, click_T]))
    widths_B = np.diff([0.0, *EDGES_HZ, RATE / 2]) / (RATE / 2)
    assert noise_V[:8] == pytest.approx(10 * np.log10(0.1**2 * widths_B), abs=0.4)
    n_windows = -(-4 * RATE // 2_048)
    assert click_V[8] == pytest.approx(10 * np.log10(n_windows), abs=0.01)


def test_silence_is_no_number_and_blocks_of_any_size_give_the_same():
    rng = np.random.default_rng(1)
    inputs_KT = np.stack([0.1 * rng.standard_normal(9 * RATE), np.zeros(9 * RATE)]).astype(np.float32)
    whole, parts = Stretches(2, RATE), Stretches(2, RATE)
    whole.push(inputs_KT)
    for start in range(0, 9 * RATE, 10_007):
        parts.push(inputs_KT[:, start : start + 10_007])
    n_stretch = round(STRETCH_S * RATE)
    expected = [stretch_values(inputs_KT[:, n : n + n_stretch], RATE) for n in (0, n_stretch)]
    assert np.array_equal(whole.values(), expected, equal_nan=True)
    assert np.array_equal(parts.values(), expected, equal_nan=True)
    assert np.isnan(whole.values()[:, N_VALUES:]).all()
    silent = Stretches(2, RATE)
    silent.push(0 * inputs_KT)
    assert silent.values().shape == (0, 2 * N_VALUES)
    short = Stretches(2, RATE)
    short.push(inputs_KT[:, :RATE])
    assert short.values().shape == (1, 2 * N_VALUES)
    assert QUIET < 1e-8


@pytest.fixture(scope="module")
def learnt():
    """A made-up distribution of two inputs, what was learnt of it, and the generator of more of it."""
    rng = np.random.default_rng(2)
    mixing_DD = rng.standard_normal((2 * N_VALUES, 2 * N_VALUES)) * 2
    mean_D = rng.uniform(-60, -20, 2 * N_VALUES)

    def more(n, seed):
        return mean_D + np.random.default_rng(seed).standard_normal((n, 2 * N_VALUES)) @ mixing_DD

    return Familiarity.learn(more(2_000, 3), more(1_000, 4)), more, mixing_DD.T @ mixing_DD


def test_the_distance_is_scipy_s_over_the_inputs_that_sound(learnt):
    familiarity, more, _ = learnt
    stretches_ND = more(4, 5)
    stretches_ND[2:, N_VALUES:] = np.nan
    found = familiarity.distances(stretches_ND)
    for values_D, distance in zip(stretches_ND, found, strict=True):
        heard = np.isfinite(values_D)
        inverse = np.linalg.inv(familiarity.covariance_DD[np.ix_(heard, heard)])
        theirs = mahalanobis(values_D[heard], familiarity.mean_D[heard], inverse)
        assert distance == pytest.approx(theirs / heard.sum() ** 0.5, rel=1e-9)


def test_what_is_learnt_is_the_distribution_and_the_like_of_it_is_familiar(learnt):
    familiarity, more, covariance_DD = learnt
    scale_D = np.sqrt(np.diag(covariance_DD))
    error_DD = (familiarity.covariance_DD - np.eye(len(scale_D)) - covariance_DD) / np.outer(scale_D, scale_D)
    assert np.abs(error_DD).max() < 0.12  # of 2,000: 4.5 / sqrt(2000) and rounding
    assert np.percentile(familiarity.distances(more(4_000, 6)), 95) == pytest.approx(
        familiarity.near, rel=0.05
    )
    assert familiarity.share(more(500, 7)) > 0.95
    far_ND = more(500, 8) + 5 * scale_D * np.where(np.arange(len(scale_D)) % 2, 1, -1)
    assert familiarity.share(far_ND) < 0.05
    halves_ND = np.concatenate([more(500, 7), far_ND])
    assert familiarity.share(halves_ND) == pytest.approx(0.5, abs=0.04)
    assert familiarity.share(np.zeros((0, 2 * N_VALUES))) == 1


def test_too_few_stretches_say_nothing(learnt):
    _, more, _ = learnt
    assert Familiarity.learn(more(49, 1), more(100, 2)) is None
    assert Familiarity.learn(more(100, 1), more(19, 2)) is None
    assert Familiarity.learn(np.array([]), np.array([])) is None
    assert Familiarity.learn(more(100, 1), more(20, 2)) is not None


def test_a_model_keeps_what_it_has_heard_in_either_size(learnt, tmp_path):
    familiarity, more, _ = learnt
    for half in (False, True):
        path = tmp_path / f"model-{half}.safetensors"
        save_model(path, build_model(TINY), TINY, half=half, familiarity=familiarity)
        loaded = load_model(path).familiarity
        assert np.array_equal(loaded.distances(more(9, 1)), familiarity.distances(more(9, 1)))
        assert (loaded.near, loaded.far) == (familiarity.near, familiarity.far)
    save_model(path, build_model(TINY), TINY)
    assert load_model(path).familiarity is None


@pytest.mark.parametrize("broken", ["nan", "lopsided", "negative", "swapped", "missing"])
def test_what_is_no_mean_and_covariance_is_refused(learnt, tmp_path, broken):
    path = tmp_path / "model.safetensors"
    save_model(path, build_model(TINY), TINY, familiarity=learnt[0])
    tensors = safetensors.torch.load(path.read_bytes())
    covariance_DD = tensors["familiarity.covariance"]
    if broken == "nan":
        tensors["familiarity.mean"][3] = float("nan")
    elif broken == "lopsided":
        covariance_DD[0, 1] += 1
    elif broken == "negative":
        covariance_DD[0, 0] = -1
    elif broken == "missing":
        del tensors["familiarity.mean"]
    content = safetensors.torch.save(tensors)
    path.write_bytes(content)
    about = json.loads(path.with_suffix(".json").read_text())
    about["weights_sha256"] = hashlib.sha256(content).hexdigest()
    if broken == "swapped":
        distances = about["familiarity"]
        about["familiarity"] = {"near": distances["far"], "far": distances["near"]}
    path.with_suffix(".json").write_text(json.dumps(about))
    with pytest.raises(CheckpointError) as refused:
        load_model(path)
    assert refused.value.code == "E404"


def test_training_learns_it_from_its_songs_and_judges_by_those_held_out(tmp_path):
    songs = [drum_song(f"t{seed}", seconds=8.2, seed=seed) for seed in range(26)]
    songs += [drum_song(f"v{seed}", "validation", seconds=8.2, seed=100 + seed) for seed in range(10)]
    run_training(request_for(tmp_path, settings=QUICK.model_copy(update={"validation_s": 0.5})), songs)
    found = load_model(tmp_path).familiarity
    gathered = []
    for song in songs[:26]:  # another way: the whole song through blocks, as mixing hears it
        stretches = Stretches(4, 8_000)
        stretches.push(np.asarray(song.inputs_KT))
        gathered.append(stretches.values())
    learnt_ND = np.concatenate(gathered)
    assert len(learnt_ND) == 52
    assert found.mean_D == pytest.approx(learnt_ND.mean(axis=0), rel=1e-6)
    assert found.covariance_DD == pytest.approx(np.cov(learnt_ND.T, bias=True) + np.eye(36), abs=1e-4)
    # A model from before, and a run that is over: the same command gives it what it lacks.
    weights = tmp_path / "model" / "model.safetensors"
    before = weights.read_bytes()
    save_model(weights, load_model(tmp_path).module, SMALL)
    last = tmp_path / "checkpoints" / "last.pt"
    settings = QUICK.model_copy(update={"validation_s": 0.5})
    run_training(request_for(tmp_path, settings=settings, resume=last), songs)
    assert weights.read_bytes() == before


def test_a_network_behind_the_console_and_a_few_songs_learn_none():
    assert (
        learn_familiarity([bus_song("a", seconds=9)], ModelSettings.model_construct(outputs="residual"))
        is None
    )
    assert learn_familiarity([drum_song("a", seconds=9)], SMALL) is None


@pytest.fixture
def drums(make_song, tmp_path, monkeypatch):
    """A song of one stretch, its numbers, and a function that writes a model which is so far from it."""
    monkeypatch.chdir(tmp_path)
    folder = make_song("Drums", seconds=3, stems={"Kick": 60, "Snare": 190})
    stems = [soundfile.read(folder / f"{name}.wav", dtype="float32")[0] for name in ("Kick", "Snare")]
    values_D = stretch_values(np.stack(stems), 8_000)
    torch.manual_seed(4)
    network = build_model(TINY)

    def model(distance):
        # 3 dB either way is usual, so this many times 3 dB in every number are at this distance
        usual_DD = 9.0 * np.eye(len(values_D))
        known = Familiarity(values_D + 3 * distance, usual_DD, 1.0, 2.0)
        path = tmp_path / f"{distance}.safetensors"
        save_model(path, network, TINY, familiarity=known)
        return path

    return folder, model


def mixed(run, song, *options):
    code, out, err = run("mix", song, "--loudness-mode", "measure", "--bit-depth", "32f", *options)
    assert code == 0, err
    result = json.loads(Path(out.strip()).with_suffix("").with_suffix(".mix.json").read_text())
    return soundfile.read(out.strip(), dtype="float64")[0], result


def test_what_is_not_familiar_is_left_to_the_console(run, drums):
    folder, model = drums
    console_TC, _ = mixed(run, folder, "--amount", "0", "-o", "console")
    known_TC, known = mixed(run, folder, "-m", model(0.5), "-o", "known")
    half_TC, half = mixed(run, folder, "-m", model(1.5), "-o", "half")
    strange_TC, strange = mixed(run, folder, "-m", model(3.0), "-o", "strange")
    assert [each["model"]["familiarity"] for each in (known, half, strange)] == [1.0, 0.5, 0.0]
    assert [any(w["code"] == "W413" for w in each["warnings"]) for each in (known, half, strange)] == [
        False,
        True,
        True,
    ]
    assert np.array_equal(strange_TC, console_TC)
    assert np.abs(known_TC - console_TC).max() > 1e-3
    gain = 10 ** (half["model"]["gain_db"] / 20)
    assert np.abs(half_TC - (console_TC + gain * known_TC) / 2).max() <= 1e-6
    assert (known["model"]["gain_db"], strange["model"]["gain_db"]) == (None, None)


def test_a_recipe_can_take_the_network_all_the_same(run, drums):
    folder, model = drums
    path = model(3.0)
    console_TC, _ = mixed(run, folder, "-m", path, "-o", "strange")
    again_TC, again = mixed(run, folder, "--recipe", "strange/Drums.recipe.yaml", "-o", "again")
    assert np.array_equal(again_TC, console_TC)
    assert not any(each["code"] == "W413" for each in again["warnings"])  # it stands in the recipe
    recipe = yaml.safe_load(Path("strange/Drums.recipe.yaml").read_text())
    assert (
        recipe["network"]["reasons"]["familiarity"]
        == "so much of it sounds like what the network learnt from (0 %)"
    )
    recipe["network"]["familiarity"] = 1.0
    Path("all.yaml").write_text(yaml.safe_dump(recipe))
    network_TC, _ = mixed(run, folder, "--recipe", "all.yaml", "-o", "all")
    known_TC, _ = mixed(run, folder, "-m", model(0.5), "-o", "known")
    assert np.array_equal(network_TC, known_TC)


def test_half_the_size_of_a_model_keeps_it(run, drums):
    _, model = drums
    code, out, err = run("models", "convert", model(0.5), "--half", "-o", "half.safetensors")
    assert code == 0, err
    whole, half = load_model(model(0.5)), load_model(out.strip())
    assert np.array_equal(half.familiarity.mean_D, whole.familiarity.mean_D)
    code, _, err = run("models", "convert", model(0.5), "-o", "again.safetensors")
    assert (code, "is a model already" in err) == (4, True)


def test_the_line_of_a_mix_says_how_much_of_a_song_is_known(run, drums, tmp_path):
    folder, model = drums
    for distance, told in ((0.5, "× 1)"), (1.5, "× 1, 50 % familiar)")):
        code, _, err = run("mix", folder, "-m", model(distance), "-o", f"{distance}")
        assert code == 0
        assert told in err
    shutil.copytree(folder, tmp_path / "library" / "Drums")
    code, _, err = run("batch", "library", "-m", model(1.5), "-o", "batch")
    assert code == 0
    assert "× 1, 50 % familiar)" in err
