"""Expander, equaliser and compressor of a stem: through a recipe they are what they are alone, and exact."""

import json
import math

import numpy as np
import pytest
import soundfile
import yaml
from conftest import write_wav

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.equaliser import Equaliser, EqualiserBand, response_db
from mixcli.audio.expander import Expander, ExpanderSettings
from mixcli.audio.files import read_info
from mixcli.audio.filters import SosFilter, butterworth_high_pass
from mixcli.console.overrides import apply_overrides
from mixcli.console.recipe import (
    BusRecipe,
    Recipe,
    StemRecipe,
)
from mixcli.console.recipe_file import read_recipe, recipe_text, write_recipe
from mixcli.console.render import ConsoleRenderer, render_terms
from mixcli.console.strip import ChannelStrip
from mixcli.errors import SettingsError
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000
BELOW_120_DBFS = 1e-6
EXPANDER = {"threshold_db": -30.0, "ratio": 3.0, "range_db": 24.0, "hold_ms": 20.0, "release_ms": 60.0}
BELL = {"kind": "bell", "frequency_hz": 1000.0, "gain_db": 6.0, "q": 1.0}
SHELF = {"kind": "high_shelf", "frequency_hz": 2000.0, "gain_db": -4.0}
COMPRESSOR = {"threshold_db": -24.0, "ratio": 4.0, "attack_ms": 5.0, "release_ms": 80.0, "make_up_db": 3.0}
ALL = {"expander": EXPANDER, "equaliser": [BELL, SHELF], "compressor": COMPRESSOR}


@pytest.fixture
def song_of(tmp_path):
    """Write stems {name: [T, C]} as 32-bit float files and give the song of them."""

    def make(stems):
        made = []
        for name, audio_TC in stems.items():
            soundfile.write(tmp_path / name, audio_TC.astype(np.float32), RATE, subtype="FLOAT")
            made.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_of(stems, *, buses=None):
    parts = {
        name: StemRecipe(**({"files": [name], "role": "other", "bus": "keys"} | parameters))
        for name, parameters in stems.items()
    }
    faders = {bus: BusRecipe() for bus in BUSES} | (buses or {})
    return Recipe(song="song", sample_rate=RATE, stems=parts, buses=faders)


def rendered(song, recipe, **part):
    blocks = list(ConsoleRenderer(song, recipe, **part))
    return np.concatenate([block.buses_KTC.sum(axis=0) + block.returns_TC for block in blocks])


def mixed(song_of, audio_TC, parameters, **part):
    """The left channel of one stem through a recipe."""
    return rendered(song_of({"a.wav": audio_TC}), recipe_of({"a.wav": parameters}), **part)[:, 0]


def tone(frequency_hz, level_db, seconds):
    time_s = np.arange(round(seconds * RATE)) / RATE
    return (10 ** (level_db / 20) * np.sin(2 * np.pi * frequency_hz * time_s))[:, None].astype(np.float32)


