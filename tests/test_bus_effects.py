"""Equalisers and compressors of buses and of the mix bus: what is known of sums, and exact terms."""

import json
import math

import numpy as np
import pytest
import soundfile
from conftest import write_wav

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.equaliser import Equaliser, EqualiserBand, response_db
from mixcli.audio.files import read_info
from mixcli.console.recipe import BusRecipe, MixBusRecipe, Recipe, ReverbRecipe, StemRecipe
from mixcli.console.recipe_file import read_recipe, recipe_text, write_recipe
from mixcli.console.render import ConsoleRenderer, render_terms
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000
BELOW_120_DBFS = 1e-6
BELL = {"kind": "bell", "frequency_hz": 1000.0, "gain_db": 6.0, "q": 1.0}
SHELF = {"kind": "high_shelf", "frequency_hz": 2000.0, "gain_db": -4.0}
FAST = {"threshold_db": -24.0, "ratio": 4.0, "attack_ms": 2.0, "release_ms": 30.0, "knee_db": 0.0}
ALL = {"equaliser": [BELL, SHELF], "compressor": FAST}
KEYS, KICK = BUSES.index("keys"), BUSES.index("kick")


@pytest.fixture
def song_of(tmp_path):
    def make(stems, rate=RATE):
        made = []
        for name, audio_TC in stems.items():
            soundfile.write(tmp_path / name, np.asarray(audio_TC, np.float32), rate, subtype="FLOAT")
            made.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_of(stems, *, buses=None, mix_bus=None, rate=RATE):
    parts = {
        name: StemRecipe(**({"files": [name], "role": "other", "bus": "keys"} | parameters))
        for name, parameters in stems.items()
    }
    made = {bus: BusRecipe(**(buses or {}).get(bus, {})) for bus in BUSES}
    mix_bus = MixBusRecipe(**(mix_bus or {}))
    reverb = ReverbRecipe(decay_s=0.3)
    return Recipe(song="song", sample_rate=rate, stems=parts, buses=made, reverb=reverb, mix_bus=mix_bus)


def rendered(song, recipe, **part):
    return np.concatenate([mix_TC for _, mix_TC in ConsoleRenderer(song, recipe, **part).mixes()])


def parts_of(song, recipe):
    """Buses [K, T, C] and returns [T, C] of the whole."""
    blocks = list(ConsoleRenderer(song, recipe))
    buses_KTC = np.concatenate([block.buses_KTC for block in blocks], axis=1)
    return buses_KTC, np.concatenate([block.returns_TC for block in blocks])


def tone(level_db, seconds=1.0, frequency_hz=1000):
    time_s = np.arange(round(seconds * RATE)) / RATE
    return 10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * time_s)


def bursts(rng, seconds, n_channels=1, rate=RATE):
    """Noise whose level moves over 40 dB, fast and slowly."""
    time_s = np.arange(round(seconds * rate)) / rate
    level_db = -30 + 10 * np.sin(2 * np.pi * 2.3 * time_s) + 10 * np.sin(2 * np.pi * 0.21 * time_s)
    return rng.standard_normal((len(time_s), n_channels)) * 10 ** (level_db / 20)[:, None]


