"""Truth: the ceiling under three meters (two of them not ours), the definition of a limiter, closed forms."""

import numpy as np
import pytest
from scipy.signal import resample_poly

from mixcli.audio.limiter import CHUNK, TruePeakLimiter
from mixcli.audio.true_peak import REACH, TruePeakMeter, oversample_peaks

CEILING_DBTP = -1.0
MARGIN_DB = 0.2  # what meters may differ by


def limited(signal_TC, sample_rate=44_100, ceiling_dbtp=CEILING_DBTP):
    limiter = TruePeakLimiter(sample_rate, signal_TC.shape[1], ceiling_dbtp)
    return limiter.push(signal_TC, last=True), limiter


def gain_of(signal_TC, sample_rate=44_100, ceiling_dbtp=CEILING_DBTP):
    limiter = TruePeakLimiter(sample_rate, signal_TC.shape[1], ceiling_dbtp)
    return limiter.push_for_gain(signal_TC, last=True)[1]


def own_dbtp(signal_TC, sample_rate):
    meter = TruePeakMeter(sample_rate, signal_TC.shape[1])
    meter.push(signal_TC)
    return meter.finish()


def libebur128_dbtp(signal_TC, sample_rate):
    ebur = pytest.importorskip("pyebur128", reason="pyebur128 is not installed")
    n_channels = signal_TC.shape[1]
    state = ebur.R128State(n_channels, sample_rate, int(ebur.MeasurementMode.MODE_TRUE_PEAK))
    state.add_frames(np.ascontiguousarray(signal_TC).ravel(), len(signal_TC))
    peak = max(ebur.get_true_peak(state, channel) for channel in range(n_channels))
    return 20 * np.log10(peak) if peak > 0 else -np.inf


def resampled_dbtp(signal_TC):
    return 20 * np.log10(np.abs(resample_poly(signal_TC.astype(np.float64), 8, 1)).max())


def stereo(signal_T):
    return np.stack([signal_T, 0.9 * signal_T], axis=1).astype(np.float32)


