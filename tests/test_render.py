"""The renderer against an independent computation of whole files, and against the laws of linear mixing."""

import multiprocessing

import numpy as np
import pytest
import soundfile
from scipy.signal import butter, fftconvolve, sosfilt

from mixcli.audio.files import read_info
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.audio.width import curve_fir, side_from_mid_fir
from mixcli.console.recipe import BusRecipe, Recipe, ReverbRecipe, StemRecipe
from mixcli.console.render import ConsoleRenderer, mix_length, render_terms
from mixcli.console.strip import pan_gains
from mixcli.errors import SettingsError, SongError
from mixcli.songs import cores
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000
WIDTH = {90.0: -60.0, 110.0: -18.0, 200.0: -18.0, 1000.0: -10.0, 3000.0: -9.0}
SIDE = {90.0: -12.0, 140.0: 1.5, 320.0: -3.0, 1000.0: 1.0, 3500.0: 0.5}
REVERB = ReverbRecipe(decay_s=0.3)
BELOW_120_DBFS = 1e-6


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def make_song(tmp_path):
    """Write stems {name: [T, C]} as 32-bit float files and give the song of them."""

    def make(stems, rate=RATE):
        made = []
        for name, audio_TC in stems.items():
            soundfile.write(tmp_path / name, audio_TC.astype(np.float32), rate, subtype="FLOAT")
            info = read_info(tmp_path / name)
            made.append(Stem(name=name, files=(info,), role="other", role_from="name"))
        return Song(name="song", folder=tmp_path, stems=tuple(made))

    return make


def recipe_of(stems, *, buses=None, reverb=REVERB, rate=RATE):
    """A recipe of stems {name: parameters}."""
    parts = {
        name: StemRecipe(**({"files": [name], "role": "other", "bus": "keys"} | parameters))
        for name, parameters in stems.items()
    }
    faders = {bus: BusRecipe() for bus in BUSES} | (buses or {})
    return Recipe(song="song", sample_rate=rate, stems=parts, buses=faders, reverb=reverb)


def rendered(song, recipe, **part):
    """The whole console mix, [T, 2]."""
    blocks = list(ConsoleRenderer(song, recipe, **part))
    return np.concatenate([block.buses_KTC.sum(axis=0) + block.returns_TC for block in blocks])


def noise(rng, seconds, n_channels=1, level=0.1):
    return level * rng.standard_normal((round(seconds * RATE), n_channels))


def placed(left_T, right_T, pan):
    """Both channels of a stereo sound as two sources on a quarter circle, from 0 (left) to 90 degrees.

    One stays at its end while the other comes towards it; both are levelled so that alike they have the
    constant power 2, which a sum at an angle between them has for 1 / (sqrt 2 cos of half that angle).
    """
    between = np.pi / 2 * (1 - abs(pan))
    first = 0.0 if pan < 0 else np.pi / 2 - between
    level = 1 / (np.sqrt(2) * np.cos(between / 2))
    angles = (first, first + between)
    places = np.array([[np.cos(angle), np.sin(angle)] for angle in angles])
    return level * (np.stack([left_T, right_T], axis=1) @ places)


def whole_file_mix(audio_TC, part, reverb, bus_gain_db=0.0):
    """What a strip and the reverb give, from the recipe alone, in float64 over the whole file."""
    audio_TC = audio_TC.astype(np.float32).astype(np.float64)
    audio_TC = audio_TC * part.polarity * 10 ** ((part.gain_db + bus_gain_db) / 20)
    if part.high_pass_hz:
        audio_TC = sosfilt(butter(2, part.high_pass_hz, "high", fs=RATE, output="sos"), audio_TC, axis=0)
    mid, side = audio_TC.mean(axis=1), (audio_TC[:, 0] - audio_TC[:, -1]) / 2
    n_samples = len(mid)
    if part.side_gain_db:
        side = fftconvolve(side, curve_fir(part.side_gain_db, RATE))[:n_samples]
    mix_TC = placed(mid + side, mid - side, part.pan)
    if part.side_from_mid_db:
        fir = side_from_mid_fir(part.side_from_mid_db, part.decorrelation_seed, RATE)
        made = fftconvolve(mid, fir.astype(np.float64))[:n_samples]
        angle = (part.pan + 1) * np.pi / 4
        mix_TC += np.stack([made * np.cos(angle), -made * np.sin(angle)], axis=1) * np.sqrt(2)
    if part.reverb_send_db is not None:
        settings = reverb.model_dump(exclude={"return_db", "reasons"})
        response_NC = reverb_impulse_response(RATE, **settings).astype(np.float64)
        wet_TC = fftconvolve(mid[:, None], response_NC, axes=0)[:n_samples]
        mix_TC += wet_TC * 10 ** ((part.reverb_send_db + reverb.return_db) / 20)
    return mix_TC