def level_db(signal_T):
    """The level of the second half."""
    return 10 * math.log10(np.square(signal_T[len(signal_T) // 2 :].astype(float)).mean())


@pytest.mark.parametrize("bus_gain_db", [0.0, 5.0])
def test_a_bus_compressor_goes_by_the_sum_of_its_stems_after_the_bus_gain(song_of, bus_gain_db):
    """Two tones of -26 dB are one of -20 dB, -23 dB RMS: alone neither would reach the threshold."""
    song = song_of({"a.wav": tone(-26), "b.wav": tone(-26)})
    keys = {"gain_db": bus_gain_db, "compressor": FAST | {"threshold_db": -25.0}}
    mix_TC = rendered(song, recipe_of({"a.wav": {}, "b.wav": {}}, buses={"keys": keys}))
    sum_db = -26 + 20 * math.log10(2) - 10 * math.log10(2) + bus_gain_db
    assert level_db(mix_TC[:, 0]) == pytest.approx(-25 + (sum_db + 25) / 4, abs=0.05)


def test_the_mix_bus_compressor_goes_by_the_sum_of_all_buses(song_of):
    song = song_of({"a.wav": tone(-26), "b.wav": tone(-26)})
    mix_bus = {"compressor": FAST | {"threshold_db": -25.0}}
    recipe = recipe_of({"a.wav": {}, "b.wav": {"bus": "kick"}}, mix_bus=mix_bus)
    sum_db = -26 + 10 * math.log10(2)
    expected_db = -25 + (sum_db + 25) / 4
    buses_KTC, _ = parts_of(song, recipe)
    assert level_db(buses_KTC.sum(axis=0)[:, 0]) == pytest.approx(expected_db, abs=0.05)
    for bus in (KEYS, KICK):  # one gain for both
        alone_db = -26 - 10 * math.log10(2)
        assert level_db(buses_KTC[bus][:, 0]) == pytest.approx(alone_db + expected_db - sum_db, abs=0.05)


@pytest.mark.parametrize("frequency_hz", [200, 1000, 3000])
@pytest.mark.parametrize("where", ["bus", "mix"])
def test_a_tone_comes_out_of_an_equaliser_as_much_louder_as_its_bands_say(song_of, where, frequency_hz):
    song, equaliser = song_of({"a.wav": tone(-20, 1, frequency_hz)}), {"equaliser": [BELL, SHELF]}
    places = {"buses": {"keys": equaliser}} if where == "bus" else {"mix_bus": equaliser}
    mix_TC = rendered(song, recipe_of({"a.wav": {}}, **places))
    bands = [EqualiserBand(**band) for band in (BELL, SHELF)]
    expected_db = -20 - 10 * math.log10(2) + response_db(bands, RATE, [frequency_hz])[0]
    assert level_db(mix_TC[:, 1]) == pytest.approx(expected_db, abs=0.05)


def test_the_whole_way_is_that_of_sums_of_whole_files(song_of, rng):
    """Strips summed, bus equaliser, bus compressor; with the reverb, mix bus equaliser, its compressor."""
    song = song_of({"a.wav": bursts(rng, 9, 2), "b.wav": bursts(rng, 9), "c.wav": bursts(rng, 9)})
    stems = {"a.wav": {"reverb_send_db": -6}, "b.wav": {"pan": 0.4}, "c.wav": {"bus": "kick"}}
    plain_KTC, plain_returns_TC = parts_of(song, recipe_of(stems))
    recipe = recipe_of(stems, buses={"keys": ALL}, mix_bus=ALL | {"compressor": FAST | {"threshold_db": -20}})
    bands = [EqualiserBand(**band) for band in (BELL, SHELF)]
    keys_TC = Equaliser(bands, RATE, 2).push(plain_KTC[KEYS])
    keys_TC = Compressor(CompressorSettings(**FAST), RATE, 2).push(keys_TC)
    sum_TC = Equaliser(bands, RATE, 2).push(keys_TC + plain_KTC[KICK] + plain_returns_TC)
    expected_TC = Compressor(CompressorSettings(**(FAST | {"threshold_db": -20})), RATE, 2).push(sum_TC)
    assert np.abs(rendered(song, recipe) - expected_TC).max() < BELOW_120_DBFS
    assert np.abs(expected_TC - sum_TC).max() > 0.01  # it was compressed


def test_what_goes_to_the_reverb_is_taken_before_the_effects_of_the_bus_but_after_its_gain(song_of, rng):
    song = song_of({"a.wav": bursts(rng, 1)})
    plain, plain_TC = parts_of(song, recipe_of({"a.wav": {"reverb_send_db": -6}}))
    squeezed = {"keys": ALL | {"gain_db": -3}}
    made, made_TC = parts_of(song, recipe_of({"a.wav": {"reverb_send_db": -6}}, buses=squeezed))
    assert made_TC == pytest.approx(plain_TC * 10 ** (-3 / 20), abs=1e-6)
    assert np.abs(made[KEYS] - plain[KEYS] * 10 ** (-3 / 20)).max() > 0.01


def test_the_effects_of_a_bus_leave_the_other_buses_as_they_are_to_the_bit(song_of, rng):
    song = song_of({"a.wav": bursts(rng, 1), "b.wav": bursts(rng, 1)})
    stems = {"a.wav": {}, "b.wav": {"bus": "kick"}}
    plain_KTC, _ = parts_of(song, recipe_of(stems))
    made_KTC, _ = parts_of(song, recipe_of(stems, buses={"kick": ALL, "bass": ALL}))
    assert np.array_equal(np.delete(made_KTC, KICK, axis=0), np.delete(plain_KTC, KICK, axis=0))
    assert not made_KTC[BUSES.index("bass")].any()


def test_buses_without_effects_are_the_plain_sums_of_their_strips_to_the_bit(song_of, rng):
    song = song_of({f"{name}.wav": bursts(rng, 1) for name in "abc"})
    recipe = recipe_of({"a.wav": {"pan": 0.2}, "b.wav": {}, "c.wav": {"bus": "kick"}})
    ((_, terms),) = render_terms(song, recipe)
    buses_KTC, _ = parts_of(song, recipe)
    assert np.array_equal(buses_KTC[KEYS], terms["a.wav"] + terms["b.wav"])
    assert np.array_equal(buses_KTC[KICK], terms["c.wav"])


@pytest.mark.parametrize("by", ["stem", "bus"])
@pytest.mark.parametrize("start", [0, 66_000])
def test_terms_through_buses_with_effects_add_up_to_the_mix(song_of, rng, by, start):
    song = song_of({"a.wav": bursts(rng, 9), "b.wav": bursts(rng, 10, 2), "c.wav": bursts(rng, 3)})
    stems = {
        "a.wav": {"bus": "kick", "reverb_send_db": -6},
        "b.wav": {"reverb_send_db": -3, "gain_db": 6},
        "c.wav": {"side_from_mid_db": {100: -20}, "reverb_send_db": 0, "delay_ms": 1.7},
    }
    recipe = recipe_of(stems, buses={"keys": ALL | {"gain_db": 3}, "kick": ALL}, mix_bus=ALL)
    blocks = list(render_terms(song, recipe, by=by, start=start))
    sums_TC = np.concatenate([sum(terms.values()) for _, terms in blocks])
    assert np.abs(sums_TC - rendered(song, recipe, start=start)).max() < BELOW_120_DBFS


@pytest.mark.parametrize("start", [66_001, 250_000])
def test_a_preview_through_buses_with_effects_is_the_slice_of_the_whole(song_of, rng, start):
    song = song_of({"a.wav": bursts(rng, 34), "b.wav": bursts(rng, 34, 2)})
    stems = {"a.wav": {"reverb_send_db": -6, "compressor": FAST}, "b.wav": {"bus": "kick"}}
    recipe = recipe_of(stems, buses={"keys": ALL, "kick": ALL}, mix_bus=ALL)
    renderer = ConsoleRenderer(song, recipe, start=start, n_samples=12_000)
    assert (renderer.reads_from > 0) == (start > 200_000)
    part_TC = rendered(song, recipe, start=start, n_samples=12_000)
    assert np.abs(part_TC - rendered(song, recipe)[start : start + 12_000]).max() < BELOW_120_DBFS


def test_a_preview_looks_at_the_level_of_a_bus_where_the_whole_does(song_of, rng):
    """At 44.1 kHz a hop is 11 samples, and no block but the first begins with one."""
    rate, start = 44_100, 190_000
    song = song_of({"a.wav": bursts(rng, 5, rate=rate)}, rate)
    fast = {"compressor": FAST | {"attack_ms": 1.0, "release_ms": 20.0}}
    recipe = recipe_of({"a.wav": {}}, buses={"keys": fast}, mix_bus=fast, rate=rate)
    assert ConsoleRenderer(song, recipe, start=start).reads_from == 65_536
    assert np.array_equal(rendered(song, recipe, start=start), rendered(song, recipe)[start:])


@pytest.mark.parametrize("start", [0, 66_001])
def test_buses_and_reverb_as_they_are_in_the_mix_add_up_to_it(song_of, rng, start):
    song = song_of({"a.wav": bursts(rng, 9), "b.wav": bursts(rng, 9, 2)})
    stems = {"a.wav": {"reverb_send_db": -3}, "b.wav": {"bus": "kick"}}
    for mix_bus in ({}, ALL, {"equaliser": [BELL]}, {"compressor": FAST}):
        renderer = ConsoleRenderer(song, recipe_of(stems, buses={"keys": ALL}, mix_bus=mix_bus), start=start)
        blocks, mixes = list(renderer), list(renderer.mixes())
        assert [block.start for block in blocks] == [first for first, _ in mixes]
        sums = [block.buses_KTC.sum(axis=0, dtype=np.float32) + block.returns_TC for block in blocks]
        sums_TC, mix_TC = np.concatenate(sums), np.concatenate([mix_TC for _, mix_TC in mixes])
        assert np.abs(sums_TC - mix_TC).max() < BELOW_120_DBFS
        assert mix_bus or np.array_equal(sums_TC, mix_TC)  # a mix bus without effects changes no bit


def test_a_muted_stem_is_not_heard_by_the_compressor_of_its_bus(song_of):
    song = song_of({"a.wav": tone(-40), "b.wav": tone(0)})
    recipe = recipe_of({"a.wav": {}, "b.wav": {"mute": True}}, buses={"keys": {"compressor": FAST}})
    assert np.abs(rendered(song, recipe)[:, 0] - tone(-40)).max() < BELOW_120_DBFS


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"buses": {"keys": {"equaliser": [BELL | {"frequency_hz": 4000}]}}}, r'"buses\.keys": equaliser\.0'),
        ({"mix_bus": {"equaliser": [BELL | {"frequency_hz": 4000}]}}, r'"mix_bus": equaliser\.0'),
        (
            {"mix_bus": {"compressor": FAST | {"side_chain_high_pass_hz": 5000}}},
            r'"mix_bus": compressor\.side_chain_high_pass_hz is 5000, which is too high at 8000 Hz',
        ),
    ],
)
def test_a_frequency_above_the_band_is_refused_with_its_bus(song_of, rng, places, said):
    song = song_of({"a.wav": bursts(rng, 0.1)})
    with pytest.raises(SettingsError, match=said):
        ConsoleRenderer(song, recipe_of({"a.wav": {}}, **places))
    unused = recipe_of({"a.wav": {}}, buses={"kick": {"equaliser": [BELL | {"frequency_hz": 4000}]}})
    ConsoleRenderer(song, unused)  # a bus without a stem does nothing


