"""Equaliser bands over a whole sound, as the console's equaliser sounds, in half of its time; a sound's peak.

Legend: T samples, C channels.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.equaliser import EqualiserBand, band_sos
from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter

BLOCK = 8 * GRID  # samples: what is worked on stays in the processor's cache

Samples = NDArray[np.float32]


class Tone:
    """Bands in series over a stream that comes in blocks of `BLOCK` samples; the last may be shorter."""

    def __init__(self, bands: Sequence[EqualiserBand], sample_rate: int, n_channels: int) -> None:
        self._filter = None
        if bands:
            sos_S6 = np.array([band_sos(band, sample_rate) for band in bands])
            self._filter = GridFilter(FilterMatrices(sos_S6), n_channels)

    def push(self, block_CT: Samples) -> Samples:
        """Filter the next samples, [C, T] to the same shape."""
        if self._filter is None:
            return block_CT
        n_missing = -block_CT.shape[1] % GRID
        if n_missing == 0:
            return self._filter.push(block_CT)
        whole_CT = np.pad(block_CT, ((0, 0), (0, n_missing)))
        return self._filter.push(whole_CT)[:, : block_CT.shape[1]]


def toned(signal_CT: Samples, bands: Sequence[EqualiserBand], sample_rate: int) -> Samples:
    """A whole sound through bands in series, [C, T]."""
    tone = Tone(bands, sample_rate, len(signal_CT))
    made_CT = np.empty_like(signal_CT)
    for start in range(0, signal_CT.shape[1], BLOCK):
        made_CT[:, start : start + BLOCK] = tone.push(signal_CT[:, start : start + BLOCK])
    return made_CT


def peak_of(signal: Samples) -> float:
    """The highest absolute sample; 0 where there is none."""
    return float(max(signal.max(initial=0.0), -signal.min(initial=0.0)))
