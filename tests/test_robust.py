"""The field's features in natural units: planted changes move them by the amount that can be computed."""

import numpy as np
import pytest

from mixcli.measures.compatible import compare_compatible
from mixcli.measures.field_features import describe_field
from mixcli.measures.robust import MEASURES, compare_robust

RATE = 44_100
LEVELS = {"robust_rms_db", "robust_loudness_lu"}
PANNINGS = [f"robust_panning_{band}_sps" for band in ("total", "low", "mid", "high")]


def noise(seconds=2.0, seed=0, level=0.05):
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal((round(seconds * RATE), 2))).astype(np.float32)


def compare(mix_TC, reference_TC):
    return compare_robust(describe_field(mix_TC, RATE), describe_field(reference_TC, RATE))


def test_a_signal_is_no_distance_from_itself():
    signal_TC = noise()
    values = compare(signal_TC, signal_TC)
    assert list(values) == [measure.key for measure in MEASURES]
    assert set(values.values()) == {0.0}


def test_six_db_move_the_levels_by_six_and_nothing_else():
    signal_TC = noise()
    values = compare(signal_TC * np.float32(10 ** (6 / 20)), signal_TC)
    for key, value in values.items():
        assert value == pytest.approx(6.0 if key in LEVELS else 0.0, abs=1e-4), key


def test_a_peak_of_one_sample_changes_nothing_here_and_everything_there():
    reference_TC = noise(6.0)
    mix_TC = reference_TC.copy()
    mix_TC[50_000] = 4.0
    reference, mix = describe_field(reference_TC, RATE), describe_field(mix_TC, RATE)
    assert compare_compatible(mix, reference)["compatible_rms_level"] > 0.5
    assert max(compare_robust(mix, reference).values()) < 0.05


@pytest.mark.parametrize(("left", "right"), [(1.0, 0.5), (0.2, 0.9)])
def test_a_pan_moves_the_panning_by_its_closed_form(left, right):
    source_T = noise()[:, 0]
    middle_TC = np.stack([source_T, source_T], axis=1)
    panned_TC = np.stack([np.float32(left) * source_T, np.float32(right) * source_T], axis=1)
    values = compare(panned_TC, middle_TC)
    for key in PANNINGS:
        assert values[key] == pytest.approx(1 - 2 * left * right / (left**2 + right**2), abs=2e-5)
    unmoved = set(values) - set(PANNINGS) - LEVELS
    assert max(values[key] for key in unmoved) < 1e-4


def test_a_mono_reference_gives_panning_errors():
    source_TC = noise()
    mono_TC = np.repeat(source_TC[:, :1], 2, axis=1)
    mix, mono = describe_field(source_TC, RATE), describe_field(mono_TC, RATE)
    assert np.isnan(compare_compatible(mix, mono)["compatible_panning"])
    values = compare_robust(mix, mono)
    assert np.isfinite(list(values.values())).all()
    # Independent Rayleigh magnitudes cos(a), sin(a) have the density sin(2 a) over a quarter turn, where
    # 2 l r / (l² + r²) is sin(2 a) too; so the mean square of 1 - sin(2 a) is 1 - pi / 2 + 2 / 3.
    assert values["robust_panning_total_sps"] == pytest.approx(np.sqrt(5 / 3 - np.pi / 2), abs=0.01)


def test_a_shelf_at_one_khz_moves_centroid_bandwidth_and_rolloff_by_computed_octaves():
    """White noise through a zero-phase gain per frequency: its expected magnitudes are the gain itself."""
    signal_TC = noise(6.0)
    frequencies_hz = np.fft.rfftfreq(len(signal_TC), 1 / RATE)

    def shelf(frequency_hz):
        return 10 ** (9 / 20 * frequency_hz**2 / (frequency_hz**2 + 1000**2))

    def tilt(frequency_hz):  # so that the centroid is not ruled by the top octave
        return 1 / (1 + (frequency_hz / 800) ** 1.5)

    def features_hz(gain_N):
        bins_hz = np.arange(2049) * RATE / 4096
        weights = gain_N(bins_hz) / gain_N(bins_hz).sum()
        centroid_hz = (weights * bins_hz).sum()
        bandwidth_hz = np.sqrt((weights * (bins_hz - centroid_hz) ** 2).sum())
        return np.array([centroid_hz, bandwidth_hz, bins_hz[np.searchsorted(np.cumsum(weights), 0.85)]])

    spectrum_NC = np.fft.rfft(signal_TC, axis=0)
    reference_TC = np.fft.irfft(spectrum_NC * tilt(frequencies_hz)[:, None], len(signal_TC), axis=0)
    mix_TC = np.fft.irfft(spectrum_NC * (tilt(frequencies_hz) * shelf(frequencies_hz))[:, None], axis=0)
    values = compare(mix_TC.astype(np.float32), reference_TC.astype(np.float32))
    expected = np.log2(features_hz(lambda hz: tilt(hz) * shelf(hz)) / features_hz(tilt))
    assert expected[0] > 0.3
    for name, octaves in zip(("centroid", "bandwidth", "rolloff"), expected, strict=True):
        assert values[f"robust_{name}_octaves"] == pytest.approx(octaves, abs=0.02), name
    assert max(values[key] for key in PANNINGS) < 0.01


