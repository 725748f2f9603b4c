"""Truth: libebur128 and scipy's resampler on the finished samples, and arithmetic in dB."""

from dataclasses import astuple

import numpy as np
import pytest
from scipy.signal import resample_poly

from mixcli.audio.mastering import (
    CEILING_MARGIN_DB,
    MAX_GAIN_DB,
    MasterTarget,
    apply_master,
    gain_to_loudness,
    measure,
    solve_master,
)
from mixcli.audio.true_peak import TruePeakMeter

RATE = 16_000
N_SAMPLES = 4 * RATE


def in_blocks(signal_TC, length=10_000):
    return lambda: (signal_TC[start : start + length] for start in range(0, len(signal_TC), length))


def finished(signal_TC, target, rate=RATE):
    solution = solve_master(in_blocks(signal_TC), rate, 2, target)
    parts = list(apply_master(in_blocks(signal_TC), rate, 2, solution))
    output_TC = np.concatenate([block_TC for block_TC, _ in parts])
    gain_T = np.concatenate([gain_T for _, gain_T in parts])
    assert output_TC.shape == signal_TC.shape
    assert gain_T.shape == signal_TC.shape[:1]
    return solution, output_TC, gain_T


def libebur128(signal_TC, rate=RATE):
    """(integrated LUFS, true peak dBTP)."""
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 is not installed")
    modes = int(ebur.MeasurementMode.MODE_I) | int(ebur.MeasurementMode.MODE_TRUE_PEAK)
    state = ebur.R128State(2, rate, modes)
    state.add_frames(np.ascontiguousarray(signal_TC).ravel(), len(signal_TC))
    peak = max(ebur.get_true_peak(state, channel) for channel in range(2))
    return ebur.get_loudness_global(state), 20 * np.log10(peak)


def highest_reading_dbtp(signal_TC, rate=RATE):
    meter = TruePeakMeter(rate, 2)
    meter.push(signal_TC)
    resampled = 20 * np.log10(np.abs(resample_poly(signal_TC.astype(np.float64), 8, 1)).max())
    return max(meter.finish(), resampled, libebur128(signal_TC, rate)[1])


def stereo(signal_T):
    return np.stack([signal_T, 0.8 * signal_T], axis=1).astype(np.float32)


