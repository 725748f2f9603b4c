"""Rounding to integers, with dither."""

import numpy as np
from numpy.typing import NDArray

UNIFORM_BITS = 32


class Quantiser:
    """Samples of full scale 1 to whole numbers of full scale 2^(bits-1), with TPDF dither if a seed is given.

    The dither is the difference of two independent uniform numbers, so triangular between -1 and +1 LSB (2
    LSB peak to peak): the error then has mean 0 and power 1/4 LSB² whatever the signal (Lipshitz,
    Wannamaker, Vanderkooy 1992). It is drawn in the order of the samples, so the result is the same
    whatever the block sizes.
    """

    def __init__(self, bits: int, n_channels: int, dither_seed: int | None) -> None:
        """`dither_seed` is any whole number from 0 up; None rounds without dither."""
        self._scale = float(2 ** (bits - 1))
        self._n_channels = n_channels
        # Raw numbers of the bit generator: numpy promises these, unlike its distributions, for all its
        # versions.
        self._noise = None if dither_seed is None else np.random.PCG64(dither_seed)

    def push(self, block_TC: NDArray[np.floating]) -> NDArray[np.float64]:
        """The block in LSB, whole numbers that may lie beyond full scale, [T, C]; ties go to the even one."""
        levels_TC = block_TC.astype(np.float64)
        levels_TC *= self._scale
        if self._noise is not None and block_TC.size:
            raw_TC = self._noise.random_raw(block_TC.size).reshape(block_TC.shape)
            halves_TC2 = raw_TC.astype("<u8", copy=False).view("<u4").reshape(*block_TC.shape, 2)
            dither_TC = np.subtract(halves_TC2[..., 1], halves_TC2[..., 0], dtype=np.float64)
            dither_TC *= 2.0**-UNIFORM_BITS
            levels_TC += dither_TC
        return np.rint(levels_TC, out=levels_TC)
