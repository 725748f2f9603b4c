"""Rides: the gain against the straight line in dB between two points, and where in the strip it is."""

import math
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.files import read_info
from mixcli.console.recipe import MOST_RIDE_POINTS, BusRecipe, Recipe, RidePoint, StemRecipe
from mixcli.console.recipe_file import read_recipe, recipe_text, write_recipe
from mixcli.console.render import ConsoleRenderer
from mixcli.console.rides import Rides
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000
POINTS = [(0.5, -6.0), (2.0, 3.0), (2.0001, 0.0), (9.0, 0.0), (12.0, -20.0)]
RIDES = [{"time_s": time_s, "gain_db": gain_db} for time_s, gain_db in POINTS]
COMPRESSOR = {"threshold_db": -24.0, "ratio": 4.0, "attack_ms": 5.0, "release_ms": 40.0}


@pytest.fixture
def song_of(tmp_path):
    def make(stems):
        made = []
        for name, audio_TC in stems.items():
            soundfile.write(tmp_path / name, np.asarray(audio_TC, np.float32), RATE, subtype="FLOAT")
            made.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_of(stems):
    parts = {
        name: StemRecipe(**({"files": [name], "role": "other", "bus": "keys"} | parameters))
        for name, parameters in stems.items()
    }
    return Recipe(song="song", sample_rate=RATE, stems=parts, buses={bus: BusRecipe() for bus in BUSES})


def rendered(song, recipe, **part):
    blocks = list(ConsoleRenderer(song, recipe, **part))
    return np.concatenate([block.buses_KTC.sum(axis=0) + block.returns_TC for block in blocks])


def plain_gain(time_s):
    """The factor at one time, by looking for the two points around it."""
    if time_s <= POINTS[0][0]:
        return 10 ** (POINTS[0][1] / 20)
    for (t0, db0), (t1, db1) in pairwise(POINTS):
        if time_s <= t1:
            return 10 ** ((db0 + (db1 - db0) * (time_s - t0) / (t1 - t0)) / 20)
    return 10 ** (POINTS[-1][1] / 20)


def points(made):
    return [RidePoint(**point) for point in made]


def test_the_gain_goes_in_straight_lines_in_db_and_stays_at_its_ends():
    gain_T = Rides(points(RIDES), RATE).gain(0, 14 * RATE)
    some_T = np.arange(0, 14 * RATE, 7)
    expected_T = np.array([plain_gain(number / RATE) for number in some_T])
    assert gain_T[some_T] == pytest.approx(expected_T, rel=1e-6)
    assert gain_T[round(1.25 * RATE)] == pytest.approx(10 ** (-1.5 / 20), rel=1e-6)  # half-way in dB


@pytest.mark.parametrize("size", [1, 333, 65_536])
def test_the_gain_of_a_sample_does_not_depend_on_the_block_it_is_in(size):
    rides, n_samples = Rides(points(RIDES), RATE), 3000
    for start in (0, 3900, 15_000, 71_500, 95_000, 200_000):
        whole_T = rides.gain(start, n_samples)
        at, stop = start, start + n_samples
        parts = [rides.gain(first, min(size, stop - first)) for first in range(at, stop, size)]
        assert np.array_equal(np.concatenate(parts), whole_T)
    assert len(rides.gain(5, 0)) == 0


def test_ten_thousand_points_on_one_line_are_the_line():
    time_s = np.linspace(0, 10, MOST_RIDE_POINTS)
    many = [{"time_s": float(each), "gain_db": float(-2 * each)} for each in time_s]
    gain_T = Rides(points(many), RATE).gain(0, 10 * RATE)
    line_T = 10 ** (-2 * np.arange(10 * RATE) / RATE / 20)
    assert np.abs(gain_T / line_T - 1).max() < 1e-6


@pytest.mark.parametrize("n_channels", [1, 2])
def test_a_ridden_stem_is_the_stem_times_the_rides(song_of, rng, n_channels):
    audio_TC = 0.1 * rng.standard_normal((13 * RATE, n_channels))
    mix_TC = rendered(song_of({"a.wav": audio_TC}), recipe_of({"a.wav": {"rides": RIDES}}))
    gain_T = np.array([plain_gain(number / RATE) for number in range(len(audio_TC))])
    assert np.abs(mix_TC - audio_TC * gain_T[:, None]).max() < 1e-6


def test_rides_come_after_the_compressor_and_so_do_not_change_what_it_does(song_of, rng):
    audio_TC = (0.3 * rng.standard_normal((10 * RATE, 1))).astype(np.float32)
    compressed_TC = Compressor(CompressorSettings(**COMPRESSOR), RATE, 1).push(audio_TC)
    gain_T = np.array([plain_gain(number / RATE) for number in range(len(audio_TC))])
    parts = {"rides": RIDES, "compressor": COMPRESSOR, "gain_db": 2}
    mix_TC = rendered(song_of({"a.wav": audio_TC}), recipe_of({"a.wav": parts}))
    expected_T = compressed_TC[:, 0] * gain_T * 10 ** (2 / 20)
    assert np.abs(mix_TC[:, 0] - expected_T).max() < 1e-6


