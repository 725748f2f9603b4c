"""The rules: rendered and measured with an independent meter, and held to what they promise."""

import random

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.console.recipe_file import read_recipe, write_recipe
from mixcli.console.render import ConsoleRenderer
from mixcli.console.rule_table import ROLE_RULES
from mixcli.console.rules import make_recipe
from mixcli.settings import RuleSettings
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
    assert reason.startswith("to -18 LUFS (")
    assert "gtr.electric (-3.5)" in reason
    assert "1 of 3 gtr.electric (-" in reason


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


def test_every_role_has_a_rule_and_no_rule_is_without_a_role():
    assert set(ROLE_RULES) == {role for role in ROLES if not role.startswith("util")}


def test_what_was_left_out_is_in_the_recipe(make_song, rng):
    song = make_song([("a.wav", "other", {}, noise(rng))])
    left_out = (Excluded(name="click.wav", why="click", detail="a click or guide by its name"),)
    song = Song(name="song", folder=song.folder, stems=song.stems, excluded=left_out)
    assert recipe_for(song).excluded == {"click.wav": "click: a click or guide by its name"}
