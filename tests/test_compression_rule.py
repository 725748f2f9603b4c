"""Truth: the compressor and expander on sound, and signals whose levels are known by their making."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.expander import Expander, ExpanderSettings
from mixcli.audio.files import read_info
from mixcli.audio.loudness import LoudnessMeter
from mixcli.console.compression import choose_compressor, expected_reduction_lu
from mixcli.console.expansion import choose_expander, two_heaps
from mixcli.console.hop_levels import mean_squares
from mixcli.console.recipe import CompressorRecipe
from mixcli.settings import RuleSettings
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song

RATE = 16_000


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def survey_of(tmp_path):
    """Survey sounds {name: [T] or [T, 2]} as the stems of one song."""

    def survey(**sounds):
        stems = []
        for name, sound in sounds.items():
            path = tmp_path / f"{name}.wav"
            soundfile.write(path, np.asarray(sound, np.float32), RATE, subtype="FLOAT")
            stems.append(Stem(name=name, files=(read_info(path),), role="other", role_from="name"))
        return survey_song(Song(name="song", folder=tmp_path, stems=tuple(stems)), RATE)

    return survey


def phrases(rng, *, levels_db, seconds=0.9, pause_s=0.3):
    """A voice: a buzz of many harmonics with a syllable's rise and fall, phrase by phrase at given levels."""
    times_T = np.arange(round(seconds * RATE)) / RATE
    parts = []
    for level_db in levels_db:
        pitch_hz = rng.uniform(150, 250)
        buzz_T = sum(np.cos(2 * np.pi * k * pitch_hz * times_T) / k for k in range(1, 12))
        syllables_T = 0.6 + 0.4 * np.sin(2 * np.pi * 3 * times_T)
        parts += [10 ** (level_db / 20) * 0.25 * buzz_T * syllables_T, np.zeros(round(pause_s * RATE))]
    return np.concatenate(parts)


def hits(rng, *, levels_db, every_s=0.5, decay_s=0.08):
    """Drums: noise and a low tone that die away."""
    times_T = np.arange(round(every_s * RATE)) / RATE
    body_T = np.exp(-times_T / decay_s)
    parts = [
        10 ** (level_db / 20)
        * body_T
        * (0.1 * rng.standard_normal(len(times_T)) + 0.4 * np.sin(2 * np.pi * 180 * times_T))
        for level_db in levels_db
    ]
    return np.concatenate(parts)


def bass_notes(rng, *, levels_db):
    times_T = np.arange(round(0.4 * RATE)) / RATE
    fall_T = np.exp(-times_T / 0.5)
    return np.concatenate(
        [
            10 ** (level_db / 20) * 0.4 * fall_T * np.sin(2 * np.pi * rng.choice([55, 65, 82]) * times_T)
            for level_db in levels_db
        ]
    )


def uneven(rng, n=11):
    return rng.uniform(-18, 0, n)


def compressed(sound_T, recipe):
    made = Compressor(CompressorSettings(**recipe.model_dump()), RATE, sound_T.ndim)
    return made.push(np.asarray(sound_T, np.float32).reshape(len(sound_T), -1))


def loudness(sound_TC):
    meter = LoudnessMeter(RATE, sound_TC.shape[1])
    meter.push(np.asarray(sound_TC, np.float32))
    return meter.integrated_lufs()


MATERIAL = {
    "vox.lead": lambda rng: phrases(rng, levels_db=uneven(rng)),
    "vox.backing": lambda rng: phrases(rng, levels_db=uneven(rng), seconds=0.6, pause_s=0.1),
    "bass.electric": lambda rng: bass_notes(rng, levels_db=uneven(rng, 40)),
    "drums.snare": lambda rng: hits(rng, levels_db=uneven(rng, 30)),
    "gtr.electric": lambda rng: phrases(rng, levels_db=uneven(rng), seconds=0.8, pause_s=0.0),
}


@pytest.mark.parametrize("role", MATERIAL)
def test_the_loudness_that_the_compressor_takes_is_foretold(role, rng, survey_of):
    sound_T = MATERIAL[role](rng)
    survey = survey_of(stem=sound_T)
    compressor, _ = choose_compressor("stem", role, survey, RuleSettings(compression=1))
    taken = loudness(sound_T[:, None]) - loudness(compressed(sound_T, compressor))
    assert taken > 0.1
    assert expected_reduction_lu("stem", survey, compressor) == pytest.approx(taken, abs=0.5)


@pytest.mark.parametrize("role", MATERIAL)
def test_so_is_that_of_a_compressor_set_by_hand(role, rng, survey_of):
    sound_T = MATERIAL[role](rng)
    survey = survey_of(stem=sound_T)
    compressor = CompressorRecipe(threshold_db=-27, ratio=2, attack_ms=20, make_up_db=1.5)
    taken = loudness(sound_T[:, None]) - loudness(compressed(sound_T, compressor))
    assert expected_reduction_lu("stem", survey, compressor) == pytest.approx(taken, abs=0.6)