def bursts(rng, seconds, n_channels=1):
    """Noise whose level moves over 60 dB, fast and slowly."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    level_db = -35 + 15 * np.sin(2 * np.pi * 2.3 * time_s) + 15 * np.sin(2 * np.pi * 0.21 * time_s)
    noise_TC = rng.standard_normal((len(time_s), n_channels)) * 10 ** (level_db / 20)[:, None]
    return noise_TC.astype(np.float32)


def gain_db(after_T, before_T):
    """The level of the second half of a sound re that of another."""
    half = len(before_T) // 2
    after, before = np.square(after_T[half:].astype(float)), np.square(before_T[half:].astype(float))
    return 10 * math.log10(after.sum() / before.sum())


@pytest.mark.parametrize(("frequency_hz", "expected_db"), [(1000, 6.0), (60, 0.0)])
def test_a_tone_comes_out_of_a_bell_as_much_louder_as_the_recipe_says(song_of, frequency_hz, expected_db):
    audio_TC = tone(frequency_hz, -20, 1)
    mix_T = mixed(song_of, audio_TC, {"equaliser": [BELL]})
    assert gain_db(mix_T, audio_TC[:, 0]) == pytest.approx(expected_db, abs=0.05)


@pytest.mark.parametrize("frequency_hz", [200, 900, 2000, 3500])
def test_bands_in_series_have_the_sum_of_their_gains(song_of, frequency_hz):
    audio_TC = tone(frequency_hz, -20, 1)
    mix_T = mixed(song_of, audio_TC, {"equaliser": [BELL, SHELF]})
    alone_db = sum(response_db([EqualiserBand(**band)], RATE, [frequency_hz])[0] for band in (BELL, SHELF))
    assert gain_db(mix_T, audio_TC[:, 0]) == pytest.approx(alone_db, abs=0.01)


@pytest.mark.parametrize("level_db", [-40, -13, -3])
def test_a_compressed_tone_has_the_level_of_the_static_curve(song_of, level_db):
    """A sine reads 3.01 dB under its peak; over -24 dB three of four dB go, and 3 dB come back."""
    audio_TC = tone(1000, level_db, 2)
    mix_T = mixed(song_of, audio_TC, {"compressor": COMPRESSOR | {"knee_db": 0.0}})
    over_db = max(0.0, level_db - 3.01 + 24)
    assert gain_db(mix_T, audio_TC[:, 0]) == pytest.approx(3 - 0.75 * over_db, abs=0.05)


@pytest.mark.parametrize(("level_db", "expected_db"), [(-20, 0.0), (-36, -12.0), (-60, -24.0)])
def test_an_expanded_tone_falls_by_its_ratio_and_no_further_than_its_range(song_of, level_db, expected_db):
    audio_TC = tone(1000, level_db, 2)
    mix_T = mixed(song_of, audio_TC, {"expander": EXPANDER})
    assert gain_db(mix_T, audio_TC[:, 0]) == pytest.approx(expected_db, abs=0.05)


def test_the_effects_stand_in_the_order_expander_equaliser_compressor(song_of, rng):
    audio_TC = bursts(rng, 10)  # over a block of the renderer
    chain = [
        SosFilter(butterworth_high_pass(80, RATE), 1),
        Expander(ExpanderSettings(**EXPANDER), RATE, 1),
        Equaliser([EqualiserBand(**BELL), EqualiserBand(**SHELF)], RATE, 1),
        Compressor(CompressorSettings(**COMPRESSOR), RATE, 1),
    ]
    expected_TC = audio_TC
    for effect in chain:
        expected_TC = effect.push(expected_TC)
    mix_T = mixed(song_of, audio_TC, ALL | {"high_pass_hz": 80})
    assert np.abs(mix_T - expected_TC[:, 0]).max() < 1e-8
    other_TC = Equaliser([EqualiserBand(**BELL), EqualiserBand(**SHELF)], RATE, 1).push(
        Compressor(CompressorSettings(**COMPRESSOR), RATE, 1).push(audio_TC)
    )
    assert np.abs(mix_T - other_TC[:, 0]).max() > 0.01  # another order is another sound


def test_both_channels_get_one_gain(song_of, rng):
    loud_T, quiet_T = bursts(rng, 1)[:, 0], np.full(RATE, 0.001, np.float32)
    song = song_of({"a.wav": np.stack([loud_T, quiet_T], axis=1)})
    mix_TC = rendered(song, recipe_of({"a.wav": {"compressor": COMPRESSOR}}))
    gain_T = Compressor(CompressorSettings(**COMPRESSOR), RATE, 1).push(loud_T[:, None])[:, 0] / loud_T
    assert mix_TC[:, 1] == pytest.approx(quiet_T * gain_T, abs=1e-6)


@pytest.mark.parametrize(
    "effects",
    [
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ({"expander": EXPANDER}, {"compressor": COMPRESSOR})
        ),
        ALL,
    ],
)
@pytest.mark.parametrize(
    "by", ["gain", *(pytest.param(by, marks=pytest.mark.slow) for by in ("bus", "option"))]
)
def test_the_gain_is_a_fader_that_moves_the_level_and_not_the_compression(song_of, rng, effects, by):
    song = song_of({"a.wav": bursts(rng, 2)})
    plain, louder = recipe_of({"a.wav": effects}), recipe_of({"a.wav": effects | {"gain_db": 7.3}})
    if by == "bus":
        louder = recipe_of({"a.wav": effects}, buses={"keys": BusRecipe(gain_db=7.3)})
    if by == "option":
        louder = apply_overrides(plain, gains_db={"a.wav": 7.3})
    expected_TC = rendered(song, plain).astype(float) * 10 ** (7.3 / 20)
    assert rendered(song, louder) == pytest.approx(expected_TC, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_without_effects_every_sample_is_that_of_gain_and_high_pass(song_of, rng, n_channels):
    audio_TC = bursts(rng, 1, n_channels)
    song, parameters = song_of({"a.wav": audio_TC}), {"gain_db": -3.7, "polarity": -1, "high_pass_hz": 90}
    gain = np.float32(-(10 ** (-3.7 / 20)))
    expected_TC = SosFilter(butterworth_high_pass(90, RATE), n_channels).push(audio_TC * gain)
    if n_channels == 2:  # apart into mid and side and together again
        mid_T = (expected_TC[:, 0] + expected_TC[:, 1]) * np.float32(0.5)
        side_T = (expected_TC[:, 0] - expected_TC[:, 1]) * np.float32(0.5)
        expected_TC = np.stack([mid_T + side_T, mid_T - side_T], axis=1)
    for nothing in ({}, {"equaliser": [], "compressor": None, "expander": None}):
        mix_TC = rendered(song, recipe_of({"a.wav": parameters | nothing}))
        assert np.array_equal(mix_TC, np.broadcast_to(expected_TC, mix_TC.shape))


def pushed(audio_TC, parameters, sizes, start=0):
    """A strip's output when its input comes in blocks of these sizes, again and again."""
    part = recipe_of({"a.wav": parameters}).stems["a.wav"]
    strip = ChannelStrip(
        "a.wav", part, BusRecipe(), n_channels=audio_TC.shape[1], sample_rate=RATE, start=start
    )
    made, at, n_left_out = [], 0, 0
    while at < len(audio_TC):
        block_TC = audio_TC[at : at + sizes[len(made) % len(sizes)]]
        block = strip.push(block_TC)
        n_left_out += block is None
        made.append(np.zeros((len(block_TC), 2), np.float32) if block is None else block.panned_TC)
        at += len(block_TC)
    return np.concatenate(made), n_left_out


