"""Whole sounds as arrays that lie on disk, so that memory does not grow with the length of a song."""

import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.files import AudioReader, check_channels, read_info
from mixcli.audio.parts import output_error
from mixcli.audio.resample import StreamResampler
from mixcli.songs.song import Stem
from mixcli.songs.stem_reader import StemReader

BLOCK = 65_536  # samples read or written at a time
SHORT_SAMPLES = 1_500_000  # 12 MB, 34 s at 44.1 kHz; files for less cost more than they save

Sound = NDArray[np.float32]


def empty_sound(n_samples: int) -> Sound:
    """Room for a stereo sound, [n_samples, 2], filled with zeros: in memory if short, else in a file.

    The file has no name and goes with the array. Raises OutputError E502 when there is no room for it.
    """
    if n_samples <= SHORT_SAMPLES:
        return np.zeros((n_samples, 2), np.float32)
    try:
        with tempfile.TemporaryFile(prefix="mixcli-") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is an error here, not a signal later
                os.posix_fallocate(file.fileno(), 0, n_samples * 8)
            return np.memmap(file, np.float32, "w+", shape=(n_samples, 2))
    except OSError as error:
        raise output_error(Path(tempfile.gettempdir()), error) from error


def read_sound(path: Path, sample_rate: int | None) -> tuple[Sound, int]:
    """A file's samples at a rate (its own, if None), and that rate; mono is doubled. Raises SongError."""
    info = read_info(path)
    check_channels(info, downmix=False)
    rate = sample_rate or info.sample_rate
    sound_TC = empty_sound(-(-info.n_samples * rate // info.sample_rate))
    position = 0
    with AudioReader(info) as reader:
        resampler = StreamResampler(info.sample_rate, rate, reader.n_channels)
        while True:
            block_TC = reader.read(BLOCK)
            out_TC = resampler.push(block_TC, last=len(block_TC) == 0)
            sound_TC[position : position + len(out_TC)] = out_TC
            position += len(out_TC)
            if len(block_TC) == 0:
                return sound_TC[:position], rate


def read_stem_sound(stem: Stem, sample_rate: int, *, repair: bool = False) -> Sound:
    """A stem as `mix` hears it before the console: pairs joined, start times kept, mono doubled."""
    with StemReader(stem, sample_rate, repair=repair) as reader:
        sound_TC = empty_sound(reader.n_samples)
        for start in range(0, reader.n_samples, BLOCK):
            stop = min(start + BLOCK, reader.n_samples)
            sound_TC[start:stop] = reader.read(stop - start)
    return sound_TC


def scale(sound_TC: Sound, gain: float, out_TC: Sound) -> None:
    """Write a sound times a factor into room of the same length."""
    for start in range(0, len(out_TC), BLOCK):
        stop = min(start + BLOCK, len(out_TC))
        np.multiply(sound_TC[start:stop], np.float32(gain), out=out_TC[start:stop])