def test_a_tone_is_turned_down_by_what_the_static_curve_says(survey_of):
    tone_T = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(8 * RATE) / RATE)  # -9.03 dB as RMS
    survey = survey_of(
        mono=tone_T, left=np.stack([tone_T, 0 * tone_T], axis=1), both=np.stack([tone_T] * 2, 1)
    )
    compressor = CompressorRecipe(threshold_db=-19.03, ratio=4, knee_db=0)
    for name in ("mono", "left", "both"):  # the detector hears the loudest channel
        assert expected_reduction_lu(name, survey, compressor) == pytest.approx(7.5, abs=0.1), name
        level_db = 10 * np.log10(np.median(mean_squares(name, survey)))
        assert level_db == pytest.approx(-9.03, abs=0.1), name


@pytest.mark.parametrize("gain_db", [-20.0, 20.0])
@pytest.mark.parametrize("role", ["bass.electric", "drums.snare"])
def test_a_louder_recording_gets_the_same_sound(role, gain_db, rng, survey_of):
    sound_T = 0.1 * MATERIAL[role](rng)
    gain = 10 ** (gain_db / 20)
    survey = survey_of(one=sound_T, other=gain * sound_T)
    (one, _), (other, _) = (
        choose_compressor(name, role, survey, RuleSettings(compression=1)) for name in ("one", "other")
    )
    assert other.threshold_db - one.threshold_db == pytest.approx(gain_db, abs=0.011)
    assert other.ratio == pytest.approx(one.ratio, abs=0.011)
    same = compressed(sound_T, one)
    np.testing.assert_allclose(compressed(gain * sound_T, other) / gain, same, atol=2e-3 * np.abs(same).max())


def test_what_is_dense_already_is_left_alone(rng, survey_of):
    steady_T = 0.1 * rng.standard_normal(10 * RATE)
    limited_T = np.clip(4 * phrases(rng, levels_db=uneven(rng)), -0.3, 0.3)
    machine_T = hits(rng, levels_db=np.zeros(30))
    survey = survey_of(steady=steady_T, limited=limited_T, machine=machine_T)
    assert choose_compressor("steady", "vox.lead", survey, RuleSettings(compression=1)) is None
    assert choose_compressor("limited", "vox.lead", survey, RuleSettings(compression=1)) is None
    assert choose_compressor("machine", "drums.kick", survey, RuleSettings(compression=1)) is None


def test_the_wider_the_levels_spread_the_higher_the_ratio(rng, survey_of):
    levels = np.linspace(-1, 0, 12)[rng.permutation(12)]
    swings = {f"by{db}": hits(np.random.default_rng(1), levels_db=db * levels) for db in (1, 4, 16)}
    survey = survey_of(**swings)
    chosen = [choose_compressor(name, "drums.snare", survey, RuleSettings(compression=1)) for name in swings]
    ratios = [1.0 if made is None else made[0].ratio for made in chosen]
    assert ratios[0] == 1 < ratios[1] < ratios[2] <= 2


def test_voices_and_bass_are_compressed_most_and_rooms_never(rng, survey_of):
    sound_T = phrases(rng, levels_db=uneven(rng))
    survey = survey_of(stem=sound_T)
    ratios = {}
    never = ("drums.room", "fx.return", "strings")
    for role in ("vox.lead", "bass.electric", "drums.snare", "keys.piano", *never):
        made = choose_compressor("stem", role, survey, RuleSettings(compression=1))
        ratios[role] = 1.0 if made is None else made[0].ratio
    assert min(ratios["vox.lead"], ratios["bass.electric"]) > ratios["drums.snare"] > ratios["keys.piano"] > 1
    assert [ratios[role] for role in never] == [1, 1, 1]


def test_strength_scales_it_and_nought_is_none(rng, survey_of):
    survey = survey_of(stem=MATERIAL["vox.lead"](rng))
    taken = []
    for strength in (0.5, 1.0, 2.0):
        compressor, _ = choose_compressor("stem", "vox.lead", survey, RuleSettings(compression=strength))
        taken.append(expected_reduction_lu("stem", survey, compressor))
        assert taken[-1] <= 6 * strength + 0.5
    assert taken == sorted(taken)
    assert choose_compressor("stem", "vox.lead", survey, RuleSettings(compression=0)) is None


def with_stem(survey, name, stem):
    channels = dict(survey.channels) | {name: slice(0, 1)}
    return replace(survey, stems=dict(survey.stems) | {name: stem}, channels=channels)


