"""Where the rules put stems, how wide they make them, and which microphones they take as one or invert."""

import math

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.console.microphones import pair_candidates
from mixcli.console.render import ConsoleRenderer
from mixcli.console.rules import make_recipe
from mixcli.console.sources import group_sources
from mixcli.settings import RuleSettings
from mixcli.songs.mic_pairs import measure_pairs
from mixcli.songs.song import Song, Stem
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
    survey = survey_song(song, RATE)
    pairs = measure_pairs(song, survey, pair_candidates(group_sources(song.stems)))
    return make_recipe(song, survey, settings=RuleSettings(**settings), pairs=pairs)


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


def test_left_and_right_are_in_balance_and_the_centre_stays_in_the_centre(band):
    recipe = recipe_for(band)
    pans = {name: stem.pan for name, stem in recipe.stems.items()}
    for name in ("kick.wav", "snare.wav", "bass.wav", "vox.wav", "oh.wav", "keys.wav"):
        assert pans[name] == 0, name  # overheads and keys are wide stereo recordings
    assert pans["bv1.wav"] == -pans["bv2.wav"] != 0
    assert sorted(np.sign([pans[f"gtr{i}.wav"] for i in (1, 2, 3)])) in ([-1, -1, 1], [-1, 1, 1])
    assert all(0.06 <= abs(pan) <= 0.15 for pan in pans.values() if pan)
    blocks = [block.buses_KTC.sum(axis=0) + block.returns_TC for block in ConsoleRenderer(band, recipe)]
    left, right = np.square(np.concatenate(blocks).astype(float)).sum(axis=0)
    assert abs(10 * math.log10(left / right)) < 1


def test_a_double_stands_opposite_its_take(make_song, rng):
    names = {
        "gtr1.wav": {"take": "1"},
        "gtr1dt.wav": {"take": "1", "double": "true"},
        "gtr2.wav": {"take": "2"},
        "gtr2dt.wav": {"take": "2", "double": "true"},
    }
    song = make_song([(name, "gtr.electric", said, noise(rng)) for name, said in names.items()])
    stems = recipe_for(song).stems
    assert stems["gtr1.wav"].pan == -stems["gtr1dt.wav"].pan != 0
    assert stems["gtr2.wav"].pan == -stems["gtr2dt.wav"].pan != 0
    assert abs(stems["gtr1.wav"].pan) != abs(stems["gtr2.wav"].pan)
    assert stems["gtr1.wav"].reasons["pan"] == 'gtr.electric: opposite "gtr1dt.wav"'


def test_brighter_stems_stand_further_out(make_song, rng):
    white = rng.standard_normal((3 * RATE, 4)) * 0.1
    dull = np.cumsum(white, axis=0) * 0.1
    dull -= dull.mean(axis=0)
    stems = [(f"{i}.wav", "synth.pad", {}, (dull if i < 2 else white)[:, [i]]) for i in range(4)]
    pans = {name: abs(stem.pan) for name, stem in recipe_for(make_song(stems)).stems.items()}
    assert pans["0.wav"] == pans["1.wav"] < pans["2.wav"] == pans["3.wav"]


def test_a_name_that_says_left_goes_left_and_has_no_width_of_its_own(make_song, rng):
    song = make_song(
        [
            ("1_Gtr L.wav", "gtr.electric", {"side": "L"}, noise(rng)),
            ("2_Gtr R.wav", "gtr.electric", {"side": "R"}, noise(rng)),
        ]
    )
    left, right = (recipe_for(song).stems[name] for name in ("1_Gtr L.wav", "2_Gtr R.wav"))
    assert (left.pan, right.pan) == (-1, 1)
    assert left.side_from_mid_db is None
    assert left.reasons["pan"] == "its name says L"