@pytest.mark.parametrize("sizes", [(65_536,), (1, 2, 3, 997), (4096,), (251, 8000)])
@pytest.mark.parametrize("effects", [{"expander": EXPANDER, "compressor": COMPRESSOR}, ALL])
def test_the_samples_do_not_depend_on_the_blocks_also_across_silence(rng, effects, sizes):
    audio_TC = np.zeros((20 * RATE, 1), np.float32)
    audio_TC[: 2 * RATE], audio_TC[-RATE - 1 :] = bursts(rng, 2), bursts(rng, 2)[: RATE + 1]
    whole_TC, _ = pushed(audio_TC, effects, (len(audio_TC),))
    cut_TC, n_left_out = pushed(audio_TC, effects, sizes)
    if "equaliser" in effects:
        assert np.abs(cut_TC - whole_TC).max() < 2e-9  # what an equaliser cuts of its ringing
    else:
        assert np.array_equal(cut_TC, whole_TC)
    assert n_left_out > 0 or sizes == (65_536,)  # silence costs nothing


def test_a_strip_that_starts_later_counts_from_the_songs_start(rng):
    """At 8 kHz a hop is two samples: an odd start is within one."""
    audio_TC = bursts(rng, 12)
    audio_TC[: 2 * RATE] = 0
    effects = {"expander": EXPANDER, "compressor": COMPRESSOR}
    whole_TC, _ = pushed(audio_TC, effects, (4096,))
    for start in (RATE, RATE + 1):
        assert np.array_equal(pushed(audio_TC[start:], effects, (4096,), start=start)[0], whole_TC[start:])


@pytest.mark.parametrize("start", [66_001, 150_000])
def test_a_compressed_preview_has_the_level_of_the_whole_within_a_thousandth_of_a_db(song_of, rng, start):
    song = song_of({"a.wav": bursts(rng, 22), "b.wav": bursts(rng, 22, 2)})
    recipe = recipe_of({"a.wav": ALL | {"reverb_send_db": -10}, "b.wav": ALL | {"high_pass_hz": 60}})
    whole_TC = rendered(song, recipe)[start : start + 12_000]
    renderer = ConsoleRenderer(song, recipe, start=start, n_samples=12_000)
    assert (renderer.reads_from > 0) == (start > 140_000)
    part_TC = rendered(song, recipe, start=start, n_samples=12_000)
    assert np.abs(part_TC - whole_TC).max() < BELOW_120_DBFS
    for first in range(0, 12_000, 400):  # 50 ms
        piece = slice(first, first + 400)
        levels = [np.square(mix_TC[piece].astype(float)).sum() for mix_TC in (part_TC, whole_TC)]
        assert abs(10 * math.log10(levels[0] / levels[1])) < 0.001


