"""The rules: rendered and measured with an independent meter, and held to what they promise."""

import math
import random

import numpy as np
import pyloudnorm
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.console.recipe_file import read_recipe, write_recipe
from mixcli.console.render import ConsoleRenderer, render_terms
from mixcli.console.rule_table import FAMILY_OFFSETS_DB, ROLE_RULES, RuleSettings, rule_of
from mixcli.console.rules import make_recipe
from mixcli.songs.roles import ROLES
from mixcli.songs.song import Excluded, Song, Stem
from mixcli.songs.survey import survey_song

RATE = 16_000


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def make_song(tmp_path):
    """Write stems [(name, role, attributes, [T, C])] and give the song of them."""

    def make(stems):
        made = []
        for name, role, attributes, audio_TC in stems:
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, audio_TC.astype(np.float32), RATE, subtype="FLOAT")
            files = (read_info(path),)
            made.append(Stem(name=name, files=files, role=role, role_from="name", attributes=attributes))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_for(song, **settings):
    return make_recipe(song, survey_song(song, RATE), settings=RuleSettings(**settings))


def noise(rng, *, level=0.1, seconds=3.0, n_channels=1):
    return level * rng.standard_normal((round(seconds * RATE), n_channels))


def loudness_lufs(mix_TC):
    """By pyloudnorm with the standard's own coefficients."""
    return pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(mix_TC.astype(np.float64))


def family_sums(song, recipe):
    """The rendered sum of each balance family, [T, 2]."""
    blocks = [terms for _, terms in render_terms(song, recipe)]
    sums = {}
    for name in blocks[0]:
        term_TC = np.concatenate([terms[name] for terms in blocks])
        family = rule_of(recipe.stems[name].role).family
        sums[family] = sums.get(family, 0) + term_TC
    return sums


BAND = [
    ("kick.wav", "drums.kick", {}, 0.3, 1),
    ("snare.wav", "drums.snare", {}, 0.02, 1),
    ("oh.wav", "drums.overhead", {}, 0.05, 2),
    ("hats.wav", "drums.hihat", {}, 0.01, 1),
    ("bass.wav", "bass.electric", {}, 0.2, 1),
    ("gtr1.wav", "gtr.electric", {"take": "1"}, 0.1, 1),
    ("gtr2.wav", "gtr.electric", {"take": "2"}, 0.04, 1),
    ("gtr3.wav", "gtr.electric", {"take": "3"}, 0.08, 1),
    ("keys.wav", "keys.piano", {}, 0.06, 2),
    ("vox.wav", "vox.lead", {}, 0.02, 1),
    ("bv1.wav", "vox.backing", {"take": "1"}, 0.05, 1),
    ("bv2.wav", "vox.backing", {"take": "2"}, 0.07, 1),
]


@pytest.fixture
def band(make_song, rng):
    return make_song(
        [(name, role, said, noise(rng, level=level, n_channels=n)) for name, role, said, level, n in BAND]
    )


def test_every_family_reaches_its_offset_when_rendered(band):
    sums = family_sums(band, recipe_for(band))
    assert set(sums) == {"vocals", "drums", "bass", "other"}
    for family, sum_TC in sums.items():
        assert loudness_lufs(sum_TC) == pytest.approx(-18 + FAMILY_OFFSETS_DB[family], abs=0.5), family


def test_correlated_stems_of_a_family_reach_its_offset_too(make_song, rng):
    shared_TC, one_TC, two_TC = noise(rng), noise(rng), noise(rng)
    stems = [
        ("vox.wav", "vox.lead", {}, noise(rng)),
        ("a.wav", "keys.piano", {}, shared_TC + 0.3 * one_TC),
        ("b.wav", "synth.pad", {}, shared_TC + 0.3 * two_TC),
        ("c.wav", "strings", {}, -0.5 * shared_TC + two_TC),
    ]
    song = make_song(stems)
    sum_TC = family_sums(song, recipe_for(song, pan_scale=0.0))["other"]
    assert loudness_lufs(sum_TC) == pytest.approx(-21.5, abs=0.5)


