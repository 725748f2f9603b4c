"""Truth: a spectrum with a known fault, and the compressor itself on the sum."""

import numpy as np
import pytest
import soundfile
from made_up_survey import CENTRES_B, made_up_survey

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.files import read_info
from mixcli.console.band_fit import fitted_response
from mixcli.console.bus_rules import choose_bus_compressor, choose_bus_equaliser
from mixcli.console.spectra_table import RELEASED_DB
from mixcli.settings import RuleSettings
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song

RATE = 16_000
RELEASED_B = np.array(RELEASED_DB)


def test_a_dull_sum_gets_brighter_by_three_db_at_most():
    tilt_B = -3 * np.log2(CENTRES_B / 1000)
    survey = made_up_survey(one=RELEASED_B + tilt_B - 3, two=RELEASED_B + tilt_B - 3)
    bands, reason = choose_bus_equaliser({"one": 0.0, "two": 0.0}, survey, RuleSettings(bus_tone=1))
    response_B = fitted_response(bands, 44_100)
    assert response_B[CENTRES_B < 100].mean() < -1.5
    assert response_B[(CENTRES_B > 4000)].mean() > 1.5
    assert np.abs(response_B).max() < 4
    assert all(abs(band.gain_db) <= 3 for band in bands)
    assert "released music" in reason
    weak, _ = choose_bus_equaliser({"one": 0.0, "two": 0.0}, survey, RuleSettings(bus_tone=0.5))
    assert all(abs(band.gain_db) <= 1.5 for band in weak)


def test_the_sum_at_its_gains_decides_not_the_stems():
    low_B, high_B = (
        np.where(CENTRES_B < 1000, RELEASED_B, -90.0),
        np.where(CENTRES_B < 1000, -90.0, RELEASED_B),
    )
    survey = made_up_survey(low=low_B - 20, high=high_B)
    on = RuleSettings(bus_tone=1)
    assert choose_bus_equaliser({"low": 20.0, "high": 0.0}, survey, on) is None
    bands, _ = choose_bus_equaliser({"low": 10.0, "high": 0.0}, survey, on)
    response_B = fitted_response(bands, 44_100)
    assert response_B[3:15].mean() > response_B[17:28].mean() + 2


@pytest.fixture
def drums_and_pad(tmp_path):
    rng = np.random.default_rng(8)
    times_T = np.arange(24 * RATE) / RATE
    swell_T = 10 ** (6 * np.sin(2 * np.pi * times_T / 12) / 20)
    sounds = {
        "pad": 0.05 * swell_T * rng.standard_normal(len(times_T)),
        "drums": 0.5 * np.exp(-(times_T % 0.5) / 0.1) * rng.standard_normal(len(times_T)) * 0.3,
    }
    stems = []
    for name, sound_T in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", sound_T, RATE, subtype="FLOAT")
        files = (read_info(tmp_path / f"{name}.wav"),)
        stems.append(Stem(name=name, files=files, role="other", role_from="name"))
    return sounds, survey_song(Song(name="song", folder=tmp_path, stems=tuple(stems)), RATE)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_the_compressor_takes_what_was_asked_and_not_more(drums_and_pad, strength):
    sounds, survey = drums_and_pad
    gains_db = {"pad": 3.0, "drums": -2.0}
    compressor, reason = choose_bus_compressor(gains_db, survey, RuleSettings(bus_compression=strength))
    sum_T = sum(sounds[name] * 10 ** (gain_db / 20) for name, gain_db in gains_db.items())
    made = Compressor(CompressorSettings(**compressor.model_dump()), RATE, 1)
    gain_T = made.push_for_gain(sum_T.astype(np.float32)[:, None])
    taken_db_T = -20 * np.log10(gain_T)
    assert made.max_reduction_db <= 2 * strength + 1e-6
    assert 0.3 * strength < np.percentile(taken_db_T, 95) <= 2 * strength + 1e-3
    assert (compressor.ratio, compressor.attack_ms) == (2, 30)
    assert f"{2 * strength:g} dB" in reason


def test_the_threshold_follows_the_gains(drums_and_pad):
    _, survey = drums_and_pad
    on = RuleSettings(bus_compression=1)
    (one, _), (louder, _) = (
        choose_bus_compressor({"pad": gain_db, "drums": gain_db}, survey, on) for gain_db in (0.0, 12.0)
    )
    assert louder.threshold_db - one.threshold_db == pytest.approx(12, abs=0.11)


def test_off_by_default_and_for_silence():
    survey = made_up_survey(one=np.zeros(30))
    silent = made_up_survey(one=np.full(30, -np.inf))
    on = RuleSettings(bus_tone=1, bus_compression=1)
    for choose in (choose_bus_equaliser, choose_bus_compressor):
        assert choose({"one": 0.0}, survey, RuleSettings()) is None
        assert choose({}, survey, on) is None
        assert choose({"one": 0.0}, silent, on) is None
