"""The static curves of compressors and expanders: the reduction at rest for a level.

Legend: `M` levels. A *reduction* is a level in dB, ≥ 0. SOURCE: as in `dynamics`, "the paper".
"""

import numpy as np
from numpy.typing import NDArray

Levels = NDArray[np.float64]


def compress_curve(level_M: Levels, threshold_db: float, ratio: float, knee_db: float) -> Levels:
    """The reduction of a compressor at rest, [M]: over the threshold the level rises by 1 / ratio dB per dB.

    Across the knee, `knee_db` wide and centred on the threshold, the slope changes evenly. A ratio of
    infinity holds the level. SOURCE: the paper's gain computer with a soft knee.
    """
    if not (level_M > threshold_db - knee_db / 2).any():
        return np.zeros(level_M.shape)
    return (1 - 1 / ratio) * _bend(level_M - threshold_db, knee_db)


def expand_curve(
    level_M: Levels, threshold_db: float, ratio: float, knee_db: float, range_db: float
) -> Levels:
    """The reduction of a downward expander at rest, [M], never more than `range_db`.

    Under the threshold the level falls by `ratio` dB per dB. The knee is that of the compressor, mirrored.
    """
    return np.minimum((ratio - 1) * _bend(threshold_db - level_M, knee_db), range_db)


def _bend(beyond_M: Levels, knee_db: float) -> Levels:
    """Zero up to the knee, `beyond_M` itself after it and a parabola that joins them with their slopes."""
    if knee_db == 0:
        return np.maximum(beyond_M, 0.0)
    into_knee_M = np.clip(beyond_M + knee_db / 2, 0.0, knee_db)
    return into_knee_M**2 / (2 * knee_db) + np.maximum(beyond_M - knee_db / 2, 0.0)