def test_a_stem_that_rests_most_of_the_time_is_not_turned_up_for_it(make_song, rng):
    resting_TC = noise(rng, seconds=12)
    resting_TC[3 * RATE :] *= 1e-4  # -80 dB: only bleed
    always = make_song([("vox.wav", "vox.lead", {}, noise(rng, seconds=12))])
    rarely = make_song([("vox.wav", "vox.lead", {}, resting_TC)])
    gains = [recipe_for(song).stems["vox.wav"].gain_db for song in (always, rarely)]
    assert gains[0] == pytest.approx(gains[1], abs=0.5)


def test_a_recording_that_is_little_but_noise_floor_is_held(make_song, rng):
    song = make_song(
        [("vox.wav", "vox.lead", {}, noise(rng)), ("dead.wav", "other", {}, noise(rng, level=1e-3))]
    )
    stem = recipe_for(song).stems["dead.wav"]
    assert stem.gain_db == 24
    assert "held at +24" in stem.reasons["gain_db"]


def test_several_stems_of_a_role_together_gain_half_the_power_of_their_number(make_song, rng):
    """-5 log10 n each: the sum of n uncorrelated ones is then 5 log10 n over one."""
    one = make_song([("k.wav", "keys.piano", {}, noise(rng)), ("g0.wav", "gtr.electric", {}, noise(rng))])
    four = make_song(
        [("k.wav", "keys.piano", {}, noise(rng))]
        + [(f"g{i}.wav", "gtr.electric", {"take": str(i)}, noise(rng)) for i in range(4)]
    )
    rises = []
    for song in (one, four):
        stems = recipe_for(song, width_db=-60).stems
        guitars = sum(10 ** (stem.gain_db / 10) for stem in stems.values() if stem.role == "gtr.electric")
        rises.append(10 * math.log10(guitars) - stems["k.wav"].gain_db)
    assert rises[1] - rises[0] == pytest.approx(5 * math.log10(4), abs=0.1)


def test_the_order_of_the_files_changes_nothing(band):
    recipe = recipe_for(band)
    stems = list(band.stems)
    random.Random(3).shuffle(stems)
    shuffled = Song(name="song", folder=band.folder, stems=tuple(stems))
    again = recipe_for(shuffled)
    assert again == recipe
    assert list(again.stems) == list(recipe.stems)


def test_the_written_recipe_renders_the_same_samples(band, tmp_path):
    recipe = recipe_for(band)
    write_recipe(recipe, tmp_path / "a.recipe.yaml")
    read = read_recipe(tmp_path / "a.recipe.yaml")
    assert read == recipe
    for first, second in zip(ConsoleRenderer(band, recipe), ConsoleRenderer(band, read), strict=True):
        assert np.array_equal(first.buses_KTC, second.buses_KTC)
        assert np.array_equal(first.returns_TC, second.returns_TC)


def test_every_move_says_why(band):
    defaults = {"mute": False, "polarity": 1, "pan": 0.0}
    moves = (
        "gain_db",
        "polarity",
        "high_pass_hz",
        "side_from_mid_db",
        "side_gain_db",
        "pan",
        "reverb_send_db",
    )
    for stem in recipe_for(band).stems.values():
        for key in moves:
            if getattr(stem, key) not in (None, defaults.get(key)):
                assert stem.reasons[key], key
    reason = recipe_for(band).stems["gtr1.wav"].reasons["gain_db"]
    assert "1 of 3 gtr.electric (-2.4), gtr.electric -6 in its family" in reason
    assert "to -18 LUFS" in reason
    assert "to -21.5 LUFS" in reason


def test_kick_and_bass_are_dry_and_full_and_wet_stems_get_no_reverb(make_song, rng):
    song = make_song(
        [
            ("kick.wav", "drums.kick", {}, noise(rng)),
            ("bass.wav", "bass.synth", {}, noise(rng)),
            ("vox.wav", "vox.lead", {}, noise(rng)),
            ("voxwet.wav", "vox.lead", {"wet": "true"}, noise(rng)),
            ("hats.wav", "drums.hihat", {}, noise(rng)),
        ]
    )
    stems = recipe_for(song).stems
    sends = {name.split(".")[0]: stem.reverb_send_db for name, stem in stems.items()}
    assert sends == {"kick": None, "bass": None, "vox": -17, "voxwet": None, "hats": -32}
    passes = {name.split(".")[0]: stem.high_pass_hz for name, stem in stems.items()}
    assert passes == {"kick": None, "bass": None, "vox": 90, "voxwet": 90, "hats": 200}
    assert stems["kick.wav"].side_from_mid_db is None


