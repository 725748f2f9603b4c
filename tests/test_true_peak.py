"""Truth: EBU Tech 3341, libebur128, scipy's resampler, closed forms."""

import numpy as np
import pytest
from scipy.signal import firwin, resample_poly

from mixcli.audio.interpolation import PIECE, between_samples
from mixcli.audio.peak_bounds import whole_stretches
from mixcli.audio.true_peak import (
    METER_REACHES,
    REACH,
    TILE,
    TruePeakMeter,
    interpolator_taps,
    oversample_peaks,
    oversampling_factor,
    peaks_above,
    worst_gains,
)

RATES = (44_100, 48_000, 96_000)


def true_peak_dbtp(signal_TC, sample_rate):
    meter = TruePeakMeter(sample_rate, signal_TC.shape[1])
    meter.push(signal_TC)
    return meter.finish()


def libebur128_dbtp(signal_TC, sample_rate):
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 is not installed")
    n_channels = signal_TC.shape[1]
    state = ebur.R128State(n_channels, sample_rate, int(ebur.MeasurementMode.MODE_TRUE_PEAK))
    state.add_frames(np.ascontiguousarray(signal_TC).ravel(), len(signal_TC))
    return 20 * np.log10(max(ebur.get_true_peak(state, channel) for channel in range(n_channels)))


def resampled_dbtp(signal_TC, factor=8):
    return 20 * np.log10(np.abs(resample_poly(signal_TC.astype(np.float64), factor, 1)).max())


def stereo(signal_T):
    return np.repeat(signal_T[:, None], 2, axis=1).astype(np.float32)


def tapered(signal_T, sample_rate):
    taper = np.minimum(np.arange(len(signal_T)) / (0.01 * sample_rate), 1.0)
    return signal_T * taper * taper[::-1]


