"""Levels by the rules: rendered, measured by an independent meter, and held to what they promise."""

import math

import numpy as np
import pyloudnorm
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.console.character import character_steps_db
from mixcli.console.render import render_terms
from mixcli.console.rule_table import KIT_LEVEL_DB, ROLE_RULES
from mixcli.console.rules import make_recipe
from mixcli.settings import RuleSettings
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song

RATE = 16_000
DRY = {"width_db": -60, "reverb_db": -60, "pan_scale": 0, "compression": 0}


@pytest.fixture
def make_song(tmp_path):
    """Write stems [(name, role, attributes, [T])] and give the song of them."""

    def make(stems):
        made = []
        for name, role, said, audio_T in stems:
            path = tmp_path / name
            soundfile.write(path, audio_T.astype(np.float32), RATE, subtype="FLOAT")
            made.append(
                Stem(name=name, files=(read_info(path),), role=role, role_from="name", attributes=said)
            )
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_for(song, **settings):
    return make_recipe(song, survey_song(song, RATE), settings=RuleSettings(**settings))


def gains(song, **settings):
    return {name: stem.gain_db for name, stem in recipe_for(song, **settings).stems.items()}


def noise(rng, *, level=0.1, seconds=4.0):
    return level * rng.standard_normal(round(seconds * RATE))


def loudness_lufs(mix_TC):
    """By pyloudnorm with the standard's own coefficients."""
    return pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(mix_TC.astype(np.float64))


def rendered(song, recipe):
    """Every stem as it is in the mix, [T, 2]."""
    blocks = [terms for _, terms in render_terms(song, recipe)]
    return {name: np.concatenate([terms[name] for terms in blocks]) for name in blocks[0]}


def test_stems_that_sound_alike_lie_apart_as_their_roles_do(make_song, rng):
    roles = ["gtr.electric", "keys.piano", "drums.hihat", "bass.electric", "perc.hand"]
    song = make_song(
        [(f"{role}.wav", role, {}, noise(rng, level=0.02 * (1 + 4 * i))) for i, role in enumerate(roles)]
    )
    recipe = recipe_for(song, **DRY)
    found = {
        recipe.stems[name].role: loudness_lufs(term_TC) for name, term_TC in rendered(song, recipe).items()
    }
    for role in roles:
        apart_db = found[role] - found["gtr.electric"]
        wanted_db = ROLE_RULES[role].level_db - ROLE_RULES["gtr.electric"].level_db
        # The hats lose what lies under their high-pass, which of white noise is next to nothing that counts.
        assert apart_db == pytest.approx(wanted_db, abs=0.4), role


def test_the_gain_of_a_recording_does_not_matter(make_song, rng):
    sounds = [noise(rng), noise(rng) * (np.arange(4 * RATE) % 4000 < 400), np.cumsum(noise(rng)) * 0.05]
    roles = ["vox.lead", "perc.hand", "bass.synth"]

    def gains_at(scales_db):
        stems = zip(roles, sounds, scales_db, strict=True)
        song = make_song([(f"{role}.wav", role, {}, x * 10 ** (db / 20)) for role, x, db in stems])
        return [gains(song)[f"{role}.wav"] for role in roles]

    first, scales_db = gains_at([0, 0, 0]), [20, -10, -6]
    assert gains_at(scales_db) == pytest.approx(np.subtract(first, scales_db).tolist(), abs=0.03)


