"""Sides that are summed before their transform back, against sides that are made strip by strip."""

import numpy as np
import pytest
import soundfile

from mixcli.audio.convolution import StreamConvolver, filtered_block
from mixcli.audio.files import read_info
from mixcli.console.recipe import BusRecipe, Recipe, ReverbRecipe, StemRecipe
from mixcli.console.render import ConsoleRenderer
from mixcli.songs import cores
from mixcli.songs.roles import BUSES
from mixcli.songs.song import Song, Stem

RATE = 8000
WIDTH = {90.0: -60.0, 110.0: -18.0, 1000.0: -10.0, 3000.0: -9.0}
SIDE = {90.0: -12.0, 320.0: -3.0, 1000.0: 1.0}
SQUEEZED = {"threshold_db": -30.0, "ratio": 3.0}


@pytest.fixture
def song(tmp_path, rng):
    """Six stems, every second in stereo, one of them with a long pause."""
    stems = []
    for number in range(6):
        audio_TC = 0.1 * rng.standard_normal((11 * RATE, 1 + number % 2)).astype(np.float32)
        if number == 2:
            audio_TC[1 * RATE : 10 * RATE] = 0
        name = f"{number}.wav"
        soundfile.write(tmp_path / name, audio_TC, RATE, subtype="FLOAT")
        stems.append(Stem(name=name, files=(read_info(tmp_path / name),), role="other", role_from="name"))
    return Song(name="song", folder=tmp_path, stems=tuple(stems))


def recipe_of(song, pans, buses):
    parts = {}
    for number, stem in enumerate(song.stems):
        made = {"side_gain_db": SIDE} if number % 2 else {"side_from_mid_db": WIDTH}
        if number == 5:
            made |= {"side_from_mid_db": WIDTH}  # both: such a strip is transformed back by itself
        bus = "keys" if number < 4 else "kick"
        more = {"pan": pans[number % len(pans)], "reverb_send_db": -6, "decorrelation_seed": number}
        parts[stem.name] = StemRecipe(files=[stem.name], role="other", bus=bus, **(made | more))
    faders = {bus: BusRecipe(**buses.get(bus, {})) for bus in BUSES}
    return Recipe(song="song", sample_rate=RATE, stems=parts, buses=faders, reverb=ReverbRecipe(decay_s=0.3))


SQUEEZED_KEYS = {"keys": {"compressor": SQUEEZED}}


@pytest.mark.parametrize(
    ("pans", "buses", "start"),
    [((0,), {}, 0), ((0, -0.3, 0.11), {}, 0), ((0, 0.2), SQUEEZED_KEYS, 70_001), ((1, -1), SQUEEZED_KEYS, 0)],
)
def test_the_mix_alone_is_the_sum_of_the_buses_and_of_the_reverb(song, pans, buses, start):
    recipe = recipe_of(song, pans, buses)
    renderer = ConsoleRenderer(song, recipe, start=start)
    parts = [block.buses_KTC.sum(axis=0) + block.returns_TC for block in renderer]
    mixes = dict(renderer.mixes())
    assert list(mixes) == [block.start for block in renderer]
    assert np.abs(np.concatenate(list(mixes.values())) - np.concatenate(parts)).max() < 1e-6


def test_the_number_of_processes_changes_no_bit_of_the_mix(song, monkeypatch):
    monkeypatch.setattr(cores, "WORTH_A_PROCESS_S", 0.1)
    recipe = recipe_of(song, (0, 0.2), SQUEEZED_KEYS)
    alone, several = (ConsoleRenderer(song, recipe, processes=number).mixes() for number in (1, 3))
    for (_, one_TC), (_, other_TC) in zip(alone, several, strict=True):
        assert np.array_equal(one_TC, other_TC)


def test_spectra_of_filters_of_one_length_add_up_to_the_sum_of_their_convolutions(rng):
    firs = [rng.standard_normal(n_taps) for n_taps in (40, 300)]
    signals_TC = [rng.standard_normal((5000, 1)).astype(np.float32) for _ in firs]
    streams = [StreamConvolver(fir_N, 1, n_taps=300) for fir_N in firs]
    for part in (slice(0, 1700), slice(1700, 5000)):
        pairs = zip(streams, signals_TC, strict=True)
        spectra = [stream.push_for_spectra(signal_TC[part]) for stream, signal_TC in pairs]
        sum_T = filtered_block(sum(spectra), 300, part.stop - part.start)[0]
        whole = [np.convolve(x[:, 0], fir_N)[part] for x, fir_N in zip(signals_TC, firs, strict=True)]
        assert np.abs(sum_T - sum(whole)).max() < 1e-4


def test_silence_has_no_spectra_once_the_filter_has_died_away():
    stream = StreamConvolver(np.ones(30), 1, n_taps=100)
    stream.push(np.ones((10, 1), np.float32))
    assert stream.push_for_spectra(np.zeros((99, 1), np.float32)) is not None
    assert stream.push_for_spectra(np.zeros((10, 1), np.float32)) is None