def test_silence_and_a_single_hit_are_left_alone(rng, survey_of):
    single_T = np.concatenate([hits(rng, levels_db=[0]), np.zeros(5 * RATE)])
    survey = survey_of(silence=np.zeros(3 * RATE), single=single_T, short=single_T[:2000])
    for name in ("silence", "single", "short"):
        assert choose_compressor(name, "drums.snare", survey, RuleSettings(compression=1)) is None
        assert choose_expander("drums.tom", survey.stems[name], RuleSettings(compression=1)) is None
    rumble = replace(survey.stems["single"], third_octaves=(0.0,) * 30)  # all of it under 22 Hz
    assert (
        choose_compressor(
            "rumble", "vox.lead", with_stem(survey, "rumble", rumble), RuleSettings(compression=1)
        )
        is None
    )
    compressor = CompressorRecipe(threshold_db=-30, ratio=3)
    assert expected_reduction_lu("silence", survey, compressor) == 0


def tom_with_spill(rng, *, spill_db):
    """A hit every 4 s, and the rest of the kit between, at a level re the hits."""
    tom_T = np.concatenate([hits(rng, levels_db=[0], every_s=4, decay_s=0.15) for _ in range(6)])
    spill_T = hits(rng, levels_db=rng.uniform(-3, 0, 96), every_s=0.25, decay_s=0.1)
    return tom_T + 10 ** (spill_db / 20) * spill_T


def test_the_spill_between_the_hits_of_a_tom_goes_down_and_the_hits_stay(rng, survey_of):
    tom_T = 0.5 * tom_with_spill(rng, spill_db=-32)
    stem = survey_of(tom=tom_T).stems["tom"]
    recipe, reason = choose_expander("drums.tom", stem, RuleSettings(compression=1))
    assert recipe.range_db <= 12
    assert "spill" in reason
    made_T = Expander(ExpanderSettings(**recipe.model_dump()), RATE, 1).push(
        tom_T.astype(np.float32)[:, None]
    )[:, 0]
    seconds_T = (np.arange(len(tom_T)) / RATE) % 4
    hit_T, between_T = seconds_T < 0.3, seconds_T > 2
    assert 10 * np.log10(np.mean(made_T[hit_T] ** 2) / np.mean(tom_T[hit_T] ** 2)) > -0.2
    lowered_db = 10 * np.log10(np.mean(made_T[between_T] ** 2) / np.mean(tom_T[between_T] ** 2))
    assert lowered_db == pytest.approx(-12, abs=1.5)


def test_the_expander_moves_with_the_recordings_level(rng, survey_of):
    tom_T = 0.05 * tom_with_spill(rng, spill_db=-32)
    survey = survey_of(one=tom_T, louder=10 * tom_T)
    (one, _), (louder, _) = (
        choose_expander("drums.tom", survey.stems[name], RuleSettings(compression=1))
        for name in ("one", "louder")
    )
    assert louder.threshold_db - one.threshold_db == pytest.approx(20, abs=0.011)
    assert louder.model_copy(update={"threshold_db": one.threshold_db}) == one


def test_a_tom_without_spill_or_with_loud_spill_needs_no_expander(rng, survey_of):
    survey = survey_of(
        loud=0.5 * tom_with_spill(rng, spill_db=-8),
        clean=np.concatenate([hits(rng, levels_db=[0]), np.zeros(3 * RATE)] * 4),
    )
    for stem in survey.stems.values():
        assert choose_expander("drums.tom", stem, RuleSettings(compression=1)) is None


def test_an_amplifiers_hiss_goes_down_in_the_pauses_but_no_voice_is_touched(rng, survey_of):
    playing_T = phrases(rng, levels_db=[-3, 0, -2, 0, -1, 0], seconds=2, pause_s=2)
    hiss_T = 10 ** (-50 / 20) * rng.standard_normal(len(playing_T))
    survey = survey_of(noisy=playing_T + hiss_T, sustained=0.1 * rng.standard_normal(10 * RATE))
    recipe, reason = choose_expander("gtr.electric", survey.stems["noisy"], RuleSettings(compression=1))
    assert "noise" in reason
    assert -50 < recipe.threshold_db < -25
    assert recipe.hold_ms >= 200
    for role in ("vox.lead", "vox.backing", "strings", "synth.pad", "drums.overhead", "keys.piano"):
        assert choose_expander(role, survey.stems["noisy"], RuleSettings(compression=1)) is None
    assert choose_expander("gtr.electric", survey.stems["sustained"], RuleSettings(compression=1)) is None
    assert choose_expander("gtr.electric", survey.stems["noisy"], RuleSettings(compression=0)) is None


def test_two_heaps_are_parted_where_a_search_over_all_borders_parts_them(rng):
    levels_H = np.concatenate([rng.normal(-60, 3, 200), rng.normal(-20, 5, 40)])
    candidates = (np.sort(levels_H)[1:] + np.sort(levels_H)[:-1]) / 2

    def inside(border):
        low, high = levels_H[levels_H < border], levels_H[levels_H >= border]
        return low.var() * len(low) + high.var() * len(high)

    assert two_heaps(levels_H) == pytest.approx(min(candidates, key=inside))
