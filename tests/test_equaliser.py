"""The equaliser against the closed forms of its analogue prototypes and scipy's recursion."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt

from mixcli.audio.equaliser import Equaliser, EqualiserBand, band_sos, response_db, settling_samples

RATES = [44_100, 48_000, 96_000, 192_000]
HIGH_HZ = [10_000, 12_000, 14_000, 16_000]
KINDS = ["bell", "low_shelf", "high_shelf", "low_pass", "high_pass"]
FOUR_BANDS = [
    EqualiserBand("high_pass", 80),
    EqualiserBand("low_shelf", 150, 3.0),
    EqualiserBand("bell", 900, -4.0, 1.4),
    EqualiserBand("high_shelf", 2_500, 5.0),
]


def analogue_db(band, frequencies_hz):
    """The prototype of the audio EQ cookbook as a ratio of polynomials in s = i f / f0."""
    s = 1j * np.asarray(frequencies_hz, float) / band.frequency_hz
    boost, q = 10 ** (band.gain_db / 40), band.q
    root = math.sqrt(boost)
    above, below = {
        "bell": (s**2 + s * boost / q + 1, s**2 + s / (boost * q) + 1),
        "low_shelf": (boost * (s**2 + s * root / q + boost), boost * s**2 + s * root / q + 1),
        "high_shelf": (boost * (boost * s**2 + s * root / q + 1), s**2 + s * root / q + boost),
        "low_pass": (1, s**2 + s / q + 1),
        "high_pass": (s**2, s**2 + s / q + 1),
    }[band.kind]
    return 20 * np.log10(np.abs(above / below))


def bilinear_db(band, sample_rate, frequencies_hz):
    """What the cookbook's own bilinear design gives: the prototype at warped frequencies."""
    warped = np.tan(np.pi * np.asarray(frequencies_hz) / sample_rate)
    return analogue_db(band, band.frequency_hz * warped / np.tan(np.pi * band.frequency_hz / sample_rate))


def error_db(band, sample_rate, highest_hz=16_000):
    """The largest distance from the prototype below 16 kHz, where more than -40 dB pass."""
    frequencies_hz = np.geomspace(20, highest_hz, 500)
    wanted_db = analogue_db(band, frequencies_hz)
    distance_db = np.abs(response_db([band], sample_rate, frequencies_hz) - wanted_db)
    return distance_db[wanted_db > -40].max()


def half_gain_hz(band):
    """Where a bell has half its gain in dB: f0 / q apart, f0 their geometric mean."""
    half = 1 / (2 * band.q)
    return band.frequency_hz * (math.hypot(1, half) - half), band.frequency_hz * (math.hypot(1, half) + half)


def noise(n_samples, n_channels=2, seed=1):
    return np.random.default_rng(seed).standard_normal((n_samples, n_channels)).astype(np.float32)


@st.composite
def any_band(draw, sample_rate=44_100):
    kind = draw(st.sampled_from(KINDS))
    frequency_hz = math.exp(draw(st.floats(math.log(20), math.log(0.49 * sample_rate))))
    gain_db = 0.0 if kind.endswith("pass") else draw(st.floats(-24, 24))
    return EqualiserBand(kind, frequency_hz, gain_db, math.exp(draw(st.floats(math.log(0.1), math.log(20)))))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_band_of_common_width_is_within_half_a_decibel_of_its_prototype_up_to_16_khz(kind, rate):
    gains_db = [0.0] if kind.endswith("pass") else [-12.0, 6.0]
    for frequency_hz in [25, 4_000, *HIGH_HZ[::3]]:
        for gain_db in gains_db:
            for q in (0.5, 0.7071, 1.5):
                assert error_db(EqualiserBand(kind, frequency_hz, gain_db, q), rate) < 0.5