def sine_case(case, sample_rate):
    """Cases 15 to 19: (samples per period, phase in degrees, amplitude), 0.25 s with tapers of 10 ms."""
    period, phase, amplitude = {
        15: (4, 0.0, 0.5),
        16: (4, 45.0, 0.5),
        17: (6, 60.0, 0.5),
        18: (8, 67.5, 0.5),
        19: (4, 45.0, 1.41),
    }[case]
    places = np.arange(sample_rate // 4)
    return tapered(amplitude * np.sin(2 * np.pi * places / period + np.radians(phase)), sample_rate)


def burst_case(case, sample_rate):
    """Cases 20 to 23: fs/6 at 0.5 with one period of fs/4 at 1.0, made at 4 fs, taken with offset 0 to 3."""
    n_fine = sample_rate
    start = n_fine // 48 * 24  # where a period of fs/6, 24 fine samples, ends
    burst = slice(start, start + 16)
    frequency, amplitude = np.full(n_fine, 1 / 24), np.full(n_fine, 0.5)
    frequency[burst], amplitude[burst] = 1 / 16, 1.0
    phase = 2 * np.pi * np.concatenate([[0.0], np.cumsum(frequency)[:-1]])
    low_pass = firwin(257, 0.93 / 4, window=("kaiser", 7))
    fine_T = np.convolve(tapered(amplitude * np.sin(phase), 4 * sample_rate), low_pass, mode="same")
    return fine_T[case - 20 :: 4]


@pytest.mark.parametrize("sample_rate", RATES)
@pytest.mark.parametrize(
    ("case", "expected"),
    [(15, -6.0), (16, -6.0), (17, -6.0), (18, -6.0), (19, 3.0), (20, 0.0), (21, 0.0), (22, 0.0), (23, 0.0)],
)
def test_true_peak_is_what_ebu_tech_3341_and_two_other_meters_say(case, expected, sample_rate):
    signal_T = sine_case(case, sample_rate) if case < 20 else burst_case(case, sample_rate)
    signal_TC = stereo(signal_T)
    measured = true_peak_dbtp(signal_TC, sample_rate)
    assert expected - 0.4 <= measured <= expected + 0.2
    assert measured == pytest.approx(resampled_dbtp(signal_TC), abs=0.03)
    if sample_rate < 96_000:  # from 96 kHz on it interpolates by two only and reads up to 0.5 dB low
        assert measured == pytest.approx(libebur128_dbtp(signal_TC, sample_rate), abs=0.06)


@pytest.mark.parametrize("sample_rate", [8000, 44_100, 48_000, 96_000, 192_000])
def test_sound_below_0_4_of_the_rate_reads_as_at_32_times_the_rate(sample_rate, rng):
    low_pass = firwin(127, 0.8, window=("kaiser", 9))
    signal_TC = stereo(0.2 * np.convolve(rng.standard_normal(6000), low_pass))
    # A grid of 8 (4) values a sample may miss the peak by 0.11 (0.44) dB at this bandwidth, if all of it
    # were there.
    low = 0.11 if sample_rate < 176_400 else 0.44
    truth = resampled_dbtp(signal_TC, 32)
    assert truth - low <= true_peak_dbtp(signal_TC, sample_rate) <= truth + 0.02


@pytest.mark.parametrize("sample_rate", [44_100, 192_000])
@pytest.mark.parametrize("turn", np.arange(0, 1, 0.07))
def test_a_sine_at_a_quarter_of_the_rate_reads_its_amplitude_at_any_phase(turn, sample_rate):
    signal_T = 0.5 * np.sin(2 * np.pi * (np.arange(8000) / 4 + turn))
    low = 0.04 if sample_rate < 176_400 else 0.17  # cos(pi / 32) and cos(pi / 16)
    window_T = np.hanning(8000)
    measured = true_peak_dbtp(stereo(signal_T * window_T), sample_rate)
    assert -6.0206 - low - 0.01 <= measured <= -6.0206 + 0.01


def test_the_true_peak_is_never_below_the_highest_sample(rng):
    for n_samples in (1, 2, 31, 1023, 1024, 1025, 4000):
        noise_TC = rng.standard_normal((n_samples, 2), np.float32)
        meter = TruePeakMeter(44_100, 2)
        meter.push(noise_TC)
        assert meter.sample_peak_dbfs == pytest.approx(20 * np.log10(np.abs(noise_TC).max()), abs=1e-5)
        assert meter.finish() >= meter.sample_peak_dbfs
        assert meter.highest_dbtp >= meter.finish()


def test_skipping_blocks_that_cannot_matter_gives_the_value_of_all_blocks(rng):
    n_samples = 40 * TILE
    swell_T = np.hanning(n_samples)[:, None]
    noise_TC = (rng.standard_normal((n_samples, 2)) * swell_T).astype(np.float32)
    padded_TC = np.pad(noise_TC, ((2 * REACH, 2 * REACH), (0, 0)))
    all_peaks_RT = oversample_peaks(padded_TC, oversampling_factor(44_100))
    meter = TruePeakMeter(44_100, 2)
    meter.push(noise_TC)
    assert meter.finish() == pytest.approx(20 * np.log10(all_peaks_RT[0].max()), abs=1e-6)
    assert meter.highest_dbtp == pytest.approx(20 * np.log10(all_peaks_RT.max()), abs=1e-6)


@pytest.mark.parametrize("factor", [4, 8])
@pytest.mark.parametrize("highest_hz", [22_050, 5000, 500])
def test_no_value_above_the_floor_is_passed_over_however_high_the_floor(factor, highest_hz, rng):
    noise_TC = rng.standard_normal((6000, 2))
    if highest_hz < 22_050:  # the duller, the fewer pieces are looked at
        low_pass = firwin(301, highest_hz, fs=44_100)
        noise_TC = np.stack([np.convolve(noise_T, low_pass) for noise_T in noise_TC.T], axis=1)
    noise_TC = (
        noise_TC * rng.choice([0.1, 1.0], (len(noise_TC) // 100 + 1)).repeat(100)[: len(noise_TC), None]
    )
    noise_TC = noise_TC.astype(np.float32)
    all_RT = oversample_peaks(noise_TC, factor)
    for share in (0.5, 0.8, 0.97, 1.01):
        floor = share * float(all_RT.max())
        some_RT = oversample_peaks(noise_TC, factor, floor=floor)
        above_RT = all_RT > floor
        assert some_RT[above_RT] == pytest.approx(all_RT[above_RT], rel=1e-5)
        assert np.all(some_RT <= all_RT * (1 + 1e-5))
        highest_T = peaks_above(noise_TC, factor, floor=floor)
        above_T = above_RT.any(axis=0)
        if highest_T is None:
            assert not above_T.any()
        else:
            assert highest_T[above_T] == pytest.approx(all_RT.max(axis=0)[above_T], rel=1e-5)


@pytest.mark.parametrize("factor", [4, 8])
@pytest.mark.parametrize("reach", METER_REACHES)
def test_no_signal_rises_further_between_its_samples_than_the_bounds_say(factor, reach, rng):
    """The worst signals there are: the signs of the taps, and steps with the signs of their sums."""
    gain, step_gain = worst_gains(factor)
    for taps_N in interpolator_taps(factor, reach).astype(np.float64):
        worst_N = np.sign(taps_N)
        assert abs(taps_N @ worst_N) <= gain
        tails_N = np.cumsum(taps_N[::-1])[::-1][
            1:
        ]  # a step between samples k and k + 1 moves all from k + 1 on
        for steps_N in (
            np.sign(tails_N - (np.arange(1, 2 * reach) == reach)),
            *rng.choice([-1, 1], (50, 2 * reach - 1)),
        ):
            signal_N = np.concatenate([[0.0], np.cumsum(steps_N)])
            signal_N -= signal_N[reach - 1]
            at_hand = max(abs(signal_N[reach - 1]), abs(signal_N[reach]))
            assert abs(taps_N @ signal_N) <= at_hand + step_gain


def test_any_cut_of_the_stream_gives_the_same_bits(rng):
    noise_TC = rng.standard_normal((12_345, 2), np.float32)
    whole = TruePeakMeter(44_100, 2)
    whole.push(noise_TC)
    whole.finish()
    for longest in (40, 1500, 9000):
        cut = TruePeakMeter(44_100, 2)
        start = 0
        while start < len(noise_TC):
            stop = start + int(rng.integers(0, longest))
            cut.push(noise_TC[start:stop])
            start = stop
        assert cut.finish() == whole.finish()
        assert cut.highest_dbtp == whole.highest_dbtp


def test_a_piece_has_the_same_bits_whatever_else_is_interpolated(rng):
    context_CT = whole_stretches(rng.standard_normal((9_000, 2)).astype(np.float32))
    n_pieces = 2 * (context_CT.shape[1] // PIECE - 2)
    all_RJT = between_samples(context_CT, np.arange(n_pieces), 8)
    for n_asked in (1, 2, 7, 40, 300):
        asked_J = np.sort(rng.choice(n_pieces, n_asked, replace=False))
        assert np.array_equal(between_samples(context_CT, asked_J, 8), all_RJT[:, asked_J])


def test_peaks_before_the_first_and_after_the_last_sample_are_seen():
    # Two equal samples alone: the sinc sum between them is 4/pi of either.
    pair_TC = np.full((2, 1), 0.5, np.float32)
    assert true_peak_dbtp(pair_TC, 44_100) == pytest.approx(20 * np.log10(0.5 * 4 / np.pi), abs=0.15)
    # Alternating samples that stop: the ring beyond the end is above the samples.
    alternating_T = np.array([1, -1, 1, -1, 1, 1, -1, 1, -1, 1.0])
    signal_TC = stereo(alternating_T)
    padded_TC = np.pad(signal_TC, ((100, 100), (0, 0)))
    assert true_peak_dbtp(signal_TC, 44_100) == true_peak_dbtp(padded_TC, 44_100)


def test_a_peak_in_one_channel_alone_counts(rng):
    noise_TC = 0.01 * rng.standard_normal((5000, 2), np.float32)
    noise_TC[2500, 1] = 0.9
    assert true_peak_dbtp(noise_TC, 44_100) == true_peak_dbtp(noise_TC[:, 1:], 44_100)


def test_the_envelope_gives_each_sample_the_highest_value_up_to_the_next(rng):
    noise_TC = rng.standard_normal((3000, 2), np.float32)
    fine_TC = np.abs(resample_poly(noise_TC.astype(np.float64), 8, 1, window=("kaiser", 5.0)))
    expected_T = fine_TC.reshape(-1, 8, 2).max(axis=(1, 2))
    reach = METER_REACHES[1]  # scipy's own filter: ten samples on either side, the same window
    peaks_RT = oversample_peaks(noise_TC, 8)
    middle = slice(reach, -reach)
    assert peaks_RT[1][middle] == pytest.approx(expected_T[REACH:-REACH][middle], rel=0.01)


def test_silence_and_nothing_have_no_true_peak():
    assert true_peak_dbtp(np.zeros((5000, 2), np.float32), 44_100) == -np.inf
    meter = TruePeakMeter(44_100, 2)
    assert meter.finish() == -np.inf
    assert meter.sample_peak_dbfs == -np.inf
    assert meter.highest_dbtp == -np.inf
