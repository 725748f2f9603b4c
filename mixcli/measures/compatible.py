"""The field's feature set, number by number as its programs compute it, with what breaks in them.

Relative errors of running means over 40 frames. They explode where the reference's feature is near zero
(the panning of a nearly mono reference, crest factors near 0 dB RMS), follow digital zeros and the peak of a
single sample, and do not exist for a mono reference or under a second of sound; `robust.py` has the same
features without that.

Legend: `M` frames, `B` bands, `K` frames of 400 ms.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.field_features import SILENT_DB, FieldDescription, LevelFrames
from mixcli.measures.field_spectrum import HOP, N_FFT, SpectralFrames
from mixcli.measures.measure import Measure

RUNNING_FRAMES = 40
SHIFT = 1.0  # added to features in Hz, and to levels after a change of sign
SMALLEST_AMPLITUDE = 1e-30
CONTRAST_FLOOR, CONTRAST_RANGE_DB = 1e-10, 80.0  # librosa.power_to_db, here given magnitudes
SOURCE = "Steinmetz et al., automix-toolkit, utils_evaluation.py (DAFx 2024 state)"
FXNORM = "Martínez Ramírez et al., FxNorm-automix, ISMIR 2022"

Floats = NDArray[np.float64]


def _measure(name: str, text: str, source: str = SOURCE) -> Measure:
    return Measure(
        key=f"compatible_{name}", unit="", family="compatible", better="lower", text=text, source=source
    )


MEASURES = (
    _measure("lufs_loudness", "relative error of the loudness of frames of 400 ms"),
    _measure("peak_loudness", "relative error of the peak level of frames of 400 ms"),
    _measure("loudness", "mean of the two relative errors of loudness"),
    _measure("centroid", "relative error of the spectral centroid"),
    _measure("bandwidth", "relative error of the spectral bandwidth"),
    _measure("contrast", "relative error of the spectral contrast, mean of three bands"),
    _measure("rolloff", "relative error of the frequency below which 85 % of the spectrum lie"),
    _measure("flatness", "relative error of the spectral flatness in dB"),
    _measure("spectral", "mean of the five relative errors of the spectrum"),
    _measure("panning_total", "relative error of the RMS of the stereo panning spectrum"),
    _measure("panning_low", "the same below 250 Hz"),
    _measure("panning_mid", "the same from 250 to 2500 Hz"),
    _measure("panning_high", "the same above 2500 Hz"),
    _measure("panning", "mean of the four relative errors of the panning"),
    _measure("rms_level", "relative error of the RMS level after peak normalisation"),
    _measure("dynamic_spread", "relative error of the samples' mean level about the RMS level"),
    _measure("crest_factor", "relative error of peak level divided by RMS level, both in dB"),
    _measure("dynamic", "mean of the three relative errors of the dynamics"),
    _measure("low_ratio", "relative error of the share of the spectrum below 1 kHz", FXNORM),
)


def compare_compatible(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    """Relative errors of a mix, as fractions; describe the mix with the reference's `span`.

    The mix and the reference are at one sample rate. The features are defined at 44,100 Hz; at other rates
    the frames keep their 4096 and 1024 samples. Only loudness depends on the level. A value that the programs
    could not compute is nan, as are the means of which it is a part. Descriptions of different length are
    compared over the frames both have.

    SOURCE: automix-toolkit, `get_features`; FxNorm-automix for `low_ratio`.
    """
    values = _loudness(mix, reference) | _spectral(mix, reference) | _panning(mix, reference)
    values |= _dynamic(mix, reference)
    values["low_ratio"] = _running_error(mix.low_ratio_M, reference.low_ratio_M)
    return {measure.key: values[measure.key.removeprefix("compatible_")] for measure in MEASURES}


def _loudness(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    lufs = _loudness_error(mix.loudness_lufs_K, reference.loudness_lufs_K)
    peak = _loudness_error(mix.loudness_peak_db_K, reference.loudness_peak_db_K)
    return {"lufs_loudness": lufs, "peak_loudness": peak, "loudness": (lufs + peak) / 2}


def _loudness_error(mix_K: Floats, reference_K: Floats) -> float:
    length = min(len(mix_K), len(reference_K))
    mix_K, reference_K = mix_K[:length], reference_K[:length]
    if 0 < length <= RUNNING_FRAMES:
        return _relative_error(mix_K.mean(keepdims=True), reference_K.mean(keepdims=True))
    return _running_error(mix_K, reference_K)


def _spectral(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    channels = [_spectral_features(mix, channel) for channel in (0, 1)]
    reference_channels = [_spectral_features(reference, channel) for channel in (0, 1)]
    errors = {
        name: _mean(
            [_running_error(a[name], b[name]) for a, b in zip(channels, reference_channels, strict=True)]
        )
        for name in channels[0]
    }
    contrast = _mean([errors.pop(f"contrast_{band}") for band in ("low", "mid", "high")])
    return errors | {"contrast": contrast, "spectral": _mean([*errors.values(), contrast])}


def _spectral_features(description: FieldDescription, channel: int) -> dict[str, Floats]:
    """Features of one channel as they go into the running mean, [M] each."""
    frames, within = description.spectra[channel], _frames_within(description)
    contrast_MB = _contrast(frames, within, description.gain)
    flatness_M = -20 * np.log10(frames.flatness_M[within] + SMALLEST_AMPLITUDE) + SHIFT
    return {
        "centroid": frames.centroid_hz_M[within] + SHIFT,
        "bandwidth": frames.bandwidth_hz_M[within] + SHIFT,
        "rolloff": frames.rolloff_hz_M[within] + SHIFT,
        "contrast_low": contrast_MB[:, 0],
        "contrast_mid": contrast_MB[:, 1:-1].mean(axis=1),
        "contrast_high": contrast_MB[:, -1],
        "flatness": flatness_M if np.isfinite(description.gain) else np.full_like(flatness_M, np.nan),
    }


def _contrast(frames: SpectralFrames, within: slice, gain: float) -> Floats:
    """Contrast as librosa has it: peaks and valleys each cut at 80 dB below the excerpt's highest."""
    levels = []
    for extremes_MB in (frames.peaks_MB[within], frames.valleys_MB[within]):
        level_MB = 10 * np.log10(np.maximum(extremes_MB * gain, CONTRAST_FLOOR))
        levels.append(np.maximum(level_MB, level_MB.max(initial=-np.inf) - CONTRAST_RANGE_DB))
    contrast_db_MB: Floats = levels[0] - levels[1]
    return contrast_db_MB


