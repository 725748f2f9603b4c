"""Frame features of one signal against librosa, pyloudnorm, scipy and closed forms."""

import numpy as np
import pytest

from mixcli.audio.loudness import LoudnessMeter
from mixcli.measures import field_features
from mixcli.measures.field_features import describe_field, trim_range
from mixcli.measures.field_loudness import default_weighting_sos, loudness_frames, momentary_lufs
from mixcli.measures.field_spectrum import magnitudes, panning_frames, spectral_frames

RATE = 44_100


def noisy_notes(seconds, rate=RATE, seed=0):
    """Notes in a changing stereo image over coloured noise, [T, 2]."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    decay = 0.2 + np.exp(-8 * (time_s % 0.31))
    note = 0.2 * decay * np.sin(2 * np.pi * (220 + 110 * seed) * time_s)
    angle = 0.8 + 0.5 * np.sin(2 * np.pi * 0.7 * time_s)
    noise = generator.standard_normal((len(time_s), 2)) * decay[:, None]
    noise[1:] += 0.9 * noise[:-1]
    signal = 0.03 * noise + np.stack([note * np.cos(angle), note * np.sin(angle)], axis=1)
    return signal.astype(np.float32)


@pytest.fixture(scope="module")
def librosa():
    return pytest.importorskip("librosa")


@pytest.mark.slow  # in a fresh environment librosa compiles itself for half a minute
@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_spectral_frames_are_librosas(librosa, rate):
    signal_T = noisy_notes(1.0, rate)[:, 0]
    signal_T[8000:14_000] = 0.0
    window = np.sqrt(np.hanning(4097)[:-1])
    expected_NM = np.abs(
        librosa.stft(signal_T.astype(float), n_fft=4096, hop_length=1024, window=window, center=False)
    )
    magnitude_MN = magnitudes(signal_T)
    np.testing.assert_allclose(magnitude_MN, expected_NM.T, atol=3e-5)
    frames = spectral_frames(magnitude_MN, np.arange(2049) * rate / 4096, 1.0)
    feature = librosa.feature
    centroid_hz = feature.spectral_centroid(S=expected_NM, sr=rate)[0]
    np.testing.assert_allclose(frames.centroid_hz_M, centroid_hz, rtol=1e-5)
    bandwidth_hz = feature.spectral_bandwidth(S=expected_NM, sr=rate)[0]
    np.testing.assert_allclose(frames.bandwidth_hz_M, bandwidth_hz, rtol=1e-5)
    rolloff_hz = feature.spectral_rolloff(S=expected_NM, sr=rate)[0]
    np.testing.assert_allclose(frames.rolloff_hz_M, rolloff_hz, atol=rate / 4096)
    assert np.mean(frames.rolloff_hz_M == rolloff_hz) > 0.9  # float32 may tip a sum over the edge of a bin
    np.testing.assert_allclose(frames.flatness_M, feature.spectral_flatness(S=expected_NM)[0], rtol=1e-3)
    contrast = feature.spectral_contrast(S=expected_NM, sr=rate, fmin=250, n_bands=4, linear=True)
    np.testing.assert_allclose((frames.peaks_MB - frames.valleys_MB).T, contrast, atol=1e-3)


@pytest.mark.slow
def test_trimming_is_librosas(librosa, rng):
    for lead, tail in ((0, 0), (5000, 0), (1, 20_000), (30_000, 30_000)):
        signal_TC = noisy_notes(0.9)
        signal_TC[:, 1] *= 0.01
        quiet_TC = 1e-5 * rng.standard_normal((lead + len(signal_TC) + tail, 2)).astype(np.float32)
        quiet_TC[lead : lead + len(signal_TC)] += signal_TC
        _, expected = librosa.effects.trim(quiet_TC.T, top_db=45, frame_length=4096, hop_length=1024)
        assert trim_range(quiet_TC, RATE) == tuple(expected)


def test_trimming_looks_at_the_first_thirty_seconds_alone():
    signal_TC = np.zeros((33 * 1000, 2), np.float32)
    signal_TC[10_000:33_000] = 0.5
    start, stop = trim_range(signal_TC, 1000)
    assert 7900 <= start <= 10_000
    assert stop == 30_000
    assert trim_range(np.zeros((5000, 2), np.float32), 1000) == (0, 5000)


def test_loudness_frames_are_pyloudnorms_frame_by_frame():
    pyloudnorm = pytest.importorskip("pyloudnorm")
    signal_TC = noisy_notes(2.5)
    signal_TC[30_000:60_000] *= 1e-4  # one frame falls below the absolute gate
    lufs_K, peak_db_K = loudness_frames(signal_TC, RATE)
    starts = range(0, len(signal_TC) - 17_640 + 1, 8820)
    assert len(lufs_K) == len(starts) == 11
    for lufs, peak_db, start in zip(lufs_K, peak_db_K, starts, strict=True):
        frame_TC = signal_TC[start : start + 17_640].astype(float)
        assert lufs == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(frame_TC), abs=1e-9)
        assert peak_db == pytest.approx(20 * np.log10(np.abs(frame_TC).max()), abs=1e-9)
    assert np.isneginf(lufs_K).any()


def test_a_frame_from_rest_differs_from_a_momentary_loudness_where_there_is_bass():
    time_s = np.arange(2 * RATE) / RATE
    bass_TC = np.stack([np.cos(2 * np.pi * 30 * time_s)] * 2, axis=1).astype(np.float32) * 0.5
    difference_lu = np.abs(loudness_frames(bass_TC, RATE)[0][2] - momentary_lufs(bass_TC, RATE)[4])
    assert 0.05 < difference_lu < 1.0  # why the compatible form filters every frame from rest


@pytest.mark.parametrize("rate", [22_050, 48_000, 96_000])
def test_the_default_filter_is_pyloudnorms_at_any_rate(rate):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    filters = pyloudnorm.Meter(rate)._filters
    for row, stage in zip(default_weighting_sos(rate), filters.values(), strict=True):
        np.testing.assert_allclose(row, np.concatenate([stage.b, stage.a]), rtol=1e-12)


def test_momentary_loudness_is_the_meters():
    signal_TC = noisy_notes(1.2)
    meter = LoudnessMeter(RATE, 2)
    meter.push(signal_TC[:17_640])
    assert momentary_lufs(signal_TC, RATE)[0] == pytest.approx(meter.max_momentary_lufs(), abs=1e-9)
    assert len(momentary_lufs(signal_TC, RATE)) == 9


@pytest.mark.parametrize(("left", "right"), [(1.0, 0.5), (0.3, 0.9), (0.7, 0.7), (0.0, 1.0)])
def test_a_panned_source_has_the_closed_form_in_every_band(left, right, rng):
    source_T = rng.standard_normal(9000).astype(np.float32)
    bands = panning_frames(
        magnitudes(np.float32(left) * source_T), magnitudes(np.float32(right) * source_T), RATE
    )
    for panning_MB in bands:
        np.testing.assert_allclose(panning_MB, 1 - 2 * left * right / (left**2 + right**2), atol=2e-5)


def test_levels_are_those_of_the_frames_written_plainly():
    signal_TC = noisy_notes(0.5)
    signal_TC[6000:6500, 0] = 0.0
    described = describe_field(signal_TC, RATE)
    gain = 10 ** (-1 / 20) / np.abs(signal_TC).max()
    for channel in (0, 1):
        levels = described.levels[channel]
        hops_HT = signal_TC[: len(signal_TC) // 1024 * 1024, channel].reshape(-1, 1024)
        loudest = np.sqrt(np.mean(hops_HT.astype(float) ** 2, axis=1).max())
        for index in range(len(levels.rms_db_M)):
            frame_T = signal_TC[index * 1024 : index * 1024 + 4096, channel].astype(float)
            rms_db = 20 * np.log10(np.sqrt(np.mean(frame_T**2)))
            sample_db = 20 * np.log10(np.abs(frame_T * gain) + 1e-30)
            heard = np.abs(frame_T) > loudest * 10**-4.5
            active_db = 20 * np.log10(np.abs(frame_T[heard]))
            assert levels.rms_db_M[index] == pytest.approx(rms_db, abs=1e-5)
            assert levels.peak_db_M[index] == pytest.approx(20 * np.log10(np.abs(frame_T).max()), abs=1e-5)
            spread_db = np.mean(sample_db - rms_db - 20 * np.log10(gain))
            assert levels.spread_db_M[index] == pytest.approx(spread_db, abs=1e-4)
            assert levels.active_spread_db_M[index] == pytest.approx(np.mean(active_db) - rms_db, abs=1e-4)


def test_blocks_do_not_matter(monkeypatch):
    signal_TC = noisy_notes(1.0)
    whole = describe_field(signal_TC, RATE)
    monkeypatch.setattr(field_features, "FRAMES_PER_BLOCK", 7)
    parts = describe_field(signal_TC, RATE)
    for name in ("panning_MB", "active_panning_MB", "low_ratio_M"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-6)
    np.testing.assert_allclose(parts.spectra[1].flatness_db_M, whole.spectra[1].flatness_db_M, atol=1e-5)
    np.testing.assert_allclose(parts.levels[0].spread_db_M, whole.levels[0].spread_db_M, atol=1e-5)


def test_a_span_off_the_grid_of_frames_is_refused():
    with pytest.raises(ValueError, match="multiple of 1024"):
        describe_field(noisy_notes(0.2), RATE, (100, 5000))