@pytest.mark.parametrize(
    "stems",
    [
        [("Floor Tom R.wav", "drums.tom", {"side": "R"})],
        [("Tom 1.wav", "drums.tom", {"take": "1"}), ("Tom 2 R.wav", "drums.tom", {"take": "2", "side": "R"})],
        [("Room R.wav", "drums.room", {"side": "R"}), ("Kit L.wav", "drums.kit", {"side": "L"})],
        [("Jazz R.wav", "gtr.electric", {"side": "R"}), ("Metal L.wav", "gtr.electric", {"side": "L"})],
        [
            ("G1 R.wav", "plucked", {"side": "R", "take": "1"}),
            ("G2 L.wav", "plucked", {"side": "L", "take": "2"}),
        ],
        [("A R.wav", "plucked", {"side": "R"}), ("B R.wav", "plucked", {"side": "R"})],
    ],
)
def test_a_side_without_its_opposite_goes_there_but_not_all_the_way(make_song, rng, stems):
    song = make_song([(name, role, said, noise(rng)) for name, role, said in stems])
    for name, stem in recipe_for(song).stems.items():
        if " R" in name or " L" in name:
            assert stem.pan == (0.3 if " R" in name else -0.3)
            assert "nothing is opposite" in stem.reasons["pan"]
            assert stem.side_from_mid_db is not None
    assert all(abs(stem.pan) <= 0.15 for stem in recipe_for(song, pan_scale=0.5).stems.values())


def test_two_microphones_are_one_source(make_song, rng):
    played_TC, vox_TC, other_TC = noise(rng), noise(rng), noise(rng)
    both = make_song(
        [
            ("amp.wav", "gtr.acoustic", {"take": "1", "mic": "amp"}, played_TC),
            ("room.wav", "gtr.acoustic", {"take": "1", "mic": "far"}, 0.5 * played_TC),
            ("gtr2.wav", "gtr.acoustic", {"take": "2"}, other_TC),
            ("vox.wav", "vox.lead", {}, vox_TC),
        ]
    )
    single = make_song(
        [
            ("amp.wav", "gtr.acoustic", {"take": "1"}, played_TC),
            ("gtr2.wav", "gtr.acoustic", {"take": "2"}, other_TC),
            ("vox.wav", "vox.lead", {}, vox_TC),
        ]
    )
    twins, alone = recipe_for(both, width_db=-60).stems, recipe_for(single, width_db=-60).stems
    assert twins["amp.wav"].pan == twins["room.wav"].pan == -twins["gtr2.wav"].pan
    # identical signals add in amplitude: together they are as loud as the one microphone was
    factor = 10 ** (twins["amp.wav"].gain_db / 20) + 0.5 * 10 ** (twins["room.wav"].gain_db / 20)
    assert 20 * math.log10(factor) == pytest.approx(alone["amp.wav"].gain_db, abs=0.1)
    assert twins["gtr2.wav"].gain_db == pytest.approx(alone["gtr2.wav"].gain_db, abs=0.1)
    assert "1 of 2 gtr.acoustic" in twins["amp.wav"].reasons["gain_db"]


def test_a_microphone_that_works_against_its_twin_is_inverted_and_the_figure_given(make_song, rng):
    played_TC, other_TC = noise(rng), noise(rng, level=0.05)
    song = make_song(
        [
            ("top.wav", "drums.snare", {"mic": "top"}, played_TC),
            ("bottom.wav", "drums.snare", {"mic": "bottom"}, -played_TC + other_TC),
            ("in.wav", "drums.kick", {"mic": "in"}, other_TC),
            ("out.wav", "drums.kick", {"mic": "out"}, other_TC + noise(rng, level=0.02)),
        ]
    )
    stems = recipe_for(song).stems
    assert stems["bottom.wav"].polarity == -1
    assert stems["bottom.wav"].reasons["polarity"].startswith('upside down against "top.wav": agreement -')
    assert [stems[name].polarity for name in ("top.wav", "in.wav", "out.wav")] == [1, 1, 1]


