"""One pass over all stems of a song, side by side: what must be known of their sound to decide anything.

Legend: T samples, C channels of one stem, N channels of all stems one after the other, H hops of 100 ms.
"""

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mixcli.errors import SongError
from mixcli.songs.naming import join_errors
from mixcli.songs.song import Song
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.stem_survey import StemMeter, StemSurvey

SURVEY_BLOCK = 65_536  # samples at the rate of the mix
# The products of channels are made in float32 (rounding near -120 dB) and summed in float64, in pieces too
# small for the BLAS library to wake its threads: waiting for one another they take longer than the work, the
# more so beside the threads that read.
GRAM_CHUNK = 4_096  # samples of all stems at a time; bounds the memory of songs of hundreds of stems
GRAM_PIECE = 64
GRAM_TILE = 48


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was measured of every stem (by name) and between them.

    `gram_NN` holds the inner products of all channels over the whole song at `sample_rate`, float64;
    `channels` says which of its rows belong to a stem. With it any stem's least squares fit by others is a
    closed form. `broken` are stems that could not be read to their end and are not in the survey (only if
    they are skipped).
    """

    sample_rate: int
    n_samples: int
    stems: Mapping[str, StemSurvey]
    channels: Mapping[str, slice]
    gram_NN: NDArray[np.float64]
    broken: Mapping[str, SongError] = field(default_factory=lambda: MappingProxyType({}))

    def energy(self, name: str) -> float:
        """Sum of squares over the channels of a stem."""
        return float(np.trace(self.gram_NN[self.channels[name], self.channels[name]]))

    def correlation(self, first: str, second: str) -> float:
        """Correlation of the mids of two stems over the whole song, -1 to 1; 0 if either is silent."""
        products = [
            self._mid_product(one, other)
            for one, other in ((first, second), (first, first), (second, second))
        ]
        scale = math.sqrt(max(products[1], 0.0) * max(products[2], 0.0))
        return min(1.0, max(-1.0, products[0] / scale)) if scale > 0 else 0.0

    def _mid_product(self, first: str, second: str) -> float:
        return float(self.gram_NN[self.channels[first], self.channels[second]].mean())


def survey_song(
    song: Song,
    sample_rate: int,
    *,
    on_block: Callable[[int, int], None] | None = None,
    skip_bad: bool = False,
    repair: bool = False,
    threads: int | None = None,
) -> Survey:
    """Measure all stems of a song in one streamed pass at `sample_rate`; memory does not grow with it.

    `on_block` is told the samples done and the samples in all. Stems are read in `threads` threads (None: as
    many as there are cores), which changes no measure. Raises SongError when stems are damaged, one for all
    of them with the code of the first (E312 cut short, E314 non-finite samples …); with `skip_bad` they are
    named in `Survey.broken` instead.
    """
    meters: dict[str, StemMeter] = {}
    errors: dict[str, SongError] = {}
    channels, n_channels = _lay_out(song)
    with ExitStack() as open_files:
        readers: dict[str, StemReader] = {}
        for stem in song.stems:
            meter = StemMeter(stem, sample_rate)
            try:
                reader = StemReader(stem, sample_rate, repair=repair, on_native=meter.push_native)
                readers[stem.name] = open_files.enter_context(reader)
                meters[stem.name] = meter
            except SongError as error:
                errors[stem.name] = error
        n_samples = max((reader.n_samples for reader in readers.values()), default=0)
        gram_NN = np.zeros((n_channels, n_channels))
        pool = open_files.enter_context(ThreadPoolExecutor(threads or _n_cores()))
        done = 0
        while done < n_samples:
            n_block = min(SURVEY_BLOCK, n_samples - done)
            blocks = _read_block(pool, readers, meters, n_block, errors)
            _add_products(gram_NN, [(channels[name], block_TC) for name, block_TC in blocks.items()])
            done += n_block
            if on_block is not None:
                on_block(done, n_samples)
    if errors and not skip_bad:
        raise join_errors([errors[stem.name] for stem in song.stems if stem.name in errors])
    sound = [stem.name for stem in song.stems if stem.name not in errors]
    survey = Survey(
        sample_rate=sample_rate,
        n_samples=n_samples,
        stems={name: meters[name].finish() for name in sound},
        channels=channels,
        gram_NN=gram_NN,
        broken=errors,
    )
    return select_stems(survey, sound) if errors else survey


def select_stems(survey: Survey, names: list[str]) -> Survey:
    """The survey of some of the stems, in the order given."""
    channels, start = {}, 0
    for name in names:
        part = survey.channels[name]
        channels[name] = slice(start, start + part.stop - part.start)
        start = channels[name].stop
    rows = [row for name in names for row in range(survey.channels[name].start, survey.channels[name].stop)]
    return Survey(
        sample_rate=survey.sample_rate,
        n_samples=survey.n_samples,
        stems={name: survey.stems[name] for name in names},
        channels=channels,
        gram_NN=survey.gram_NN[np.ix_(rows, rows)],
        broken=survey.broken,
    )


def _lay_out(song: Song) -> tuple[dict[str, slice], int]:
    channels, start = {}, 0
    for stem in song.stems:
        channels[stem.name] = slice(start, start + stem.n_channels)
        start += stem.n_channels
    return channels, start


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _read_block(
    pool: Executor,
    readers: dict[str, StemReader],
    meters: dict[str, StemMeter],
    n_samples: int,
    errors: dict[str, SongError],
) -> dict[str, NDArray[np.float32]]:
    """The next block of every stem that is not silent in it; a stem that fails is closed and noted."""

    def read(name: str) -> NDArray[np.float32] | SongError | None:
        reader = readers[name]
        n_left = reader.n_samples - reader.position
        if n_left <= 0:
            return None  # after its end a stem has no hops and no products
        try:
            block_TC = reader.read(min(n_samples, n_left))
        except SongError as error:
            return error
        return block_TC if meters[name].push(block_TC) else None

    blocks = {}
    names = list(readers)
    for name, outcome in zip(names, pool.map(read, names), strict=True):
        if isinstance(outcome, SongError):
            errors[name] = outcome
            readers.pop(name).close()
        elif outcome is not None:
            blocks[name] = outcome
    return blocks


def _add_products(gram_NN: NDArray[np.float64], blocks: list[tuple[slice, NDArray[np.float32]]]) -> None:
    """Add the inner products of one block; stems that are silent in it take no part."""
    if not blocks:
        return
    rows = np.concatenate([np.arange(part.start, part.stop) for part, _ in blocks])
    products_NN = np.zeros((len(rows), len(rows)))
    for start in range(0, max(len(block_TC) for _, block_TC in blocks), GRAM_CHUNK):
        chunk_TN = np.zeros((GRAM_CHUNK, len(rows)), np.float32)
        column = 0
        for _, block_TC in blocks:
            part_TC = block_TC[start : start + GRAM_CHUNK]
            chunk_TN[: len(part_TC), column : column + block_TC.shape[1]] = part_TC
            column += block_TC.shape[1]
        _multiply(chunk_TN, products_NN)
    gram_NN[np.ix_(rows, rows)] += products_NN


def _multiply(chunk_TN: NDArray[np.float32], products_NN: NDArray[np.float64]) -> None:
    """Add the inner products of the columns of a chunk to `products_NN`, in place."""
    n_channels = chunk_TN.shape[1]
    pieces_PTN = chunk_TN.reshape(-1, GRAM_PIECE, n_channels)
    tiles = [slice(start, min(start + GRAM_TILE, n_channels)) for start in range(0, n_channels, GRAM_TILE)]
    for index, rows in enumerate(tiles):
        for columns in tiles[index:]:
            products = np.matmul(pieces_PTN[:, :, rows].transpose(0, 2, 1), pieces_PTN[:, :, columns])
            total = products.sum(axis=0, dtype=np.float64)
            products_NN[rows, columns] += total
            if rows != columns:
                products_NN[columns, rows] += total.T
