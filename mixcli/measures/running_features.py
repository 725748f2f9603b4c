"""Low-level features of a mix per frame, and how far the running means of two mixes lie apart.

Legend: `T` samples, `C` channels, `M` frames of the spectrum, `N` bins, `F` frames in time.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import bin_frequencies, spectrum_blocks, sum_bands
from mixcli.measures.measure import Measure
from mixcli.measures.time_frames import frame_blocks, rms_and_peak

N_FFT, HOP = 2048, 1024
FRAME_S = 0.1  # of level and crest
RUNNING_FRAMES = 20
ROLLOFF_SHARE = 0.85
PANNING_BANDS = ((0.0, 22_050.0), (0.0, 250.0), (250.0, 2800.0), (2800.0, 22_050.0))
PANNING_NAMES = ("panning", "panning_low", "panning_middle", "panning_high")
TINY_MAGNITUDE = 1e-9  # keeps silent frames defined: flat spectrum, nothing panned
TINY_POWER = 1e-10
TINY_RMS = 1e-6  # -120 dBFS
SMALL_VALUE = 1e-3  # relative errors count from here; below it the feature is as good as zero

Series = NDArray[np.float64]

MEASURES = (
    Measure(
        key="features",
        unit="",
        family="nearness",
        better="lower",
        text="mean relative error of running means of spectral centroid, bandwidth, rolloff, flatness, "
        "panning, level and crest",
        source="after Martínez-Ramírez et al., Automatic music mixing with deep learning and out-of-domain "
        "data, ISMIR 2022; panning after Tzanetakis et al., Stereo panning features, ISMIR 2007",
    ),
)


def describe_features(signal_TC: NDArray[np.float32], sample_rate: int, scale: int = 1) -> dict[str, Series]:
    """Ten features of a stereo signal [T, 2], each a series over frames.

    Of the mid's magnitudes: "centroid", "bandwidth" and "rolloff" (85 %) in Hz; of its power "flatness"; the
    four panning values are the root mean square over bins of how far a bin is from the middle (0 to 1), in
    all, below 250 Hz, to 2.8 kHz, above. Frames of 2048 samples every 1024, both times `scale`. "level_db"
    and "crest" (a ratio) are those of the mid in frames of 0.1 s; these two are empty under 0.1 s.
    """
    blocks: dict[str, list[Series]] = {}
    spectra = zip(
        spectrum_blocks(signal_TC[:, 0], N_FFT * scale, HOP * scale),
        spectrum_blocks(signal_TC[:, 1], N_FFT * scale, HOP * scale),
        strict=True,
    )
    frequencies_N = bin_frequencies(sample_rate, N_FFT * scale)
    for left_MN, right_MN in spectra:
        found = _spectral_shape(left_MN, right_MN, frequencies_N)
        found |= _panning(left_MN, right_MN, frequencies_N)
        for name, series_M in found.items():
            blocks.setdefault(name, []).append(series_M)
    features = {name: np.concatenate(parts) for name, parts in blocks.items()}
    return features | _level_and_crest(signal_TC, sample_rate)


def compare_features(mix: Mapping[str, Series], reference: Mapping[str, Series]) -> float:
    """Mean over the features of the mean relative error of their running means; nan under 0.1 s.

    Frames that only one of both has are left out.
    """
    errors = []
    for name, reference_series in reference.items():
        n_frames = min(len(mix[name]), len(reference_series))
        if not n_frames:
            return float("nan")
        found, wanted = _running_mean(mix[name][:n_frames]), _running_mean(reference_series[:n_frames])
        errors.append(np.mean(np.abs(found - wanted) / (np.abs(wanted) + SMALL_VALUE)))
    return float(np.mean(errors))


def _spectral_shape(
    left_MN: NDArray[np.complex64], right_MN: NDArray[np.complex64], frequencies_N: Series
) -> dict[str, Series]:
    power_MN = squared((left_MN + right_MN) * np.float32(0.5))
    magnitude_MN = np.sqrt(power_MN).astype(np.float64) + TINY_MAGNITUDE
    running_sum_MN = np.cumsum(magnitude_MN, axis=1)
    total_M = running_sum_MN[:, -1]
    centroid_M = np.einsum("mn,n->m", magnitude_MN, frequencies_N) / total_M
    # Second moment minus squared mean; in float64 the difference keeps ten digits.
    second_M = np.einsum("mn,n->m", magnitude_MN, frequencies_N**2) / total_M
    rolloff_bins_M = np.argmax(running_sum_MN >= ROLLOFF_SHARE * total_M[:, None], axis=1)
    log_power_M = np.log(power_MN + np.float32(TINY_POWER)).mean(axis=1, dtype=np.float64)
    return {
        "centroid": centroid_M,
        "bandwidth": np.sqrt(np.maximum(second_M - centroid_M**2, 0.0)),
        "rolloff": frequencies_N[rolloff_bins_M],
        "flatness": np.exp(log_power_M) / (power_MN.mean(axis=1, dtype=np.float64) + TINY_POWER),
    }


def _panning(
    left_MN: NDArray[np.complex64], right_MN: NDArray[np.complex64], frequencies_N: Series
) -> dict[str, Series]:
    left_power_MN, right_power_MN = squared(left_MN), squared(right_MN)
    both_MN = left_power_MN + right_power_MN + np.float32(TINY_MAGNITUDE)
    # The product of the roots: the product of the powers would leave float32's range in quiet bins.
    likeness_MN = 2 * np.sqrt(left_power_MN) * np.sqrt(right_power_MN) / both_MN
    # Equal powers are the middle, also where the small constant keeps the likeness from 1.
    off_centre_MN = np.where(left_power_MN == right_power_MN, np.float32(0), 1 - likeness_MN) ** 2
    sums_MB = sum_bands(off_centre_MN, frequencies_N, PANNING_BANDS)
    edges = np.searchsorted(frequencies_N, np.array(PANNING_BANDS))
    counts_B = np.maximum(edges[:, 1] - edges[:, 0], 1)
    return dict(zip(PANNING_NAMES, np.sqrt(sums_MB / counts_B).T, strict=True))


def _level_and_crest(signal_TC: NDArray[np.float32], sample_rate: int) -> dict[str, Series]:
    levels, crests = [np.zeros(0)], [np.zeros(0)]
    for frames_FTC in frame_blocks(signal_TC, max(int(FRAME_S * sample_rate), 1)):
        rms_F, peak_F = rms_and_peak((frames_FTC[:, :, 0] + frames_FTC[:, :, 1]) * np.float32(0.5))
        levels.append(20 * np.log10(rms_F + TINY_RMS))
        crests.append(peak_F / (rms_F + TINY_RMS))
    return {"level_db": np.concatenate(levels), "crest": np.concatenate(crests)}


def _running_mean(series_M: Series) -> Series:
    """Means of every 20 neighbours; of all, where there are fewer."""
    length = min(RUNNING_FRAMES, len(series_M))
    return np.convolve(series_M, np.full(length, 1 / length), "valid")


def squared(spectrum_MN: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Squared magnitudes, without the root that `abs` would take."""
    real_MN, imaginary_MN = spectrum_MN.real, spectrum_MN.imag
    power_MN: NDArray[np.float32] = real_MN * real_MN + imaginary_MN * imaginary_MN
    return power_MN