def adversary(name):
    """Signals that are hard to hold, 16,000 samples."""
    rng = np.random.default_rng(5)
    places = np.arange(16_000)
    noise_T = rng.standard_normal(16_000)
    return stereo(
        {
            "fs/4 at 45 degrees": np.sin(np.pi / 2 * places + np.pi / 4),
            "fs/3": 2 * np.sin(2 * np.pi / 3 * places + 0.3),
            "0.4 fs between the grid": 2 * np.sin(0.8 * np.pi * places + np.pi / 10),
            "square": 1.5 * np.sign(np.sin(2 * np.pi * 0.0100068 * places + 0.1)),
            "square of 50 samples": np.where(places // 50 % 2, 1.0, -1.0),
            "clicks": 4.0 * (places % 3001 == 0),
            "noise at +30 dBFS": 10**1.5 * noise_T,
            "clipped noise": np.clip(2 * noise_T, -1, 1),
            "random signs": np.sign(noise_T),
            "bursts at +30 dBFS": 10**1.5 * noise_T * (places % 5000 < 300),
            "drums": 1.2 * noise_T * np.exp(-(places % 5000) / 1500),
            "least significant bits": np.round(noise_T) / 2**15,
        }[name]
    )


ADVERSARIES = (
    "fs/4 at 45 degrees",
    "fs/3",
    "0.4 fs between the grid",
    "square",
    "square of 50 samples",
    "clicks",
    "noise at +30 dBFS",
    "clipped noise",
    "random signs",
    "bursts at +30 dBFS",
    "drums",
    "least significant bits",
)


@pytest.mark.parametrize("sample_rate", [44_100, 96_000])
@pytest.mark.parametrize("name", ADVERSARIES)
def test_the_output_is_never_above_the_ceiling_under_three_meters(name, sample_rate):
    output_TC, _ = limited(adversary(name), sample_rate)
    assert own_dbtp(output_TC, sample_rate) <= CEILING_DBTP + 0.001
    assert resampled_dbtp(output_TC) <= CEILING_DBTP + MARGIN_DB
    assert libebur128_dbtp(output_TC, sample_rate) <= CEILING_DBTP + MARGIN_DB


@pytest.mark.parametrize("n_samples", [1, 2, 5, 31, 100, 441, 1999, 2000])
def test_very_short_signals_are_held_and_keep_their_length(n_samples, rng):
    signal_TC = 3 * rng.standard_normal((n_samples, 2), np.float32)
    output_TC, _ = limited(signal_TC)
    assert output_TC.shape == signal_TC.shape
    assert own_dbtp(output_TC, 44_100) <= CEILING_DBTP + 0.001
    assert resampled_dbtp(output_TC) <= CEILING_DBTP + MARGIN_DB


def test_nothing_in_gives_nothing_out():
    output_TC, limiter = limited(np.zeros((0, 2), np.float32))
    assert output_TC.shape == (0, 2)
    assert limiter.max_reduction_db == 0.0


@pytest.mark.parametrize("name", ["drums", "bursts at +30 dBFS", "clicks"])
def test_the_gain_is_never_above_what_a_sample_needs(name):
    signal_TC = adversary(name)
    peaks_T = oversample_peaks(np.pad(signal_TC, ((REACH, REACH), (0, 0))), 8).max(axis=0)
    needed_T = np.minimum(1.0, 10 ** (CEILING_DBTP / 20) / np.maximum(peaks_T, 1e-9))
    gain_T = gain_of(signal_TC)
    assert np.all(gain_T <= needed_T * (1 + 1e-6))
    assert np.all(gain_T[1:] <= needed_T[:-1] * (1 + 1e-6))  # a peak lies between two samples


def test_the_gain_at_the_highest_peak_is_exactly_what_it_needs():
    signal_TC = adversary("drums")
    meter = TruePeakMeter(44_100, 2)
    meter.push(signal_TC)
    meter.finish()
    output_TC, limiter = limited(signal_TC)
    assert limiter.max_reduction_db == pytest.approx(meter.highest_dbtp - CEILING_DBTP, abs=1e-3)
    assert 20 * np.log10(gain_of(signal_TC).min()) == pytest.approx(-limiter.max_reduction_db, abs=1e-4)
    assert output_TC.shape == signal_TC.shape


def test_below_the_ceiling_every_bit_passes(rng):
    noise_TC = (0.15 * rng.standard_normal((3 * CHUNK + 77, 2))).astype(np.float32)
    assert own_dbtp(noise_TC, 44_100) < CEILING_DBTP
    output_TC, limiter = limited(noise_TC)
    assert np.array_equal(output_TC, noise_TC)
    assert limiter.max_reduction_db == 0.0
    assert not limiter.reduction_hops.any()


def test_bits_pass_again_once_a_peak_is_over_and_before_it_comes(rng):
    noise_TC = (0.1 * rng.standard_normal((80_000, 2))).astype(np.float32)
    noise_TC[30_000] = 2.0
    output_TC, _ = limited(noise_TC)
    different = np.flatnonzero((output_TC != noise_TC).any(axis=1))
    assert different[0] >= 30_000 - 0.006 * 44_100  # look-ahead 5 ms, and the reach of the interpolator
    # The slow release starts at most at the reduction of 7 dB times the share of the hold, 300 ms to 1/e.
    assert different[-1] <= 30_000 + 2.5 * 44_100 * np.log(7 / 1e-3) * 0.3 / 2.3


@pytest.mark.parametrize("name", ["drums", "noise at +30 dBFS", "clicks"])
def test_any_cut_of_the_stream_gives_the_same_bits(name, rng):
    signal_TC = np.tile(adversary(name), (3, 1))
    whole_TC, whole = limited(signal_TC)
    for longest in (300, 5000, 40_000):
        cut = TruePeakLimiter(44_100, 2, CEILING_DBTP)
        parts = []
        start = 0
        while start < len(signal_TC):
            stop = start + int(rng.integers(1, longest))
            parts.append(cut.push(signal_TC[start:stop]))
            start = stop
        parts.append(cut.push(signal_TC[:0], last=True))
        assert np.array_equal(np.concatenate(parts), whole_TC)
        assert np.array_equal(cut.reduction_hops, whole.reduction_hops)


def test_parts_times_the_same_gain_add_up_to_the_limited_sum(rng):
    parts_KTC = rng.standard_normal((3, 20_000, 2)).astype(np.float32)
    sum_TC = parts_KTC.sum(axis=0)
    gain_T = gain_of(sum_TC)
    output_TC, _ = limited(sum_TC)
    from_parts_TC = sum(part_TC * gain_T[:, None] for part_TC in parts_KTC)
    assert from_parts_TC == pytest.approx(output_TC, abs=1e-6)


def test_both_channels_get_the_same_gain_so_that_the_image_stays():
    signal_TC = np.stack([adversary("drums")[:, 0], 0.1 * adversary("clicks")[:, 0] + 0.05], axis=1)
    output_TC, _ = limited(signal_TC)
    gain_T = gain_of(signal_TC)
    assert np.array_equal(output_TC, signal_TC * gain_T[:, None])


@pytest.mark.parametrize(
    ("frequency_hz", "over_db", "most_db"),
    [(25, 6, -80), (30, 6, -80), (40, 6, -80), (50, 1, -80), (80, 6, -80), (100, 3, -80), (1000, 6, -80)],
)
def test_a_limited_sine_stays_a_sine(frequency_hz, over_db, most_db):
    sample_rate, n_samples = 8000, 24_000
    places = np.arange(n_samples)
    sine_T = 10 ** ((over_db + CEILING_DBTP) / 20) * np.sin(2 * np.pi * frequency_hz * places / sample_rate)
    output_TC, _ = limited(sine_T[:, None].astype(np.float32), sample_rate)
    steady_T = output_TC[12_000:20_000, 0].astype(np.float64)  # 1 s, whole periods
    power = np.abs(np.fft.rfft(steady_T)) ** 2
    tone = power[frequency_hz]
    assert power.sum() - tone <= 10 ** (most_db / 10) * tone
    assert 2 * np.sqrt(tone) / len(steady_T) == pytest.approx(10 ** (CEILING_DBTP / 20), rel=0.02)


@pytest.mark.parametrize(("frequency_hz", "most_db"), [(30, -35), (41, -80)])
def test_a_bass_note_with_one_high_peak_in_a_period_keeps_its_waveform(frequency_hz, most_db):
    """Its second harmonic raises every other peak; what lies beside both partials is distortion."""
    sample_rate = 8000
    phase_T = 2 * np.pi * frequency_hz * np.arange(24_000) / sample_rate
    note_T = np.sin(phase_T) - 0.4 * np.cos(2 * phase_T)
    note_T *= 10 ** ((6 + CEILING_DBTP) / 20) / np.abs(note_T).max()
    output_TC, _ = limited(note_T[:, None].astype(np.float32), sample_rate)
    power = np.abs(np.fft.rfft(output_TC[12_000:20_000, 0].astype(np.float64))) ** 2  # 1 s, whole periods
    partials = power[frequency_hz] + power[2 * frequency_hz]
    assert power.sum() - partials <= 10 ** (most_db / 10) * partials
    assert power[2 * frequency_hz] / power[frequency_hz] == pytest.approx(0.4**2, rel=0.02)


def test_a_single_peak_is_released_fast_and_long_limiting_slowly():
    places = np.arange(80_000)
    click_TC = np.where(places == 40_000, 2.0, 0.1)[:, None].astype(np.float32)
    long_TC = np.where(places < 40_000, 2.0 * np.sin(0.1 * places), 0.1)[:, None].astype(np.float32)
    after = 40_000 + round(0.1 * 44_100)
    after_click, after_long = (-20 * np.log10(gain_of(signal_TC)[after]) for signal_TC in (click_TC, long_TC))
    highest = 20 * np.log10(2.0) - CEILING_DBTP
    assert after_click < 0.1 * highest
    assert after_long == pytest.approx(highest * np.exp(-0.1 / 0.3), rel=0.15)  # 300 ms to 1/e


def test_reductions_are_reported_per_100_ms():
    signal_TC = np.full((8000, 1), 0.01, np.float32)
    signal_TC[4050] = 2.0
    _, limiter = limited(signal_TC, 8000)
    hops = limiter.reduction_hops
    assert len(hops) == 10
    assert hops[:4].tolist() == [0.0] * 4  # 50 samples of look-ahead fit into the hop of the peak
    assert hops.argmax() == 5
    assert hops.max() == pytest.approx(20 * np.log10(2.0) - CEILING_DBTP, abs=0.05)


def test_the_input_is_left_as_it_is():
    signal_TC = adversary("drums")
    before_TC = signal_TC.copy()
    limited(signal_TC)
    assert np.array_equal(signal_TC, before_TC)


def test_a_look_ahead_longer_than_the_chunk_is_refused():
    with pytest.raises(ValueError, match="look-ahead"):
        TruePeakLimiter(44_100, 2, -1.0, lookahead_ms=500)