def _panning(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    mix_MB, reference_MB = (
        mix.panning_MB[_frames_within(mix)],
        reference.panning_MB[_frames_within(reference)],
    )
    length = min(len(mix_MB), len(reference_MB))
    panned = reference_MB[:length, 0] != 0.0
    mix_MB, reference_MB = mix_MB[:length][panned], reference_MB[:length][panned]
    bands = ("panning_total", "panning_low", "panning_mid", "panning_high")
    errors = {band: _running_error(mix_MB[:, k], reference_MB[:, k]) for k, band in enumerate(bands)}
    return errors | {"panning": _mean(list(errors.values()))}


def _dynamic(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    features, reference_features = _dynamic_features(mix), _dynamic_features(reference)
    errors = {name: _running_error(features[name], reference_features[name]) for name in features}
    return errors | {"dynamic": _mean(list(errors.values()))}


def _dynamic_features(description: FieldDescription) -> dict[str, Floats]:
    """Features of the mean of both channels as they go into the running mean, [M] each."""
    within = _frames_within(description)
    gain_db = 20 * np.log10(description.gain)

    def normalise(level_db_M: Floats) -> Floats:
        return np.where(level_db_M > SILENT_DB, level_db_M + gain_db, SILENT_DB)

    def crest(levels: LevelFrames) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return normalise(levels.peak_db_M[within]) / normalise(levels.rms_db_M[within])

    left, right = description.levels
    rms_M = (normalise(left.rms_db_M[within]) + normalise(right.rms_db_M[within])) / 2
    spread_M = (left.spread_db_M[within] + right.spread_db_M[within]) / 2
    features = {
        "rms_level": SHIFT - rms_M,
        "dynamic_spread": SHIFT - spread_M,
        "crest_factor": (crest(left) + crest(right)) / 2,
    }
    return features if np.isfinite(gain_db) else {name: np.full(len(rms_M), np.nan) for name in features}


def _frames_within(description: FieldDescription) -> slice:
    """The whole frames of the excerpt that the field's programs look at."""
    start, stop = description.span
    first = start // HOP
    return slice(first, first + max((stop - start - N_FFT) // HOP + 1, 0))


def _running_error(mix_M: Floats, reference_M: Floats) -> float:
    length = min(len(mix_M), len(reference_M))
    return _relative_error(_running_mean(mix_M[:length]), _running_mean(reference_M[:length]))


def _running_mean(values_M: Floats) -> Floats:
    """Means of every 40 neighbours; nothing where there are fewer."""
    if len(values_M) < RUNNING_FRAMES or not np.isfinite(values_M).all():
        return np.zeros(0)
    sums_M = np.cumsum(np.concatenate([[0.0], values_M]))
    result: Floats = (sums_M[RUNNING_FRAMES:] - sums_M[:-RUNNING_FRAMES]) / RUNNING_FRAMES
    return result


def _relative_error(mix_M: Floats, reference_M: Floats) -> float:
    """Mean absolute percentage error as scikit-learn defines it, a fraction; nan where it refuses."""
    if not len(mix_M) or len(mix_M) != len(reference_M):
        return float("nan")
    if not (np.isfinite(mix_M).all() and np.isfinite(reference_M).all()):
        return float("nan")
    scale_M = np.maximum(np.abs(reference_M), np.finfo(np.float64).eps)
    return float(np.mean(np.abs(mix_M - reference_M) / scale_M))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
