"""Truth: the equaliser on sound, spectra with a known fault, the published averages, the loudness meter."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_up_survey import CENTRES_B, made_up_stem

from mixcli.audio.equaliser import Equaliser, EqualiserBand
from mixcli.audio.files import read_info
from mixcli.audio.loudness import LoudnessMeter
from mixcli.console.band_fit import fit_bands, fitted_response, loudness_change_lu, smoothed_over_octaves
from mixcli.console.recipe import EqualiserBandRecipe
from mixcli.console.spectra_table import FAMILY_DB, RELEASED_DB
from mixcli.console.tone import choose_equaliser, choose_high_pass, correction
from mixcli.measures import released_music
from mixcli.settings import RuleSettings
from mixcli.songs.song import Song, Stem
from mixcli.songs.survey import survey_song
from mixcli.songs.third_octaves import CENTRES_HZ

RATE = 44_100
AVERAGES = Path(__file__).parents[1].parent / "shared" / "data" / "musdb18-stem-averages" / "averages.json"


def bands_of(recipe):
    return [EqualiserBand(band.kind, band.frequency_hz, band.gain_db, band.q) for band in recipe]


def bell(frequency_hz, gain_db, octaves=1.0):
    return gain_db * np.exp(-0.5 * (np.log2(CENTRES_B / frequency_hz) / octaves) ** 2)


@pytest.mark.parametrize("family", FAMILY_DB)
def test_the_averages_are_those_that_were_published(family):
    if not AVERAGES.exists():
        pytest.skip("the published averages are not here")
    published = json.loads(AVERAGES.read_text("utf-8"))[family]
    power_B = np.array(published["level_db"]) - 10 * np.log10(CENTRES_B)
    np.testing.assert_allclose(FAMILY_DB[family], power_B - power_B.max(), atol=0.051)
    np.testing.assert_allclose(published["band_hz"], CENTRES_HZ, rtol=2e-3)


def test_released_music_is_the_curve_that_the_measure_has():
    np.testing.assert_allclose(RELEASED_DB[3:29], released_music.RELEASED_DB, atol=0.11)
    np.testing.assert_allclose(CENTRES_HZ[3:29], released_music.released_centres_hz(), rtol=0.03)


def test_what_was_one_bell_is_found_again():
    wanted = EqualiserBand("bell", 1000.0, 4.0, 1.0)
    curve_B = fitted_response([EqualiserBandRecipe(kind="bell", frequency_hz=1000, gain_db=4, q=1)], RATE)
    found = fit_bands(curve_B, np.ones(30), RATE, n_bands=3, most_db=6)
    assert bands_of(found) == [wanted]


def test_five_bands_come_near_a_smooth_curve_and_stay_in_bounds():
    rng = np.random.default_rng(2)
    errors, wanted = [], []
    for _ in range(12):
        curve_B = smoothed_over_octaves(rng.normal(0, 5, 30), np.ones(30)).clip(-6, 6)
        bands = fit_bands(curve_B, np.ones(30), RATE, n_bands=5, most_db=6)
        assert len(bands) <= 5
        assert all(abs(band.gain_db) <= 6 for band in bands)
        inside = CENTRES_B < 16_000
        errors.append(np.sqrt(np.mean((fitted_response(bands, RATE) - curve_B)[inside] ** 2)))
        wanted.append(np.sqrt(np.mean(curve_B[inside] ** 2)))
    assert np.mean(errors) < 0.45 * np.mean(wanted)
    assert fit_bands(np.zeros(30), np.ones(30), RATE, n_bands=5, most_db=6) == []


def test_smoothing_keeps_a_constant_and_looks_at_no_band_without_a_weight():
    weight_B = np.where(np.arange(30) < 20, 1.0, 0.0)
    curve_B = np.where(np.arange(30) < 20, 3.0, 1e6)
    smooth_B = smoothed_over_octaves(curve_B, weight_B)
    np.testing.assert_allclose(smooth_B[:20], 3.0)
    assert np.all(smooth_B[25:] == 0)


@pytest.mark.parametrize(("role", "family"), [("vox.lead", "vocals"), ("gtr.electric", "other")])
@pytest.mark.parametrize("rate", [44_100, 16_000])
def test_a_fault_in_an_average_spectrum_is_taken_back(role, family, rate):
    fault_B = bell(700, 5) + bell(3000, -4)
    stem = made_up_stem(np.array(FAMILY_DB[family]) - 30 + fault_B)
    bands, reason = choose_equaliser(role, stem, rate, RuleSettings(equaliser=1))
    heard = (CENTRES_B > 200) & (CENTRES_B < 5000)
    left_B = (fault_B + fitted_response(bands, rate))[heard]
    asked_B = fault_B[heard] - np.mean(fault_B[heard])
    assert np.std(left_B) < 0.4 * np.std(asked_B)
    assert f"than {family}" in reason
    half, _ = choose_equaliser(role, stem, rate, RuleSettings(equaliser=0.5))
    ratio = np.sum(fitted_response(half, rate)[heard] * fitted_response(bands, rate)[heard]) / np.sum(
        fitted_response(bands, rate)[heard] ** 2
    )
    assert ratio == pytest.approx(0.5, abs=0.08)


def test_the_bands_do_on_sound_what_they_do_on_paper(tmp_path):
    rng = np.random.default_rng(3)
    sound_TC = 0.1 * rng.standard_normal((2 * RATE, 1))
    soundfile.write(tmp_path / "stem.wav", sound_TC, RATE, subtype="FLOAT")
    stems = (Stem(name="stem", files=(read_info(tmp_path / "stem.wav"),), role="vox.lead", role_from="name"),)
    stem = survey_song(Song(name="song", folder=tmp_path, stems=stems), RATE).stems["stem"]
    bands, _ = choose_equaliser("vox.lead", stem, RATE, RuleSettings(equaliser=1))
    made_TC = Equaliser(bands_of(bands), RATE, 1).push(sound_TC.astype(np.float32))
    power_F = np.abs(np.fft.rfft(made_TC[:, 0])) ** 2 / np.abs(np.fft.rfft(sound_TC[:, 0])) ** 2
    hertz_F = np.fft.rfftfreq(len(sound_TC), 1 / RATE)
    for hertz, gain_db in zip(CENTRES_B[8:28], fitted_response(bands, RATE)[8:28], strict=True):
        around = (hertz_F > hertz / 1.02) & (hertz_F < hertz * 1.02)
        assert 10 * np.log10(np.median(power_F[around])) == pytest.approx(gain_db, abs=0.4)
    changes = []
    for signal_TC in (sound_TC, made_TC):
        meter = LoudnessMeter(RATE, 1)
        meter.push(signal_TC.astype(np.float32))
        changes.append(meter.integrated_lufs())
    assert loudness_change_lu(stem.third_octaves, bands, RATE) == pytest.approx(
        changes[1] - changes[0], abs=0.3
    )


def test_no_recordings_level_matters_and_the_average_itself_is_left_alone():
    level_B = np.array(FAMILY_DB["vocals"]) + bell(400, 5)
    quiet, loud = (
        choose_equaliser("vox.lead", made_up_stem(level_B + gain_db), RATE, RuleSettings(equaliser=1))
        for gain_db in (-60, 20)
    )
    assert quiet == loud
    average = made_up_stem(FAMILY_DB["bass"])
    assert choose_equaliser("bass.electric", average, RATE, RuleSettings(equaliser=1)) is None


def test_what_a_stem_does_not_have_is_not_turned_up():
    curve_B, weight_B = correction(
        tuple(10 ** (np.where(CENTRES_B < 4000, np.array(FAMILY_DB["other"]), -150.0) / 10)),
        np.array(FAMILY_DB["other"]),
    )
    np.testing.assert_allclose(curve_B, 0, atol=0.1)
    assert weight_B.min() == 0.1
    rumbling = made_up_stem(np.array(FAMILY_DB["vocals"]) + bell(35, 40, 0.4) + bell(1000, 4))
    bands, _ = choose_equaliser(
        "vox.lead", rumbling, RATE, RuleSettings(equaliser=1)
    )  # the high-pass's business
    assert abs(fitted_response(bands, RATE)[CENTRES_B < 60]).max() < 2


def test_off_without_a_strength_without_an_average_and_for_silence():
    stem = made_up_stem(np.array(FAMILY_DB["drums"]) + bell(400, 6))
    assert choose_equaliser("vox.lead", stem, RATE, RuleSettings()) is None
    on = RuleSettings(equaliser=1)
    for role in ("drums.kick", "drums.hihat", "fx.sfx", "other"):
        assert choose_equaliser(role, stem, RATE, on) is None
    assert choose_equaliser("drums.kit", stem, RATE, on) is not None
    assert choose_equaliser("vox.lead", made_up_stem(np.full(30, -np.inf)), RATE, on) is None


def test_the_high_pass_is_the_roles_or_one_against_an_offset():
    assert choose_high_pass("vox.lead", 0.0)[0] == 90
    assert choose_high_pass("vox.lead", 0.2)[0] == 90
    assert choose_high_pass("drums.kick", 0.0) is None
    hertz, reason = choose_high_pass("drums.kick", 0.03)
    assert hertz == 20
    assert "3.0%" in reason
