"""The field's features as absolute errors in natural units, over the whole song.

Where the field divides by the reference's value, this takes differences of octaves, dB, LU and panning;
where a single peak, digital zeros or the noise of a coder rule its features, this leaves them out. Legend:
`C` channels, `M` frames, `B` bands, `K` frames of 400 ms.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import ABSOLUTE_GATE_LUFS
from mixcli.measures.field_features import SILENT_DB, FieldDescription
from mixcli.measures.field_spectrum import FLOOR_DB, N_FFT, SpectralFrames
from mixcli.measures.measure import Measure

RUNNING_FRAMES = 40  # as the field takes: about a second, so that a note that comes late weighs little
SILENCE_DB = -60.0  # below the loudest frame
CONTRAST_BANDS = ("low", "mid", "high")
FEATURES = (
    "centroid_octaves",
    "bandwidth_octaves",
    "rolloff_octaves",
    "flatness_db",
    "rms_db",
    "spread_db",
    "crest_db",
    *(f"contrast_{band}" for band in CONTRAST_BANDS),
)
SOURCE = "features of automix-toolkit and FxNorm-automix, as absolute errors"

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def _measure(name: str, unit: str, text: str) -> Measure:
    return Measure(key=f"robust_{name}", unit=unit, family="robust", better="lower", text=text, source=SOURCE)


MEASURES = (
    _measure("loudness_lu", "LU", "median error of the momentary loudness"),
    _measure("centroid_octaves", "octaves", "median error of the spectral centroid"),
    _measure("bandwidth_octaves", "octaves", "median error of the spectral bandwidth"),
    _measure(
        "rolloff_octaves", "octaves", "median error of the frequency below which 85 % of the spectrum lie"
    ),
    _measure("contrast_db", "dB", "median error of peaks over valleys of the spectrum, mean of three bands"),
    _measure("flatness_db", "dB", "median error of the spectral flatness"),
    _measure("panning_total_sps", "SPS", "median error of the RMS of the stereo panning spectrum, 0 to 1"),
    _measure("panning_low_sps", "SPS", "the same below 250 Hz"),
    _measure("panning_mid_sps", "SPS", "the same from 250 to 2500 Hz"),
    _measure("panning_high_sps", "SPS", "the same above 2500 Hz"),
    _measure("rms_db", "dB", "median error of the RMS level of frames of 4096 samples"),
    _measure("spread_db", "dB", "median error of the samples' mean level about the RMS level"),
    _measure("crest_db", "dB", "median error of peak over RMS level of frames of 4096 samples"),
)


def compare_robust(mix: FieldDescription, reference: FieldDescription) -> dict[str, float]:
    """Median errors of a mix that was brought to the reference's loudness.

    Frames in which either is silent (60 dB below its loudest frame; of the channel itself for levels and
    spectra) are left out. Then, as the field does, a running mean over 40 frames (of octaves and dB, so a
    mean of ratios; a plain mean where there are fewer), the absolute difference, and its median, so that one
    section that differs, an ending or a break, does not decide. Channels are averaged; one that is silent in
    either does not count. Loudness has no running mean: it is one already. nan where no frame is left.
    """
    active_CM, total_M = _active_frames(mix)
    reference_CM, reference_total_M = _active_frames(reference)
    length = min(active_CM.shape[1], reference_CM.shape[1])
    active_CM = active_CM[:, :length] & reference_CM[:, :length]
    values = {}
    for name in FEATURES:
        errors = [_error(_feature(mix, name, c), _feature(reference, name, c), active_CM[c]) for c in (0, 1)]
        values[name] = _mean_of_known(errors)
    values["contrast_db"] = sum(values[f"contrast_{band}"] for band in CONTRAST_BANDS) / len(CONTRAST_BANDS)
    values["loudness_lu"] = _loudness_error(mix.momentary_lufs_K, reference.momentary_lufs_K)
    active_M = total_M[:length] & reference_total_M[:length]
    for band, name in enumerate(("total", "low", "mid", "high")):
        mix_M, reference_M = mix.active_panning_MB[:, band], reference.active_panning_MB[:, band]
        values[f"panning_{name}_sps"] = _error(mix_M, reference_M, active_M)
    return {measure.key: values[measure.key.removeprefix("robust_")] for measure in MEASURES}


def _feature(description: FieldDescription, name: str, channel: int) -> Floats:
    """A feature of one channel in units that differences are taken of, [M]."""
    frames, levels = description.spectra[channel], description.levels[channel]
    match name:
        case "centroid_octaves":
            return _octaves(frames.centroid_hz_M, description.sample_rate)
        case "bandwidth_octaves":
            return _octaves(frames.bandwidth_hz_M, description.sample_rate)
        case "rolloff_octaves":
            return _octaves(frames.rolloff_hz_M, description.sample_rate)
        case "flatness_db":
            return frames.flatness_db_M
        case "rms_db":
            return levels.rms_db_M
        case "spread_db":
            return levels.active_spread_db_M
        case "crest_db":
            return levels.peak_db_M - levels.rms_db_M
    contrast_db_MB = _contrast_db(frames)
    bands: list[Floats] = [contrast_db_MB[:, 0], contrast_db_MB[:, 1:-1].mean(axis=1), contrast_db_MB[:, -1]]
    return bands[CONTRAST_BANDS.index(name.removeprefix("contrast_"))]


def _active_frames(description: FieldDescription) -> tuple[Flags, Flags]:
    """Frames within 60 dB of the loudest: of each channel, [C, M], and of both together, [M]."""
    rms_db_CM = np.stack([levels.rms_db_M for levels in description.levels])
    total_db_M = 10 * np.log10((10 ** (rms_db_CM / 10)).sum(axis=0))
    return _audible(rms_db_CM), _audible(total_db_M)


def _audible(level_db: Floats) -> Flags:
    result: Flags = (level_db > level_db.max(initial=-np.inf) + SILENCE_DB) & (level_db > SILENT_DB)
    return result


def _loudness_error(mix_K: Floats, reference_K: Floats) -> float:
    length = min(len(mix_K), len(reference_K))
    mix_K, reference_K = mix_K[:length], reference_K[:length]
    active_K = _audible(mix_K) & _audible(reference_K)
    active_K &= (mix_K > ABSOLUTE_GATE_LUFS) & (reference_K > ABSOLUTE_GATE_LUFS)
    return (
        float(np.median(np.abs(mix_K[active_K] - reference_K[active_K]))) if active_K.any() else float("nan")
    )


def _error(mix_M: Floats, reference_M: Floats, active_M: Flags) -> float:
    """Median difference of the running means over active frames in which both have a value."""
    length = len(active_M)
    mix_M, reference_M = mix_M[:length], reference_M[:length]
    kept = active_M & np.isfinite(mix_M) & np.isfinite(reference_M)
    if not kept.any():
        return float("nan")
    return float(np.median(np.abs(_running_mean(mix_M[kept]) - _running_mean(reference_M[kept]))))


def _running_mean(values_M: Floats) -> Floats:
    length = min(RUNNING_FRAMES, len(values_M))
    sums_M = np.cumsum(np.concatenate([[0.0], values_M]))
    result: Floats = (sums_M[length:] - sums_M[:-length]) / length
    return result


def _mean_of_known(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def _octaves(frequency_hz_M: Floats, sample_rate: int) -> Floats:
    """Octaves above one bin, the least that the frames can tell."""
    bin_hz = sample_rate / N_FFT
    return np.log2(np.maximum(frequency_hz_M, bin_hz) / bin_hz)


def _contrast_db(frames: SpectralFrames) -> Floats:
    """Peaks over valleys in dB, both cut at 80 dB below the loudest bin; twice librosa's value."""
    floor_M1 = np.maximum(frames.loudest_M * 10 ** (FLOOR_DB / 20), np.finfo(np.float32).tiny)[:, None]
    ratio_MB = np.maximum(frames.peaks_MB, floor_M1) / np.maximum(frames.valleys_MB, floor_M1)
    return 20 * np.log10(ratio_MB)