@pytest.mark.parametrize("q", [0.7071, 1.0, 4.0])
@pytest.mark.parametrize("frequency_hz", HIGH_HZ)
@pytest.mark.parametrize("kind", ["bell", "high_shelf"])
def test_a_high_band_is_far_nearer_to_its_prototype_than_the_bilinear_design(kind, frequency_hz, q):
    band = EqualiserBand(kind, frequency_hz, 12.0, q)
    frequencies_hz = np.geomspace(20, 16_000, 500)
    cramped_db = np.abs(bilinear_db(band, 44_100, frequencies_hz) - analogue_db(band, frequencies_hz)).max()
    assert cramped_db > 1
    assert error_db(band, 44_100) < cramped_db / 4


@settings(max_examples=40, deadline=None)
@given(any_band())
def test_any_band_has_the_prototypes_gain_at_its_frequency_and_at_dc(band):
    at_centre_db = response_db([band], 44_100, [band.frequency_hz])[0]
    assert at_centre_db == pytest.approx(analogue_db(band, [band.frequency_hz])[0], abs=1e-6)
    at_dc_db = response_db([band], 44_100, [0.0])[0]
    if band.kind == "high_pass":
        assert at_dc_db < -140
    else:
        assert at_dc_db == pytest.approx(analogue_db(band, [0.0])[0], abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(any_band())
def test_any_band_is_stable_and_minimum_phase(band):
    section = band_sos(band, 44_100)
    assert np.abs(np.roots(section[3:])).max() < 1
    zeros = np.abs(np.roots(section[:3]))
    if band.kind == "high_pass":
        assert zeros == pytest.approx([1, 1], abs=1e-6)  # both at DC
    else:
        assert zeros.max() < 1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("gain_db", [-24.0, -6.0, 0.01, 12.0])
@pytest.mark.parametrize("q", [0.1, 1.0, 20.0])
def test_a_bell_has_half_its_gain_where_its_prototype_has(q, gain_db, rate):
    for frequency_hz in (20, 1_000, 12_000):
        band = EqualiserBand("bell", frequency_hz, gain_db, q)
        for edge_hz in half_gain_hz(band):
            if edge_hz < rate / 2:
                assert response_db([band], rate, [edge_hz])[0] == pytest.approx(gain_db / 2, abs=1e-6)


@pytest.mark.parametrize("gain_db", [-15.0, 6.0])
@pytest.mark.parametrize("rate", RATES)
def test_the_middle_of_a_bell_is_its_extreme(rate, gain_db):
    for frequency_hz in (50, 3_000, 16_000):
        band = EqualiserBand("bell", frequency_hz, gain_db, 2.0)
        around_db = response_db([band], rate, frequency_hz * np.linspace(0.9, 1.1, 2_001))
        assert np.abs(around_db).max() == pytest.approx(abs(gain_db), abs=1e-9)


@pytest.mark.parametrize("gain_db", [-18.0, -3.0, 9.0])
@pytest.mark.parametrize("rate", RATES)
def test_shelves_have_their_gain_on_one_side_half_in_the_middle_and_none_on_the_other(rate, gain_db):
    low, high = (EqualiserBand(kind, 500, gain_db) for kind in ("low_shelf", "high_shelf"))
    assert response_db([low], rate, [0, 500, rate / 2]) == pytest.approx([gain_db, gain_db / 2, 0], abs=0.05)
    assert response_db([high], rate, [0, 500, rate / 2]) == pytest.approx([0, gain_db / 2, gain_db], abs=0.05)


@pytest.mark.parametrize("kind", ["bell", "low_shelf", "high_shelf"])
def test_a_band_and_its_inverse_give_the_input_back(kind):
    signal_TC = noise(20_000)
    bands = [EqualiserBand(kind, frequency_hz, gain_db, 0.9)
             for frequency_hz in (90, 15_000) for gain_db in (6.0, -6.0)]  # fmt: skip
    assert np.abs(Equaliser(bands, 44_100, 2).push(signal_TC) - signal_TC).max() < 1e-6
    once_TC = Equaliser(bands[::2], 44_100, 2).push(signal_TC)
    assert np.abs(once_TC - signal_TC).max() > 0.01
    assert np.abs(Equaliser(bands[1::2], 44_100, 2).push(once_TC) - signal_TC).max() < 2e-6


@pytest.mark.parametrize("rate", [44_100, 192_000])
def test_the_samples_are_those_of_scipys_recursion(rate):
    signal_TC = noise(20_000)
    sos_S6 = np.array([band_sos(band, rate) for band in FOUR_BANDS])
    expected_TC = sosfilt(sos_S6, signal_TC.astype(np.float64), axis=0)
    filtered_TC = Equaliser(FOUR_BANDS, rate, 2).push(signal_TC)
    assert filtered_TC.dtype == np.float32
    assert np.abs(filtered_TC - expected_TC).max() < 1e-6


def test_the_spectrum_of_the_impulse_response_is_the_response_stated():
    impulse_TC = np.zeros((8_192, 1), np.float32)
    impulse_TC[0] = 1
    ringing_T = Equaliser(FOUR_BANDS, 44_100, 1).push(impulse_TC)[:, 0]
    frequencies_hz = np.fft.rfftfreq(8_192, 1 / 44_100)[4:]
    spectrum_db = 20 * np.log10(np.abs(np.fft.rfft(ringing_T.astype(np.float64))[4:]))
    assert spectrum_db == pytest.approx(response_db(FOUR_BANDS, 44_100, frequencies_hz), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.lists(any_band(8_000), max_size=4), st.lists(st.integers(0, 20_000), max_size=6))
def test_a_stream_cut_anywhere_gives_the_same_samples_bit_for_bit(bands, cuts):
    signal_TC = noise(20_000)
    equaliser = Equaliser(bands, 8_000, 2)
    blocks = [equaliser.push(block_TC) for block_TC in np.split(signal_TC, sorted(cuts))]
    assert np.array_equal(np.concatenate(blocks), Equaliser(bands, 8_000, 2).push(signal_TC))


@pytest.mark.parametrize("cut", [1_000, 9_999, 120_000])
def test_ringing_is_cut_to_silence_only_below_a_billionth_of_full_scale(cut):
    bands = [EqualiserBand("low_shelf", 60, 24.0), EqualiserBand("bell", 16_000, 12.0)]
    signal_TC = np.zeros((120_000, 1), np.float32)
    signal_TC[:1_000] = noise(1_000, 1)
    equaliser = Equaliser(bands, 192_000, 1)
    blocks = [equaliser.push(signal_TC[start : start + cut]) for start in range(0, 120_000, cut)]
    sos_S6 = np.array([band_sos(band, 192_000) for band in bands])
    expected_TC = sosfilt(sos_S6, signal_TC.astype(np.float64), axis=0)
    assert np.allclose(np.concatenate(blocks), expected_TC, rtol=1e-6, atol=1e-9)
    assert expected_TC[-1].any()
    assert not blocks[-1][-1].any()


def test_silence_stays_silence_and_a_sound_dies_away_to_it():
    silence_TC = np.zeros((8_000, 2), np.float32)
    equaliser = Equaliser(FOUR_BANDS, 8_000, 2)
    assert not equaliser.push(silence_TC).any()
    equaliser.push(noise(100))
    assert equaliser.push(silence_TC).any()
    equaliser.push(silence_TC)
    assert not equaliser.push(silence_TC).any()


@pytest.mark.parametrize("q", [0.1, 0.7071, 20.0])
@pytest.mark.parametrize("kind", ["bell", "low_shelf", "high_shelf"])
def test_the_ringing_is_over_after_the_time_stated(kind, q):
    bands = [EqualiserBand(kind, 300, 12.0, q)]
    settled = settling_samples(bands, 8_000)
    impulse_T = np.zeros(2 * settled)
    impulse_T[0] = 1
    ringing_T = sosfilt(band_sos(bands[0], 8_000)[None], impulse_T)
    assert np.abs(ringing_T[settled:]).max() < 10 ** (-180 / 20)
    assert np.abs(ringing_T[settled // 2 :]).max() > 10 ** (-140 / 20)


def test_bands_of_0_db_are_left_out():
    idle = [EqualiserBand(kind, 500, 0.0) for kind in ("bell", "low_shelf", "high_shelf")]
    signal_TC = noise(100)
    assert Equaliser(idle, 8_000, 2).push(signal_TC) is signal_TC
    assert Equaliser([], 8_000, 2).push(signal_TC) is signal_TC
    assert settling_samples(idle, 8_000) == 0
    assert not response_db(idle, 8_000, [0, 500, 4_000]).any()
    assert list(band_sos(idle[0], 8_000)) == [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("q", [0.7071, 20.0])
@pytest.mark.parametrize(("kind", "gain_db"), [("bell", 24.0), ("low_shelf", -24.0), ("high_pass", 0.0)])
def test_a_band_at_20_hz_and_192_khz_keeps_its_precision(kind, gain_db, q):
    band = EqualiserBand(kind, 20, gain_db, q)
    frequencies_hz = np.array([2, 10, 19, 20, 21, 40, 1_000, 50_000])
    wanted_db = analogue_db(band, frequencies_hz)
    assert response_db([band], 192_000, frequencies_hz) == pytest.approx(wanted_db, abs=1e-3)
    sine_T = np.sin(2 * np.pi * 1_000 * np.arange(96_000) / 192_000)
    filtered_T = Equaliser([band], 192_000, 1).push(sine_T[:, None].astype(np.float32))[:, 0]
    exact_T = exactly_filtered(band_sos(band, 192_000), sine_T[:2_000])
    assert np.abs(filtered_T[:2_000] - exact_T).max() < 1e-6
    assert np.abs(filtered_T).max() < 3


def exactly_filtered(section, signal_T):
    """The recursion in long double, in direct form I: a second way to compute it."""
    b0, b1, b2, _, a1, a2 = section.astype(np.longdouble)
    x1 = x2 = y1 = y2 = np.longdouble(0)
    filtered = []
    for x in signal_T.astype(np.float32).astype(np.longdouble):
        y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
        x1, x2, y1, y2 = x, x1, y, y1
        filtered.append(y)
    return np.array(filtered)


def test_bands_at_all_limits_are_stable():
    extremes = [
        EqualiserBand(kind, frequency_hz, gain_db, q)
        for kind in KINDS
        for frequency_hz in (1.0, 0.49 * 192_000)
        for gain_db in ((0.0,) if kind.endswith("pass") else (-24.0, 1e-6, 24.0))
        for q in (0.1, 20.0)
    ]
    for band in extremes:
        section = band_sos(band, 192_000)
        assert np.isfinite(section).all()
        assert np.abs(np.roots(section[3:])).max() < 1


def test_the_input_block_is_not_written_to():
    signal_TC = noise(100)
    before_TC = signal_TC.copy()
    Equaliser(FOUR_BANDS, 8_000, 2).push(signal_TC)
    assert np.array_equal(signal_TC, before_TC)


@pytest.mark.parametrize(
    ("band", "words"),
    [
        (EqualiserBand("bell", 3_921, 3.0), "frequency_hz is 3921, not from 1 to 3920 Hz at a rate of 8000"),
        (EqualiserBand("bell", 0.0, 3.0), "frequency_hz is 0"),
        (EqualiserBand("bell", math.nan), "frequency_hz is nan"),
        (EqualiserBand("bell", 100, 24.5), "gain_db of a bell is 24.5, not from -24 to 24"),
        (EqualiserBand("high_shelf", 100, math.nan), "gain_db of a high_shelf is nan"),
        (EqualiserBand("low_pass", 100, 1.0), "gain_db of a low_pass is 1"),
        (EqualiserBand("bell", 100, 3.0, 0.05), "q is 0.05, not from 0.1 to 20"),
        (EqualiserBand("bell", 100, 0.0, 21.0), "q is 21"),
        (EqualiserBand("notch", 100, 3.0), "'notch' is no kind of band"),
    ],
)
def test_a_band_out_of_range_is_refused_even_where_it_would_do_nothing(band, words):
    with pytest.raises(ValueError, match=words):
        Equaliser([band], 8_000, 2)


def test_a_frequency_above_half_the_rate_has_no_response():
    with pytest.raises(ValueError, match="between 0 and half of 8000 Hz"):
        response_db(FOUR_BANDS, 8_000, [4_001])
