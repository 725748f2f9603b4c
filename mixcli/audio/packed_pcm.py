"""Integers of 24 bits in WAV files, unpacked here: in a third of the time that the decoder takes.

Legend: T samples, C channels, N samples of all channels.
"""

import os

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixcli.audio.headers import AudioInfo
from mixcli.audio.opening import SequentialFile

N_BYTES = 3  # of a sample of one channel
HEADS = (b"RIFF", b"RF64")  # of files whose numbers begin with their low byte


class PackedPcm:
    """Reads any samples of an open file whose samples begin at byte `first`."""

    def __init__(self, descriptor: int, first: int, n_channels: int) -> None:
        self._descriptor, self._first, self._n_channels = descriptor, first, n_channels

    def read(self, start: int, n_samples: int) -> NDArray[np.float32]:
        """The samples from `start` on, [<= n_samples, C], full scale 1; fewer where the file ends."""
        n_bytes = N_BYTES * self._n_channels
        # One byte more in front: four bytes that end with a sample are the sample times 256, and something.
        packed = np.empty(1 + n_samples * n_bytes, np.uint8)
        packed[0] = 0
        n_read, rest = 0, packed.data[1:]
        while n_read < len(rest):
            n_more = os.preadv(self._descriptor, [rest[n_read:]], self._first + start * n_bytes + n_read)
            if not n_more:
                break
            n_read += n_more
        n_there = n_read // n_bytes
        overlapping_N = np.ndarray((n_there * self._n_channels,), "<i4", packed.data, strides=(N_BYTES,))
        samples_N = (overlapping_N & np.int32(-256)).astype(np.float32)
        samples_N *= np.float32(2.0**-31)
        return samples_N.reshape(n_there, self._n_channels)


def packed_pcm(descriptor: int, sound: SequentialFile, info: AudioInfo) -> PackedPcm | None:
    """The reader for a file that a decoder has opened; None where only the decoder can read it.

    Where its samples begin the decoder says itself: that is where its seeking leads, and a sample later must
    be as many bytes on as a sample has.
    """
    if info.container not in ("WAV", "RF64") or info.subtype != "PCM_24" or not hasattr(os, "preadv"):
        return None
    if not info.n_samples or os.pread(descriptor, 4, 0) not in HEADS:
        return None
    places = []
    try:
        for sample in (1, 0):
            sound.seek(sample)
            places.append(os.lseek(descriptor, 0, os.SEEK_CUR))
    except (OSError, soundfile.LibsndfileError):
        return None
    n_bytes = N_BYTES * info.n_channels
    if places[0] - places[1] != n_bytes or places[1] + info.n_samples * n_bytes > info.n_bytes:
        return None
    return PackedPcm(descriptor, places[1], info.n_channels)