def test_what_peaks_and_brightness_do_to_a_level_is_the_stated_slopes(make_song, rng):
    """Against a plain second way: the peaks by numpy, the brightness by one transform of the whole."""
    from scipy.signal import butter, sosfilt

    bursts = noise(rng) * (np.arange(4 * RATE) % 1600 < 80)  # as loud at its peaks, silent for 95 %
    low = sosfilt(butter(4, 300, fs=RATE, output="sos"), noise(rng))
    high = sosfilt(butter(4, 4000, "highpass", fs=RATE, output="sos"), noise(rng))
    sounds = [noise(rng), bursts, low, high]
    song = make_song([(f"{i}.wav", "synth.pad", {"take": str(i)}, sound) for i, sound in enumerate(sounds)])
    survey = survey_song(song, RATE)
    loudness, peaks_db, octaves = {}, [], []
    for i, sound in enumerate(sounds):
        loudness[f"{i}.wav"] = loudness_lufs(np.stack([sound, sound], axis=1))
        hops = np.abs(sound).reshape(-1, RATE // 10).max(axis=1)
        peaks_db.append(20 * np.log10(np.percentile(hops, 95)) - loudness[f"{i}.wav"])
        power = np.abs(np.fft.rfft(sound)) ** 2
        hz = np.fft.rfftfreq(len(sound), 1 / RATE)
        heard = (hz > 22) & (hz < 8000)
        octaves.append(np.average(np.log2(hz[heard]), weights=power[heard]))
    wanted = -0.35 * (np.array(peaks_db) - np.mean(peaks_db)) - 0.4 * (np.array(octaves) - np.mean(octaves))
    found = character_steps_db(survey.stems, loudness)
    assert max(abs(wanted)) < 4  # else they would be held there
    assert list(found.values()) == pytest.approx(wanted.tolist(), abs=0.15)
    assert found["1.wav"] < found["0.wav"] - 2  # peaky is set lower


def test_a_stem_that_rests_most_of_the_time_is_not_turned_up_for_it(make_song, rng):
    resting = noise(rng, seconds=12)
    resting[3 * RATE :] *= 1e-4  # -80 dB: only bleed
    always = make_song([("vox.wav", "vox.lead", {}, noise(rng, seconds=12))])
    rarely = make_song([("vox.wav", "vox.lead", {}, resting)])
    assert gains(always)["vox.wav"] == pytest.approx(gains(rarely)["vox.wav"], abs=0.5)


def test_several_stems_of_a_role_together_gain_half_the_power_of_their_number(make_song, rng):
    """Half of the 10 log n that uncorrelated sounds gain is taken back."""
    keys = ("k.wav", "keys.piano", {}, noise(rng))
    one = make_song([keys, ("g0.wav", "gtr.electric", {}, noise(rng))])
    four = make_song([keys] + [(f"g{i}.wav", "gtr.electric", {"take": str(i)}, noise(rng)) for i in range(4)])
    rises = []
    for song in (one, four):
        stems = recipe_for(song, **DRY).stems
        guitars = sum(10 ** (stem.gain_db / 10) for stem in stems.values() if stem.role == "gtr.electric")
        rises.append(10 * math.log10(guitars) - stems["k.wav"].gain_db)
    assert rises[1] - rises[0] == pytest.approx(5 * math.log10(4), abs=0.2)


@pytest.mark.parametrize("how", ["alike", "one after the other"])
def test_a_stem_in_two_halves_is_as_loud_as_in_one(make_song, rng, how):
    whole, other = noise(rng, seconds=6), noise(rng, seconds=6)
    if how == "alike":
        halves = [0.5 * whole + 1e-5 * noise(rng, seconds=6) for _ in range(2)]
    else:
        first = np.where(np.arange(len(whole)) < len(whole) // 2, whole, 0)
        halves = [first, whole - first]
    rest = [("k.wav", "keys.piano", {}, other), ("v.wav", "vox.lead", {}, noise(rng, seconds=6))]
    in_one = make_song([("g.wav", "gtr.electric", {}, whole), *rest])
    in_two = make_song(
        [(f"g{i}.wav", "gtr.electric", {"take": str(i)}, half) for i, half in enumerate(halves)] + rest
    )
    levels = []
    for song in (in_one, in_two):
        recipe = recipe_for(song, **DRY)
        terms = rendered(song, recipe)
        guitars_TC = sum(terms[name] for name in terms if name.startswith("g"))
        levels.append(loudness_lufs(guitars_TC) - loudness_lufs(terms["k.wav"]))
    assert levels[1] == pytest.approx(levels[0], abs=0.5)


def test_microphones_of_a_kit_are_together_as_loud_as_a_kit(make_song, rng):
    names = {
        "kick": "drums.kick",
        "snare": "drums.snare",
        "hats": "drums.hihat",
        "tom": "drums.tom",
        "oh": "drums.overhead",
    }
    song = make_song([(f"{name}.wav", role, {}, noise(rng)) for name, role in names.items()])
    recipe = recipe_for(song, **DRY)
    assert loudness_lufs(sum(rendered(song, recipe).values())) == pytest.approx(-18 + KIT_LEVEL_DB, abs=0.4)


def test_two_microphones_of_one_source_are_as_loud_as_one(make_song, rng):
    amp = noise(rng)
    near = ("a.wav", "gtr.electric", {"mic": "close"}, amp)
    far = ("b.wav", "gtr.electric", {"mic": "far"}, 0.8 * amp + 0.2 * noise(rng))
    keys = ("k.wav", "keys.piano", {}, noise(rng))
    levels = []
    for stems in ([near, keys], [near, far, keys]):
        song = make_song(stems)
        terms = rendered(song, recipe_for(song, **DRY))
        guitar_TC = sum(term_TC for name, term_TC in terms.items() if name != "k.wav")
        levels.append(loudness_lufs(guitar_TC) - loudness_lufs(terms["k.wav"]))
    assert levels[1] == pytest.approx(levels[0], abs=0.4)


@pytest.mark.parametrize("n_others", [1, 3, 12])
def test_the_voice_stands_near_the_usual_ratio_to_the_rest(make_song, rng, n_others):
    """Half-way from where it was to -2.5 dB, and between -5 and +1 dB in any case."""
    others = ["gtr.electric", "keys.piano", "synth.pad", "strings", "winds.brass", "plucked"] * 2
    stems = [(f"{i}.wav", role, {"take": str(i)}, noise(rng)) for i, role in enumerate(others[:n_others])]
    song = make_song([("v.wav", "vox.lead", {}, noise(rng)), *stems])
    terms = rendered(song, recipe_for(song, **DRY))
    rest_TC = sum(term_TC for name, term_TC in terms.items() if name != "v.wav")
    found_db = loudness_lufs(terms["v.wav"]) - loudness_lufs(rest_TC)
    assert -5.3 < found_db < 1.3
    more = rendered(song, recipe_for(song, **DRY, vocals_db=3))
    raised_db = loudness_lufs(more["v.wav"]) - loudness_lufs(rest_TC)
    assert raised_db - found_db == pytest.approx(3, abs=0.1)


def test_drums_and_bass_stand_higher_in_an_electronic_song(make_song, rng):
    kick, first, second = noise(rng), noise(rng), noise(rng)

    def kick_re_first(role, other_role):
        song = make_song(
            [
                ("kick.wav", "drums.kick", {}, kick),
                ("x.wav", role, {}, first),
                ("y.wav", other_role, {}, second),
            ]
        )
        terms = rendered(song, recipe_for(song, **DRY))
        return loudness_lufs(terms["kick.wav"]) - loudness_lufs(terms["x.wav"])

    # Two of three sources are synthesisers; piano and pad are set alike.
    made, played = kick_re_first("synth.pad", "synth.arp"), kick_re_first("keys.piano", "keys.organ")
    assert made - played == pytest.approx(2.5 * 2 / 3, abs=0.05)


def test_a_recording_that_is_little_but_noise_floor_is_held(make_song, rng):
    song = make_song(
        [("vox.wav", "vox.lead", {}, noise(rng)), ("dead.wav", "other", {}, noise(rng, level=4e-4))]
    )
    stem = recipe_for(song).stems["dead.wav"]
    assert stem.gain_db <= 30
    assert "held: more would turn up its noise" in stem.reasons["gain_db"]


def test_a_sound_too_short_for_a_loudness_is_levelled_by_its_mean(make_song, rng):
    short, long = noise(rng, seconds=0.35), noise(rng)
    voice = ("v.wav", "vox.lead", {}, noise(rng))
    found = [
        gains(make_song([("clap.wav", "drums.clap", {}, sound), voice]))["clap.wav"]
        for sound in (short, long)
    ]
    assert found[0] == pytest.approx(found[1], abs=0.7)


def test_a_nearly_silent_stem_keeps_its_level_and_the_reason_says_so(make_song, rng):
    song = make_song([("a.wav", "other", {}, noise(rng, level=1e-5)), ("v.wav", "vox.lead", {}, noise(rng))])
    stem = recipe_for(song).stems["a.wav"]
    assert stem.gain_db == 0
    assert stem.reasons["gain_db"] == "too quiet to have a loudness: left as it is"
