"""A constant offset in a block that the stems do not have.

Legend: `T` samples, `C` channels, `K` parts of a block.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEAST_SHARE = 10 ** (-40 / 20)  # of the levels of block and song; white noise has -42 dB below 4 Hz
STEADY = 0.5  # smallest over largest of the means within a block: what changes more is a thump, not an offset
N_MEANS = 5
STEMS_RATIO = 3.0  # the stems' own offset may come out that much stronger by their gains
SHORTEST_S = 0.25  # under this, a bass note's half wave is an offset


def offset_of(block_TC: NDArray[np.float32]) -> NDArray[np.float64]:
    """The steady offset of each channel of a block, [C]; 0 where the means of its parts differ too much.

    The means are over halves of the block, under a Hann window, so that nothing from 4 Hz up leaks in (two
    bins of half a second, where the block is 1 s). The smallest of them is the offset.
    """
    half = len(block_TC) // 2
    if half < 2:
        return np.zeros(block_TC.shape[1])
    window_T = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(half) / half)
    window_T = (window_T / window_T.sum()).astype(np.float32)
    starts = [round(index * (len(block_TC) - half) / (N_MEANS - 1)) for index in range(N_MEANS)]
    means_KC = np.stack([window_T @ block_TC[start : start + half] for start in starts]).astype(np.float64)
    sign_C = np.sign(means_KC.mean(axis=0))
    least_C = (means_KC * sign_C).min(axis=0)
    return np.where(least_C > STEADY * np.abs(means_KC).max(axis=0), least_C * sign_C, 0.0)


def has_offset(
    mix_TC: NDArray[np.float32],
    start: int,
    stop: int,
    mix_rms: float,
    stems: Sequence[NDArray[np.float32]] | None,
    stems_gain: float,
) -> float:
    """The offset of a block, of the channel where it is largest; 0 where it is none or the stems' own.

    `mix_rms` is the level of the whole mix and `stems_gain` the factor from the stems' sum to the mix.
    """
    block_TC = np.asarray(mix_TC[start:stop], np.float32)
    offset = float(np.abs(offset_of(block_TC)).max())
    block_rms = float(np.sqrt(np.mean(np.square(block_TC, dtype=np.float64))))
    if offset <= LEAST_SHARE * max(block_rms, mix_rms):
        return 0.0
    if stems is not None:
        parts = [np.asarray(stem_TC[start:stop], np.float32) for stem_TC in stems]
        of_stems = sum(float(np.abs(offset_of(part_TC)).max()) for part_TC in parts if len(part_TC) > 1)
        if offset <= STEMS_RATIO * stems_gain * of_stems:
            return 0.0
    return offset