@pytest.mark.parametrize(
    ("n_channels", "parameters"),
    [
        (1, {}),
        (1, {"gain_db": -7.3, "polarity": -1, "high_pass_hz": 90, "pan": -0.3}),
        (1, {"side_from_mid_db": WIDTH, "decorrelation_seed": 7, "reverb_send_db": -12, "pan": 0.11}),
        (2, {"side_gain_db": SIDE, "high_pass_hz": 200, "pan": 1, "reverb_send_db": -3}),
        (2, {"side_gain_db": SIDE, "side_from_mid_db": WIDTH, "gain_db": 3}),
    ],
)
def test_a_stem_is_rendered_as_its_recipe_says(make_song, rng, n_channels, parameters):
    audio_TC = noise(rng, 18, n_channels)  # over two blocks of the renderer
    song, recipe = make_song({"a.wav": audio_TC}), recipe_of({"a.wav": parameters})
    mix_TC = rendered(song, recipe)
    expected_TC = whole_file_mix(audio_TC, recipe.stems["a.wav"], REVERB)
    assert mix_TC.shape == expected_TC.shape
    assert np.abs(mix_TC - expected_TC).max() < BELOW_120_DBFS


def test_buses_have_gains_and_stems_go_to_their_own(make_song, rng):
    kick_TC, keys_TC = noise(rng, 1), noise(rng, 1)
    song = make_song({"kick.wav": kick_TC, "keys.wav": keys_TC})
    recipe = recipe_of(
        {"kick.wav": {"bus": "kick"}, "keys.wav": {"reverb_send_db": -6}},
        buses={"kick": BusRecipe(gain_db=-6.0), "keys": BusRecipe(gain_db=2.0)},
    )
    (block,) = ConsoleRenderer(song, recipe)
    kick, keys = BUSES.index("kick"), BUSES.index("keys")
    assert block.buses_KTC[kick] == pytest.approx(np.repeat(kick_TC, 2, axis=1) * 10 ** (-6 / 20), abs=1e-6)
    assert block.buses_KTC[keys] == pytest.approx(np.repeat(keys_TC, 2, axis=1) * 10 ** (2 / 20), abs=1e-6)
    assert not np.delete(block.buses_KTC, [kick, keys], axis=0).any()
    expected_TC = whole_file_mix(keys_TC, recipe.stems["keys.wav"], REVERB, bus_gain_db=2.0)
    assert np.abs(block.buses_KTC[keys] + block.returns_TC - expected_TC).max() < BELOW_120_DBFS


@pytest.mark.parametrize("pan", [-1, -0.5, -0.11, 0, 0.3, 1])
def test_the_pan_keeps_the_power_and_the_centre_keeps_the_samples(pan):
    left, right = pan_gains(pan)
    assert left**2 + right**2 == pytest.approx(2)
    assert np.degrees(np.arctan2(right, left)) == pytest.approx(45 + 45 * pan)  # the tangent law's angle
    assert pan != 0 or (left, right) == (1, 1)


PANS = [-1, -0.7, -0.3, 0.11, 0.5, 1]


@pytest.mark.parametrize("pan", PANS)
def test_a_stereo_file_of_a_mono_sound_is_panned_like_the_mono_file(make_song, rng, pan):
    audio_TC = noise(rng, 1)
    song = make_song({"a.wav": audio_TC, "b.wav": np.repeat(audio_TC, 2, axis=1)})
    blocks = render_terms(song, recipe_of({"a.wav": {"pan": pan}, "b.wav": {"pan": pan}}))
    ((_, terms),) = blocks
    assert np.abs(terms["a.wav"] - terms["b.wav"]).max() < BELOW_120_DBFS
    power = np.square(terms["b.wav"].astype(float)).sum()
    assert power == pytest.approx(2 * np.square(audio_TC).sum(), rel=1e-4)


