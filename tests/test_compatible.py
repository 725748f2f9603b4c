"""The field's feature set against the whole procedure written plainly, and the ways in which it breaks."""

import numpy as np
import pytest

from mixcli.measures import compatible
from mixcli.measures.compatible import MEASURES, compare_compatible
from mixcli.measures.field_features import describe_field

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


def compare(mix_TC, reference_TC, rate=RATE):
    reference = describe_field(reference_TC, rate)
    return compare_compatible(describe_field(mix_TC, rate, reference.span), reference)


def mape(target, output):
    return np.mean(np.abs(target - output) / np.maximum(np.abs(target), np.finfo(float).eps))


def smoothed(values):
    return np.convolve(values, np.ones(40) / 40, mode="valid")


def plain_features(signal_TC):
    """Every feature of one trimmed signal, straight from librosa and pyloudnorm in float64."""
    import librosa
    import pyloudnorm
    import scipy.signal

    signal_TC = signal_TC.astype(float)
    starts = range(0, len(signal_TC) - 17_640 + 1, 8820)
    frames = [signal_TC[start : start + 17_640] for start in starts]
    lufs = np.array([pyloudnorm.Meter(RATE, block_size=0.4).integrated_loudness(frame) for frame in frames])
    peaks = np.array([20 * np.log10(np.abs(frame).max()) for frame in frames])
    features = {"lufs_loudness": [lufs], "peak_loudness": [peaks]}
    signal_TC = pyloudnorm.normalize.peak(signal_TC, -1.0)
    window = np.sqrt(np.hanning(4097)[:-1])
    b, a = scipy.signal.butter(4, 1000 / (RATE / 2), "lowpass")
    stfts, ratios, dynamics = [], [], []
    for channel_T in signal_TC.T:
        low_T = scipy.signal.filtfilt(b, a, channel_T)
        spectrum, low = (
            np.abs(librosa.stft(x, n_fft=4096, hop_length=1024, window=window, center=False))
            for x in (channel_T, low_T)
        )
        stfts.append(spectrum)
        ratios.append((low / (spectrum + 1e-5)).sum(axis=0))
        rows = []
        for start in range(0, len(channel_T) - 4096 + 1, 1024):
            frame_T = channel_T[start : start + 4096]
            rms_db = 20 * np.log10(np.sqrt(np.mean(frame_T**2)) + 1e-30)
            spread = np.mean(20 * np.log10(np.abs(frame_T) + 1e-30) - rms_db)
            rows.append((rms_db, spread, 20 * np.log10(np.abs(frame_T).max() + 1e-30) / rms_db))
        dynamics.append(np.array(rows).T)
    rms_db, spread, crest = np.mean(dynamics, axis=0)
    features |= {"rms_level": [1 - rms_db], "dynamic_spread": [1 - spread], "crest_factor": [crest]}
    features["low_ratio"] = [np.mean(ratios, axis=0)]
    feature = librosa.feature
    contrasts = [feature.spectral_contrast(S=s, sr=RATE, fmin=250.0, n_bands=4, quantile=0.02) for s in stfts]
    features["centroid"] = [feature.spectral_centroid(S=s, sr=RATE)[0] + 1 for s in stfts]
    features["bandwidth"] = [feature.spectral_bandwidth(S=s, sr=RATE, p=2)[0] + 1 for s in stfts]
    features["rolloff"] = [feature.spectral_rolloff(S=s, sr=RATE, roll_percent=0.85)[0] + 1 for s in stfts]
    features["contrast"] = [row for c in contrasts for row in (c[0], c[1:4].mean(axis=0), c[-1])]
    flatness = [feature.spectral_flatness(S=s, amin=1e-10, power=2.0)[0] for s in stfts]
    features["flatness"] = [1 - 20 * np.log10(f + 1e-30) for f in flatness]
    left, right = (s + 1e-20 for s in stfts)
    similarity = 2 * left * right / (left**2 + right**2)
    panning = (1 - similarity) * np.sign(right / left - left / right)
    edges = {"total": (0, 22_050), "low": (0, 250), "mid": (250, 2500), "high": (2500, 22_050)}
    for name, (low_hz, high_hz) in edges.items():
        rows = panning[int(low_hz * 4096 / RATE) : int(high_hz * 4096 / RATE)]
        features[f"panning_{name}"] = [np.sqrt(np.mean(rows**2, axis=0))]
    return features


def plain_compare(output_TC, target_TC):
    import librosa

    target_TC, output_TC = target_TC[: 30 * RATE], output_TC[: 30 * RATE]
    _, (start, stop) = librosa.effects.trim(target_TC.T, top_db=45, frame_length=4096, hop_length=1024)
    target, output = plain_features(target_TC[start:stop]), plain_features(output_TC[start:stop])
    kept = target["panning_total"][0] != 0
    values = {}
    for name in target:
        errors = []
        for t, o in zip(target[name], output[name], strict=True):
            if name.startswith("panning"):
                t, o = t[kept], o[kept]
            if name.endswith("loudness") and len(t) <= 40:
                errors.append(mape(np.array([t.mean()]), np.array([o.mean()])))
            else:
                errors.append(mape(smoothed(t), smoothed(o)))
        values[name] = np.mean(errors)
    groups = {
        "loudness": ("lufs_loudness", "peak_loudness"),
        "spectral": ("centroid", "bandwidth", "contrast", "rolloff", "flatness"),
        "panning": ("panning_total", "panning_low", "panning_mid", "panning_high"),
        "dynamic": ("rms_level", "dynamic_spread", "crest_factor"),
    }
    values |= {group: np.mean([values[name] for name in names]) for group, names in groups.items()}
    return {f"compatible_{name}": value for name, value in values.items()}


