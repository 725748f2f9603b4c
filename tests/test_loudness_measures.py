"""Loudness, range and peaks agree with libebur128; a gain and a limiter move them as computed."""

import numpy as np
import pytest

from mixcli.measures.delivery import MEASURES, compare_delivery, delivery_values, describe_delivery

RATE = 44_100


def sine(level, seconds, frequency_hz=997.0):
    tone_T = level * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(tone_T[:, None], 2, axis=1).astype(np.float32)


def swelling_noise(seconds=20):
    generator = np.random.default_rng(3)
    time_s = np.arange(round(seconds * RATE)) / RATE
    level_T = 0.02 + 0.1 * (0.5 - 0.5 * np.cos(2 * np.pi * time_s / 8))
    return (generator.standard_normal((len(time_s), 2)) * level_T[:, None]).astype(np.float32)


def test_a_sine_reads_as_the_standard_says():
    # 997 Hz at full scale in one channel reads -3.01 LUFS; two channels at a tenth: -20 dB + 3.01 dB.
    found = describe_delivery(sine(0.1, 10), RATE)
    assert found.integrated_lufs == pytest.approx(-20.0, abs=0.02)
    assert found.max_short_term_lufs == pytest.approx(-20.0, abs=0.02)
    assert found.true_peak_dbtp == pytest.approx(-20.0, abs=0.02)
    assert found.plr_lu == pytest.approx(0.0, abs=0.04)
    assert found.loudness_range_lu == pytest.approx(0.0, abs=0.01)
    np.testing.assert_allclose(found.loudness_lufs_S, np.full(10, -20.0), atol=0.02)


def test_values_agree_with_libebur128():
    pyebur128 = pytest.importorskip("pyebur128")
    # Long passages: libebur128 moves its windows by 1 s, which the standard allows too.
    generator = np.random.default_rng(2)
    level_T = np.repeat([0.02, 0.06, 0.12], 8 * RATE)[:, None]
    signal_TC = (generator.standard_normal((len(level_T), 2)) * level_T).astype(np.float32)
    mode = pyebur128.MeasurementMode
    state = pyebur128.R128State(2, RATE, mode.MODE_I | mode.MODE_LRA | mode.MODE_S | mode.MODE_TRUE_PEAK)
    curve = []
    for start in range(0, len(signal_TC), RATE):
        state.add_frames(np.ascontiguousarray(signal_TC[start : start + RATE]).ravel(), RATE)
        curve.append(pyebur128.get_loudness_shortterm(state))
    found = describe_delivery(signal_TC, RATE)
    assert found.integrated_lufs == pytest.approx(pyebur128.get_loudness_global(state), abs=0.01)
    assert found.loudness_range_lu == pytest.approx(pyebur128.get_loudness_range(state), abs=0.1)
    peak = max(pyebur128.get_true_peak(state, channel) for channel in range(2))
    assert found.true_peak_dbtp == pytest.approx(20 * np.log10(peak), abs=0.5)  # other interpolators
    np.testing.assert_allclose(found.loudness_lufs_S[2:], curve[2:], atol=0.01)


def test_the_curve_has_one_value_per_whole_second_and_none_in_silence():
    signal_TC = np.concatenate([sine(0.1, 4), np.zeros((5 * RATE + 700, 2), np.float32)])
    curve_S = describe_delivery(signal_TC, RATE).loudness_lufs_S
    # 1, 2 and 3 s of tone, then 2/3 and 1/3 of the window: -1.76 and -4.77 dB; then nothing.
    np.testing.assert_allclose(curve_S[:6], [-20, -20, -20, -20, -21.76, -24.77], atol=0.03)
    assert len(curve_S) == 9
    assert np.isnan(curve_S[6:]).all()


