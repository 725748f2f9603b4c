"""Excerpts: which stretch, equal loudness of what is really in the page, no clipping, no clicks."""

import base64
import io

import numpy as np
import pytest
import soundfile

from mixcli.reporting.excerpts import excerpt_span, flac_data_uri, matched_gains

RATE = 44_100


@pytest.fixture
def noise(rng):
    """Stereo noise of a level, with a little life in it."""

    def make(seconds, level, rate=RATE):
        n_samples = round(seconds * rate)
        swell_T1 = 1 + 0.5 * np.sin(2 * np.pi * 0.7 * np.arange(n_samples) / rate)[:, None]
        return (level * swell_T1 * rng.standard_normal((n_samples, 2))).astype(np.float32)

    return make


def decode(uri):
    kind, _, data = uri.partition(",")
    assert kind == "data:audio/flac;base64"
    return soundfile.read(io.BytesIO(base64.b64decode(data, validate=True)), dtype="float64")


def lufs(signal_TC, rate):
    meters = pytest.importorskip("pyloudnorm")
    return meters.Meter(rate, filter_class="DeMan").integrated_loudness(signal_TC)


def test_the_excerpt_is_the_loudest_stretch(noise):
    signal_TC = np.concatenate([noise(7, 0.02), noise(5, 0.2), noise(9, 0.05)])
    start, stop = excerpt_span(signal_TC, RATE, 5.0)
    assert stop - start == 5 * RATE
    assert start == pytest.approx(7 * RATE, abs=0.1 * RATE)


def test_the_excerpt_has_the_highest_k_weighted_mean_square(noise):
    ebur128 = pytest.importorskip("pyebur128")
    signal_TC = np.concatenate([noise(1.3, 0.05), noise(3.1, 0.1), noise(2, 0.02), noise(1.7, 0.09)])
    start, _ = excerpt_span(signal_TC, RATE, 3.0)
    # Short-term loudness of libebur128 is the mean square over the last 3 s.
    meter = ebur128.R128State(2, RATE, ebur128.MeasurementMode.MODE_S)
    hop, heard = RATE // 10, []
    for first in range(0, len(signal_TC) - hop + 1, hop):
        meter.add_frames(signal_TC[first : first + hop].astype(np.float64).ravel(), hop)
        heard.append(ebur128.get_loudness_shortterm(meter))
    assert start == int(np.argmax(heard[29:])) * hop


