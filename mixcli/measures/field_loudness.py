"""Loudness of short frames, each filtered from rest, as the field's programs measure it.

Legend: `T` samples, `C` channels, `K` frames of 400 ms.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import ABSOLUTE_GATE_LUFS, MEAN_SQUARE_OFFSET_LU, MOMENTARY_HOPS, LoudnessMeter

FRAME_S, STEP_S = 0.4, 0.2
SHELF_DB, SHELF_HZ, SHELF_Q = 4.0, 1500.0, 0.5**0.5  # pyloudnorm's default, 0.04 LU off the standard's
HIGH_PASS_HZ, HIGH_PASS_Q = 38.0, 0.5
FRAMES_PER_PASS = 16
SECONDS_PER_PASS = 10

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]


def loudness_frames(signal_TC: Samples, sample_rate: int) -> tuple[Floats, Floats]:
    """Loudness in LUFS and sample peak in dBFS of frames of 400 ms, 200 ms apart, [K] each.

    A frame is as long as one gating block, so the absolute gate alone counts: -inf at -70 LUFS and below. The
    peak is -inf in digital silence. Only whole frames count.

    SOURCE: automix-toolkit, `get_lufs_peak_frames`, with pyloudnorm's default filter, which starts from rest
    in every frame (its high pass needs some 20 ms to settle, so this differs from a momentary loudness). At
    44,100 Hz frames are its 17,640 samples, 8,820 apart; at other rates they keep their 400 and 200 ms, as
    pyloudnorm takes nothing shorter.
    """
    from scipy.signal import sosfilt

    length, step = round(FRAME_S * sample_rate), round(STEP_S * sample_rate)
    if len(signal_TC) < length:
        return np.zeros(0), np.zeros(0)
    sos = default_weighting_sos(sample_rate)
    frames_KCT = np.lib.stride_tricks.sliding_window_view(signal_TC, length, axis=0)[::step]
    energies, peaks = [], []
    for first in range(0, len(frames_KCT), FRAMES_PER_PASS):
        part_KCT = np.ascontiguousarray(frames_KCT[first : first + FRAMES_PER_PASS])
        peaks.append(np.abs(part_KCT).max(axis=(1, 2)))
        weighted_KCT = sosfilt(sos, part_KCT.astype(np.float64))
        energies.append(np.einsum("kct,kct->k", weighted_KCT, weighted_KCT))
    with np.errstate(divide="ignore"):
        lufs_K = MEAN_SQUARE_OFFSET_LU + 10 * np.log10(np.concatenate(energies) / (FRAME_S * sample_rate))
        peak_db_K = 20 * np.log10(np.concatenate(peaks).astype(np.float64))
    return np.where(lufs_K > ABSOLUTE_GATE_LUFS, lufs_K, -np.inf), peak_db_K


def momentary_lufs(signal_TC: Samples, sample_rate: int) -> Floats:
    """Momentary loudness of BS.1770 and EBU Tech 3341, ten a second, [K]; -inf in digital silence."""
    meter = LoudnessMeter(sample_rate, signal_TC.shape[1])
    step = SECONDS_PER_PASS * sample_rate
    for start in range(0, len(signal_TC), step):
        meter.push(np.asarray(signal_TC[start : start + step], np.float32))
    energies = meter.hop_energies()
    if len(energies) < MOMENTARY_HOPS:
        return np.zeros(0)
    windows_K = np.lib.stride_tricks.sliding_window_view(energies, MOMENTARY_HOPS).mean(axis=1)
    with np.errstate(divide="ignore"):
        result: Floats = MEAN_SQUARE_OFFSET_LU + 10 * np.log10(windows_K)
    return result


def default_weighting_sos(sample_rate: int) -> Floats:
    """The filter of pyloudnorm's `Meter` as it is by default, [2, 6] second-order sections.

    SOURCE: R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients": high shelf, then
    high pass.
    """
    root = 10 ** (SHELF_DB / 40)
    w = 2 * np.pi * SHELF_HZ / sample_rate
    cosine, ripple = np.cos(w), 2 * np.sqrt(root) * np.sin(w) / (2 * SHELF_Q)
    shelf = [
        root * ((root + 1) + (root - 1) * cosine + ripple),
        -2 * root * ((root - 1) + (root + 1) * cosine),
        root * ((root + 1) + (root - 1) * cosine - ripple),
        (root + 1) - (root - 1) * cosine + ripple,
        2 * ((root - 1) - (root + 1) * cosine),
        (root + 1) - (root - 1) * cosine - ripple,
    ]
    w = 2 * np.pi * HIGH_PASS_HZ / sample_rate
    cosine, alpha = np.cos(w), np.sin(w) / (2 * HIGH_PASS_Q)
    half = (1 + cosine) / 2
    high_pass = [half, -2 * half, half, 1 + alpha, -2 * cosine, 1 - alpha]
    sections: Floats = np.array([shelf, high_pass])
    return sections / sections[:, 3:4]