def test_a_gain_of_6_db_moves_loudness_and_peak_by_6_and_the_ratio_not_at_all():
    reference_TC = swelling_noise(10)
    gain = np.float32(2.0)
    found = compare_delivery(
        describe_delivery(reference_TC * gain, RATE), describe_delivery(reference_TC, RATE)
    )
    moved = 20 * np.log10(2.0)
    assert found["integrated_lufs_error"] == pytest.approx(moved, abs=1e-6)
    assert found["true_peak_error_db"] == pytest.approx(moved, abs=1e-6)
    assert found["plr_error_lu"] == pytest.approx(0.0, abs=1e-6)
    assert found["loudness_range_error_lu"] == pytest.approx(0.0, abs=1e-6)


def test_a_limiter_takes_from_the_ratio_what_it_takes_from_the_peak():
    # Swells of 20 ms, four times the tone, which a limiter without clipping holds at twice the tone.
    swell_T = np.zeros(10 * RATE)
    for start in range(20_000, len(swell_T), RATE):
        swell_T[start : start + RATE // 50] = np.hanning(RATE // 50)
    tone_TC = sine(0.1, 10)
    reference_TC = (tone_TC * (1 + 3 * swell_T)[:, None]).astype(np.float32)
    limited_TC = (tone_TC * (1 + swell_T)[:, None]).astype(np.float32)
    pair = (limited_TC, reference_TC)
    energy = [float(np.mean(np.square(signal_TC, dtype=np.float64))) for signal_TC in pair]
    less_loud = 10 * np.log10(energy[1] / energy[0])
    found = compare_delivery(describe_delivery(limited_TC, RATE), describe_delivery(reference_TC, RATE))
    assert found["true_peak_error_db"] == pytest.approx(20 * np.log10(2.0), abs=0.03)
    assert found["integrated_lufs_error"] == pytest.approx(less_loud, abs=0.03)
    assert found["plr_error_lu"] == pytest.approx(20 * np.log10(2.0) - less_loud, abs=0.05)
    assert found["loudness_range_error_lu"] < 0.05


def test_a_soft_passage_widens_the_range_by_its_depth():
    reference_TC, softer_TC = sine(0.1, 20), sine(0.1, 20)
    softer_TC[: 10 * RATE] *= 0.5
    found = compare_delivery(describe_delivery(softer_TC, RATE), describe_delivery(reference_TC, RATE))
    assert found["loudness_range_error_lu"] == pytest.approx(6.02, abs=0.1)


def test_a_signal_equals_itself_exactly_and_every_key_is_named():
    one = describe_delivery(swelling_noise(5), RATE)
    found = compare_delivery(one, one)
    assert list(found) == [measure.key for measure in MEASURES]
    assert all(found[measure.key] == 0.0 for measure in MEASURES if measure.better == "lower")
    assert {key: found[key] for key in delivery_values(one)} == delivery_values(one)
    assert all(measure.better == "neither" for measure in MEASURES if measure.key in delivery_values(one))


@pytest.mark.parametrize("n_samples", [0, 1, 100, RATE // 3, 2 * RATE])
def test_silence_and_short_signals_give_nan_and_never_an_exception(n_samples):
    silence = describe_delivery(np.zeros((n_samples, 2), np.float32), RATE)
    some = describe_delivery(sine(0.1, n_samples / RATE), RATE)
    assert all(np.isnan(value) for value in delivery_values(silence).values())
    found = compare_delivery(some, silence)
    assert all(np.isnan(found[m.key]) for m in MEASURES if m.better == "lower")
    assert not np.isinf(list(found.values())).any()
    assert np.isnan(found["integrated_lufs"]) == (n_samples < 0.4 * RATE)


def test_the_result_does_not_depend_on_blocks_or_on_where_the_samples_lie(tmp_path):
    signal_TC = swelling_noise(4)
    mapped_TC = np.memmap(tmp_path / "mix", np.float32, "w+", shape=signal_TC.shape)
    mapped_TC[:] = signal_TC
    assert delivery_values(describe_delivery(mapped_TC, RATE)) == delivery_values(
        describe_delivery(signal_TC, RATE)
    )
