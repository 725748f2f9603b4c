"""Noise where all stems are silent.

Legend: `G` groups of frames (0.1 s), `B` bands.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SILENT_DBFS = -70.0  # a stem's mean square in a group below which it is silent
TAIL_S = 2.0  # after the stems' last sound: tails are no noise
AHEAD_GROUPS = 1  # before the next sound: a frame reaches into it
NOISE_DB = -75.0  # of the mix's level: noise above it is heard at a loud listening level
LEAST_DBFS = -90.0  # mean square; the dither of 16 bits is at -93 and belongs to the file, not to the mix
MARGIN_DB = 10.0  # over what the stems' own noise and tails may make


def noisy_groups(
    mix_GB: NDArray[np.float32],
    stem_energies: Sequence[NDArray[np.float32]],
    explained_GB: NDArray[np.float64],
    level: float,
    group_s: float,
) -> NDArray[np.bool_]:
    """Groups in which no stem sounds and the mix does, [G].

    `explained_GB` is what the stems, with their tails, may have in the mix; `level` the mix's mean square
    where it sounds.
    """
    sounding_G = np.zeros(len(mix_GB), bool)
    for energy_GB in stem_energies:
        part_G = energy_GB[: len(mix_GB)].sum(axis=1) >= 10 ** (SILENT_DBFS / 10)
        sounding_G[: len(part_G)] |= part_G
    n_tail = int(np.ceil(TAIL_S / group_s)) + 1
    group_G = np.arange(len(sounding_G))
    last_G = np.maximum.accumulate(np.where(sounding_G, group_G, -n_tail - 1))
    recent_G = group_G - last_G <= n_tail
    for ahead in range(1, AHEAD_GROUPS + 1):
        recent_G[:-ahead] |= sounding_G[ahead:]
    allowed_G = explained_GB.sum(axis=1) * 10 ** (MARGIN_DB / 10)
    allowed_G = np.maximum(allowed_G, max(level * 10 ** (NOISE_DB / 10), 10 ** (LEAST_DBFS / 10)))
    noisy_G: NDArray[np.bool_] = ~recent_G & (mix_GB.sum(axis=1) > allowed_G)
    return noisy_G
