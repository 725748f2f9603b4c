"""Energy of a signal in narrow bands, ten times a second.

Legend: `T` samples, `C` channels, `M` frames, `N` frequency bins, `G` groups of frames (0.1 s), `B` bands.
"""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import FRAMES_PER_BLOCK, Bands, bin_frequencies, count_frames, spectrum_blocks

FRAME_S = 0.0464  # about 2048 samples at 44.1 kHz, rounded to a power of two
FRAMES_PER_GROUP = 4  # of half a frame each: 93 ms
BANDS_PER_OCTAVE = 6
LOWEST_HZ = 30.0
LEAST_BINS = 3  # narrower bands hold less than the main lobe of the window
TO_MEAN_SQUARE = 4 / 3  # a sine of mean square 1/2 has a sum of 3/8 over the bins of a Hann window


def frame_length(sample_rate: int) -> int:
    """Samples of one frame: the power of two next to `FRAME_S`."""
    return max(int(2 ** round(math.log2(FRAME_S * sample_rate))), 64)


def group_seconds(sample_rate: int) -> float:
    """Time from one group to the next."""
    return FRAMES_PER_GROUP * frame_length(sample_rate) / 2 / sample_rate


def energy_bands(sample_rate: int) -> Bands:
    """Bands of a sixth of an octave up to half the rate, wider below where bins are few."""
    spacing_hz = sample_rate / frame_length(sample_rate)
    edges = [LOWEST_HZ]
    while edges[-1] < sample_rate / 2:
        edges.append(max(edges[-1] * 2 ** (1 / BANDS_PER_OCTAVE), edges[-1] + LEAST_BINS * spacing_hz))
    edges[-1] = sample_rate / 2 + spacing_hz
    if len(edges) > 2 and edges[-1] - edges[-2] < LEAST_BINS * spacing_hz:
        del edges[-2]
    return list(itertools.pairwise(edges))


def describe_energy(signal_TC: NDArray[np.float32], sample_rate: int) -> NDArray[np.float32]:
    """Mean square per group and band, mean over the channels, [G, B]; two equal channels are read once."""
    n_fft = frame_length(sample_rate)
    frequencies_N = bin_frequencies(sample_rate, n_fft)
    edges = [int(np.searchsorted(frequencies_N, low)) for low, _ in energy_bands(sample_rate)]
    hop = n_fft // 2
    total = count_frames(len(signal_TC), n_fft, hop)
    groups = []
    step = FRAMES_PER_BLOCK  # a multiple of the group
    for first in range(0, total, step):
        n_frames = min(step, total - first)
        part_TC = np.asarray(signal_TC[first * hop : (first + n_frames - 1) * hop + n_fft], np.float32)
        channels = [np.ascontiguousarray(part_TC[:, 0])]
        if part_TC.shape[1] > 1 and not np.array_equal(part_TC[:, 0], part_TC[:, 1]):
            channels.append(np.ascontiguousarray(part_TC[:, 1]))
        n_groups = math.ceil(n_frames / FRAMES_PER_GROUP)
        power_GN = np.zeros((n_groups, len(frequencies_N)), np.float32)
        if part_TC.any():
            starts = np.arange(0, n_frames, FRAMES_PER_GROUP)
            counts_G1 = np.diff([*starts, n_frames])[:, None]
            for channel_T in channels:
                for spectrum_MN in spectrum_blocks(channel_T, n_fft, hop):
                    power_MN = np.square(spectrum_MN.real) + np.square(spectrum_MN.imag)
                    power_GN += np.add.reduceat(power_MN, starts, axis=0) / counts_G1
        groups.append(np.add.reduceat(power_GN, edges, axis=1) * (TO_MEAN_SQUARE / len(channels)))
    return np.concatenate(groups).astype(np.float32)
