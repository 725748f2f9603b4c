"""Frames of a signal in time, one after the other, in blocks: their level and their peak.

Legend: `T` samples, `C` channels, `F` frames.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FRAMES_PER_PASS = 32


def frame_blocks(signal_TC: NDArray[np.float32], length: int) -> Iterator[NDArray[np.float32]]:
    """Whole frames without overlap, in blocks of [F, length, C]; a rest at the end is dropped."""
    n_frames = len(signal_TC) // length
    for first in range(0, n_frames, FRAMES_PER_PASS):
        stop = min(first + FRAMES_PER_PASS, n_frames)
        part_TC = np.asarray(signal_TC[first * length : stop * length], np.float32)
        yield part_TC.reshape(stop - first, length, -1)


def rms_and_peak(frames_FX: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Root mean square and highest absolute sample of each row, both [F], linear."""
    mean_square_F = np.einsum("fx,fx->f", frames_FX, frames_FX, dtype=np.float64) / frames_FX.shape[1]
    peak_F = np.maximum(frames_FX.max(axis=1), -frames_FX.min(axis=1))
    return np.sqrt(mean_square_F), peak_F.astype(np.float64)