def test_a_preview_looks_at_the_level_where_the_whole_does(tmp_path, rng):
    """At 44.1 kHz a hop is 11 samples, and no block but the first begins with one."""
    rate, start = 44_100, 140_000
    time_s = np.arange(4 * rate) / rate
    audio_T = (rng.standard_normal(4 * rate) * 10 ** (-1.5 + np.sin(2 * np.pi * 9 * time_s))).astype(
        "float32"
    )
    soundfile.write(tmp_path / "a.wav", audio_T, rate, subtype="FLOAT")
    stem = Stem(name="a.wav", files=(read_info(tmp_path / "a.wav"),), role="other", role_from="name")
    fast = {"attack_ms": 1.0, "release_ms": 20.0}
    effects = {"expander": EXPANDER | fast, "compressor": COMPRESSOR | fast}
    song = Song(name="song", folder=tmp_path, stems=(stem,))
    recipe = recipe_of({"a.wav": effects}).model_copy(update={"sample_rate": rate})
    assert ConsoleRenderer(song, recipe, start=start).reads_from == 65_536
    part_TC, whole_TC = rendered(song, recipe, start=start), rendered(song, recipe)[start:]
    assert np.array_equal(part_TC, whole_TC)


@pytest.mark.parametrize("by", ["stem", "bus"])
def test_terms_with_effects_add_up_to_the_mix(song_of, rng, by):
    song = song_of({"a.wav": bursts(rng, 9), "b.wav": bursts(rng, 10, 2), "c.wav": bursts(rng, 3)})
    recipe = recipe_of(
        {
            "a.wav": ALL | {"bus": "kick", "reverb_send_db": -6, "gain_db": 4},
            "b.wav": ALL | {"pan": 0.4, "side_gain_db": {100: -6}},
            "c.wav": {"compressor": COMPRESSOR, "side_from_mid_db": {100: -20}, "reverb_send_db": 0},
        }
    )
    blocks = render_terms(song, recipe, by=by)
    sums_TC = np.concatenate([sum(terms.values()) for _, terms in blocks])
    assert np.abs(sums_TC - rendered(song, recipe)).max() < BELOW_120_DBFS


def test_a_mute_changes_no_other_stem(song_of, rng):
    song = song_of({"a.wav": bursts(rng, 1), "b.wav": bursts(rng, 1)})
    both = dict(next(render_terms(song, recipe_of({"a.wav": ALL, "b.wav": ALL})))[1])
    soloed = apply_overrides(recipe_of({"a.wav": ALL, "b.wav": ALL}), solos=["a.wav"])
    assert np.array_equal(rendered(song, soloed), both["a.wav"])


def test_effects_are_written_and_read_back_exactly(tmp_path):
    recipe = recipe_of(
        {
            "a.wav": ALL | {"compressor": COMPRESSOR | {"side_chain_high_pass_hz": 90.5, "detector": "peak"}},
            "b.wav": {"equaliser": [{"kind": "low_pass", "frequency_hz": 3000}]},
            "c.wav": {},
        }
    )
    write_recipe(recipe, tmp_path / "a.recipe.yaml")
    assert read_recipe(tmp_path / "a.recipe.yaml") == recipe
    stems = yaml.safe_load((tmp_path / "a.recipe.yaml").read_text("utf-8"))["stems"]
    assert stems["a.wav"]["equaliser"] == [BELL, SHELF | {"q": 0.7071}]
    assert not {"expander", "equaliser", "compressor"} & set(stems["c.wav"])
    assert "      - {kind: bell, frequency_hz: 1000, gain_db: 6, q: 1}\n" in recipe_text(recipe)


@pytest.mark.parametrize("nothing", ["off", "null", "[]"])
def test_an_equaliser_that_is_off_has_no_bands(tmp_path, nothing):
    text = recipe_text(recipe_of({"a.wav": {}})).replace(
        "    pan: 0", f"    equaliser: {nothing}\n    pan: 0"
    )
    (tmp_path / "a.yaml").write_text(text, "utf-8")
    assert read_recipe(tmp_path / "a.yaml").stems["a.wav"].equaliser == []


@pytest.fixture
def mix_edited(run, tmp_path):
    """Mix a stem by a recipe file with lines added to it."""

    def mix(lines, *options):
        write_wav(tmp_path / "Song" / "Gtr.wav", tone(1000, -20, 1)[:, 0], RATE)
        recipe = recipe_of({"Gtr.wav": {"role": "gtr.electric", "bus": "guitars"}})
        text = recipe_text(recipe).replace("    pan: 0", f"{lines}    pan: 0")
        (tmp_path / "edited.recipe.yaml").write_text(text, "utf-8")
        options = ("--recipe", tmp_path / "edited.recipe.yaml", "-o", tmp_path / "mix.wav", *options)
        return *run("mix", tmp_path / "Song", *options), tmp_path / "mix.wav"

    return mix


