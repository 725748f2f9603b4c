"""Spectral balance against released music."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mixcli.measures.frames import bin_frequencies, fractional_octaves, spectrum_blocks, sum_bands
from mixcli.measures.released_music import MEASURES, RELEASED_DB, average_spectrum, released_centres_hz

TABLE_DB = np.array(RELEASED_DB)
SOURCE = Path(__file__).parents[1].parent / "shared" / "data" / "musdb18-stem-averages" / "averages.json"


def distance_db(spectrum_db_B):
    return average_spectrum(spectrum_db_B)["average_spectrum_db"]


def test_the_key_has_its_measure():
    assert set(average_spectrum(TABLE_DB)) == {each.key for each in MEASURES}


def test_the_table_itself_is_no_distance_away_at_any_level():
    assert distance_db(TABLE_DB) == pytest.approx(0.0, abs=1e-12)
    assert distance_db(TABLE_DB - 37.0) == pytest.approx(0.0, abs=1e-12)


def test_the_table_has_a_level_for_every_third_octave_from_50_hz_to_16_khz():
    centres_hz = released_centres_hz()
    assert len(centres_hz) == len(RELEASED_DB) == 26
    assert centres_hz[0] == pytest.approx(49.6, abs=0.05)
    assert centres_hz[-1] == pytest.approx(16000, rel=0.01)


@pytest.mark.parametrize("above_hz", [100, 1000, 8000])
def test_a_shelf_of_three_db_moves_it_as_computed(above_hz):
    raised = np.array(released_centres_hz()) > above_hz
    share = raised.mean()
    expected = 3 * 2 * share * (1 - share)  # mean distance from the mean of a two-valued curve
    assert distance_db(TABLE_DB + 3 * raised) == pytest.approx(expected)


def test_noise_shaped_to_the_table_reads_below_half_a_db(rng):
    rate = 44_100
    n_samples = 20 * rate
    hz = np.fft.rfftfreq(n_samples, 1 / rate)
    centres_hz = np.array(released_centres_hz())
    # Power per Hz: the band's power over its width, which grows with the centre.
    density_db = np.interp(
        np.log(np.maximum(hz, 1)), np.log(centres_hz), TABLE_DB - 10 * np.log10(centres_hz)
    )
    shaped_T = np.fft.irfft(np.fft.rfft(rng.standard_normal(n_samples)) * 10 ** (density_db / 20)).astype(
        np.float32
    )
    bands = fractional_octaves(40.0, 16000.0, 3)
    energies = np.concatenate(
        [
            sum_bands(np.abs(spectrum_MN) ** 2, bin_frequencies(rate, 4096), bands)
            for spectrum_MN in spectrum_blocks(shaped_T, 4096, 1024)
        ]
    )
    assert distance_db(10 * np.log10(energies.mean(axis=0))) < 0.5


def test_bands_without_a_level_are_left_out():
    spectrum_db = TABLE_DB.copy()
    spectrum_db[-3:] = [-math.inf, math.nan, math.nan]
    assert distance_db(spectrum_db) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(distance_db(np.full(26, -math.inf)))
    assert math.isnan(distance_db(np.where(np.arange(26) < 9, TABLE_DB, math.nan)))


def test_the_table_is_what_its_comment_derives():
    if not SOURCE.is_file():
        pytest.skip("the published averages are not here")
    from scipy.signal import sosfreqz

    from mixcli.audio.loudness import k_weighting_sos

    stems = json.loads(SOURCE.read_text())
    power_B = 0.0
    for name, stem in stems.items():
        hz_B = np.array(stem["band_hz"])
        stem_B = 10 ** ((np.array(stem["level_db"]) - 10 * np.log10(hz_B)) / 10)
        weighting_B = np.abs(sosfreqz(k_weighting_sos(48000), hz_B, fs=48000)[1]) ** 2
        power_B = power_B + 10 ** (0.3 * (name == "vocals")) * stem_B / (stem_B * weighting_B).sum()
    inside = [np.abs(np.log(hz_B / centre)).argmin() for centre in released_centres_hz()]
    expected_db = 10 * np.log10(power_B[inside])
    assert pytest.approx(expected_db - expected_db.mean(), abs=0.06) == TABLE_DB