def test_what_goes_to_the_reverb_follows_the_rides(song_of, rng):
    """A stem ridden down to nothing leaves no reverb; ridden by -6 dB throughout, half of it."""
    audio_T = 0.1 * rng.standard_normal(2 * RATE)
    song, wet = song_of({"a.wav": audio_T}), {"reverb_send_db": -3}
    (plain,) = ConsoleRenderer(song, recipe_of({"a.wav": wet}))
    for gain_db in (-6.0, -120.0):
        ridden = {"rides": [{"time_s": 1.0, "gain_db": gain_db}]}
        (block,) = ConsoleRenderer(song, recipe_of({"a.wav": wet | ridden}))
        expected_TC = plain.returns_TC * 10 ** (gain_db / 20)
        assert np.abs(block.returns_TC - expected_TC).max() < 1e-6


def test_rides_of_0_db_and_no_rides_change_no_bit(song_of, rng):
    song = song_of({"a.wav": rng.standard_normal((RATE, 2))})
    plain_TC = rendered(song, recipe_of({"a.wav": {"compressor": COMPRESSOR}}))
    for rides in ([], None, [{"time_s": 0, "gain_db": 0}, {"time_s": 1, "gain_db": 0}]):
        parts = {"compressor": COMPRESSOR, "rides": rides}
        assert np.array_equal(rendered(song, recipe_of({"a.wav": parts})), plain_TC)


@pytest.mark.parametrize("start", [4000, 66_001, 80_000])
def test_a_preview_of_a_ridden_stem_is_where_the_whole_is(song_of, rng, start):
    song = song_of({"a.wav": rng.standard_normal(13 * RATE)})
    recipe = recipe_of({"a.wav": {"rides": RIDES}})
    assert np.array_equal(rendered(song, recipe, start=start), rendered(song, recipe)[start:])


def test_a_ride_after_a_silence_is_where_the_song_is(song_of, rng):
    """A strip passes over blocks of silence; its rides must not stand still there."""
    audio_T = np.zeros(30 * RATE)
    audio_T[-RATE:] = 0.1 * rng.standard_normal(RATE)
    rides = [{"time_s": 0, "gain_db": 0}, {"time_s": 30, "gain_db": -30}]
    mix_TC = rendered(song_of({"a.wav": audio_T}), recipe_of({"a.wav": {"rides": rides}}))
    expected_T = audio_T * 10 ** (-np.arange(30 * RATE) / RATE / 20)
    assert np.abs(mix_TC[:, 0] - expected_T).max() < 1e-6


@pytest.mark.parametrize(
    ("rides", "said"),
    [
        ([(2, 0), (1, 0)], "rides.1: time_s is 1, which is not after 2"),
        ([(0, 0), (1, 0), (1, -3)], "rides.2: time_s is 1, which is not after 1"),
        ([(-1, 0)], "rides.0.time_s"),
        ([(0, 61)], "rides.0.gain_db"),
    ],
)
def test_points_out_of_order_or_range_are_refused_with_their_place(tmp_path, rides, said):
    lines = "".join(f"      - {{time_s: {time_s}, gain_db: {gain_db}}}\n" for time_s, gain_db in rides)
    text = recipe_text(recipe_of({"a.wav": {}})).replace("    pan: 0", f"    rides:\n{lines}    pan: 0")
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        read_recipe(tmp_path / "a.yaml")
    assert caught.value.code == "E411"
    assert '"stems.a.wav' in caught.value.message
    assert said in caught.value.message
    assert len(caught.value.message) < 200


def test_more_than_ten_thousand_points_are_refused():
    many = [{"time_s": number, "gain_db": 0} for number in range(MOST_RIDE_POINTS + 1)]
    with pytest.raises(ValueError, match="at most 10000 items"):
        recipe_of({"a.wav": {"rides": many}})


def test_rides_are_written_as_lines_and_read_back_exactly(tmp_path):
    recipe = recipe_of({"a.wav": {"rides": RIDES, "delay_ms": math.pi}, "b.wav": {}})
    write_recipe(recipe, tmp_path / "a.recipe.yaml")
    assert read_recipe(tmp_path / "a.recipe.yaml") == recipe
    text = recipe_text(recipe)
    assert "    rides:\n      - {time_s: 0.5, gain_db: -6}\n      - {time_s: 2, gain_db: 3}\n" in text
    assert text.count("    rides:") == text.count("    delay_ms:") == 1  # none for the stem that has none