def pair(kind):
    reference_TC, mix_TC = noisy_notes(2.5, seed=1), noisy_notes(2.5, seed=2)
    if kind == "long":  # more than 40 frames of loudness
        reference_TC, mix_TC = noisy_notes(8.5, seed=1), noisy_notes(8.5, seed=2)
    if kind == "with silent ends":
        reference_TC[:30_000] = 0.0
        reference_TC[95_000:] *= 1e-4
    if kind == "with digital zeros":
        reference_TC[40_000:46_000], mix_TC[42_000:47_000] = 0.0, 0.0
    if kind == "16 bits":
        reference_TC, mix_TC = (np.round(x * 32_768) / np.float32(32_768) for x in (reference_TC, mix_TC))
    if kind == "half mono":
        reference_TC[:60_000, 1] = reference_TC[:60_000, 0]
    return mix_TC, reference_TC


@pytest.mark.slow  # in a fresh environment librosa compiles itself for half a minute
@pytest.mark.parametrize(
    "kind", ["short", "long", "with silent ends", "with digital zeros", "16 bits", "half mono"]
)
def test_every_value_is_that_of_the_procedure_written_plainly(kind):
    pytest.importorskip("librosa")
    pytest.importorskip("pyloudnorm")
    mix_TC, reference_TC = pair(kind)
    values, expected = compare(mix_TC, reference_TC), plain_compare(mix_TC, reference_TC)
    assert set(values) == set(expected) == {measure.key for measure in MEASURES}
    for key, value in values.items():
        assert value == pytest.approx(expected[key], rel=1e-4, abs=1e-7), key


def test_a_signal_is_no_distance_from_itself():
    signal_TC = noisy_notes(2.0)
    assert set(compare(signal_TC, signal_TC).values()) == {0.0}


def test_level_changes_loudness_alone():
    signal_TC = noisy_notes(2.0)
    values = compare(2 * signal_TC, signal_TC)
    assert {key for key, value in values.items() if value > 1e-6} == {
        f"compatible_{name}" for name in ("lufs_loudness", "peak_loudness", "loudness")
    }
    peaks_db = [20 * np.log10(np.abs(signal_TC[k : k + 17_640]).max()) for k in range(0, 70_561, 8820)]
    relative = 20 * np.log10(2) / -np.mean(peaks_db)
    assert values["compatible_peak_loudness"] == pytest.approx(relative, rel=1e-6)


def test_a_mono_reference_has_no_panning_error_and_a_nearly_mono_one_a_huge_one():
    mix_TC = noisy_notes(2.0)
    mono_TC = np.repeat(mix_TC[:, :1], 2, axis=1)
    values = compare(mix_TC, mono_TC)
    assert np.isnan(
        [values[f"compatible_panning{name}"] for name in ("", "_total", "_low", "_mid", "_high")]
    ).all()
    assert np.isfinite([values["compatible_centroid"], values["compatible_dynamic"]]).all()
    nearly_TC = mono_TC * np.array([1, 1.001], np.float32)
    assert compare(mix_TC, nearly_TC)["compatible_panning"] > 1000


def test_what_cannot_be_computed_is_nan_and_never_an_error():
    sound_TC, silence_TC = noisy_notes(2.0), np.zeros((2 * RATE, 2), np.float32)
    for mix_TC, reference_TC in (
        (sound_TC, silence_TC),
        (silence_TC, sound_TC),
        (sound_TC[:3000], sound_TC[:3000]),
        (sound_TC[:30_000], sound_TC[:30_000]),
        (sound_TC[:0], sound_TC),
    ):
        values = compare(mix_TC, reference_TC)
        assert np.isnan([values["compatible_spectral"], values["compatible_dynamic"]]).all()
        assert not np.isinf(list(values.values())).any()
    with_gap_TC = sound_TC.copy()
    with_gap_TC[20_000:60_000] = 0.0
    assert np.isnan(compare(sound_TC, with_gap_TC)["compatible_loudness"])  # -inf in a frame, as there


@pytest.mark.parametrize("rate", [4000, 8000, 96_000])
def test_other_rates_give_numbers_or_nan(rate):
    seconds = 80_000 / rate  # more than 40 frames of 4096 samples
    values = compare(noisy_notes(seconds, rate, 1), noisy_notes(seconds, rate), rate)
    assert np.isfinite(values["compatible_centroid"])
    assert np.isnan(values["compatible_contrast"]) == (rate == 4000)


def test_signals_of_different_length_are_compared_over_what_both_have():
    reference_TC = noisy_notes(3.0)
    reference_TC[2000, 0] = 0.9  # the peak is in both
    assert max(compare(reference_TC[:100_000], reference_TC).values()) < 1e-12


def test_measures_have_a_text_and_a_source():
    assert all(measure.text and measure.source for measure in compatible.MEASURES)
