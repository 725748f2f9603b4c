"""What a mix is like, as band energies per frame: described once, compared with many.

Legend: `T` samples, `C` channels, `M` frames of the spectrum, `N` bins, `B` bands, `F` frames in time.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import Bands, bin_frequencies, fractional_octaves, spectrum_blocks, sum_bands
from mixcli.measures.running_features import Series, describe_features, squared
from mixcli.measures.time_frames import frame_blocks, rms_and_peak

N_FFT, HOP = 4096, 1024
LEVEL_FRAME_S = 0.4
TINY_AMPLITUDE = 1e-6  # -120 dBFS, the level of a silent frame

THIRDS = fractional_octaves(40.0, 16_000.0, 3)
SIXTHS = fractional_octaves(80.0, 15_000.0, 6)
OCTAVES = fractional_octaves(125.0, 8000.0, 1)
BALANCE_EDGES_HZ = (30.0, 80.0, 160.0, 320.0, 640.0, 1280.0, 2560.0, 5120.0, 10_240.0, 18_000.0)
BALANCE_BANDS = list(pairwise(BALANCE_EDGES_HZ))

Energies = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Band energies, levels and features of one stereo signal, frame by frame.

    Energies are sums of squared spectral magnitudes under a Hann window; a sine of amplitude 1 reads 0.375.
    Mid is (left + right) / 2, side (left - right) / 2. Some 140 numbers every 1024 samples.
    """

    sample_rate: int
    mid_thirds_MB: Energies  # in THIRDS
    side_thirds_MB: Energies
    left_octaves_MB: Energies  # in OCTAVES
    right_octaves_MB: Energies
    mid_balance_MB: Energies  # in BALANCE_BANDS
    mid_sixths_MB: Energies  # in SIXTHS, every second frame
    side_sixths_MB: Energies
    level_db_F: Series  # frames of 0.4 s over both channels
    crest_db_F: Series
    features: dict[str, Series]  # of running_features.describe_features


def describe_profile(signal_TC: NDArray[np.float32], sample_rate: int) -> Profile:
    """Describe a stereo signal [T, 2] in blocks; one shorter than a frame is filled up with silence.

    Frames are 4096 samples, every 1024, at rates up to 88.2 kHz; twice that from there on, four times from
    176.4 kHz, so that the lowest bands keep a bin.
    """
    scale = frame_scale(sample_rate)
    left_blocks = spectrum_blocks(signal_TC[:, 0], N_FFT * scale, HOP * scale)
    right_blocks = spectrum_blocks(signal_TC[:, 1], N_FFT * scale, HOP * scale)
    parts: list[tuple[Energies, ...]] = []
    frequencies_N = bin_frequencies(sample_rate, N_FFT * scale)
    n_frames = 0
    for left_MN, right_MN in zip(left_blocks, right_blocks, strict=True):
        # Of every second frame of the whole signal, wherever the block starts.
        parts.append(_block_energies(left_MN, right_MN, frequencies_N, first_even=n_frames % 2))
        n_frames += len(left_MN)
    energies = [np.concatenate(series) for series in zip(*parts, strict=True)]
    level_db_F, crest_db_F = _levels_and_crests(signal_TC, sample_rate)
    return Profile(
        sample_rate=sample_rate,
        mid_thirds_MB=energies[0],
        side_thirds_MB=energies[1],
        left_octaves_MB=energies[2],
        right_octaves_MB=energies[3],
        mid_balance_MB=energies[4],
        mid_sixths_MB=energies[5],
        side_sixths_MB=energies[6],
        level_db_F=level_db_F,
        crest_db_F=crest_db_F,
        features=describe_features(signal_TC, sample_rate, scale),
    )


def frame_scale(sample_rate: int) -> int:
    """How many times 4096 samples a frame has: the power of two that keeps it near 0.1 s at high rates."""
    return 1 << max((sample_rate // 44_100).bit_length() - 1, 0)


def filled_bands(sample_rate: int, bands: Bands) -> NDArray[np.bool_]:
    """Which bands hold a bin at this rate, [B]; the others lie above half the rate or between two bins."""
    frequencies_N = bin_frequencies(sample_rate, N_FFT * frame_scale(sample_rate))
    edges = np.searchsorted(frequencies_N, np.array(bands))
    return np.asarray(edges[:, 1] > edges[:, 0])


def _block_energies(
    left_MN: NDArray[np.complex64], right_MN: NDArray[np.complex64], frequencies_N: Series, *, first_even: int
) -> tuple[Energies, ...]:
    def energies(power_MN: NDArray[np.float32], bands: Bands) -> Energies:
        return sum_bands(power_MN, frequencies_N, bands).astype(np.float32)

    # By difference of the spectra, not of powers: a mono signal then has exactly no side.
    half = np.float32(0.5)
    mid_MN, side_MN = squared((left_MN + right_MN) * half), squared((left_MN - right_MN) * half)
    return (
        energies(mid_MN, THIRDS),
        energies(side_MN, THIRDS),
        energies(squared(left_MN), OCTAVES),
        energies(squared(right_MN), OCTAVES),
        energies(mid_MN, BALANCE_BANDS),
        energies(mid_MN[first_even::2], SIXTHS),
        energies(side_MN[first_even::2], SIXTHS),
    )


def _levels_and_crests(signal_TC: NDArray[np.float32], sample_rate: int) -> tuple[Series, Series]:
    levels, crests = [np.zeros(0)], [np.zeros(0)]
    for frames_FTC in frame_blocks(signal_TC, max(int(LEVEL_FRAME_S * sample_rate), 1)):
        rms_F, peak_F = rms_and_peak(frames_FTC.reshape(len(frames_FTC), -1))
        level_db_F = 20 * np.log10(rms_F + TINY_AMPLITUDE)
        levels.append(level_db_F)
        crests.append(20 * np.log10(peak_F + TINY_AMPLITUDE) - level_db_F)
    return np.concatenate(levels), np.concatenate(crests)
