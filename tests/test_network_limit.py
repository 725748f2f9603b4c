"""How near to the console's mix a network is held, against mixes made and compared by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from made_up_training import QUICK, SMALL, bus_song, drum_song, request_for, run_training

from mixcli.audio.loudness import LoudnessMeter
from mixcli.errors import CheckpointError
from mixcli.measures.apart import LEVEL_LUFS, beyond, levelled_profile
from mixcli.measures.nearness import MEASURES, compare_profiles
from mixcli.measures.profile import describe_profile
from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.network_limit import MOST_STRETCHES, STRETCH_S, HeardApart
from mixcli.mixing.request import MixRequest
from mixcli.models.checkpoint import build_model, load_model, save_model
from mixcli.models.model_file import Limits
from mixcli.models.settings import MixWaveUNetSettings, ModelSettings
from mixcli.training.limits import PERCENTILE, learn_limits

RATE = 22_050
TINY = ModelSettings(
    inputs=("drums.kick", "drums.snare"),
    network=MixWaveUNetSettings(depth=2, channel_growth=2),
    sample_rate=8_000,
)


def two_mixes(seconds, seed=0):
    """A mix of noise that is nearly mono, and one with as much side as mid."""
    rng = np.random.default_rng(seed)
    mid_T, side_T = 0.1 * rng.standard_normal((2, round(seconds * RATE)))
    narrow = np.stack([mid_T + 0.1 * side_T, mid_T - 0.1 * side_T], axis=1)
    wide = np.stack([mid_T + side_T, mid_T - side_T], axis=1)
    return narrow.astype(np.float32), wide.astype(np.float32)


def width_apart(part):
    """Side over mid of the crossfade over that of the narrow mix, in dB: both have the same mid."""
    return 20 * np.log10((0.1 * (1 - part) + part) / 0.1)


def test_limits_name_the_measures_of_nearness():
    assert set(Limits.model_fields) == {measure.key for measure in MEASURES}
    assert Limits(width_db=2.0).by_measure() == {"width_db": 2.0}


def test_what_is_compared_is_equally_loud():
    narrow_TC, wide_TC = two_mixes(3)
    meter = LoudnessMeter(RATE, 2)
    meter.push(wide_TC)
    by_hand = describe_profile(
        wide_TC * np.float32(10 ** ((LEVEL_LUFS - meter.integrated_lufs()) / 20)), RATE
    )
    quiet = levelled_profile(0.01 * wide_TC, RATE)
    same, apart = compare_profiles(quiet, by_hand), compare_profiles(quiet, levelled_profile(narrow_TC, RATE))
    assert max(same.values()) < 1e-3
    assert apart["width_db"] == pytest.approx(12.0)  # 20 dB; the measure ends there
    silence = levelled_profile(np.zeros((RATE, 2), np.float32), RATE)
    assert beyond(silence, quiet, {"width_db": 0.1}) is None


def test_the_measure_farthest_beyond_its_limit_is_told():
    narrow_TC, wide_TC = two_mixes(3)
    mixes = levelled_profile(wide_TC, RATE), levelled_profile(narrow_TC, RATE)
    distances = compare_profiles(*mixes)
    assert beyond(*mixes, {key: value + 0.01 for key, value in distances.items()}) is None
    limits = {"width_db": distances["width_db"] / 2, "tone_db": distances["tone_db"] / 1.5}
    assert beyond(*mixes, limits) == ("width_db", distances["width_db"])
    assert beyond(*mixes, limits | {"width_db": 50.0}) == ("tone_db", distances["tone_db"])


@pytest.mark.parametrize("limit_db", [1.0, 3.0, 6.0])
def test_the_share_of_a_network_is_what_the_limit_allows(limit_db):
    narrow_TC, wide_TC = two_mixes(5)
    heard = HeardApart(len(narrow_TC), RATE)
    for start in range(0, len(narrow_TC), 7_001):
        heard.push(narrow_TC[start : start + 7_001], wide_TC[start : start + 7_001])
    share, measure, distance = heard.largest_share(1.0, 1.0, {"width_db": limit_db})
    assert (measure, distance) == ("width_db", pytest.approx(12.0))
    assert width_apart(share) <= limit_db + 0.1
    assert width_apart(share + 1 / 64) > limit_db - 0.1
    assert heard.largest_share(1.0, 1.0, {"width_db": 12.5}) == (1.0, "", 0.0)
    assert heard.largest_share(share, 1.0, {"width_db": limit_db + 0.1}) == (share, "", 0.0)


def test_a_network_twice_as_loud_may_have_a_smaller_share():
    narrow_TC, wide_TC = two_mixes(5)
    heard = HeardApart(len(narrow_TC), RATE)
    heard.push(narrow_TC, wide_TC)
    one = heard.largest_share(1.0, 1.0, {"width_db": 3.0})[0]
    loud = heard.largest_share(1.0, 2.0, {"width_db": 3.0})[0]
    # The same mix, but for its level: one / (1 - one) = 2 loud / (1 - loud).
    assert 2 * loud / (1 - loud) == pytest.approx(one / (1 - one), abs=2 / 64 + 1 / 64)


def test_of_a_long_song_a_minute_is_kept_from_all_over_it():
    n_stretch = round(STRETCH_S * RATE)
    n_samples = 40 * n_stretch + 100
    heard = HeardApart(n_samples, RATE)
    silent_TC = np.zeros((n_stretch // 3, 2), np.float32)
    for start in range(0, n_samples, len(silent_TC)):
        heard.push(*[silent_TC[: n_samples - start] + np.float32(start / n_samples)] * 2)
    kept_TC = np.concatenate([console_TC for console_TC, _ in heard._parts])
    assert (MOST_STRETCHES - 1) * n_stretch < len(kept_TC) <= MOST_STRETCHES * n_stretch
    assert kept_TC[0, 0] == 0
    assert kept_TC[-1, 0] > 0.97
    assert np.abs(np.diff(kept_TC[:, 0])).max() < 0.09  # no stretch of a twelfth is left out


def test_limits_are_the_distances_of_held_out_mixes_to_what_mix_makes_of_their_stems(tmp_path):
    songs = [drum_song(f"v{seed}", "validation", seconds=2.5, seed=seed) for seed in range(8)]
    found = learn_limits(songs, SMALL)
    distances = []
    for song in songs:
        folder = tmp_path / song.name
        folder.mkdir()
        for role, stem_T in zip(SMALL.inputs, song.inputs_KT, strict=True):
            name = role.replace(":", " ")  # what makes a stem wide depends on its name
            soundfile.write(folder / f"{name}.wav", stem_T, song.sample_rate, subtype="FLOAT")
        asked = {"amount": 0.0, "bit_depth": "32f", "loudness_mode": "measure"}
        result = mix_song(MixRequest(folder=folder, out=tmp_path / f"{song.name}.wav", settings=asked))
        console_TC = soundfile.read(result.paths.audio, dtype="float32")[0]
        target_TC = np.ascontiguousarray(song.target_CT.T)
        pair = [levelled_profile(mix_TC, song.sample_rate) for mix_TC in (target_TC, console_TC)]
        distances.append(compare_profiles(*pair))
    for key, limit in found.by_measure().items():
        by_hand = np.percentile([each[key] for each in distances], PERCENTILE)
        assert limit == pytest.approx(max(by_hand, 0.01), abs=2e-3)
    assert len(found.by_measure()) == len(MEASURES)


def test_a_network_behind_the_console_and_a_few_songs_have_no_limits():
    few = [drum_song(f"v{seed}", "validation", seconds=2, seed=seed) for seed in range(7)]
    assert learn_limits(few, SMALL) is None
    heard = [bus_song(f"v{seed}", "validation", seconds=2) for seed in range(8)]
    assert learn_limits(heard, ModelSettings.model_construct(outputs="residual")) is None


@pytest.mark.parametrize("limits", [{"width_db": 0}, {"width_db": "wide"}, {"breadth_db": 2.0}])
def test_limits_that_are_none_are_refused(tmp_path, limits):
    path = tmp_path / "model.safetensors"
    save_model(path, build_model(TINY), TINY, limits=Limits(width_db=2.0))
    assert load_model(path).limits == Limits(width_db=2.0)
    about = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(about | {"limits": limits}))
    with pytest.raises(CheckpointError) as refused:
        load_model(path)
    assert refused.value.code == "E404"


@pytest.fixture
def drums(make_song, tmp_path, monkeypatch):
    """A song, and a function that writes one network with these limits."""
    monkeypatch.chdir(tmp_path)
    folder = make_song("Drums", seconds=3, stems={"Kick": 60, "Snare": 190})
    torch.manual_seed(4)
    network = build_model(TINY)

    def model(**limits):
        path = tmp_path / f"{'-'.join(map(str, limits.values())) or 'free'}.safetensors"
        save_model(path, network, TINY, limits=Limits(**limits) if limits else None)
        return path

    return folder, model


def mixed(run, song, *options):
    code, out, err = run("mix", song, "--loudness-mode", "measure", "--bit-depth", "32f", *options)
    assert code == 0, err
    result = json.loads(Path(out.strip()).with_suffix("").with_suffix(".mix.json").read_text())
    return soundfile.read(out.strip(), dtype="float32")[0], result, err


def tone_apart(mix_TC, console_TC):
    pair = [levelled_profile(each_TC, 8_000) for each_TC in (mix_TC, console_TC)]
    return compare_profiles(*pair)["tone_db"]


def test_a_mix_is_held_so_near_to_the_console_s(run, drums):
    folder, model = drums
    console_TC, _, _ = mixed(run, folder, "--amount", "0", "-o", "console")
    free_TC, free, err = mixed(run, folder, "-m", model(), "-o", "free")
    assert free["model"]["held_to"] is None
    assert "held to" not in err
    all_db = tone_apart(free_TC, console_TC)
    assert all_db > 1
    wide_TC, wide, err = mixed(run, folder, "-m", model(tone_db=all_db / 0.85 + 0.1), "-o", "wide")
    assert (wide["model"]["held_to"], wide["model"]["gain_db"]) == (1.0, None)
    assert np.array_equal(wide_TC, free_TC)
    assert "held to" not in err

    limit = round(all_db / 2, 3)
    held_TC, held, err = mixed(run, folder, "-m", model(tone_db=limit), "-o", "held")
    share = held["model"]["held_to"]
    assert 0 < share < 1
    assert f"× 1, held to {100 * share:.0f} %)" in err
    assert [w["code"] for w in held["warnings"] if w["code"].startswith("W41")] == ["W414"]
    assert tone_apart(held_TC, console_TC) <= 0.85 * limit + 1e-3
    gain = 10 ** (held["model"]["gain_db"] / 20)
    assert np.abs(held_TC - ((1 - share) * console_TC + share * gain * free_TC)).max() <= 1e-6
    more_TC = (0.96 - share) * console_TC + (share + 0.04) * gain * free_TC
    assert tone_apart(more_TC, console_TC) > 0.85 * limit

    # Half of it lies within the limit by itself, or is held to the same share.
    half_TC, half, _ = mixed(run, folder, "-m", model(tone_db=limit), "--amount", "0.5", "-o", "half")
    assert half["model"]["held_to"] == share
    assert tone_apart(half_TC, console_TC) <= 0.85 * limit + 1e-3


def test_a_recipe_keeps_what_a_mix_was_held_to_and_can_let_it_go(run, drums):
    folder, model = drums
    console_TC, _, _ = mixed(run, folder, "--amount", "0", "-o", "console")
    free_TC, _, _ = mixed(run, folder, "-m", model(), "-o", "free")
    path = model(tone_db=round(tone_apart(free_TC, console_TC) / 2, 3))
    held_TC, held, _ = mixed(run, folder, "-m", path, "-o", "held")
    again_TC, again, _ = mixed(run, folder, "--recipe", "held/Drums.recipe.yaml", "-o", "again")
    assert np.array_equal(again_TC, held_TC)
    assert not any(each["code"] == "W414" for each in again["warnings"])  # it stands in the recipe
    recipe = yaml.safe_load(Path("held/Drums.recipe.yaml").read_text())
    assert recipe["network"]["held_to"] == held["model"]["held_to"]
    assert "mixes it learnt from (tone " in recipe["network"]["reasons"]["held_to"]
    recipe["network"]["held_to"] = 1.0
    Path("all.yaml").write_text(yaml.safe_dump(recipe))
    all_TC, _, _ = mixed(run, folder, "--recipe", "all.yaml", "-o", "all")
    gain = np.float32(10 ** (held["model"]["gain_db"] / 20))
    assert np.abs(all_TC - gain * free_TC).max() <= 1e-6


def test_models_info_and_half_size_keep_the_limits(run, drums):
    _, model = drums
    path = model(tone_db=2.5)
    code, out, _ = run("models", "info", path)
    assert code == 0
    assert "limits: tone_db 2.5\n" in out
    code, out, err = run("models", "convert", path, "--half", "-o", "half.safetensors")
    assert code == 0, err
    assert load_model(out.strip()).limits == Limits(tone_db=2.5)
    code, out, _ = run("models", "info", model(), "--json")
    assert json.loads(out)["limits"] is None


def test_training_leaves_limits_in_the_model(tmp_path):
    songs = [drum_song(f"t{seed}", seconds=2, seed=seed) for seed in range(4)]
    songs += [drum_song(f"v{seed}", "validation", seconds=2, seed=100 + seed) for seed in range(8)]
    run_training(request_for(tmp_path, settings=QUICK.model_copy(update={"validation_s": 0.5})), songs)
    assert load_model(tmp_path).limits == learn_limits(songs, SMALL)
