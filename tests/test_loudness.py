"""Truth: the tables of EBU Tech 3341 and 3342, ITU-R BS.1770 and BS.2217, libebur128, closed forms."""

import numpy as np
import pytest

from mixcli.audio.loudness import (
    FIVE_CHANNEL_WEIGHTS,
    LoudnessMeter,
    energy_to_lufs,
    hop_length,
    integrated_lufs,
    k_weighting_sos,
    loudness_range_lu,
)

RATES = (44_100, 48_000, 96_000)
BLOCK_S = 4

# BS.1770-5, tables 1 and 2, for 48 kHz.
SHELF = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
HIGH_PASS = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]


def tone(sample_rate, parts, frequency_hz=1000.0):
    """A sine that runs through, its peak at the level of each part: (level_dbfs or None, seconds)."""
    lengths = [round(seconds * sample_rate) for _, seconds in parts]
    gains = [0.0 if level is None else 10 ** (level / 20) for level, _ in parts]
    hundred_ms = np.sin(2 * np.pi * frequency_hz * np.arange(sample_rate // 10) / sample_rate)
    if frequency_hz % 10:  # no whole number of periods in 100 ms
        raise ValueError(frequency_hz)
    sine_T = np.resize(hundred_ms.astype(np.float32), sum(lengths))
    return sine_T * np.repeat(np.array(gains, np.float32), lengths)


def stereo(signal_T):
    return np.repeat(signal_T[:, None], 2, axis=1)


def push_all(meter, signal_TC):
    step = BLOCK_S * meter.sample_rate
    for start in range(0, len(signal_TC), step):
        meter.push(signal_TC[start : start + step])
    return meter


def dual_mono_meter(sample_rate):
    """Two equal channels, filtered once: one channel that counts twice."""
    return LoudnessMeter(sample_rate, 1, channel_weights=[2.0])


def measured(sample_rate, parts):
    return push_all(dual_mono_meter(sample_rate), tone(sample_rate, parts)[:, None])


def windows_lufs(meter, n_hops):
    energies = np.convolve(meter.hop_energies(), np.ones(n_hops) / n_hops, mode="valid")
    return -0.691 + 10 * np.log10(energies)


def libebur128_lufs(signal_TC, sample_rate, channel_types=None):
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 is not installed")
    state = ebur.R128State(signal_TC.shape[1], sample_rate, int(ebur.MeasurementMode.MODE_I))
    for channel, name in enumerate(channel_types or ()):
        state.set_channel(channel, int(getattr(ebur.ChannelType, name)))
    state.add_frames(np.ascontiguousarray(signal_TC).ravel(), len(signal_TC))
    return ebur.get_loudness_global(state)


INTEGRATED = {
    "3341-1": ([(-23, 20)], -23.0),
    "3341-2": ([(-33, 20)], -33.0),
    "3341-3": ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
    "3341-4": ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
    "3341-5": ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
}


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("case", INTEGRATED)
def test_integrated_loudness_is_what_ebu_tech_3341_and_libebur128_say(case, sample_rate):
    parts, expected = INTEGRATED[case]
    signal_TC = stereo(tone(sample_rate, parts))
    meter = push_all(LoudnessMeter(sample_rate, 2), signal_TC)
    assert meter.integrated_lufs() == pytest.approx(expected, abs=0.1)
    if len(parts) == 1:
        assert meter.max_momentary_lufs() == pytest.approx(expected, abs=0.1)
        assert meter.max_short_term_lufs() == pytest.approx(expected, abs=0.1)
    assert meter.integrated_lufs() == pytest.approx(libebur128_lufs(signal_TC, sample_rate), abs=0.01)


@pytest.mark.parametrize("sample_rate", RATES)
def test_five_channels_are_weighted_as_in_case_6(sample_rate):
    levels = (-28, -28, -24, -30, -30)
    signal_TC = np.stack([tone(sample_rate, [(level, 20)]) for level in levels], axis=1)
    meter = LoudnessMeter(sample_rate, 5, channel_weights=FIVE_CHANNEL_WEIGHTS)
    assert push_all(meter, signal_TC).integrated_lufs() == pytest.approx(-23.0, abs=0.1)
    names = ("LEFT", "RIGHT", "CENTER", "LEFT_SURROUND", "RIGHT_SURROUND")
    other = libebur128_lufs(signal_TC, sample_rate, names)
    assert meter.integrated_lufs() == pytest.approx(other, abs=0.01)


@pytest.mark.parametrize("sample_rate", RATES)
def test_short_term_loudness_is_steady_in_case_9(sample_rate):
    meter = measured(sample_rate, [(-20, 1.34), (-30, 1.66)] * 5)
    steady = windows_lufs(meter, 30)
    assert steady == pytest.approx(np.full(len(steady), -23.0), abs=0.1)
    assert meter.max_short_term_lufs() == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
def test_momentary_loudness_is_steady_in_case_12(sample_rate):
    meter = measured(sample_rate, [(-20, 0.18), (-30, 0.22)] * 25)
    steady = windows_lufs(meter, 4)[6:]
    assert steady == pytest.approx(np.full(len(steady), -23.0), abs=0.1)
    assert meter.max_momentary_lufs() == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
def test_three_seconds_anywhere_give_their_short_term_loudness_in_case_10(sample_rate):
    for i in range(20):
        meter = measured(sample_rate, [(None, i * 0.15), (-23, 3), (None, 1)])
        assert meter.max_short_term_lufs() == pytest.approx(-23.0, abs=0.1), i


@pytest.mark.parametrize("sample_rate", RATES)
def test_the_highest_short_term_loudness_so_far_is_followed_in_case_11(sample_rate):
    meter = dual_mono_meter(sample_rate)
    for i in range(20):
        parts = [(None, i * 0.15), (-38 + i, 3), (None, 3 - i * 0.15)]
        push_all(meter, tone(sample_rate, parts)[:, None])
        assert meter.max_short_term_lufs() == pytest.approx(-38 + i, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
def test_400_ms_anywhere_give_their_momentary_loudness_in_case_13(sample_rate):
    for i in range(20):
        meter = measured(sample_rate, [(None, i * 0.02), (-23, 0.4), (None, 1)])
        assert meter.max_momentary_lufs() == pytest.approx(-23.0, abs=0.1), i


@pytest.mark.parametrize("sample_rate", RATES)
def test_the_highest_momentary_loudness_so_far_is_followed_in_case_14(sample_rate):
    meter = dual_mono_meter(sample_rate)
    for i in range(20):
        parts = [(None, i * 0.02), (-38 + i, 0.4), (None, 0.4 - i * 0.02)]
        push_all(meter, tone(sample_rate, parts)[:, None])
        assert meter.max_momentary_lufs() == pytest.approx(-38 + i, abs=0.1)


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(
    ("levels", "expected"),
    [((-20, -30), 10), ((-20, -15), 5), ((-40, -20), 20), ((-50, -35, -20, -35, -50), 15)],
)
def test_loudness_range_is_what_ebu_tech_3342_says(levels, expected, sample_rate):
    meter = measured(sample_rate, [(level, 20) for level in levels])
    assert meter.loudness_range_lu() == pytest.approx(expected, abs=0.1)  # the standard allows 1 LU


def k_curve_db(frequency_hz):
    z = np.exp(-2j * np.pi * frequency_hz / 48_000 * np.arange(3))
    response = np.prod([z @ section[:3] / (z @ section[3:]) for section in np.array([SHELF, HIGH_PASS])])
    return 20 * np.log10(abs(response))


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize("target_lufs", [-23.0, -24.0])
@pytest.mark.parametrize("frequency_hz", [25, 100, 500, 1000, 2000, 10_000])
def test_tones_of_bs_2217_read_their_level_by_the_published_curve(frequency_hz, target_lufs, sample_rate):
    # Two channels of a sine of peak A: mean square A², weighted by the curve.
    level = target_lufs + 0.691 - k_curve_db(frequency_hz)
    n_samples = 3 * sample_rate
    sine_T = 10 ** (level / 20) * np.sin(2 * np.pi * frequency_hz * np.arange(n_samples) / sample_rate)
    meter = push_all(dual_mono_meter(sample_rate), sine_T.astype(np.float32)[:, None])
    assert meter.integrated_lufs() == pytest.approx(target_lufs, abs=0.1)


def test_the_filter_is_the_published_one_at_48_khz():
    assert k_weighting_sos(48_000) == pytest.approx(np.array([SHELF, HIGH_PASS]), abs=1e-8)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000, 384_000])
def test_the_k_filter_has_the_coefficients_of_pyloudnorm_at_every_rate(sample_rate):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pyloudnorm is not installed")
    filters = pyloudnorm.Meter(sample_rate, filter_class="DeMan")._filters.values()
    expected = np.array([np.concatenate([stage.b, stage.a]) for stage in filters])
    assert k_weighting_sos(sample_rate) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_full_scale_sine_in_one_channel_reads_as_the_standard_says(n_channels):
    signal_TC = np.zeros((5 * 48_000, n_channels), np.float32)
    signal_TC[:, 0] = np.sin(2 * np.pi * 997 * np.arange(len(signal_TC)) / 48_000)
    meter = push_all(LoudnessMeter(48_000, n_channels), signal_TC)
    assert meter.integrated_lufs() == pytest.approx(-3.01, abs=0.01)  # BS.1770-5


def test_a_mono_file_reads_3_db_below_its_dual_mono_copy():
    signal_T = tone(8000, [(-20, 2)])
    mono = push_all(LoudnessMeter(8000, 1), signal_T[:, None]).integrated_lufs()
    dual_mono = push_all(LoudnessMeter(8000, 2), stereo(signal_T)).integrated_lufs()
    assert dual_mono - mono == pytest.approx(10 * np.log10(2), abs=1e-9)


@pytest.mark.parametrize("sample_rate", [8000, 11_025, 16_000, 22_050, 44_100, 88_200, 192_000])
def test_noise_reads_as_libebur128_reads_it_at_any_rate(sample_rate, rng):
    seconds = 5
    noise_TC = rng.standard_normal((seconds * sample_rate + 77, 2), np.float32) * 0.1
    noise_TC[2 * sample_rate : 3 * sample_rate] = 0.0
    noise_TC[3 * sample_rate :] *= 0.4
    meter = push_all(LoudnessMeter(sample_rate, 2), noise_TC)
    assert meter.integrated_lufs() == pytest.approx(libebur128_lufs(noise_TC, sample_rate), abs=0.01)


@pytest.mark.parametrize("seconds", [0.4, 0.46, 0.56, 0.66])
def test_a_last_partial_block_is_not_counted(seconds):
    meter = measured(48_000, [(-23, seconds)])
    assert meter.integrated_lufs() == pytest.approx(-23.0, abs=0.05)


def test_any_cut_of_the_stream_gives_the_same_bits(rng):
    noise_TC = rng.standard_normal((8 * 8000 + 123, 2), np.float32)
    noise_TC[9000:30_000] = 0.0
    noise_TC[40_000:41_000, 0] = 0.0
    whole = LoudnessMeter(8000, 2)
    whole.push(noise_TC)
    for longest in (7, 500, 20_000):
        cut = LoudnessMeter(8000, 2)
        start = 0
        while start < len(noise_TC):
            stop = start + int(rng.integers(0, longest))
            cut.push(noise_TC[start:stop])
            start = stop
        assert np.array_equal(cut.hop_energies(), whole.hop_energies())
        assert cut.max_momentary_lufs() == whole.max_momentary_lufs()
        assert cut.max_short_term_lufs() == whole.max_short_term_lufs()
        assert cut.loudness_range_lu() == whole.loudness_range_lu()


def test_skipping_silence_changes_nothing_that_can_be_measured(rng):
    from scipy.signal import sosfilt

    noise_TC = rng.standard_normal((4 * 8000, 1), np.float32)
    noise_TC[800:] = 0.0
    noise_TC[20_000:] = 0.1 * rng.standard_normal((12_000, 1), np.float32)
    weighted_T = sosfilt(k_weighting_sos(8000), noise_TC[:, 0].astype(np.float64))
    energies = np.square(weighted_T).reshape(-1, 800).mean(axis=1)
    meter = push_all(LoudnessMeter(8000, 1), noise_TC)
    assert meter.hop_energies() == pytest.approx(energies, rel=1e-12, abs=1e-30)
    assert meter.hop_energies()[10] == 0.0  # died away, not left as a denormal


def test_a_tone_just_above_the_absolute_gate_counts_and_one_just_below_does_not():
    assert measured(8000, [(-69.8, 2)]).integrated_lufs() == pytest.approx(-69.8, abs=0.1)
    assert measured(8000, [(-70.2, 2)]).integrated_lufs() == -np.inf


def test_gating_hop_energies_follows_the_closed_form():
    # 10 s at 0 LU, 10 s at -9 and 10 s at -40 relative: the last is below the relative gate.
    energies = np.repeat([1e-2, 1e-2 * 10**-0.9, 1e-6], 100)
    edges = np.array([0.75, 0.5, 0.25])
    first = np.concatenate([np.full(97, 1.0), edges + (1 - edges) * 10**-0.9])
    second = np.concatenate([np.full(97, 10**-0.9), edges * 10**-0.9 + (1 - edges) * 1e-4])
    counted = np.concatenate([first, second]) * 1e-2
    gate = np.concatenate([counted, np.full(97, 1e-6)]).mean() * 0.1
    assert integrated_lufs(energies) == pytest.approx(
        energy_to_lufs(float(counted[counted > gate].mean())), abs=1e-9
    )


@pytest.mark.parametrize("n_samples", [0, 1, 799, 3199])
def test_less_than_400_ms_has_no_loudness(n_samples):
    meter = LoudnessMeter(8000, 2)
    meter.push(np.ones((n_samples, 2), np.float32))
    assert meter.integrated_lufs() == -np.inf
    assert meter.max_momentary_lufs() == -np.inf
    assert meter.max_short_term_lufs() == -np.inf
    assert meter.loudness_range_lu() is None
    assert len(meter.hop_energies()) == n_samples // 800


def test_silence_has_no_loudness():
    meter = LoudnessMeter(8000, 2)
    meter.push(np.zeros((40_000, 2), np.float32))
    assert meter.integrated_lufs() == -np.inf
    assert loudness_range_lu(meter.hop_energies()) is None
    assert not meter.hop_energies().any()


def test_a_hop_is_100_ms_rounded_half_up():
    assert [hop_length(rate) for rate in (44_100, 48_000, 11_025, 8000)] == [4410, 4800, 1103, 800]


def test_the_input_is_left_as_it_is(rng):
    noise_TC = rng.standard_normal((9000, 2), np.float32)
    before_TC = noise_TC.copy()
    LoudnessMeter(8000, 2).push(noise_TC)
    assert np.array_equal(noise_TC, before_TC)