def test_a_close_microphone_is_never_inverted_for_what_is_heard_from_afar(make_song, rng):
    """A tom of 150 Hz that is wired right and reaches the overheads and rooms 3 ms later: half a period."""
    time_s = np.arange(3 * RATE) / RATE
    tom_T = 0.3 * np.sin(2 * np.pi * 150 * time_s) * np.exp(-6 * (time_s % 0.5))
    late_T = np.concatenate([np.zeros(round(0.003 * RATE)), tom_T])[: len(tom_T)]
    assert np.corrcoef(tom_T, late_T)[0, 1] < -0.8
    late_TC = (late_T + 0.01 * rng.standard_normal(len(late_T)))[:, None]
    song = make_song(
        [
            ("tom.wav", "drums.tom", {}, tom_T[:, None]),
            ("oh.wav", "drums.overhead", {}, np.repeat(late_TC, 2, axis=1)),
            ("oh2.wav", "drums.overhead", {"mic": "mono"}, tom_T[:, None]),
            ("kitroom.wav", "drums.room", {}, late_TC),
            ("kitroomfar.wav", "drums.room", {"mic": "far"}, tom_T[:, None]),
            ("amp.wav", "gtr.electric", {"mic": "amp"}, tom_T[:, None]),
            ("ampfar.wav", "gtr.electric", {"mic": "far"}, late_TC),
            ("wet.wav", "gtr.electric", {"wet": "true"}, late_TC),
        ]
    )
    stems = recipe_for(song).stems
    assert {name: stem.polarity for name, stem in stems.items() if stem.polarity != 1} == {}
    assert not any("polarity" in stem.reasons for stem in stems.values())


def test_two_things_that_merely_cancel_by_chance_are_left_alone(make_song, rng):
    shared_TC = noise(rng)
    song = make_song(
        [
            ("a.wav", "gtr.electric", {"take": "1"}, shared_TC),
            ("b.wav", "gtr.electric", {"take": "2"}, -shared_TC),
        ]
    )
    assert all(stem.polarity == 1 for stem in recipe_for(song).stems.values())


def test_the_side_of_a_stereo_stem_moves_half_way_within_its_bounds(make_song, rng):
    """The target at 1 kHz is -7: one pad is 2.5 dB wider than that, one has far too much side."""
    mid_TC, side_TC = noise(rng, seconds=10), noise(rng, seconds=10)
    near = 10 ** (-4.5 / 20) * side_TC
    song = make_song(
        [
            ("near.wav", "synth.pad", {}, np.hstack([mid_TC + near, mid_TC - near])),
            ("wide.wav", "synth.pad", {}, np.hstack([mid_TC + 2 * side_TC, mid_TC - 2 * side_TC])),
            ("kick.wav", "drums.kick", {}, np.hstack([mid_TC + near, mid_TC - near])),
        ]
    )
    stems = recipe_for(song).stems
    assert stems["near.wav"].side_gain_db[1000.0] == pytest.approx((-7 - -4.5) / 2, abs=0.15)
    assert stems["wide.wav"].side_gain_db[1000.0] == -3
    assert stems["near.wav"].side_gain_db[90.0] == -12
    assert set(stems["kick.wav"].side_gain_db.values()) == {-12, 0}
    assert stems["near.wav"].pan == stems["wide.wav"].pan == 0


def test_a_stereo_file_of_a_mono_recording_is_widened_like_a_mono_one(make_song, rng):
    audio_TC = noise(rng)
    song = make_song(
        [("a.wav", "strings", {}, np.repeat(audio_TC, 2, axis=1)), ("b.wav", "strings", {}, audio_TC)]
    )
    stems = recipe_for(song).stems
    assert stems["a.wav"].side_from_mid_db == stems["b.wav"].side_from_mid_db
    assert stems["a.wav"].side_from_mid_db[1000.0] == -6
    assert stems["a.wav"].gain_db == pytest.approx(stems["b.wav"].gain_db, abs=0.02)
