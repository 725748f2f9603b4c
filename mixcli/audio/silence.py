"""Telling silence from sound. Legend: T samples, C channels."""

import numpy as np
from numpy.typing import NDArray

LOOK_EVERY = 1021  # samples; a prime, so that no period of the sound meets it


def is_sounding(block_TC: NDArray[np.float32]) -> bool:
    """Whether any sample of a block is not zero; that there is sound is mostly told by a few of them."""
    return bool(block_TC[::LOOK_EVERY].any() or block_TC.any())