def test_an_edited_recipe_is_mixed_on_the_command_line_with_its_effects(mix_edited):
    lines = "    equaliser: [{kind: bell, frequency_hz: 1000, gain_db: 6}]\n    compressor: off\n"
    code, _, err, path = mix_edited(lines, "--loudness-mode", "measure", "--bit-depth", "32f")
    assert code == 0, err
    mix_TC, _ = soundfile.read(path)
    assert gain_db(mix_TC[:, 0], tone(1000, -20, 1)[:, 0]) == pytest.approx(6, abs=0.05)


@pytest.mark.parametrize("options", [(), ("--gain", "gtr.electric=5"), ("--start", "0:00.3")])
def test_the_terms_of_an_edited_recipe_are_the_mix(mix_edited, options):
    lines = f"    expander: {{threshold_db: -30}}\n    compressor: {COMPRESSOR}\n    reverb_send_db: -12\n"
    code, _, err, path = mix_edited(lines.replace("'", ""), "--terms", "stems", *options)
    assert code == 0, err
    result = json.loads(path.with_suffix(".mix.json").read_text("utf-8"))
    assert result["outputs"][0]["sum_residual_dbfs"] <= -120


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("    compressor: {ratio: 2}\n", '"stems.Gtr.wav.compressor.threshold_db" is missing'),
        ("    compressor: {threshold_db: -20, ratio: 0.5}\n", '"stems.Gtr.wav.compressor.ratio" is 0.5'),
        (
            "    compressor: {threshold_db: .nan, ratio: 2}\n",
            '"stems.Gtr.wav.compressor.threshold_db" is nan',
        ),
        (
            "    compressor: {threshold_db: -20, ratio: 2, detector: vu}\n",
            '"stems.Gtr.wav.compressor.detector" is',
        ),
        (
            "    compressor: {threshold_db: -20, ratio: 2, knee: 3}\n",
            'unknown key "stems.Gtr.wav.compressor.knee"',
        ),
        ("    expander: {threshold_db: -20, attack_ms: -1}\n", '"stems.Gtr.wav.expander.attack_ms" is -1'),
        ("    expander: {threshold_db: yes}\n", '"stems.Gtr.wav.expander": "threshold_db" takes a number'),
        (
            "    equaliser: [{kind: notch, frequency_hz: 100}]\n",
            "\"stems.Gtr.wav.equaliser.0.kind\" is 'notch'",
        ),
        ("    equaliser: [{kind: bell, frequency_hz: 0}]\n", '"stems.Gtr.wav.equaliser.0.frequency_hz" is 0'),
        (
            "    equaliser: [{kind: bell, frequency_hz: 90}, {kind: low_shelf, frequency_hz: 90, q: 3}]\n",
            '"stems.Gtr.wav.equaliser.1": q is 3, but that of a low_shelf is at most 2',
        ),
        (
            "    equaliser: [{kind: low_pass, frequency_hz: 90, gain_db: 3}]\n",
            '"stems.Gtr.wav.equaliser.0": gain_db is 3, but a low_pass has none',
        ),
        (
            "    equaliser:\n" + "      - {kind: bell, frequency_hz: 100}\n" * 13,
            '"stems.Gtr.wav.equaliser" is',
        ),
    ],
)
def test_a_wrong_value_is_refused_with_the_file_and_the_key(mix_edited, lines, said):
    code, out, err, path = mix_edited(lines)
    assert (code, out) == (4, "")
    assert err.startswith('error[E411]: "edited.recipe.yaml"')
    assert said in err
    assert not path.exists()


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        (
            {"equaliser": [BELL, BELL | {"frequency_hz": 4000}]},
            r'"a\.wav": equaliser\.1: frequency_hz is 4000',
        ),
        (
            {"compressor": COMPRESSOR | {"side_chain_high_pass_hz": 4000}},
            r'"a\.wav": compressor\.side_chain_high_pass_hz is 4000, which is too high at 8000 Hz',
        ),
    ],
)
def test_a_frequency_above_the_band_is_refused_with_its_key(song_of, rng, effects, said):
    song = song_of({"a.wav": bursts(rng, 0.1)})
    with pytest.raises(SettingsError, match=said) as caught:
        ConsoleRenderer(song, recipe_of({"a.wav": effects}))
    assert (caught.value.code, caught.value.exit_code) == ("E411", 4)