@pytest.mark.parametrize("pan", PANS)
@pytest.mark.parametrize("channel", [0, 1])
def test_a_pan_loses_no_channel_of_a_stereo_stem(make_song, rng, pan, channel):
    """What is in one channel alone stays or moves to the pan's side, and by 3 dB at most in level."""
    audio_TC = np.zeros((RATE, 2))
    audio_TC[:, channel] = noise(rng, 1)[:, 0]
    mix_TC = rendered(make_song({"a.wav": audio_TC}), recipe_of({"a.wav": {"pan": pan}})).astype(float)
    left, right = mix_TC.T @ audio_TC[:, channel] / np.square(audio_TC).sum()
    assert left >= -1e-7
    assert right >= -1e-7  # nothing in opposite polarity
    near = np.sqrt(2) * np.cos(np.pi / 4 * (1 - abs(pan)))
    assert left**2 + right**2 == pytest.approx(1 / near**2, rel=1e-5)
    assert 1 / near**2 > 0.499
    stays = (pan < 0) == (channel == 0)
    degrees = 90 * channel if stays else 90 * channel + 90 * pan
    assert np.degrees(np.arctan2(right, left)) == pytest.approx(degrees, abs=0.01)


@pytest.mark.parametrize("pan", [-1, 1])
def test_a_stereo_stem_panned_to_an_end_is_there_with_both_channels(make_song, rng, pan):
    audio_TC = noise(rng, 1, 2)
    mix_TC = rendered(make_song({"a.wav": audio_TC}), recipe_of({"a.wav": {"pan": pan}}))
    near, far = mix_TC[:, (pan + 1) // 2], mix_TC[:, (1 - pan) // 2]
    assert np.abs(near - audio_TC.sum(axis=1) / np.sqrt(2)).max() < BELOW_120_DBFS
    assert np.abs(far).max() < BELOW_120_DBFS


def test_a_stereo_stem_in_the_centre_is_the_file(make_song, rng):
    audio_TC = noise(rng, 1, 2).astype(np.float32)
    mix_TC = rendered(make_song({"a.wav": audio_TC}), recipe_of({"a.wav": {}}))
    assert np.abs(mix_TC - audio_TC).max() <= np.spacing(np.float32(np.abs(audio_TC).max()))


@pytest.mark.parametrize(("pan", "loss_db"), [(-0.11, 0.69), (0.5, 2.32), (-1, 3.01)])
def test_uncorrelated_channels_lose_at_most_3_db_by_a_pan(make_song, rng, pan, loss_db):
    """20 log of the nearer gain: √2 cos of 45 degrees times what is left of the way."""
    audio_TC = noise(rng, 60, 2)
    mix_TC = rendered(make_song({"a.wav": audio_TC}), recipe_of({"a.wav": {"pan": pan}}))
    ratio = np.square(mix_TC.astype(float)).sum() / np.square(audio_TC).sum()
    assert -10 * np.log10(ratio) == pytest.approx(loss_db, abs=0.05)


def test_the_mono_fold_down_of_a_widened_stem_is_the_stem(make_song, rng):
    audio_TC = noise(rng, 2)
    song = make_song({"a.wav": audio_TC})
    mix_TC = rendered(song, recipe_of({"a.wav": {"side_from_mid_db": WIDTH, "decorrelation_seed": 3}}))
    one_ulp = np.spacing(np.float32(np.abs(mix_TC).max()))  # left and right are rounded to float32
    assert np.abs(mix_TC.astype(np.float64).mean(axis=1) - audio_TC[:, 0].astype(np.float32)).max() <= one_ulp
    assert np.abs(mix_TC[:, 0] - mix_TC[:, 1]).max() > 0.01


def test_the_side_of_a_widened_stem_lies_at_its_curve_in_every_band(make_song, rng):
    mix_TC = rendered(make_song({"a.wav": noise(rng, 20)}), recipe_of({"a.wav": {"side_from_mid_db": WIDTH}}))
    mid_F = np.abs(np.fft.rfft(mix_TC.sum(axis=1)))
    side_F = np.abs(np.fft.rfft(mix_TC[:, 0] - mix_TC[:, 1]))
    frequencies_hz = np.fft.rfftfreq(len(mix_TC), 1 / RATE)
    for low_hz, high_hz, wanted_db in ((170, 230, -18), (900, 1100, -10), (2800, 3200, -9)):
        band = (frequencies_hz > low_hz) & (frequencies_hz < high_hz)
        level_db = 10 * np.log10(np.square(side_F[band]).sum() / np.square(mid_F[band]).sum())
        assert level_db == pytest.approx(wanted_db, abs=1)


@pytest.mark.parametrize("by", ["stem", "bus"])
def test_terms_add_up_to_the_mix(make_song, rng, by):
    stems = {f"{name}.wav": noise(rng, seconds) for name, seconds in (("a", 9), ("b", 10), ("c", 5))}
    parts = {
        "a.wav": {"bus": "kick", "reverb_send_db": -6, "pan": 0.3},
        "b.wav": {"side_from_mid_db": WIDTH, "high_pass_hz": 80},
        "c.wav": {"gain_db": -4, "reverb_send_db": 0},
    }
    song, recipe = make_song(stems), recipe_of(parts)
    blocks = list(render_terms(song, recipe, by=by))
    assert set(blocks[0][1]) == ({"a.wav", "b.wav", "c.wav"} if by == "stem" else {"kick", "keys"})
    sums_TC = np.concatenate([sum(terms.values()) for _, terms in blocks])
    assert np.abs(sums_TC - rendered(song, recipe)).max() < BELOW_120_DBFS
    assert [start for start, _ in blocks] == [block.start for block in ConsoleRenderer(song, recipe)]


def test_a_term_scales_with_its_gain_and_leaves_the_others_alone(make_song, rng):
    song = make_song({"a.wav": noise(rng, 1), "b.wav": noise(rng, 1)})
    wide = {"side_from_mid_db": WIDTH, "reverb_send_db": -10, "high_pass_hz": 90, "pan": -0.2}
    before = dict(next(render_terms(song, recipe_of({"a.wav": wide, "b.wav": wide})))[1])
    after = dict(next(render_terms(song, recipe_of({"a.wav": wide | {"gain_db": -3}, "b.wav": wide})))[1])
    assert np.abs(after["a.wav"] - before["a.wav"] * 10 ** (-3 / 20)).max() < BELOW_120_DBFS
    assert np.array_equal(after["b.wav"], before["b.wav"])


def test_a_stem_in_opposite_polarity_cancels_its_copy(make_song, rng):
    audio_TC = noise(rng, 1)
    parts = {"side_from_mid_db": WIDTH, "decorrelation_seed": 5, "reverb_send_db": -10, "pan": 0.3}
    song = make_song({"a.wav": audio_TC, "b.wav": audio_TC})
    assert not rendered(song, recipe_of({"a.wav": parts, "b.wav": parts | {"polarity": -1}})).any()


@pytest.mark.parametrize(("start", "n_samples"), [(0, 100), (70_000, 5000), (131_000, 200), (150_000, None)])
def test_a_preview_is_the_slice_of_the_whole(make_song, rng, start, n_samples):
    song = make_song({"a.wav": noise(rng, 20), "b.wav": noise(rng, 12, 2)})
    recipe = recipe_of(
        {
            "a.wav": {"side_from_mid_db": WIDTH, "reverb_send_db": -3, "high_pass_hz": 20, "pan": 0.3},
            "b.wav": {"side_gain_db": SIDE, "reverb_send_db": -3},
        }
    )
    whole_TC = rendered(song, recipe)
    stop = None if n_samples is None else start + n_samples
    renderer = ConsoleRenderer(song, recipe, start=start, n_samples=n_samples)
    part_TC = rendered(song, recipe, start=start, n_samples=n_samples)
    assert renderer.n_samples == len(part_TC) == len(whole_TC[start:stop])
    assert next(iter(renderer)).start == start
    assert np.abs(part_TC - whole_TC[start:stop]).max() < 1e-6


def test_a_late_part_does_not_read_the_song_from_its_start(make_song, rng):
    song = make_song({"a.wav": noise(rng, 40)})
    recipe = recipe_of({"a.wav": {"reverb_send_db": -3, "high_pass_hz": 80}})
    assert ConsoleRenderer(song, recipe, start=300_000).reads_from >= 300_000 - 65_536 - RATE


def test_a_mix_is_as_long_as_the_longest_stem_muted_or_not(make_song, rng):
    song = make_song({"a.wav": noise(rng, 0.5), "b.wav": noise(rng, 1.25)})
    recipe = recipe_of({"a.wav": {"reverb_send_db": 0}, "b.wav": {"mute": True}})
    mix_TC = rendered(song, recipe)
    assert len(mix_TC) == round(1.25 * RATE)
    assert mix_TC[round(0.6 * RATE) :].any()  # the tail of the first stem goes on
    assert mix_length(song, 44_100) == -(-round(1.25 * RATE) * 44_100 // RATE)


@pytest.mark.parametrize("processes", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_the_number_of_processes_changes_no_bit(make_song, rng, processes, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    song = make_song({f"{name}.wav": noise(rng, 10, 1 + name % 2) for name in range(7)})
    parts = {"side_from_mid_db": WIDTH, "reverb_send_db": -3, "high_pass_hz": 90}
    recipe = recipe_of({stem.name: parts for stem in song.stems})
    assert np.array_equal(rendered(song, recipe, processes=processes), rendered(song, recipe))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_stem_that_cannot_be_read_ends_the_rendering_with_its_error(make_song, rng, processes, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    song = make_song({f"{name}.wav": noise(rng, 10) for name in range(5)})
    broken = song.stems[3].files[0].path
    content = bytearray(broken.read_bytes())
    content[-4:] = b"\x00\x00\xc0\x7f"  # the last sample is not a number
    broken.write_bytes(content)
    recipe = recipe_of({stem.name: {} for stem in song.stems})
    with pytest.raises(SongError, match=r"3\.wav"):
        rendered(song, recipe, processes=processes)
    assert len(rendered(song, recipe, repair=True, processes=processes)) == 80_000


def test_a_rendering_that_is_given_up_leaves_no_process_behind(make_song, rng, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 1.0)
    song = make_song({f"{name}.wav": noise(rng, 20) for name in range(40)})  # more than what is made ahead
    blocks = iter(ConsoleRenderer(song, recipe_of({stem.name: {} for stem in song.stems}), processes=2))
    before = len(multiprocessing.active_children())
    next(blocks)
    assert len(multiprocessing.active_children()) == before + 2
    blocks.close()
    assert len(multiprocessing.active_children()) == before


def test_muted_stems_and_buses_are_silent_and_have_no_terms(make_song, rng):
    song = make_song({"a.wav": noise(rng, 0.5), "b.wav": noise(rng, 0.5)})
    recipe = recipe_of(
        {"a.wav": {"bus": "kick", "reverb_send_db": 0}, "b.wav": {"mute": True}},
        buses={"kick": BusRecipe(mute=True)},
    )
    assert not rendered(song, recipe).any()
    assert next(render_terms(song, recipe))[1] == {}


def test_long_silences_are_exactly_silent_and_sound_after_them_is_unchanged(make_song, rng):
    audio_TC = np.zeros((40 * RATE, 1))
    audio_TC[: RATE // 2], audio_TC[-RATE:] = noise(rng, 0.5), noise(rng, 1)
    parts = {"side_from_mid_db": WIDTH, "reverb_send_db": -3, "high_pass_hz": 90}
    song, recipe = make_song({"a.wav": audio_TC}), recipe_of({"a.wav": parts})
    mix_TC = rendered(song, recipe)
    assert not mix_TC[20 * RATE : 30 * RATE].any()
    expected_TC = whole_file_mix(audio_TC, recipe.stems["a.wav"], REVERB)
    assert np.abs(mix_TC - expected_TC).max() < BELOW_120_DBFS


def test_a_level_far_from_full_scale_keeps_its_relative_precision(make_song, rng):
    audio_TC = noise(rng, 2)
    parts = {"a.wav": {"side_from_mid_db": WIDTH, "reverb_send_db": -3, "pan": 0.2}}
    loud_TC = rendered(make_song({"a.wav": audio_TC}), recipe_of(parts))
    quiet_TC = rendered(make_song({"a.wav": audio_TC * 2.0**-20}), recipe_of(parts))
    assert np.array_equal(quiet_TC * 2.0**20, loud_TC)


def test_a_stem_at_another_rate_is_placed_at_the_recipes_rate(make_song):
    time_T = np.arange(44_100) / 44_100
    song = make_song({"a.wav": 0.5 * np.sin(2 * np.pi * 440 * time_T)[:, None]}, rate=44_100)
    mix_TC = rendered(song, recipe_of({"a.wav": {}}))
    expected_T = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.abs(mix_TC[400:-400, 0] - expected_T[400:-400]).max() < 1e-4


def test_a_recipe_that_does_not_fit_the_song_is_refused(make_song, rng):
    song = make_song({"a.wav": noise(rng, 0.1), "b.wav": noise(rng, 0.1)})
    with pytest.raises(SettingsError, match=r'the recipe does not name "b\.wav"'):
        ConsoleRenderer(song, recipe_of({"a.wav": {}}))
    with pytest.raises(SettingsError, match=r'the song does not have "c\.wav"'):
        ConsoleRenderer(song, recipe_of({"a.wav": {}, "b.wav": {}, "c.wav": {}}))


def test_a_high_pass_above_the_band_and_an_empty_reverb_are_refused_in_words(make_song, rng):
    song = make_song({"a.wav": noise(rng, 0.1)})
    with pytest.raises(SettingsError, match=r'"a\.wav": high_pass_hz is 4000, which is too high at 8000 Hz'):
        list(ConsoleRenderer(song, recipe_of({"a.wav": {"high_pass_hz": 4000}})))
    empty = ReverbRecipe(low_cut_hz=5000, high_cut_hz=100)
    with pytest.raises(SettingsError, match="reverb: the band from 5000 to 100 Hz is empty"):
        ConsoleRenderer(song, recipe_of({"a.wav": {"reverb_send_db": -3}}, reverb=empty))