def test_the_seed_is_the_names_alone(make_song, rng):
    first = make_song([("a.wav", "other", {}, noise(rng)), ("b.wav", "other", {}, noise(rng))])
    second = make_song([("b.wav", "strings", {}, noise(rng))])
    seeds = [recipe_for(song).stems["b.wav"].decorrelation_seed for song in (first, second)]
    assert seeds[0] == seeds[1] != recipe_for(first).stems["a.wav"].decorrelation_seed


@pytest.mark.parametrize(
    ("roles", "loudness"),
    [
        (["drums.kick", "drums.snare", "drums.overhead"], -21),
        (["vox.lead", "vox.backing", "vox.backing"], -18),
        (["vox.backing", "vox.backing"], -18),
        (["other"], -21.5),
        (["other"] * 7, -21.5),
        (["fx.return", "room"], -21.5),
    ],
)
def test_songs_of_one_family_are_sane(make_song, rng, roles, loudness):
    song = make_song([(f"{i}.wav", role, {}, noise(rng)) for i, role in enumerate(roles)])
    recipe = recipe_for(song)
    (sum_TC,) = family_sums(song, recipe).values()
    assert loudness_lufs(sum_TC) == pytest.approx(loudness, abs=0.5)
    assert all(abs(stem.pan) <= 0.3 for stem in recipe.stems.values())


def test_voices_without_a_lead_accompany(make_song, rng):
    song = make_song([("bv.wav", "vox.choir", {}, noise(rng)), ("gtr.wav", "gtr.acoustic", {}, noise(rng))])
    assert loudness_lufs(family_sums(song, recipe_for(song))["vocals"]) == pytest.approx(-21.5, abs=0.5)


def test_a_hundred_stems_are_no_louder_than_ten(make_song, rng):
    roles = [role for role in ROLES if not role.startswith("util")]
    stems = [(f"{i}.wav", roles[i % len(roles)], {}, noise(rng, seconds=0.6)) for i in range(100)]
    song = make_song(stems)
    for family, sum_TC in family_sums(song, recipe_for(song)).items():
        assert loudness_lufs(sum_TC) == pytest.approx(-18 + FAMILY_OFFSETS_DB[family], abs=0.7), family


def test_a_sound_too_short_for_a_loudness_is_levelled_by_its_mean(make_song, rng):
    song = make_song(
        [("clap.wav", "drums.clap", {}, noise(rng, seconds=0.35)), ("v.wav", "vox.lead", {}, noise(rng))]
    )
    stem = recipe_for(song).stems["clap.wav"]
    # the same noise at the same level for longer has a loudness, and the gain that makes it -18
    long = make_song([("clap.wav", "drums.clap", {}, noise(rng)), ("v.wav", "vox.lead", {}, noise(rng))])
    in_family = stem.reasons["gain_db"].split(",")[0]
    expected = recipe_for(long).stems["clap.wav"].reasons["gain_db"].split(",")[0]
    level = [float(text.split("(")[1].rstrip(")")) for text in (in_family, expected)]
    assert level[0] == pytest.approx(level[1], abs=0.5)


def test_a_nearly_silent_stem_keeps_its_level_and_the_reason_says_so(make_song, rng):
    song = make_song([("a.wav", "other", {}, noise(rng, level=1e-5)), ("v.wav", "vox.lead", {}, noise(rng))])
    stem = recipe_for(song).stems["a.wav"]
    assert stem.gain_db == 0
    assert stem.reasons["gain_db"] == "too quiet to have a loudness: left as it is"


def test_every_role_has_a_rule_and_no_rule_is_without_a_role():
    assert set(ROLE_RULES) == {role for role in ROLES if not role.startswith("util")}


def test_what_was_left_out_is_in_the_recipe(make_song, rng):
    song = make_song([("a.wav", "other", {}, noise(rng))])
    left_out = (Excluded(name="click.wav", why="click", detail="a click or guide by its name"),)
    song = Song(name="song", folder=song.folder, stems=song.stems, excluded=left_out)
    assert recipe_for(song).excluded == {"click.wav": "click: a click or guide by its name"}
