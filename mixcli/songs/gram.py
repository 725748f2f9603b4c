"""The inner products between all channels of a song, block by block.

Legend: T samples, N channels of all stems one after the other, P pieces.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# The products are made in float32 (rounding near -120 dB) and summed in float64, in pieces too small for the
# BLAS library to wake its threads (2^18 multiplications): waiting for one another those take longer than the
# work, the more so beside others that read.
TILE = 32  # channels
PIECE = 256  # samples
PIECES = 32  # side by side: they and their products stay in the cache
STRETCH = 16_384  # samples whose products are summed in float32 by piece, then added
LOOK = 512  # every so many samples mostly say that a channel sounds
PADDING = 16  # samples between the rows: lengths of a power of two would meet in the same lines of the cache


class GramMeter:
    """Sums up the inner products of N channels, `products_NN` [N, N] float64.

    A block is written into `block_NT` [N, T] float32, all of it, and taken by `add`; silent
    channels cost nothing. T is a multiple of 16,384.
    """

    def __init__(self, n_channels: int, n_samples: int) -> None:
        if n_samples % STRETCH:
            raise ValueError(f"a block of {n_samples} samples cannot be cut into stretches")
        self.products_NN = np.zeros((n_channels, n_channels))
        self.block_NT = np.zeros((n_channels, n_samples + PADDING), np.float32)[:, :n_samples]

    def add(self) -> None:
        """Add the inner products of what is in `block_NT`."""
        sounding = np.array(
            [row for row, row_T in enumerate(self.block_NT) if row_T[::LOOK].any() or row_T.any()]
        )
        if not len(sounding):
            return
        for start in range(0, self.block_NT.shape[1], STRETCH):
            self.products_NN[np.ix_(sounding, sounding)] += self._multiply(sounding, start)

    def _multiply(self, rows: NDArray[np.int64], start: int) -> NDArray[np.float64]:
        """The inner products of some channels in the stretch from a sample on."""
        n_tiles = -(-len(rows) // TILE)
        borders = [len(rows) * tile // n_tiles for tile in range(n_tiles + 1)]
        tiles = [slice(first, last) for first, last in pairwise(borders)]
        total = np.zeros((len(rows), len(rows)))
        for first in range(start, start + STRETCH, PIECE * PIECES):
            part_NPT = self.block_NT[:, first : first + PIECE * PIECES].reshape(-1, PIECES, PIECE)
            if len(rows) < len(part_NPT):
                part_NPT = part_NPT.transpose(1, 0, 2)[:, rows].transpose(1, 0, 2)
            for index, across in enumerate(tiles):
                for down in tiles[index:]:
                    products = np.matmul(
                        part_NPT[across].transpose(1, 0, 2), part_NPT[down].transpose(1, 2, 0)
                    )
                    total[across, down] += products.sum(axis=0)
        for index, across in enumerate(tiles):
            for down in tiles[index + 1 :]:
                total[down, across] = total[across, down].T
        return total
