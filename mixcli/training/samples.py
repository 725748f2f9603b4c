"""Excerpts of validation songs as the network mixes them, beside the mixes they should have become.

Letters: C = 2 channels, T samples.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mixcli.audio.wording import printable
from mixcli.audio.writer import write_audio
from mixcli.training.pieces import read_span
from mixcli.training.prepared_song import PreparedSong
from mixcli.training.validation import Validator, piece_starts, step_between

N_SONGS = 3
LONGEST_S = 10.0

Block = NDArray[np.float32]


def write_samples(folder: Path, network: nn.Module, validator: Validator) -> Iterator[tuple[str, Block]]:
    """Write `N target.wav` and `N mix.wav` for the first validation songs; yields each mix with its name.

    An excerpt is the loudest place of its song. Files hold 32-bit floats and nothing is scaled.
    """
    for number, song in enumerate(validator.songs[:N_SONGS], 1):
        starts = loudest_pieces(song, validator)
        was_training = network.training
        network.eval()
        made, target_BCT = validator.make(network, song, starts)
        network.train(was_training)
        n_kept = step_between(validator.shape)
        mix_CT = np.concatenate(list(made.mix_BCT[:, :, :n_kept].cpu().numpy()), axis=1)
        target_CT = np.concatenate(list(target_BCT[:, :, :n_kept].cpu().numpy()), axis=1)
        name = f"{number} {_file_name(song.name)}"
        for kind, signal_CT in (("mix", mix_CT), ("target", target_CT)):
            write_audio(
                folder / f"{name} {kind}.wav",
                [np.ascontiguousarray(signal_CT.T)],
                sample_rate=song.sample_rate,
                n_channels=2,
                container="wav",
                bit_depth="32f",
            )
        yield name, mix_CT


def loudest_pieces(song: PreparedSong, validator: Validator) -> list[int]:
    """Neighbouring pieces, together about LONGEST_S, where the target has most energy."""
    starts = piece_starts(song.n_samples, validator.shape, None)
    n_wanted = max(1, round(LONGEST_S * song.sample_rate / step_between(validator.shape)))
    n_wanted = min(n_wanted, len(starts), validator.n_at_once)
    energies = [
        float(np.square(read_span(song.target_CT, start, validator.shape.n_out)).sum()) for start in starts
    ]
    together = np.convolve(energies, np.ones(n_wanted), mode="valid")
    first = int(np.argmax(together))
    return starts[first : first + n_wanted]


def _file_name(name: str) -> str:
    """The last part of a song's name, without what file systems refuse."""
    last = printable(name.rstrip("/").rpartition("/")[2])
    return "".join("_" if char in '<>:"/\\|?*' else char for char in last)[:80].strip(" .") or "song"
