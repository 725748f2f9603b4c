import importlib.util
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from music_like import RATE, add_up, music_like_stems
from nearness_of import nearness_of
from plain_nearness import plain_levels_db, plain_nearness

from mixcli.measures import balance, nearness
from mixcli.measures.nearness import compare_profiles, curves
from mixcli.measures.profile import describe_profile

KEYS = {measure.key for measure in nearness.MEASURES}
BENCH = Path(__file__).parents[1].parent / "shared" / "bench"
SYSTEMS = ("e2e-flow", "equal-loudness-anchor", "fxnorm-automix-L", "megami")
needs_bench = pytest.mark.skipif(not (BENCH / "score.py").is_file(), reason="no songs with human mixes here")


@pytest.fixture(scope="module")
def song():
    stems = music_like_stems()
    return stems, add_up(stems), add_up(stems, [0.7, 1.6, 1.0, 0.5, 1.3])


def check_against_score(song, system, seconds):
    specification = importlib.util.spec_from_file_location("score", BENCH / "score.py")
    score = importlib.util.module_from_spec(specification)

    def read(path):
        return soundfile.read(path, int(seconds * RATE), dtype="float32", always_2d=True)[0]

    folder = BENCH / "songs" / song
    reference_TC, mix_TC = read(folder / "mix.flac"), read(folder / "other-mixes" / f"{system}.flac")
    stems = [read(path) for path in sorted((folder / "groups").glob("*.flac"))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other program
        specification.loader.exec_module(score)
        wanted = score.score(mix_TC, reference_TC, RATE, stems)
        mix_TC = score.match(score.align(mix_TC, reference_TC, RATE), RATE)
        reference_TC = score.match(reference_TC, RATE)
    found = nearness_of(mix_TC.astype(np.float32), reference_TC.astype(np.float32), stems, RATE)
    assert set(found) == set(wanted)
    errors = {key: abs(found[key] / value - 1) for key, value in wanted.items()}
    worst = max(errors, key=errors.get)
    assert errors[worst] < 0.01, f"{worst}: {found[worst]}, not {wanted[worst]}"


@needs_bench
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("song", ["rock", pytest.param("disco", marks=pytest.mark.slow)])
def test_seconds_of_real_mixes_read_as_a_second_program_says(song, system):
    check_against_score(song, system, 2.5)


@needs_bench
@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("song", ["rock", "disco"])
def test_whole_real_mixes_read_as_a_second_program_says(song, system):
    check_against_score(song, system, 60.0)


def test_every_measure_is_what_a_plain_second_implementation_gives(song):
    stems, reference_TC, mix_TC = song
    mix_TC = np.tanh(6 * mix_TC + 2 * mix_TC[:, ::-1]) / 6  # an odd mix: squeezed, narrower
    wanted = plain_nearness(mix_TC, reference_TC, RATE)
    levels = [plain_levels_db(signal_TC, stems, RATE) for signal_TC in (mix_TC, reference_TC)]
    errors = np.subtract(*levels) - np.mean(np.subtract(*levels))
    wanted["balance_db"] = np.abs(errors).mean()
    found = nearness_of(mix_TC, reference_TC, stems, RATE)
    assert found == {key: pytest.approx(value, rel=1e-3) for key, value in wanted.items()}


def test_a_mix_is_at_distance_nothing_from_itself(song):
    stems, _, mix_TC = song
    assert nearness_of(mix_TC, mix_TC.copy(), stems, RATE) == dict.fromkeys([*KEYS, "balance_db"], 0.0)


def test_every_value_is_named_as_a_measure_where_lower_is_nearer():
    measures = (*nearness.MEASURES, *balance.MEASURES)
    assert {measure.key for measure in measures} == KEYS | {"balance_db"}
    assert {(measure.family, measure.better) for measure in measures} == {("nearness", "lower")}


def test_a_sine_draws_the_curves_it_should():
    sine_T = 0.5 * np.sin(2 * np.pi * 1003.7 * np.arange(2 * RATE) / RATE)
    drawn = curves(describe_profile(np.stack([sine_T, 0 * sine_T], axis=1).astype(np.float32), RATE))
    assert {name: len(values) for name, values in drawn.items()} == {
        "spectrum_db": len(nearness.SPECTRUM_BANDS),
        "width_db": len(nearness.WIDTH_BANDS),
        "image_db": len(nearness.IMAGE_BANDS),
    }
    # Under a Hann window the squared magnitudes of a sine add up to 3/8 of its squared amplitude.
    at_sine = nearness.SPECTRUM_BANDS.index(1000.0)
    assert drawn["spectrum_db"][at_sine] == pytest.approx(10 * np.log10(0.375 * 0.25**2), abs=0.001)
    assert drawn["width_db"][nearness.WIDTH_BANDS.index(1000.0)] == pytest.approx(0.0, abs=0.001)
    wanted_db = 10 * np.log10(0.375 * 0.5**2 / 1e-9)
    assert drawn["image_db"][nearness.IMAGE_BANDS.index(1000.0)] == pytest.approx(wanted_db, abs=0.001)


def test_curves_name_the_centres_of_their_bands():
    assert (nearness.SPECTRUM_BANDS[0], nearness.SPECTRUM_BANDS[-1]) == (49.61, 16_000.0)
    assert (nearness.WIDTH_BANDS[0], nearness.WIDTH_BANDS[-1]) == (125.0, 10_079.37)
    assert nearness.IMAGE_BANDS == (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
    assert [len(nearness.SPECTRUM_BANDS), len(nearness.WIDTH_BANDS)] == [26, 20]


def test_curves_are_the_same_at_twice_the_sample_rate(rng):
    from scipy.signal import resample

    signal_TC = 0.1 * rng.standard_normal((3 * RATE, 2))
    doubled_TC = resample(signal_TC, 2 * len(signal_TC)).astype(np.float32)
    once = curves(describe_profile(signal_TC.astype(np.float32), RATE))
    twice = curves(describe_profile(doubled_TC, 2 * RATE))
    for name, values in once.items():
        assert twice[name] == pytest.approx(values, abs=0.02)


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000, 96_000])
def test_bands_that_hold_no_bin_do_not_thin_out_the_distance(rate, rng):
    signal_TC = (0.1 * rng.standard_normal((3 * rate, 2))).astype(np.float32)
    louder = describe_profile(signal_TC * np.float32(10 ** (3 / 20)), rate)
    found = compare_profiles(louder, describe_profile(signal_TC, rate))
    assert found["tone_db"] == pytest.approx(3.0, abs=0.001)
    assert found["spectra_db"] == pytest.approx(3.0, abs=0.02)
    n_empty = sum(centre_hz >= rate / 2 for centre_hz in nearness.SPECTRUM_BANDS)
    assert np.isnan(curves(louder)["spectrum_db"]).sum() == pytest.approx(n_empty, abs=1)


def test_a_longer_mix_is_compared_over_the_frames_both_have(song):
    _, reference_TC, mix_TC = song
    reference_TC = reference_TC[: 4 * RATE]
    reference = describe_profile(reference_TC, RATE)
    cut = compare_profiles(describe_profile(mix_TC[: 4 * RATE], RATE), reference)
    assert compare_profiles(describe_profile(mix_TC, RATE), reference) == pytest.approx(cut, rel=1e-6)


def test_a_memory_mapped_signal_reads_as_one_in_memory(song, tmp_path):
    np.save(tmp_path / "mix.npy", song[2])
    mapped = asdict(describe_profile(np.load(tmp_path / "mix.npy", mmap_mode="r"), RATE))
    held = asdict(describe_profile(song[2], RATE))
    np.testing.assert_equal(mapped, held)


def test_different_sample_rates_are_refused(song):
    with pytest.raises(ValueError, match="48000"):
        compare_profiles(describe_profile(song[1], RATE), describe_profile(song[1], 48_000))
