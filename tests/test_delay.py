"""A stem's delay: the filter against the transform of its taps, the sound against shifts and sines."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.delay import HALF_TAPS, FractionalDelay, delay_in_samples, fractional_delay_fir
from mixcli.audio.files import read_info
from mixcli.console.delayed_stem import DelayedStem
from mixcli.console.recipe import BusRecipe, Recipe, StemRecipe
from mixcli.console.render import ConsoleRenderer, render_terms
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000


@pytest.fixture
def song_of(tmp_path):
    """Write stems {name: [T, C]} as 32-bit float files and give the song of them."""

    def make(stems, rate=RATE, offset=0):
        made = []
        for name, audio_TC in stems.items():
            soundfile.write(tmp_path / name, np.asarray(audio_TC, np.float32), rate, subtype="FLOAT")
            info = read_info(tmp_path / name)
            made.append(Stem(name=name, files=(info,), role="other", role_from="name", offset=offset))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_of(stems, rate=RATE):
    parts = {
        name: StemRecipe(**({"files": [name], "role": "other", "bus": "keys"} | parameters))
        for name, parameters in stems.items()
    }
    buses = {bus: BusRecipe() for bus in BUSES}
    return Recipe(song="song", sample_rate=rate, stems=parts, buses=buses)


def rendered(song, recipe, **part):
    blocks = list(ConsoleRenderer(song, recipe, **part))
    return np.concatenate([block.buses_KTC.sum(axis=0) + block.returns_TC for block in blocks])


@pytest.mark.parametrize("fraction", [0.001, 0.13, 0.5, 0.77, 0.999])
def test_the_filter_is_flat_and_delays_all_frequencies_alike_up_to_16_khz_at_44_1_khz(fraction):
    taps_N, number_N = fractional_delay_fir(fraction), np.arange(2 * HALF_TAPS)
    omega_F = 2 * np.pi * np.linspace(20, 16_000, 400) / 44_100
    waves_FN = np.exp(-1j * np.outer(omega_F, number_N))
    response_F = waves_FN @ taps_N
    assert np.abs(20 * np.log10(np.abs(response_F))).max() < 0.01
    # the group delay: minus the slope of the phase
    group_delay_F = np.real(waves_FN @ (taps_N * number_N) / response_F)
    assert np.abs(group_delay_F - (HALF_TAPS - 1 + fraction)).max() < 0.002


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 700), max_size=6), n_channels=st.integers(1, 2))
def test_the_samples_of_the_filter_do_not_depend_on_the_cuts(cuts, n_channels):
    signal_TC = np.random.default_rng(1).standard_normal((700, n_channels)).astype(np.float32)
    whole_TC = FractionalDelay(0.3, n_channels).push(signal_TC)
    stream = FractionalDelay(0.3, n_channels)
    edges = [0, *sorted(cuts), 700]
    assert np.array_equal(np.concatenate([stream.push(signal_TC[a:b]) for a, b in pairwise(edges)]), whole_TC)
    for channel in range(n_channels):
        expected_T = np.convolve(signal_TC[:, channel].astype(float), fractional_delay_fir(0.3))[:700]
        assert whole_TC[:, channel] == pytest.approx(expected_T, abs=1e-6)


@pytest.mark.parametrize(
    ("delay_ms", "rate", "n_whole"), [(10, 44_100, 441), (0.1, 48_000, 4), (100, 8000, 800)]
)
def test_a_delay_is_counted_in_samples_of_the_mix(delay_ms, rate, n_whole):
    whole, fraction = delay_in_samples(delay_ms, rate)
    assert whole == n_whole
    assert fraction == pytest.approx(delay_ms * rate / 1000 - n_whole)
    assert delay_ms != 10 or fraction == 0.0


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("offset", [0, 1000])
def test_a_delay_of_whole_samples_moves_the_stem_and_changes_no_bit(song_of, rng, n_channels, offset):
    audio_TC = rng.standard_normal((9 * RATE, n_channels))  # over a block of the renderer
    song = song_of({"a.wav": audio_TC}, offset=offset)
    at_once_TC = rendered(song, recipe_of({"a.wav": {}}))
    later_TC = rendered(song, recipe_of({"a.wav": {"delay_ms": 12.5}}))
    assert later_TC.shape == at_once_TC.shape  # the mix is as long as before
    assert not later_TC[:100].any()
    assert np.array_equal(later_TC[100:], at_once_TC[:-100])


def test_two_microphones_that_one_delay_brings_together_cancel(song_of, rng):
    """One recording is that of the other 37 samples later; turned over and delayed, nothing is left."""
    near_T = rng.standard_normal(RATE)
    far_T = np.concatenate([np.zeros(37), near_T])[:RATE]
    song = song_of({"near.wav": near_T, "far.wav": far_T})
    together = recipe_of({"near.wav": {"delay_ms": 37 / 8, "polarity": -1}, "far.wav": {}})
    assert not rendered(song, together).any()


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
@pytest.mark.parametrize("delay_ms", [0.01, 0.37, 1.0, 23.456])
def test_a_tone_is_later_by_the_time_asked_for_at_every_rate(song_of, rate, delay_ms):
    time_s = np.arange(rate // 4) / rate
    phase = 2 * np.pi * 1000
    song = song_of({"a.wav": 0.5 * np.sin(phase * time_s)}, rate)
    mix_TC = rendered(song, recipe_of({"a.wav": {"delay_ms": delay_ms}}, rate))
    expected_T = 0.5 * np.sin(phase * (time_s - delay_ms / 1000))
    steady = slice(round(0.03 * rate), -2 * HALF_TAPS)
    assert np.abs(mix_TC[steady, 0] - expected_T[steady]).max() < 2e-5


@pytest.mark.parametrize("start", [1, 100, 65_536, 65_600, 70_001])
@pytest.mark.parametrize("delay_ms", [12.5, 99.99])
def test_a_preview_of_a_delayed_stem_has_the_samples_of_the_whole(song_of, rng, start, delay_ms):
    song = song_of({"a.wav": rng.standard_normal((10 * RATE, 2))})
    recipe = recipe_of({"a.wav": {"delay_ms": delay_ms}})
    assert np.array_equal(rendered(song, recipe, start=start), rendered(song, recipe)[start:])


@pytest.mark.parametrize("sizes", [(1,), (7, 300), (5000,)])
@pytest.mark.parametrize("start", [0, 3, 60, 2000])
def test_a_delayed_stem_is_read_the_same_in_blocks_of_any_size(song_of, rng, sizes, start):
    (stem,) = song_of({"a.wav": rng.standard_normal(3000)}).stems
    whole_TC = DelayedStem(stem, RATE, delay_ms=1.03).read(4000)
    reader, parts, at = DelayedStem(stem, RATE, delay_ms=1.03, start=start), [], start
    while at < 4000:
        parts.append(reader.read(min(sizes[len(parts) % len(sizes)], 4000 - at)))
        at += len(parts[-1])
    assert np.array_equal(np.concatenate(parts), whole_TC[start:])


def test_a_preview_with_effects_behind_a_delay_is_the_slice_of_the_whole(song_of, rng):
    song = song_of({"a.wav": 0.2 * rng.standard_normal(20 * RATE)})
    fast = {"threshold_db": -24, "ratio": 4, "attack_ms": 2, "release_ms": 20}
    parts = {"delay_ms": 3.21, "compressor": fast, "high_pass_hz": 90, "reverb_send_db": -6}
    recipe = recipe_of({"a.wav": parts})
    assert ConsoleRenderer(song, recipe, start=150_000).reads_from > 0
    part_TC = rendered(song, recipe, start=150_000)
    assert np.abs(part_TC - rendered(song, recipe)[150_000:]).max() < 1e-6


def test_terms_of_delayed_stems_add_up_to_the_mix(song_of, rng):
    song = song_of({"a.wav": rng.standard_normal(RATE), "b.wav": rng.standard_normal((RATE, 2))})
    recipe = recipe_of({"a.wav": {"delay_ms": 0.7, "reverb_send_db": -6}, "b.wav": {"delay_ms": 5}})
    ((_, terms),) = render_terms(song, recipe)
    assert np.abs(sum(terms.values()) - rendered(song, recipe)).max() < 1e-6


@pytest.mark.parametrize("delay_ms", [-1.0, float("nan")])
def test_a_stem_cannot_come_earlier(delay_ms):
    with pytest.raises(ValueError, match="a delay must be 0 ms or more"):
        delay_in_samples(delay_ms, RATE)
    with pytest.raises(ValueError, match="delay_ms"):
        recipe_of({"a.wav": {"delay_ms": delay_ms}})
