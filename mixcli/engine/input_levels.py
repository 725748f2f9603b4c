"""Bringing the inputs of a song to the peaks that a network was trained with: one gain each, for the song.

Letters: K inputs, T samples.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.engine.prepare import InputPlan, InputReader

BLOCK = 65_536


def measure_input_gains(
    plan: InputPlan, peak_dbfs: float | None, *, repair: bool = False
) -> NDArray[np.float32]:
    """Return the gain `[K]` of every input that brings its peak over the whole song to `peak_dbfs`.

    Peaks are those of the samples at the model's rate. A silent input keeps a gain of 1, and so do all with
    None, which reads nothing. Otherwise the song is read once, in bounded memory. Raises SongError.
    """
    peaks_K = np.zeros(len(plan.inputs), np.float32)
    if peak_dbfs is None:
        return np.ones_like(peaks_K)
    with InputReader(plan, repair=repair) as reader:
        for first in range(0, reader.n_samples, BLOCK):
            block_TK = reader.read(min(BLOCK, reader.n_samples - first))
            peaks_K = np.maximum(peaks_K, np.abs(block_TK).max(axis=0, initial=0))
    return gains_to_peak(peaks_K, peak_dbfs)


def gains_to_peak(peaks_K: NDArray[np.float32], peak_dbfs: float) -> NDArray[np.float32]:
    """Return the gains that bring peaks to `peak_dbfs`; 1 where there is only silence."""
    wanted = np.float32(db_to_gain(peak_dbfs))
    gains_K = np.ones_like(peaks_K)
    # below this the gain would be beyond what float32 holds; such an input is as good as silent
    np.divide(wanted, peaks_K, out=gains_K, where=peaks_K > np.finfo(np.float32).tiny)
    return gains_K
