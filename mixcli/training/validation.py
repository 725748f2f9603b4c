"""How good a network is on songs it does not learn from: piece by piece, each with the song around it.

Letters: B batch, C = 2 channels, T samples.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

import numpy as np
import torch
from torch import Tensor, nn

from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.losses import Spectra, matched_gain, si_sdr_db, sum_difference_stft
from mixcli.training.objective import MadeMix, loss_per_piece, make_mix
from mixcli.training.pieces import PieceShape, read_span
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.processes import Processes
from mixcli.training.request import Scores

SPECTRA = Spectra()  # of the distance that is told: the same whatever the loss

Compute = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class SongScores:
    """One song's scores."""

    name: str
    loss: float
    si_sdr_db: float | None
    stft: float


@dataclass(frozen=True, kw_only=True)
class Validator:
    """What a validation needs beside the network. `compute` runs a network on inputs `[B, K, T]`."""

    songs: tuple[PreparedSong, ...]
    shape: PieceShape
    model: ModelSettings
    settings: TrainSettings
    processes: Processes
    compute: Compute
    device: torch.device
    n_at_once: int

    def score(self, network: nn.Module) -> Scores | None:
        """Score a network on all songs, which the processes share; None without songs."""
        was_training = network.training
        network.eval()
        mine = self.songs[self.processes.rank :: self.processes.world_size]
        found = self.processes.gather([self.score_song(network, song) for song in mine])
        network.train(was_training)
        if not found:
            return None
        ratios_db = [each.si_sdr_db for each in found if each.si_sdr_db is not None]
        return Scores(
            loss=fmean(each.loss for each in found),
            si_sdr_db=median(ratios_db) if ratios_db else None,
            stft=fmean(each.stft for each in found),
            n_songs=len(found),
        )

    def console_alone(self) -> Scores | None:
        """Score what there is without a network behind the console: residuals of nothing."""
        n_outputs, n_out = self.model.n_outputs, self.shape.n_out

        def nothing(_network: nn.Module, inputs_BKT: Tensor) -> Tensor:
            return inputs_BKT.new_zeros(inputs_BKT.shape[0], n_outputs, n_out)

        return replace(self, compute=nothing).score(nn.Identity())

    def score_song(self, network: nn.Module, song: PreparedSong) -> SongScores:
        """Score the pieces of a song; SI-SDR is of all of them as one signal."""
        starts = piece_starts(song.n_samples, self.shape, self._longest(song))
        losses: list[float] = []
        distances: list[float] = []
        mixes, targets = [], []
        for first in range(0, len(starts), self.n_at_once):
            chosen = starts[first : first + self.n_at_once]
            made, target_BCT = self.make(network, song, chosen)
            losses += loss_per_piece(made, target_BCT, self.settings).tolist()
            mix_BCT = made.mix_BCT * matched_gain(made.mix_BCT, target_BCT)
            distances += sum_difference_stft(mix_BCT, target_BCT, SPECTRA).tolist()
            for index, start in enumerate(chosen):
                n_kept = min(step_between(self.shape), song.n_samples - start)
                mixes.append(made.mix_BCT[index, :, :n_kept].cpu())
                targets.append(target_BCT[index, :, :n_kept].cpu())
        ratio_db = si_sdr_db(torch.cat(mixes, dim=1), torch.cat(targets, dim=1))
        return SongScores(name=song.name, loss=fmean(losses), si_sdr_db=ratio_db, stft=fmean(distances))

    def make(self, network: nn.Module, song: PreparedSong, starts: Sequence[int]) -> tuple[MadeMix, Tensor]:
        """Mix the pieces of a song that begin at these samples; also their targets `[B, C, T]`."""
        shape = self.shape
        inputs = [read_span(song.inputs_KT, start - shape.context, shape.n_in) for start in starts]
        targets = [read_span(song.target_CT, start, shape.n_out) for start in starts]
        inputs_BKT = torch.from_numpy(np.stack(inputs)).to(self.device)
        target_BCT = torch.from_numpy(np.stack(targets)).to(self.device)
        with torch.no_grad():
            output_BCT = self.compute(network, inputs_BKT)
            made = make_mix(output_BCT, within(inputs_BKT, shape), self.model)
        return made, target_BCT

    def _longest(self, song: PreparedSong) -> int | None:
        longest_s = self.settings.validation_s
        return None if longest_s is None else round(longest_s * song.sample_rate)


def within(inputs_BKT: Tensor, shape: PieceShape) -> Tensor:
    """The inputs at the samples of the output, without context."""
    return inputs_BKT[..., shape.context : shape.context + shape.n_out]


def step_between(shape: PieceShape) -> int:
    """Samples from one piece to the next where pieces stand side by side on the grid."""
    return max(shape.grid, shape.n_out // shape.grid * shape.grid)


def piece_starts(n_samples: int, shape: PieceShape, longest: int | None) -> list[int]:
    """Where the pieces of a song begin: side by side over all of it, or evenly spread, `longest` samples."""
    step = step_between(shape)
    n_pieces = max(1, math.ceil(n_samples / step))
    n_wanted = n_pieces if longest is None else min(n_pieces, max(1, math.ceil(longest / step)))
    chosen = np.unique(np.linspace(0, n_pieces - 1, n_wanted).round().astype(int))
    return [int(number) * step for number in chosen]
