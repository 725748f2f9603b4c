"""Batches as tensors: the pieces of a step, read ahead while the network works on the step before.

Letters: B batch, K inputs of the network, C = 2 channels, T samples.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.pieces import InputGroups, Piece, PieceShape, draw_pieces, read_piece
from mixcli.training.prepared_song import PreparedSong


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a process learns from in a step: `inputs_BKT` with context, `target_BCT` without.

    `pieces` are those of the whole step; this process has those at `indices`.
    """

    step: int
    pieces: tuple[Piece, ...]
    indices: tuple[int, ...]
    inputs_BKT: Tensor
    target_BCT: Tensor


class Batches:
    """Draws and reads the batches of a training set."""

    def __init__(
        self,
        songs: Sequence[PreparedSong],
        shape: PieceShape,
        model: ModelSettings,
        settings: TrainSettings,
        *,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.songs, self.shape = tuple(songs), shape
        self._groups = InputGroups(model.inputs)
        self._settings, self._rank, self._world_size = settings, rank, world_size

    def read(self, step: int) -> Batch:
        """Read the part of a step's batch that falls to this process: every `world_size`-th piece."""
        lengths = [song.n_samples for song in self.songs]
        pieces = draw_pieces(lengths, self.shape, self._groups, self._settings, step)
        indices = range(self._rank, len(pieces), self._world_size)
        read = [read_piece(self.songs[pieces[i].song], pieces[i], self.shape, self._groups) for i in indices]
        return Batch(
            step=step,
            pieces=tuple(pieces),
            indices=tuple(indices),
            inputs_BKT=torch.from_numpy(np.stack([inputs_KT for inputs_KT, _ in read])),
            target_BCT=torch.from_numpy(np.stack([target_CT for _, target_CT in read])),
        )

    def ahead(self, first: int, stop: int, *, workers: int) -> Generator[Batch]:
        """Yield the batches of the steps from `first` up to `stop`, read ahead by `workers` threads."""
        if workers < 1:
            yield from map(self.read, range(first, stop))
            return
        waiting: deque[Future[Batch]] = deque()
        steps = iter(range(first, stop))
        with ThreadPoolExecutor(workers, thread_name_prefix="batches") as pool:
            try:
                for step in steps:
                    waiting.append(pool.submit(self.read, step))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
