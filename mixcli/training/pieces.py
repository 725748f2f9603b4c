"""Which pieces of which songs a step learns from, and how they are varied: a pure function of seed and step.

Letters: K inputs of the network, C = 2 channels, T samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.models.settings import SIDES
from mixcli.settings import TrainSettings
from mixcli.training.prepared_song import PreparedSong

Block = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class PieceShape:
    """Lengths in samples: `n_in` go in, the middle `n_out` come out, `context` is lost on either side.

    Pieces start on the network's `grid`: off it, halving keeps other samples and the mix changes.
    """

    n_in: int
    n_out: int
    context: int
    grid: int


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a song, from sample `start` of the mix on. Gains and drops are of the groups of inputs."""

    song: int
    start: int
    swapped: bool = False
    upside_down: bool = False
    gains: tuple[float, ...] | None = None
    dropped: tuple[bool, ...] | None = None


class InputGroups:
    """What belongs together among a network's inputs: `a:L` and `a:R` are turned up and dropped as one.

    Of a network behind the console, the mix (`mix:L`, `mix:R`) follows what is done to the gains of the buses
    and is never dropped.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        stems = [_stem_of(name) for name in inputs]
        names = sorted(set(stems))
        self.group_of = [names.index(stem) for stem in stems]
        self.n_groups = len(names)
        self.mix = names.index("mix") if "mix" in names else None
        self.mirrored = [_index_of(_mirrored(name), inputs, index) for index, name in enumerate(inputs)]
        self.sides = [SIDES.index(name[-1]) if name[-2:] in (":L", ":R") else None for name in inputs]


def draw_pieces(
    n_samples: Sequence[int], shape: PieceShape, groups: InputGroups, settings: TrainSettings, step: int
) -> list[Piece]:
    """Choose the pieces of a step, any second of any song as likely as another.

    `n_samples` are the songs' lengths. The same songs, settings and step give the same pieces.
    """
    generator = np.random.default_rng([settings.seed, step])
    # of a song that is shorter than a piece there is one piece, with silence after it
    n_starts = np.array([max(0, n - shape.n_out) // shape.grid + 1 for n in n_samples], np.float64)
    lengths = np.array([max(n, 1) for n in n_samples], np.float64)
    songs = generator.choice(len(n_samples), settings.batch_size, p=lengths / lengths.sum())
    places = generator.random(settings.batch_size)
    varied = generator.random((settings.batch_size, 2)) < (settings.swap, settings.polarity)
    jitter_db = generator.uniform(-1, 1, (settings.batch_size, groups.n_groups)) * settings.gain_jitter_db
    dropped = generator.random((settings.batch_size, groups.n_groups)) < settings.drop_input
    if groups.mix is not None:
        jitter_db[:, groups.mix], dropped[:, groups.mix] = 0.0, False
    return [
        Piece(
            song=int(song),
            start=int(places[index] * n_starts[song]) * shape.grid,
            swapped=bool(varied[index, 0]),
            upside_down=bool(varied[index, 1]),
            gains=tuple(10 ** (jitter_db[index] / 20)) if settings.gain_jitter_db else None,
            dropped=tuple(map(bool, dropped[index])) if settings.drop_input else None,
        )
        for index, song in enumerate(songs)
    ]


def read_piece(
    song: PreparedSong, piece: Piece, shape: PieceShape, groups: InputGroups
) -> tuple[Block, Block]:
    """Read a piece: inputs `[K, n_in]` with the song's own samples as context, target `[C, n_out]`.

    Beyond the ends of the song is silence, as there is when the whole song is mixed.
    """
    inputs_KT = read_span(song.inputs_KT, piece.start - shape.context, shape.n_in)
    target_CT = read_span(song.target_CT, piece.start, shape.n_out)
    if piece.gains is not None:
        inputs_KT = _turned(inputs_KT, np.asarray(piece.gains, np.float32), groups)
    if piece.dropped is not None:
        inputs_KT[[piece.dropped[group] for group in groups.group_of]] = 0.0
    if piece.swapped:
        inputs_KT, target_CT = inputs_KT[groups.mirrored], target_CT[::-1]
    if piece.upside_down:
        inputs_KT, target_CT = -inputs_KT, -target_CT
    return np.ascontiguousarray(inputs_KT), np.ascontiguousarray(target_CT)


def read_span(signal_KT: Block, start: int, n_samples: int) -> Block:
    """Copy samples `[K, n_samples]` from `start` on, which may lie before 0; outside is silence."""
    span_KT = np.zeros((signal_KT.shape[0], n_samples), np.float32)
    first, last = max(start, 0), min(start + n_samples, signal_KT.shape[1])
    if first < last:
        span_KT[:, first - start : last - start] = signal_KT[:, first:last]
    return span_KT


def _turned(inputs_KT: Block, gains: NDArray[np.float32], groups: InputGroups) -> Block:
    """Inputs with their gains; the console's mix becomes the mix of buses so turned."""
    gains_K = gains[groups.group_of]
    turned_KT: Block = inputs_KT * gains_K[:, None]
    if groups.mix is None:
        return turned_KT
    for index, group in enumerate(groups.group_of):
        if group == groups.mix:
            same_side = [side == groups.sides[index] for side in groups.sides]
            others = np.flatnonzero(same_side & (np.asarray(groups.group_of) != groups.mix))
            turned_KT[index] += ((gains_K[others] - 1)[:, None] * inputs_KT[others]).sum(axis=0)
    return turned_KT


def _stem_of(name: str) -> str:
    return name[:-2] if name[-2:] in (":L", ":R") else name


def _mirrored(name: str) -> str:
    return f"{name[:-2]}:{'R' if name.endswith(':L') else 'L'}" if name[-2:] in (":L", ":R") else name


def _index_of(name: str, inputs: Sequence[str], otherwise: int) -> int:
    return list(inputs).index(name) if name in inputs else otherwise