def sound(name):
    rng = np.random.default_rng(11)
    places = np.arange(N_SAMPLES)
    noise_T = rng.standard_normal(N_SAMPLES)
    song_T = 0.15 * np.sin(2 * np.pi * 110 * places / RATE)
    song_T += 0.2 * noise_T * np.exp(-(places % 4000) / 900)
    return stereo(
        {
            "song": song_T * np.where(places < N_SAMPLES // 3, 0.4, 1.0),
            "noise bursts": 0.3 * noise_T * (places % 8000 < 2000) + 0.02 * noise_T,
            "sparse drums": 0.3 * noise_T * np.exp(-(places % 16_000) / 400),
            "sine": 0.02 * np.sin(2 * np.pi * 440 * places / RATE),
            "loud noise": 20.0 * noise_T,
        }[name]
    )


@pytest.mark.parametrize("target_lufs", [-23.0, -14.0, -9.0])
@pytest.mark.parametrize("name", ["song", "noise bursts", "sparse drums", "sine", "loud noise"])
def test_the_target_is_reached_or_the_limiter_is_at_its_limit(name, target_lufs):
    target = MasterTarget(target_lufs=target_lufs, ceiling_dbtp=-1.0, mode="limit", limit_db=6.0)
    solution, output_TC, _ = finished(sound(name), target)
    measured_lufs = libebur128(output_TC)[0]
    assert solution.predicted_lufs == pytest.approx(measured_lufs, abs=0.02)
    assert highest_reading_dbtp(output_TC) <= -1.0
    assert solution.max_reduction_db <= 6.01
    if solution.reached:
        assert measured_lufs == pytest.approx(target_lufs, abs=0.1)
        assert (solution.short_by_lu, solution.held_by) == (0.0, None)
    else:
        assert solution.short_by_lu == pytest.approx(target_lufs - measured_lufs, abs=0.1)
        assert solution.max_reduction_db == pytest.approx(6.0, abs=0.05)
        assert solution.held_by == "limiter"


def test_these_sounds_try_every_way_out():
    ways = set()
    for name in ("song", "sparse drums", "sine"):
        solution = solve_master(in_blocks(sound(name)), RATE, 2, MasterTarget())
        ways.add((solution.limited, solution.reached))
    assert ways == {(False, True), (True, True), (True, False)}


@pytest.mark.parametrize("target_lufs", [-16.0, -14.0, -12.0, -11.0, -10.0])
def test_a_few_passes_solve_the_limited_loudness(target_lufs):
    target = MasterTarget(target_lufs=target_lufs, limit_db=12.0)
    solution = solve_master(in_blocks(sound("song")), RATE, 2, target)
    assert solution.limiter_passes <= 4
    assert solution.predicted_lufs == pytest.approx(target_lufs, abs=0.02)


def test_the_gain_curve_is_what_was_done_to_every_sample():
    signal_TC = sound("song")
    solution, output_TC, gain_T = finished(signal_TC, MasterTarget(target_lufs=-12.0))
    assert solution.limited
    assert np.array_equal(output_TC, signal_TC * gain_T[:, None])
    assert 20 * np.log10(gain_T.max()) == pytest.approx(solution.gain_db, abs=1e-4)
    lowest_db = 20 * np.log10(gain_T.min()) - solution.gain_db
    assert lowest_db == pytest.approx(-solution.max_reduction_db, abs=1e-4)
    assert solution.reduction_hops.max() == pytest.approx(solution.max_reduction_db, abs=1e-4)
    assert len(solution.reduction_hops) == 40


def test_gain_mode_is_one_gain_that_reaches_the_target_where_the_peaks_allow_it():
    signal_TC = sound("sine")
    solution, output_TC, gain_T = finished(
        signal_TC, MasterTarget(target_lufs=-18.0, ceiling_dbtp=-3.0, mode="gain")
    )
    assert not solution.limited
    assert np.ptp(gain_T) == 0.0
    assert libebur128(output_TC)[0] == pytest.approx(-18.0, abs=0.05)


def test_gain_mode_stops_below_the_ceiling_and_says_what_is_missing():
    target = MasterTarget(target_lufs=-9.0, ceiling_dbtp=-3.0, mode="gain")
    solution, output_TC, gain_T = finished(sound("song"), target)
    assert np.ptp(gain_T) == 0.0
    assert -3.0 - CEILING_MARGIN_DB - 0.4 <= highest_reading_dbtp(output_TC) <= -3.0
    assert solution.held_by == "ceiling"
    assert not solution.reached
    assert solution.short_by_lu == pytest.approx(-9.0 - libebur128(output_TC)[0], abs=0.1)


@pytest.mark.parametrize("mode", ["gain", "limit"])
@pytest.mark.parametrize("name", ["sine", "loud noise"])
def test_without_a_loudness_the_true_peak_is_brought_to_the_ceiling(name, mode):
    solution, output_TC, _ = finished(
        sound(name), MasterTarget(target_lufs=None, ceiling_dbtp=-1.0, mode=mode)
    )
    assert not solution.limited
    assert -1.0 - CEILING_MARGIN_DB - 0.05 <= highest_reading_dbtp(output_TC) <= -1.0
    assert solution.reached


def test_without_a_ceiling_peaks_pass():
    solution, output_TC, _ = finished(
        sound("sparse drums"), MasterTarget(target_lufs=-9.0, ceiling_dbtp=None)
    )
    assert libebur128(output_TC)[0] == pytest.approx(-9.0, abs=0.05)
    assert highest_reading_dbtp(output_TC) > 0.0
    assert solution.ceiling_dbtp is None
    nothing_asked = finished(sound("sine"), MasterTarget(target_lufs=None, ceiling_dbtp=None))
    assert np.array_equal(nothing_asked[1], sound("sine"))


@pytest.mark.parametrize("name", ["song", "loud noise"])
def test_measure_mode_leaves_every_bit(name):
    signal_TC = sound(name)
    solution, output_TC, gain_T = finished(signal_TC, MasterTarget(mode="measure"))
    assert np.array_equal(output_TC, signal_TC)
    assert np.all(gain_T == 1.0)
    assert solution.gain_db == 0.0
    assert solution.mix_lufs == pytest.approx(libebur128(signal_TC)[0], abs=0.01)


def test_the_gain_is_capped():
    signal_TC = (sound("sine") * 10 ** (-25 / 20)).astype(np.float32)
    solution, output_TC, _ = finished(signal_TC, MasterTarget(target_lufs=-14.0))
    assert solution.gain_db == MAX_GAIN_DB
    assert solution.held_by == "gain cap"
    assert solution.short_by_lu == pytest.approx(-14.0 - libebur128(output_TC)[0], abs=0.1)


@pytest.mark.parametrize("mode", ["gain", "limit"])
def test_silence_stays_silence(mode):
    signal_TC = np.zeros((RATE, 2), np.float32)
    solution, output_TC, _ = finished(signal_TC, MasterTarget(mode=mode))
    assert not output_TC.any()
    assert (solution.gain_db, solution.measurable, solution.mix_true_peak_dbtp) == (0.0, False, None)


@pytest.mark.parametrize("n_samples", [1, 100, 6399])
def test_less_than_400_ms_is_left_at_its_level_but_for_peaks_above_the_ceiling(n_samples):
    quiet_TC = sound("sine")[:n_samples]
    solution, output_TC, _ = finished(quiet_TC, MasterTarget())
    assert np.array_equal(output_TC, quiet_TC)
    assert not solution.measurable
    loud_TC = np.full((n_samples, 2), 2.0, np.float32)
    solution, output_TC, gain_T = finished(loud_TC, MasterTarget())
    assert not solution.measurable
    assert not solution.limited
    assert np.ptp(gain_T) == 0.0
    assert highest_reading_dbtp(output_TC) <= -1.0


def test_a_mix_below_the_gate_is_left_at_its_level():
    rng = np.random.default_rng(3)
    signal_TC = (np.round(rng.standard_normal((2 * RATE, 2))) / 2**15).astype(np.float32)
    solution, output_TC, _ = finished(signal_TC, MasterTarget())
    assert np.array_equal(output_TC, signal_TC)
    assert not solution.measurable
    assert solution.mix_lufs is None


def test_blocks_that_a_gain_lifts_over_the_gate_are_counted():
    # 10 s each at -60, -69 and -75 LUFS: the last is below the absolute gate until it is raised.
    energies = np.repeat(10 ** ((np.array([-60.0, -69.0, -75.0]) + 0.691) / 10), 100)
    gain_db = gain_to_loudness(energies, -30.0)
    raised = energies * 10 ** (gain_db / 10)
    # After the gain all is above -70, and the relative gate at -10 LU leaves the first two parts.
    sums = np.convolve(raised, np.ones(4) / 4, mode="valid")
    gate = sums.mean() * 0.1
    assert -0.691 + 10 * np.log10(sums[sums > gate].mean()) == pytest.approx(-30.0, abs=1e-4)


def test_the_cuts_of_the_stream_and_a_second_run_change_nothing():
    signal_TC = sound("song")
    results = []
    for length in (10_000, 10_000, 3333):
        solution = solve_master(in_blocks(signal_TC, length), RATE, 2, MasterTarget(target_lufs=-12.0))
        parts = apply_master(in_blocks(signal_TC, length), RATE, 2, solution)
        results.append((solution, np.concatenate([block_TC for block_TC, _ in parts])))
    for solution, output_TC in results[1:]:
        assert solution == results[0][0]
        assert np.array_equal(output_TC, results[0][1])


def test_measures_are_those_of_other_meters():
    signal_TC = sound("song")
    measures = measure(in_blocks(signal_TC), RATE, 2)
    lufs, true_peak_dbtp = libebur128(signal_TC)
    assert measures.integrated_lufs == pytest.approx(lufs, abs=0.01)
    assert measures.true_peak_dbtp == pytest.approx(true_peak_dbtp, abs=0.3)
    assert measures.sample_peak_dbfs == pytest.approx(20 * np.log10(np.abs(signal_TC).max()), abs=1e-5)
    assert measures.max_momentary_lufs >= measures.max_short_term_lufs >= measures.integrated_lufs - 0.5
    assert measures.loudness_range_lu >= 0


def test_measures_of_silence_are_none():
    silence = measure(in_blocks(np.zeros((RATE, 2), np.float32)), RATE, 2)
    assert astuple(silence) == (None,) * 6
