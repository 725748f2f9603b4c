"""The inner products between all channels of a song, block by block.

Legend: T samples, N channels of all stems one after the other, P pieces.
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

# The products are made in float32 (rounding near -120 dB) and summed in float64, in pieces too small for the
# BLAS library to wake its threads (2^18 multiplications): waiting for one another those take longer than the
# work, the more so beside the threads that read.
TILE = 32  # channels
PIECE = 256  # samples
PIECES = 32  # side by side: the memory of their products stays in the cache
PADDING = 16  # samples between the rows: lengths of a power of two would meet in the same lines of the cache


class GramMeter:
    """Sums up the inner products of N channels, `products_NN` [N, N] float64.

    A block is written into `block_NT` [N, T] float32, all of it, and taken by `add`. T is a multiple of
    8,192. The sums do not depend on the threads.
    """

    def __init__(self, n_channels: int, n_samples: int) -> None:
        if n_samples % (PIECE * PIECES):
            raise ValueError(f"a block of {n_samples} samples cannot be cut into pieces")
        self.products_NN = np.zeros((n_channels, n_channels))
        self.block_NT = np.zeros((n_channels, n_samples + PADDING), np.float32)[:, :n_samples]
        n_tiles = -(-n_channels // TILE)
        borders = [n_channels * tile // n_tiles for tile in range(n_tiles + 1)] if n_tiles else [0]
        self._tiles = [slice(start, stop) for start, stop in pairwise(borders)]

    def add(self, pool: Executor) -> None:
        """Add the inner products of what is in `block_NT`, on the threads of a pool."""
        sounding = [tile for tile in self._tiles if self.block_NT[tile].any()]
        pairs = [(rows, columns) for index, rows in enumerate(sounding) for columns in sounding[index:]]
        for (rows, columns), products in zip(pairs, pool.map(self._multiply, pairs), strict=True):
            self.products_NN[rows, columns] += products
            if rows != columns:
                self.products_NN[columns, rows] += products.T

    def _multiply(self, pair: Sequence[slice]) -> NDArray[np.float64]:
        """The inner products of two tiles."""
        first_NT, second_NT = self.block_NT[pair[0]], self.block_NT[pair[1]]
        total = np.zeros((len(first_NT), len(second_NT)))
        for start in range(0, first_NT.shape[1], PIECE * PIECES):
            part = slice(start, start + PIECE * PIECES)
            first_NPT = first_NT[:, part].reshape(-1, PIECES, PIECE)
            second_NPT = second_NT[:, part].reshape(-1, PIECES, PIECE)
            products = np.matmul(first_NPT.transpose(1, 0, 2), second_NPT.transpose(1, 2, 0))
            total += products.sum(axis=0, dtype=np.float64)
        return total
