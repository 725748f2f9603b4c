"""The features by which the field compares mixes: loudness, spectrum, panning and dynamics of one signal.

One description serves both comparisons, as the field's programs make it (`compatible.py`) and in natural
units (`robust.py`). Legend: `T` samples, `C` channels, `H` hops of 1024 samples, `M` frames of four hops,
`B` bands, `K` frames of 400 ms.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.field_loudness import loudness_frames, momentary_lufs
from mixcli.measures.field_spectrum import (
    HOP,
    N_FFT,
    SpectralFrames,
    magnitudes,
    panning_frames,
    spectral_frames,
)
from mixcli.measures.frames import FRAMES_PER_BLOCK, bin_frequencies, count_frames

EXCERPT_S = 30  # automix-toolkit looks at the first 1,323,000 samples at 44,100 Hz
TRIM_DB = 45.0
NORMALISED_PEAK_DBFS = -1.0
QUIETEST_POWER = 1e-10  # librosa's amplitude_to_db sees nothing below -100 dBFS
SILENT_DB = -600.0  # automix-toolkit adds 1e-30 to every sample before the logarithm
ACTIVE_SAMPLE_DB = -90.0  # below the RMS level of the loudest hop: what 16 bits can hold
HOPS_PER_FRAME = N_FFT // HOP
LOW_PASS_HZ, LOW_PASS_ORDER = 1000.0, 4
LOW_RATIO_OFFSET = 1e-5

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]
Span = tuple[int, int]  # samples, start (a multiple of 1024) and stop


@dataclass(frozen=True, kw_only=True)
class LevelFrames:
    """Levels of frames of one channel, in dB of full scale; -600 for digital silence.

    `spread_db_M` is the mean of the samples' own levels less the RMS level, at -1 dBFS peak and with -600 dB
    for digital zeros; `active_spread_db_M` leaves out samples more than 90 dB below the
    RMS level of the channel's loudest hop.
    """

    rms_db_M: Floats
    peak_db_M: Floats
    spread_db_M: Floats
    active_spread_db_M: Floats


@dataclass(frozen=True, kw_only=True)
class FieldDescription:
    """The features of one signal; frames begin at every 1024th sample of the whole signal.

    `gain` brings the peak within `span` to -1 dBFS, nan where there is only silence. `loudness_lufs_K`,
    `loudness_peak_db_K` (filtered from rest in every frame) and `low_ratio_M` are of the span alone;
    `momentary_lufs_K` is of the whole signal, ten a second.
    """

    sample_rate: int
    span: Span
    gain: float
    spectra: tuple[SpectralFrames, SpectralFrames]
    levels: tuple[LevelFrames, LevelFrames]
    panning_MB: Floats
    active_panning_MB: Floats
    low_ratio_M: Floats
    loudness_lufs_K: Floats
    loudness_peak_db_K: Floats
    momentary_lufs_K: Floats


def describe_field(signal_TC: Samples, sample_rate: int, span: Span | None = None) -> FieldDescription:
    """Describe one stereo signal, [T, 2].

    `span` is the part that the field's programs would look at: the reference's `trim_range`, also for a mix
    that is compared with it; the signal's own where it is not given. It begins at a multiple of 1024 samples,
    else ValueError. A signal shorter than one frame is filled up with silence. Frames keep their length in
    samples at every rate; those of loudness keep theirs in seconds.
    """
    start, stop = trim_range(signal_TC, sample_rate) if span is None else span
    if start % HOP:
        raise ValueError(f"a span must begin at a multiple of {HOP} samples, not at {start}")
    stop = min(stop, len(signal_TC))
    excerpt_TC = np.asarray(signal_TC[start:stop], np.float32)
    peak = _peak(excerpt_TC)
    gain = 10 ** (NORMALISED_PEAK_DBFS / 20) / peak if peak > 0 else np.nan
    lufs_K, peak_db_K = loudness_frames(excerpt_TC, sample_rate)
    if len(signal_TC) < N_FFT:
        signal_TC = np.pad(signal_TC, ((0, N_FFT - len(signal_TC)), (0, 0)))
    spectra, panning_MB, active_MB = _spectra(signal_TC, sample_rate, gain if peak > 0 else 1.0)
    left, right = (_levels(signal_TC[:, channel], gain) for channel in (0, 1))
    return FieldDescription(
        sample_rate=sample_rate,
        span=(start, stop),
        gain=gain,
        spectra=spectra,
        levels=(left, right),
        panning_MB=panning_MB,
        active_panning_MB=active_MB,
        low_ratio_M=_low_ratio(excerpt_TC, sample_rate, gain),
        loudness_lufs_K=lufs_K,
        loudness_peak_db_K=peak_db_K,
        momentary_lufs_K=momentary_lufs(signal_TC, sample_rate),
    )


def trim_range(signal_TC: Samples, sample_rate: int) -> Span:
    """First and last sample of the first 30 s of a signal, [T, 2], without silence at its ends.

    Silence is 45 dB below the loudest of all RMS frames (4096 samples about every 1024th) of either channel.
    A signal without any sound is not trimmed.

    SOURCE: automix-toolkit, `get_features`, with librosa.effects.trim.
    """
    excerpt_TC = np.asarray(signal_TC[: EXCERPT_S * sample_rate], np.float32)
    n_samples, half = len(excerpt_TC), N_FFT // 2
    n_hops = n_samples // HOP + HOPS_PER_FRAME
    padded_TC = np.pad(excerpt_TC, ((half, half), (0, 0)))[: n_hops * HOP]
    hops_HTC = padded_TC.reshape(n_hops, HOP, -1)
    energy_HC = (hops_HTC * hops_HTC).sum(axis=1, dtype=np.float64)
    level_M = _sliding_sum(energy_HC).max(axis=1) / N_FFT
    level_M = np.maximum(level_M, QUIETEST_POWER)
    heard = np.flatnonzero(level_M > level_M.max() * 10 ** (-TRIM_DB / 10))
    return int(heard[0]) * HOP, min(n_samples, (int(heard[-1]) + 1) * HOP)


def _spectra(
    signal_TC: Samples, sample_rate: int, gain: float
) -> tuple[tuple[SpectralFrames, SpectralFrames], Floats, Floats]:
    frequencies_N = bin_frequencies(sample_rate, N_FFT)
    n_frames = count_frames(len(signal_TC), N_FFT, HOP)
    lefts, rights, pannings, actives = [], [], [], []
    for first in range(0, n_frames, FRAMES_PER_BLOCK):
        stop = min(first + FRAMES_PER_BLOCK, n_frames)
        part_TC = np.asarray(signal_TC[first * HOP : (stop - 1) * HOP + N_FFT], np.float32)
        left_MN, right_MN = (magnitudes(np.ascontiguousarray(part_T)) for part_T in part_TC.T)
        lefts.append(spectral_frames(left_MN, frequencies_N, gain))
        rights.append(spectral_frames(right_MN, frequencies_N, gain))
        panning_MB, active_MB = panning_frames(left_MN, right_MN, sample_rate)
        pannings.append(panning_MB)
        actives.append(active_MB)
    return (_join(lefts), _join(rights)), np.concatenate(pannings), np.concatenate(actives)


def _join(blocks: list[SpectralFrames]) -> SpectralFrames:
    names = [field.name for field in fields(SpectralFrames)]
    return SpectralFrames(
        **{name: np.concatenate([getattr(block, name) for block in blocks]) for name in names}
    )


def _levels(signal_T: Samples, gain: float) -> LevelFrames:
    """Levels of the frames of one channel from sums over hops."""
    n_hops = len(signal_T) // HOP
    edges = [*range(0, n_hops, FRAMES_PER_BLOCK), n_hops]
    blocks = [slice(first * HOP, stop * HOP) for first, stop in pairwise(edges)]
    energies, rows = [], []
    for block in blocks:
        part_HT = np.asarray(signal_T[block], np.float32).reshape(-1, HOP)
        energies.append((part_HT * part_HT).sum(axis=1))
    threshold = np.sqrt(np.concatenate(energies).max() / HOP) * 10 ** (ACTIVE_SAMPLE_DB / 20)
    for block, energy_H in zip(blocks, energies, strict=True):
        size_HT = np.abs(np.asarray(signal_T[block], np.float32)).reshape(-1, HOP)
        level_HT = np.log(np.maximum(size_HT, np.float32(10 ** (SILENT_DB / 20))))
        active_HT = size_HT > threshold
        sums = [
            energy_H,
            level_HT.sum(axis=1),
            np.count_nonzero(size_HT, axis=1),
            (level_HT * active_HT).sum(axis=1),
            active_HT.sum(axis=1),
            size_HT.max(axis=1),
        ]
        rows.append(np.stack(sums, axis=1).astype(np.float64))
    hops_HB = np.concatenate(rows)
    energy_M, level_M, sounding_M, active_level_M, active_M = _sliding_sum(hops_HB[:, :5]).T
    peak_M = np.lib.stride_tricks.sliding_window_view(hops_HB[:, 5], HOPS_PER_FRAME).max(axis=1)
    db, gain_db = 20 / np.log(10), 20 * np.log10(gain)
    rms_db_M = _amplitude_db(np.sqrt(energy_M / N_FFT))
    # Digital zeros stay at -600 dB whatever the gain is.
    normalised_M = (level_M * db + sounding_M * gain_db) / N_FFT
    active_mean_M = np.where(active_M > 0, active_level_M * db / np.maximum(active_M, 1), np.nan)
    return LevelFrames(
        rms_db_M=rms_db_M,
        peak_db_M=_amplitude_db(peak_M),
        spread_db_M=normalised_M - np.where(energy_M > 0, rms_db_M + gain_db, SILENT_DB),
        active_spread_db_M=active_mean_M - rms_db_M,
    )


def _low_ratio(excerpt_TC: Samples, sample_rate: int, gain: float) -> Floats:
    """Sum over bins of low-passed by whole magnitude at -1 dBFS peak, mean of the channels, [M].

    SOURCE: FxNorm-automix, `get_low_freq_weighting`: Butterworth of 4th order at 1 kHz, there and back.
    """
    from scipy.signal import butter, filtfilt

    if len(excerpt_TC) < N_FFT or not np.isfinite(gain) or sample_rate <= 2 * LOW_PASS_HZ:
        return np.zeros(0)
    numerator, denominator = butter(LOW_PASS_ORDER, LOW_PASS_HZ / (sample_rate / 2))
    n_frames = count_frames(len(excerpt_TC), N_FFT, HOP)
    ratio_M = np.zeros(n_frames)
    for channel_T in excerpt_TC.T:
        low_T = filtfilt(numerator, denominator, channel_T)
        for first in range(0, n_frames, FRAMES_PER_BLOCK):
            stop = min(first + FRAMES_PER_BLOCK, n_frames)
            part = slice(first * HOP, (stop - 1) * HOP + N_FFT)
            low_MN, all_MN = magnitudes(low_T[part], gain), magnitudes(channel_T[part], gain)
            ratio_M[first:stop] += (low_MN / (all_MN + LOW_RATIO_OFFSET)).sum(axis=1) / excerpt_TC.shape[1]
    return ratio_M


def _peak(signal_TC: Samples) -> float:
    step = FRAMES_PER_BLOCK * HOP
    return max(
        (float(np.abs(signal_TC[k : k + step]).max()) for k in range(0, len(signal_TC), step)), default=0.0
    )


def _sliding_sum(hops_HB: Floats) -> Floats:
    """Sums over the hops of every frame, [H, B] to [M, B]."""
    n_frames = len(hops_HB) - HOPS_PER_FRAME + 1
    sums_MB: Floats = np.stack([hops_HB[k : k + n_frames] for k in range(HOPS_PER_FRAME)]).sum(axis=0)
    return sums_MB


def _amplitude_db(amplitude_M: Floats) -> Floats:
    level_db_M: Floats = 20 * np.log10(np.maximum(amplitude_M, 10 ** (SILENT_DB / 20)))
    return level_db_M