def test_effects_of_buses_are_written_and_read_back_exactly(tmp_path):
    recipe = recipe_of({"a.wav": {}}, buses={"keys": ALL}, mix_bus=ALL | {"reasons": {"equaliser": "air"}})
    write_recipe(recipe, tmp_path / "a.recipe.yaml")
    assert read_recipe(tmp_path / "a.recipe.yaml") == recipe
    text = recipe_text(recipe)
    assert text.index("\nreverb:") < text.index("\nmix_bus:\n") < text.index("\nnetwork:")
    plain = recipe_text(recipe_of({"a.wav": {}}))
    assert "mix_bus:" not in plain
    assert "compressor:" not in plain


def test_the_terms_of_a_mix_on_the_command_line_are_the_mix(run, tmp_path, rng):
    for name in ("Gtr", "Kick"):
        write_wav(tmp_path / "Song" / f"{name}.wav", bursts(rng, 1.5)[:, 0], RATE, "FLOAT")
    stems = {
        "Gtr.wav": {"role": "gtr.electric", "bus": "guitars", "reverb_send_db": -9, "delay_ms": 2.3},
        "Kick.wav": {"role": "drums.kick", "bus": "kick", "rides": [{"time_s": 1, "gain_db": -2}]},
    }
    recipe = recipe_of(stems, buses={"guitars": ALL, "kick": ALL}, mix_bus=ALL)
    write_recipe(recipe, tmp_path / "edited.recipe.yaml")
    for terms, options in (("stems", ()), ("buses", ("--start", "0:00.4"))):
        path = tmp_path / f"{terms}.wav"
        given = ("--recipe", tmp_path / "edited.recipe.yaml", "-o", path, "--terms", terms)
        code, _, err = run("mix", tmp_path / "Song", *given, *options)
        assert code == 0, err
        result = json.loads(path.with_suffix(".mix.json").read_text("utf-8"))
        assert result["outputs"][0]["sum_residual_dbfs"] <= -120
