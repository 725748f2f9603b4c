"""Telling whether stems are the same, sample by sample: at first in passing, then for certain.

Legend: T samples, C channels, N samples of all channels, W pairs of samples of a piece.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader

PAIRS = 8_192  # of samples, in a piece
BLOCK = 65_536  # samples read at a time
SEED = 20_260_101  # of the weights: any would do, but always the same


class SoundDigest:
    """A quick digest of float32 samples, however they are cut; two that differ hardly ever have the same.

    Pieces of the sound become one number each, of which SHA-256 is taken: that of all samples costs ten times
    as much. A piece's number is the sum of its pairs of samples, read as integers, times odd weights, modulo
    2^64.
    SOURCE: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem", 1997:
    multiplicative hashing by odd numbers.
    """

    def __init__(self, about: str) -> None:
        """`about` is made part of the digest."""
        self._digest = hashlib.sha256(about.encode())
        self._weights_W = np.random.default_rng(SEED).integers(0, 2**64, PAIRS, dtype=np.uint64) | np.uint64(
            1
        )
        self._waiting_N = np.zeros(0, np.float32)  # less than a piece
        self._n_samples = 0

    def update(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples, [T, C]."""
        samples_N = np.ascontiguousarray(block_TC).reshape(-1)
        self._n_samples += len(samples_N)
        if len(self._waiting_N):
            samples_N = np.concatenate([self._waiting_N, samples_N])
        n_whole = len(samples_N) // (2 * PAIRS) * 2 * PAIRS
        self._waiting_N = samples_N[n_whole:].copy()
        if n_whole:
            pairs_PW = samples_N[:n_whole].view(np.uint64).reshape(-1, PAIRS)
            self._digest.update(np.einsum("pw,w->p", pairs_PW, self._weights_W).data)

    def hexdigest(self) -> str:
        """The digest of all samples so far."""
        whole = self._digest.copy()
        whole.update(f"{self._n_samples} ".encode())
        whole.update(self._waiting_N.data)
        return whole.hexdigest()


def sha256_of(stem: Stem, *, repair: bool = False) -> str:
    """SHA-256 of a stem's rate, channels and samples, as float32 in their order in the file.

    Reads the stem; raises SongError as its reader does.
    """
    digest = hashlib.sha256(about_samples(stem).encode())

    def add(block_TC: NDArray[np.float32]) -> None:
        digest.update(np.ascontiguousarray(block_TC).data)

    with StemReader(stem, stem.sample_rate, repair=repair, on_native=add) as reader:
        while reader.position < reader.n_samples:
            reader.read(min(BLOCK, reader.n_samples - reader.position))
    return digest.hexdigest()


def about_samples(stem: Stem) -> str:
    """What else must be equal where samples are."""
    return f"{stem.sample_rate} {stem.n_channels}"
