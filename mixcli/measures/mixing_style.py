"""The audio-feature distance of Diff-MST: level, crest, width, imbalance and Bark spectrum.

Legend: `T` samples, `C` channels, `N` frequency bins, `M` frames, `B` Bark bands, `S` mid and side.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import bin_frequencies
from mixcli.measures.measure import Measure

N_FFT, HOP = 32_768, 8192
FRAMES_PER_BLOCK = 16
SAMPLES_PER_BLOCK = 1 << 18
N_BARKS, LOWEST_HZ, HIGHEST_HZ = 24, 20.0, 20_000.0
SMALLEST = 1e-8
WEIGHTS = {"rms": 0.1, "crest": 0.001, "width": 1.0, "imbalance": 1.0, "bark": 0.1}
SOURCE = "Vanka et al., Diff-MST, ISMIR 2024; features after De Man et al. 2014"

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]


def _measure(key: str, text: str) -> Measure:
    return Measure(key=key, unit="", family="compatible", better="lower", text=text, source=SOURCE)


MEASURES = (
    _measure("style_rms", "squared error of the RMS amplitude, mean of the channels"),
    _measure("style_crest", "squared error of the crest factor in dB, mean of the channels"),
    _measure("style_width", "squared error of side by mid energy"),
    _measure("style_imbalance", "squared error of the energy of right less left, by their sum"),
    _measure("style_bark", "squared error of the logarithmic Bark spectra of mid and side"),
    _measure("style", "weighted sum of the five: 0.1, 0.001, 1, 1, 0.1"),
)


@dataclass(frozen=True, kw_only=True)
class StyleDescription:
    """Five features of one signal; `bark_SB` holds logarithms of mean magnitudes, nan if too short."""

    rms_C: Floats
    crest_db_C: Floats
    width: float
    imbalance: float
    bark_SB: Floats


def describe_style(signal_TC: Samples, sample_rate: int) -> StyleDescription:
    """Describe one stereo signal, [T, 2].

    SOURCE: Diff-MST, mst/loss.py, with its floors of 1e-8 on mean squares, ratios and magnitudes.
    """
    energy_C, energy_S, peak_C = np.zeros(2), np.zeros(2), np.zeros(2)
    for start in range(0, len(signal_TC), SAMPLES_PER_BLOCK):
        part_TC = np.asarray(signal_TC[start : start + SAMPLES_PER_BLOCK], np.float32)
        part_CT = np.ascontiguousarray(part_TC.T)
        energy_C += (part_CT * part_CT).sum(axis=1)
        peak_C = np.maximum(peak_C, np.abs(part_CT).max(axis=1))
        middle_side_ST = _middle_side(part_TC)
        energy_S += (middle_side_ST * middle_side_ST).sum(axis=1)
    n_samples = max(len(signal_TC), 1)
    power_C, power_S = energy_C / n_samples, energy_S / n_samples
    rms_C = np.sqrt(np.maximum(power_C, SMALLEST))
    return StyleDescription(
        rms_C=rms_C,
        crest_db_C=20 * np.log10(np.maximum(peak_C / rms_C, SMALLEST)),
        width=float(power_S[1] / max(power_S[0], SMALLEST)),
        imbalance=float((power_C[1] - power_C[0]) / max(power_C.sum(), SMALLEST)),
        bark_SB=_bark_spectra(signal_TC, sample_rate),
    )


def compare_style(mix: StyleDescription, reference: StyleDescription) -> dict[str, float]:
    """Mean squared errors of the five features, and their weighted sum; nan where a Bark spectrum is."""
    errors = {
        "rms": _squared_error(mix.rms_C, reference.rms_C),
        "crest": _squared_error(mix.crest_db_C, reference.crest_db_C),
        "width": (mix.width - reference.width) ** 2,
        "imbalance": (mix.imbalance - reference.imbalance) ** 2,
        "bark": _squared_error(mix.bark_SB, reference.bark_SB),
    }
    total = sum(weight * errors[name] for name, weight in WEIGHTS.items())
    return {f"style_{name}": error for name, error in errors.items()} | {"style": total}


def bark_bank(sample_rate: int) -> Floats:
    """Triangles that overlap half and half on Traunmüller's Bark scale, [N, B].

    SOURCE: Diff-MST, mst/filter.py, as it computes: the scale's correction above 20.1 Bark is made on the way
    to Bark, not on the way back, so the highest triangle reaches beyond 20 kHz (to some 32 kHz).
    """
    edges_bark = np.linspace(_hz_to_bark(LOWEST_HZ), _hz_to_bark(HIGHEST_HZ), N_BARKS + 2)
    edges_bark = np.where(edges_bark < 2, (edges_bark - 0.3) / 0.85, edges_bark)
    edges_hz = 1960 * (edges_bark + 0.53) / (26.28 - edges_bark)
    width_hz = np.diff(edges_hz)
    distance_hz = edges_hz[None, :] - bin_frequencies(sample_rate, N_FFT)[:, None]
    rising, falling = -distance_hz[:, :-2] / width_hz[:-1], distance_hz[:, 2:] / width_hz[1:]
    return np.maximum(np.minimum(rising, falling), 0.0)


def _hz_to_bark(frequency_hz: float) -> float:
    bark = 26.81 * frequency_hz / (1960 + frequency_hz) - 0.53
    if bark < 2:
        return bark + 0.15 * (2 - bark)
    return bark + 0.22 * (bark - 20.1) if bark > 20.1 else bark


def _bark_spectra(signal_TC: Samples, sample_rate: int) -> Floats:
    """Logarithm of the Bark spectra of mid (L + R) and side (L - R), magnitudes averaged over frames, [2, B].

    Frames of 32,768 samples, 8192 apart, under a periodic Hann window, centred: the ends are mirrored, as
    torch.stft does. A signal of half a frame or less cannot be mirrored and gives nan.
    """
    from scipy.fft import rfft

    n_samples, half = len(signal_TC), N_FFT // 2
    if n_samples <= half:
        return np.full((2, N_BARKS), np.nan)
    window_N = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)).astype(np.float32)
    n_frames = n_samples // HOP + 1
    total_SN = np.zeros((2, half + 1))
    for first in range(0, n_frames, FRAMES_PER_BLOCK):
        stop = min(first + FRAMES_PER_BLOCK, n_frames)
        part_TC = _mirrored(signal_TC, first * HOP - half, (stop - 1) * HOP + half)
        frames_SMT = np.lib.stride_tricks.sliding_window_view(_middle_side(part_TC), N_FFT, axis=1)[:, ::HOP]
        spectrum_SMN = rfft(frames_SMT * window_N, axis=2)
        magnitude_SMN = np.sqrt(spectrum_SMN.real**2 + spectrum_SMN.imag**2)
        total_SN += magnitude_SMN.sum(axis=1)
    return np.log(total_SN / n_frames @ bark_bank(sample_rate) + SMALLEST)


def _mirrored(signal_TC: Samples, start: int, stop: int) -> Samples:
    """A stretch that may reach over the ends of a signal, which are mirrored there."""
    n_samples = len(signal_TC)
    before, after = max(-start, 0), max(stop - n_samples, 0)
    part_TC = np.asarray(signal_TC[max(start, 0) : min(stop, n_samples)], np.float32)
    head_TC = np.asarray(signal_TC[1 : before + 1], np.float32)[::-1]
    tail_TC = np.asarray(signal_TC[n_samples - 1 - after : n_samples - 1], np.float32)[::-1]
    return np.concatenate([head_TC, part_TC, tail_TC])


def _middle_side(signal_TC: Samples) -> Samples:
    left_T, right_T = signal_TC[:, 0], signal_TC[:, 1]
    return np.stack([left_T + right_T, left_T - right_T])


def _squared_error(mix: Floats, reference: Floats) -> float:
    return float(np.mean((mix - reference) ** 2))
