"""Keeping the balance that stems come with, against the plain sum of their files; and telling such stems."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import plucks, write_wav

from mixcli.console.keep_balance import keep_balance
from mixcli.console.printed_stems import looks_balanced
from mixcli.console.recipe import (
    BusRecipe,
    CompressorRecipe,
    EqualiserBandRecipe,
    ExpanderRecipe,
    MixBusRecipe,
    RidePoint,
)
from mixcli.console.render import ConsoleRenderer
from mixcli.console.rules import make_recipe
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.survey import survey_song

RATE = 8_000
DATA = Path(__file__).parents[1].parent / "shared" / "data" / "everything-is-free-stems"
# a session as it may stand in a mixer: Hz, level in dB re the kick, pan
MIXER = {
    "Kick": (60, 0, 0.0),
    "Snare": (190, -4, 0.1),
    "Hats": (2500, -13, 0.5),
    "Bass": (90, -2, 0.0),
    "EGtr 1": (330, -9, -0.7),
    "EGtr 2": (290, -7, 0.6),
    "Pad": (500, -12, -0.4),
    "LdVox": (440, -3, 0.05),
    "BGV": (550, -10, 0.4),
}


def print_stems(folder, rng, *, peak_dbfs=-1.0, seconds=2.0, mono=False):
    """Stems through a made-up mixer, printed at unity as float; the sum peaks as asked."""
    stems = {}
    for number, (name, (frequency_hz, level_db, pan)) in enumerate(MIXER.items()):
        level_db = level_db + rng.uniform(-2, 2)
        source_T = plucks(
            frequency_hz, seconds, RATE, every_s=0.2 + 0.05 * number, seed=rng.integers(1 << 30)
        )
        other_T = np.roll(source_T, 40 + 7 * number)  # a second side, as a stereo effect gives
        stem_TC = np.stack([source_T * (1 - pan), 0.8 * source_T * (1 + pan) + 0.3 * other_T], axis=1)
        stems[name] = 10 ** (level_db / 20) * stem_TC
    peak = np.abs(sum(stems.values())).max()
    for name, stem_TC in stems.items():
        stem_TC = stem_TC * 10 ** (peak_dbfs / 20) / peak
        write_wav(folder / f"{name}.wav", stem_TC.mean(axis=1) if mono else stem_TC, RATE, "FLOAT")
    return folder


def measured(folder, rate=RATE):
    song = read_song(folder, DiscoveryOptions())
    return song, survey_song(song, rate)


def rendered(song, recipe):
    blocks = [block.buses_KTC.sum(axis=0) + block.returns_TC for block in ConsoleRenderer(song, recipe)]
    return np.concatenate(blocks).astype(np.float64)


def plain_sum(folder):
    files = sorted(Path(folder).glob("*.wav"))
    return sum(soundfile.read(path, always_2d=True)[0] for path in files)


def with_gains(survey, gains_db):
    """The survey of the same stems, had they been turned up by so much before."""
    stems = {}
    for name, stem in survey.stems.items():
        gain_db = gains_db[name]
        amplitude = np.float32(10 ** (gain_db / 20))
        stems[name] = replace(
            stem,
            peak_dbfs=stem.peak_dbfs + gain_db,
            loudness_lufs=stem.loudness_lufs + gain_db,
            hop_energies=stem.hop_energies * amplitude**2,
            hop_peaks=stem.hop_peaks * amplitude,
        )
    return replace(survey, stems=stems)


def times_told(song, survey, rng, n_draws):
    """How often stems look printed as they are, with random gains, at one peak and at one loudness."""
    names = list(survey.stems)
    draws = [{name: rng.uniform(-12, 12) for name in names} for _ in range(n_draws)]
    peaks_db = {name: -9 - survey.stems[name].peak_dbfs for name in names}
    loudness_lu = {name: -25 - survey.stems[name].loudness_lufs for name in names}
    told = [[dict.fromkeys(names, 0.0)], draws, [peaks_db], [loudness_lu]]
    return [
        sum(looks_balanced(song, with_gains(survey, gains_db)) is not None for gains_db in kind)
        for kind in told
    ]


@pytest.fixture
def printed(tmp_path, rng):
    return print_stems(tmp_path / "Song", rng)


@pytest.fixture
def full_recipe(printed):
    """A recipe in which everything that can be faded out is there."""
    song, survey = measured(printed)
    recipe = make_recipe(song, survey)
    bands = [
        EqualiserBandRecipe(kind="bell", frequency_hz=900, gain_db=6),
        EqualiserBandRecipe(kind="high_pass", frequency_hz=150),
        EqualiserBandRecipe(kind="low_pass", frequency_hz=3000),
    ]
    squeezed = CompressorRecipe(threshold_db=-40, ratio=4, make_up_db=5)
    stem = recipe.stems["LdVox.wav"].model_copy(
        update={
            "polarity": -1,
            "delay_ms": 3.0,
            "pan": -0.6,
            "reverb_send_db": -6.0,
            "expander": ExpanderRecipe(threshold_db=-30),
            "equaliser": bands,
            "compressor": squeezed,
            "side_from_mid_db": {90.0: -60.0, 1000.0: -6.0},
            "rides": [RidePoint(time_s=0, gain_db=-4), RidePoint(time_s=2, gain_db=4)],
        }
    )
    bus = BusRecipe(gain_db=-5, equaliser=bands[:1], compressor=squeezed)
    mix_bus = MixBusRecipe(equaliser=bands[:1], compressor=squeezed, reasons={"compressor": "loud"})
    stems = recipe.stems | {"LdVox.wav": stem}
    buses = recipe.buses | {"lead": bus}
    return song, survey, recipe.model_copy(update={"stems": stems, "buses": buses, "mix_bus": mix_bus})


def test_all_of_the_balance_kept_is_the_plain_sum_of_the_files(full_recipe, printed):
    song, survey, recipe = full_recipe
    kept = keep_balance(recipe, survey, 1.0)
    gains_db = {stem.gain_db for stem in kept.stems.values()}
    assert len(gains_db) == 1
    expected_TC = plain_sum(printed) * 10 ** (gains_db.pop() / 20)
    assert np.abs(rendered(song, kept) - expected_TC).max() <= 1e-6 * np.abs(expected_TC).max()
    assert set(kept.stems["LdVox.wav"].reasons) == {"gain_db"}
    assert "100% of the incoming balance kept" in kept.stems["LdVox.wav"].reasons["gain_db"]
    assert kept.mix_bus.reasons == {}


def test_nothing_of_it_kept_is_the_recipe_itself(full_recipe):
    _, survey, recipe = full_recipe
    assert keep_balance(recipe, survey, 0.0) is recipe


def test_the_more_is_kept_the_nearer_it_comes_to_the_plain_sum_without_a_step_at_the_end(full_recipe):
    song, survey, recipe = full_recipe
    target_TC = rendered(song, keep_balance(recipe, survey, 1.0))
    distances = []
    for share in (0.5, 0.9, 0.999):
        difference_TC = rendered(song, keep_balance(recipe, survey, share)) - target_TC
        distances.append(20 * np.log10(np.linalg.norm(difference_TC) / np.linalg.norm(target_TC)))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < -40


def test_between_gains_and_pans_lie_in_proportion(full_recipe):
    _, survey, recipe = full_recipe
    common_db = keep_balance(recipe, survey, 1.0).stems["Kick.wav"].gain_db
    half = keep_balance(recipe, survey, 0.25)
    for name, stem in recipe.stems.items():
        assert half.stems[name].gain_db == pytest.approx(0.75 * stem.gain_db + 0.25 * common_db, abs=0.01)
        assert half.stems[name].pan == pytest.approx(0.75 * stem.pan, abs=1e-4)
        if stem.reverb_send_db is not None:  # 20 log10 0.75
            assert half.stems[name].reverb_send_db == pytest.approx(stem.reverb_send_db - 2.499, abs=0.01)
    lead = half.stems["LdVox.wav"]
    assert lead.equaliser[0].gain_db == 4.5
    assert (lead.polarity, lead.delay_ms) == (-1, 3.0)
    assert [point.gain_db for point in lead.rides] == [-3, 3]
    assert lead.reasons["gain_db"].startswith(recipe.stems["LdVox.wav"].reasons["gain_db"])
    assert "25% of the incoming balance kept" in lead.reasons["gain_db"]


@pytest.mark.parametrize("ratio", [1.0, 1.5, 4.0, 100.0])
def test_a_compressor_takes_as_many_db_less_as_balance_is_kept(full_recipe, ratio):
    _, survey, recipe = full_recipe
    compressor = CompressorRecipe(threshold_db=-20, ratio=ratio, most_reduction_db=10)
    recipe = recipe.model_copy(update={"mix_bus": MixBusRecipe(compressor=compressor)})
    softer = keep_balance(recipe, survey, 0.4).mix_bus.compressor
    over_db = 12.0
    taken_db, before_db = (over_db - over_db / each.ratio for each in (softer, compressor))
    assert taken_db == pytest.approx(0.6 * before_db, abs=0.01)
    assert softer.most_reduction_db == 6.0


def test_the_plain_sum_is_as_loud_as_the_mix_of_the_rules(printed):
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 has no wheel for this Python")
    song, survey = measured(printed)
    recipe = make_recipe(song, survey)
    levels = []
    for share in (0.0, 1.0):
        mix_TC = rendered(song, keep_balance(recipe, survey, share))
        state = ebur.R128State(2, RATE, int(ebur.MeasurementMode.MODE_I))
        state.add_frames(np.ascontiguousarray(mix_TC).ravel(), len(mix_TC))
        levels.append(ebur.get_loudness_global(state))
    # the reverb is not foreseen, and correlation only in the middle
    assert levels[1] == pytest.approx(levels[0], abs=1.0)


def test_stems_printed_from_a_mixer_are_told_and_the_words_say_why(printed):
    balance = looks_balanced(*measured(printed))
    assert balance is not None
    true_dbfs = 20 * np.log10(np.abs(plain_sum(printed)).max())
    assert balance.sum_peak_dbfs == pytest.approx(true_dbfs, abs=3)
    assert "equally long" in balance.words


def test_stems_that_were_moved_or_made_alike_are_not_told(tmp_path, rng):
    n_draws, told = 50, np.zeros(4)
    for number in range(3):
        song, survey = measured(print_stems(tmp_path / str(number), rng))
        told += times_told(song, survey, rng, n_draws)
    printed, gains, peaks, loudness = told
    assert (printed, peaks, loudness) == (3, 0, 0)
    assert gains <= 0.08 * 3 * n_draws


def test_mono_recordings_are_not_told_whatever_their_levels(tmp_path, rng):
    assert looks_balanced(*measured(print_stems(tmp_path / "mono", rng, mono=True))) is None


def test_stems_of_different_lengths_or_few_of_them_are_not_told(printed):
    kick = printed / "Kick.wav"
    samples_TC, _ = soundfile.read(kick)
    soundfile.write(kick, samples_TC[: -RATE // 2], RATE, subtype="FLOAT")
    assert looks_balanced(*measured(printed)) is None
    for path in [kick, *sorted(printed.glob("*.wav"))[3:]]:
        path.unlink(missing_ok=True)
    assert looks_balanced(*measured(printed)) is None


def test_a_mix_beside_the_stems_that_is_their_sum_settles_it(printed):
    # printed far too quiet, so that the sum alone tells nothing
    for path in printed.glob("*.wav"):
        samples_TC, _ = soundfile.read(path)
        soundfile.write(path, 0.05 * samples_TC, RATE, subtype="FLOAT")
    assert looks_balanced(*measured(printed)) is None
    total_TC = plain_sum(printed)
    mix = printed / "Song Mix.wav"
    limited_TC = np.tanh(0.9 * total_TC / np.abs(total_TC).max())
    soundfile.write(mix, limited_TC, RATE)
    song, survey = measured(printed)
    assert song.reference == mix
    assert looks_balanced(song, survey).is_the_mix
    soundfile.write(mix, np.roll(limited_TC, 4000, axis=0), RATE)  # another take
    assert looks_balanced(*measured(printed)) is None


def test_mix_keeps_the_balance_and_says_when_it_could(run, printed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ("--loudness-mode", "measure", "--bit-depth", "32f")
    _, _, told = run("mix", printed, "-n")
    assert "note[I402]" in told
    assert "--keep-balance 1" in told
    assert "I402" in run("inspect", printed)[2]
    for share in ("0", "1"):
        code, out, err = run("mix", printed, "--keep-balance", share, *asked, "--name", share)
        assert (code, "I402" in err) == (0, False)
    mix_TC, expected_TC = soundfile.read(out.strip())[0], plain_sum(printed)
    gain = np.vdot(mix_TC, expected_TC) / np.vdot(expected_TC, expected_TC)
    assert np.abs(mix_TC - gain * expected_TC).max() <= 1e-6
    assert run("mix", printed, "--keep-balance", "1.5")[0] == 2
    code, _, err = run(
        "mix", printed, "--keep-balance", "1", "--recipe", "mixes/0.recipe.yaml", "--name", "x"
    )
    assert (code, "error[E230]" in err) == (2, True)


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the excerpts of real stems are not here")
def test_real_printed_stems_are_told_and_seldom_after_their_levels_were_changed(rng):
    n_draws, told = 100, np.zeros(4)
    folders = sorted(path for path in DATA.iterdir() if path.is_dir())
    for folder in folders:
        told += times_told(*measured(folder, 44_100), rng, n_draws)
    printed, gains, peaks, loudness = told
    assert (printed, peaks, loudness) == (len(folders), 0, 0)
    assert gains <= 0.05 * n_draws * len(folders)