def test_a_hard_limiter_lowers_the_crest_of_bursts_by_the_computed_db():
    time_s = np.arange(3 * RATE) / RATE
    # In every frame of 4096 samples the same: 512 samples of a loud sine, 512 of one 12 dB lower, and again.
    gain_T = np.where((np.arange(len(time_s)) // 512) % 2, 0.25, 1.0)
    burst_T = 0.9 * gain_T * np.sin(2 * np.pi * np.arange(len(time_s)) / 64)
    limited_T = np.clip(burst_T, -0.45, 0.45)
    reference_TC, mix_TC = (np.stack([x, x], axis=1).astype(np.float32) for x in (burst_T, limited_T))
    frame, limited = burst_T[:4096], limited_T[:4096]
    rms_db = 10 * np.log10(np.mean(frame**2) / np.mean(limited**2))
    values = compare(mix_TC, reference_TC)
    assert values["robust_crest_db"] == pytest.approx(20 * np.log10(2) - rms_db, abs=1e-4)
    assert values["robust_rms_db"] == pytest.approx(rms_db, abs=1e-4)
    heard = np.abs(frame) > 10**-4.5
    levels_db = np.mean(20 * np.log10(np.abs(limited[heard] / frame[heard])))
    assert values["robust_spread_db"] == pytest.approx(abs(levels_db + rms_db), abs=0.01)
    assert max(values[key] for key in PANNINGS) == 0.0


def test_silent_parts_are_left_out():
    reference_TC, mix_TC = noise(4.0, 1), noise(4.0, 1)
    mix_TC *= np.float32(10 ** (3 / 20))
    reference_TC[80_000:120_000] = 0.0
    mix_TC[80_000:120_000] *= 1e-4
    values = compare(mix_TC, reference_TC)
    assert values["robust_rms_db"] == pytest.approx(3.0, abs=1e-4)
    assert values["robust_loudness_lu"] == pytest.approx(3.0, abs=1e-4)
    assert values["robust_spread_db"] < 1e-3
    assert values["robust_centroid_octaves"] < 1e-4


def test_noise_under_a_low_pass_does_not_count():
    """16 bits under music without highs: the field's panning and flatness see the rounding, these do not."""
    time_s = np.arange(3 * RATE) / RATE
    low_T = sum(0.1 * np.sin(2 * np.pi * hz * time_s + hz) for hz in (110, 220, 331, 442, 663))
    clean_TC = np.stack([low_T, 0.5 * low_T], axis=1).astype(np.float32)
    rounded_TC = (np.round(clean_TC * 32_768) / 32_768).astype(np.float32)
    clean, rounded = describe_field(clean_TC, RATE), describe_field(rounded_TC, RATE)
    assert compare_compatible(rounded, clean)["compatible_panning_high"] > 0.2
    assert (
        max(compare_robust(rounded, clean)[key] for key in ("robust_panning_total_sps", "robust_flatness_db"))
        < 0.1
    )


def test_a_channel_that_is_silent_in_one_does_not_decide():
    mix_TC, reference_TC = noise(), noise()
    mix_TC[:, 1] = 0.0
    values = compare(mix_TC, reference_TC)
    assert values["robust_rms_db"] == 0.0
    assert values["robust_panning_total_sps"] > 0.3


def test_signals_of_different_length_are_compared_over_what_both_have():
    signal_TC = noise(4.0)
    values = compare(signal_TC[:90_112], signal_TC)
    assert values.pop("robust_spread_db") < 0.01  # its floor is that of each signal's loudest 1024 samples
    assert max(values.values()) < 1e-9


def test_what_does_not_exist_is_nan():
    silence_TC, sound_TC = np.zeros((RATE, 2), np.float32), noise(1.0)
    for mix_TC, reference_TC in ((silence_TC, sound_TC), (sound_TC, silence_TC), (sound_TC[:0], sound_TC)):
        assert np.isnan(list(compare(mix_TC, reference_TC).values())).all()
    short = compare(sound_TC[:1000], sound_TC[:1000])
    assert np.isnan(short.pop("robust_loudness_lu"))
    assert set(short.values()) == {0.0}
