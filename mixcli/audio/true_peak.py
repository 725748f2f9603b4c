"""The peak of a signal between its samples, as ITU-R BS.1770-5 annex 2 asks, streamed.

Legend: `T` samples, `C` channels, `R` interpolators, `J` pieces.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import amplitude_to_db
from mixcli.audio.interpolation import METER_REACHES, PIECE, REACH, between_samples, interpolator_taps
from mixcli.audio.peak_bounds import pieces_above, whole_stretches, worst_gains

__all__ = [
    "METER_REACHES",
    "REACH",
    "TILE",
    "TruePeakMeter",
    "interpolator_taps",
    "oversample_peaks",
    "oversampling_factor",
    "peaks_above",
    "worst_gains",
]

TILE = 16_384  # samples the meter looks at in one go, from the same places however the stream is cut
HIGH_RATE_HZ = 176_400  # there only sound above 70 kHz could need the finer grid
FACTOR, FACTOR_HIGH_RATE = 8, 4  # a tone at a quarter of the rate reads at most 0.04 (0.17) dB low


class TruePeakMeter:
    """Measures the true peak of a stream of blocks; no result depends on how the stream is cut.

    Pieces that cannot beat the highest peak so far are not interpolated: they are bounded for the worst of
    all signals, so the result is that of all pieces.
    """

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.n_channels = n_channels
        self._factor = oversampling_factor(sample_rate)
        # The signal rings before its first sample too, so that the silence in front of it is measured.
        self._rest_TC: NDArray[np.float32] = np.zeros((2 * REACH, n_channels), np.float32)
        self._peak = 0.0
        self._highest = 0.0
        self._sample_peak = 0.0

    def push(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples, [T, C] of any length."""
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block must be [T, {self.n_channels}], not {list(block_TC.shape)}")
        if len(block_TC):
            self._sample_peak = max(self._sample_peak, float(block_TC.max()), -float(block_TC.min()))
        signal_TC = np.concatenate([self._rest_TC, block_TC])
        start = 0
        while start + TILE + 2 * REACH <= len(signal_TC):
            self._measure(signal_TC[start : start + TILE + 2 * REACH])
            start += TILE
        self._rest_TC = signal_TC[start:].copy()

    def finish(self) -> float:
        """The true peak of everything pushed, in dBTP; -inf for silence. Nothing may be pushed after it."""
        rest_TC, self._rest_TC = self._rest_TC, np.zeros((0, self.n_channels), np.float32)
        if len(rest_TC):
            # REACH samples after the last are measured, and need silence of the same length behind them.
            self._measure(np.pad(rest_TC, ((0, 2 * REACH), (0, 0))))
        return amplitude_to_db(self._peak)

    @property
    def highest_dbtp(self) -> float:
        """The highest that a meter of any of `METER_REACHES` reads so far, in dBTP; -inf for silence."""
        return amplitude_to_db(self._highest)

    @property
    def sample_peak_dbfs(self) -> float:
        """The highest sample so far, in dBFS; -inf for silence."""
        return amplitude_to_db(self._sample_peak)

    def _measure(self, context_TC: NDArray[np.float32]) -> None:
        highest = max(float(context_TC.max()), -float(context_TC.min()))
        floor = max(self._peak, highest)  # no true peak is below the highest sample
        self._peak, self._highest = floor, max(self._highest, floor)
        if highest * worst_gains(self._factor)[0] <= floor:
            return
        context_CT = whole_stretches(context_TC)
        places_J = pieces_above(context_CT, self._factor, floor)
        if not len(places_J):
            return
        # What lies behind the context's last sample is silence that was padded, and has peaks of its own.
        found_RJT = between_samples(context_CT, places_J, self._factor)
        places_JT = places_J[:, None] % (context_CT.shape[1] // PIECE - 2) * PIECE + np.arange(PIECE)
        found_RJT = np.where(places_JT < len(context_TC) - 2 * REACH, found_RJT, np.float32(0))
        peaks_R = found_RJT.max(axis=(1, 2))
        self._peak = max(self._peak, float(peaks_R[0]))
        self._highest = max(self._highest, float(peaks_R.max()))


def oversampling_factor(sample_rate: int) -> int:
    """Values per sample that the true peak is looked for at: 8, and 4 from 176.4 kHz on."""
    return FACTOR if sample_rate < HIGH_RATE_HZ else FACTOR_HIGH_RATE


def oversample_peaks(
    context_TC: NDArray[np.float32], factor: int, *, floor: float = 0.0
) -> NDArray[np.float32]:
    """The highest magnitude of any channel from each sample up to the next, [T + 2 * REACH, C] to [R, T].

    One row per interpolator of `METER_REACHES`; the first is the true peak. The first and the last
    `REACH` samples are context only. What is above `floor` (a factor) is exact; where nothing can be
    above it the sample's own magnitude is given instead.
    """
    n_samples = len(context_TC) - 2 * REACH
    context_CT = whole_stretches(context_TC)
    peaks_CT = np.abs(context_CT[:, PIECE:-PIECE])
    peaks_RCT = np.repeat(peaks_CT[None], len(METER_REACHES), axis=0)
    pieces_RJT = peaks_RCT.reshape(len(METER_REACHES), -1, PIECE)
    places_J = pieces_above(context_CT, factor, floor)
    if len(places_J):
        found_RJT = between_samples(context_CT, places_J, factor)
        pieces_RJT[:, places_J] = np.maximum(pieces_RJT[:, places_J], found_RJT)
    highest_RT: NDArray[np.float32] = peaks_RCT.max(axis=1, initial=0.0)[:, :n_samples]
    return highest_RT


def peaks_above(context_TC: NDArray[np.float32], factor: int, *, floor: float) -> NDArray[np.float32] | None:
    """The rows of `oversample_peaks` in one, the highest of each sample, [T]; None if none is above `floor`.

    Where nothing can be above `floor`, it is 0.
    """
    worst_gain, _ = worst_gains(factor)
    if max(float(context_TC.max()), -float(context_TC.min())) * worst_gain <= floor:
        return None
    context_CT = whole_stretches(context_TC)
    places_J = pieces_above(context_CT, factor, floor)
    if not len(places_J):
        return None
    n_pieces = context_CT.shape[1] // PIECE - 2
    at_hand_JT = np.abs(context_CT[:, PIECE:-PIECE].reshape(-1, PIECE)[places_J])
    found_JT = np.maximum(between_samples(context_CT, places_J, factor).max(axis=0), at_hand_JT)
    peaks_JT = np.zeros((n_pieces, PIECE), np.float32)
    for channel in range(len(context_CT)):
        first, stop = np.searchsorted(places_J, (channel * n_pieces, (channel + 1) * n_pieces))
        pieces_J = places_J[first:stop] - channel * n_pieces
        peaks_JT[pieces_J] = np.maximum(peaks_JT[pieces_J], found_JT[first:stop])
    return peaks_JT.reshape(-1)[: len(context_TC) - 2 * REACH]