def test_loudness_is_heard_through_the_k_filter_not_as_plain_power():
    time_s = np.arange(4 * RATE) / RATE
    low_T = 0.5 * np.sin(2 * np.pi * 25 * time_s)  # strong, but far below what the filter lets through
    high_T = 0.3 * np.sin(2 * np.pi * 2000 * time_s)
    signal_TC = np.repeat(np.concatenate([low_T, high_T])[:, None], 2, axis=1).astype(np.float32)
    assert excerpt_span(signal_TC, RATE, 4.0)[0] == pytest.approx(4 * RATE, abs=RATE // 10)


@pytest.mark.parametrize("seconds", [0.0, 0.01, 2.0])
def test_a_signal_that_is_not_longer_is_taken_whole(noise, seconds):
    signal_TC = noise(seconds, 0.1)
    assert excerpt_span(signal_TC, RATE, 2.0) == (0, len(signal_TC))


def test_silence_gives_the_first_stretch():
    assert excerpt_span(np.zeros((8 * RATE, 2), np.float32), RATE, 3.0) == (0, 3 * RATE)


def test_the_last_stretch_ends_with_the_signal(noise):
    signal_TC = np.concatenate([noise(3, 0.01), noise(2.03, 0.3)])
    start, stop = excerpt_span(signal_TC, RATE, 2.0)
    assert stop - start == 2 * RATE
    assert len(signal_TC) - stop < 0.1 * RATE


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_decoded_excerpts_of_a_song_have_equal_loudness(noise, rate):
    loud_TC = noise(6, 0.15, rate)
    low_T1 = 0.2 * np.sin(2 * np.pi * 90 / rate * np.arange(6 * rate, dtype=np.float32))[:, None]
    excerpts = {
        "loud": loud_TC,
        "quiet": noise(6, 0.004, rate),
        "gated": np.concatenate([noise(3, 0.1, rate), noise(3, 0.0005, rate)]),
        "low": low_T1.repeat(2, axis=1),
    }
    gains_db = matched_gains(excerpts, rate, level_lufs=-23.0)
    for name, signal_TC in excerpts.items():
        heard_TC, read_rate = decode(flac_data_uri(signal_TC, rate, gain_db=gains_db[name]))
        assert read_rate == rate
        assert lufs(heard_TC, rate) == pytest.approx(-23.0, abs=0.1)


def test_one_peaky_excerpt_lowers_all_of_its_song_together(noise):
    clicks_TC = np.zeros((4 * RATE, 2), np.float32)
    clicks_TC[:: RATE // 8] = 0.5
    excerpts = {"clicks": clicks_TC, "noise": noise(4, 0.1)}
    gains_db = matched_gains(excerpts, RATE, level_lufs=-14.0)
    heard = {
        name: decode(flac_data_uri(signal_TC, RATE, gain_db=gains_db[name]))[0]
        for name, signal_TC in excerpts.items()
    }
    assert 20 * np.log10(np.abs(heard["clicks"]).max()) == pytest.approx(-1.0, abs=0.01)
    loudness = {name: lufs(heard_TC, RATE) for name, heard_TC in heard.items()}
    assert loudness["clicks"] == pytest.approx(loudness["noise"], abs=0.1)
    assert loudness["noise"] < -20


def test_a_silent_excerpt_is_kept_and_changes_nothing(noise):
    excerpts = {"noise": noise(2, 0.05), "silent": np.zeros((2 * RATE, 2), np.float32)}
    gains_db = matched_gains(excerpts, RATE, level_lufs=-23.0)
    assert gains_db["noise"] == matched_gains({"noise": excerpts["noise"]}, RATE, level_lufs=-23.0)["noise"]
    heard_TC, _ = decode(flac_data_uri(excerpts["silent"], RATE, gain_db=gains_db["silent"]))
    assert np.abs(heard_TC).max() <= 1 / 32768  # dither


def test_an_excerpt_starts_and_ends_without_a_step():
    uri = flac_data_uri(np.full((RATE, 2), 0.5, np.float32), RATE)
    heard_TC, _ = decode(uri)
    assert np.abs(heard_TC[[0, -1]]).max() < 1e-3
    assert np.abs(np.diff(heard_TC, axis=0)).max() < 0.005
    middle_TC = heard_TC[round(0.005 * RATE) + 1 : -round(0.005 * RATE) - 1]
    assert np.abs(middle_TC - 0.5).max() <= 2 / 32768


def test_dither_makes_the_error_independent_of_the_signal():
    ramp_TC = np.repeat(np.linspace(-0.001, 0.001, 8 * RATE, dtype=np.float32)[:, None], 2, axis=1)
    heard_TC, _ = decode(flac_data_uri(ramp_TC, RATE))
    error_TC = (heard_TC - ramp_TC)[RATE:-RATE] * 32768
    assert error_TC.mean() == pytest.approx(0, abs=0.005)
    assert (error_TC**2).mean() == pytest.approx(1 / 4, rel=0.02)  # TPDF dither and rounding


def test_the_same_signal_gives_the_same_bytes_and_another_does_not(noise):
    signal_TC = noise(0.5, 0.1)
    before_TC = signal_TC.copy()
    assert flac_data_uri(signal_TC, RATE) == flac_data_uri(signal_TC, RATE)
    assert np.array_equal(signal_TC, before_TC)
    assert flac_data_uri(signal_TC, RATE, gain_db=-1.0) != flac_data_uri(signal_TC, RATE)


def test_clipping_is_refused(noise):
    with pytest.raises(ValueError, match="beyond full scale"):
        flac_data_uri(noise(0.5, 0.5), RATE, gain_db=20.0)


def test_a_memory_mapped_signal_is_taken_as_it_is(tmp_path, noise):
    signal_TC = noise(4, 0.1)
    signal_TC.tofile(tmp_path / "mix.f32")
    mapped_TC = np.memmap(tmp_path / "mix.f32", np.float32, "r", shape=signal_TC.shape)
    assert excerpt_span(mapped_TC, RATE, 1.0) == excerpt_span(signal_TC, RATE, 1.0)
    assert flac_data_uri(mapped_TC[:RATE], RATE) == flac_data_uri(signal_TC[:RATE], RATE)
