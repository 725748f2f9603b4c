"""The peak of a signal between its samples, as ITU-R BS.1770-5 annex 2 asks, streamed.

Legend: `T` samples, `C` channels, `R` interpolators, `P` places between two samples, `N` taps.
"""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from mixcli.audio.decibels import amplitude_to_db

REACH = 16  # samples on either side that an interpolated value depends on
# Meters interpolate with filters of different lengths, which disagree by up to 0.5 dB on sound close to half
# the rate (white noise, clipped edges). A ceiling is held under a long, a middle and a short one.
METER_REACHES = (REACH, 10, 6)
KAISER_BETA = 5.0  # flat within 0.02 dB to 0.4 of the rate, -0.1 dB at 20 kHz of 44.1 kHz
TILE = 1024  # samples evaluated at a time; always the same shape, so always the same rounding
HIGH_RATE_HZ = 176_400  # there only sound above 70 kHz could need the finer grid
FACTOR, FACTOR_HIGH_RATE = 8, 4  # a tone at a quarter of the rate reads at most 0.04 (0.17) dB low
NEAR = 0.7  # the shorter filters are asked only where the long one reads at least this much of the floor


class TruePeakMeter:
    """Measures the true peak of a stream of blocks; no result depends on how the stream is cut.

    Tiles that cannot beat the highest peak so far are not interpolated: the bound is their sample peak
    times the interpolator's gain for the worst of all signals, so the result is that of all tiles.
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
            self._sample_peak = max(self._sample_peak, float(np.abs(block_TC).max()))
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
        peaks_R = oversample_peaks(context_TC, self._factor, floor=self._peak).max(axis=1)
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
    context_CT = np.ascontiguousarray(context_TC.T)
    peaks_RT = np.zeros((len(METER_REACHES), n_samples), np.float32)
    for context_T in context_CT:
        np.maximum(peaks_RT, np.abs(context_T[REACH : REACH + n_samples]), out=peaks_RT)
    interpolators = [interpolator_taps(factor, reach) for reach in METER_REACHES]
    worst_gain = max(float(np.abs(taps_PN).sum(axis=1).max()) for taps_PN in interpolators)
    worst_gain *= 1 + 1e-5  # float32 rounding
    for start in range(0, n_samples, TILE):
        stop = min(start + TILE, n_samples)
        for context_T in context_CT:
            tile_T = context_T[start : stop + 2 * REACH]
            if max(tile_T.max(), -tile_T.min()) * worst_gain <= floor:
                continue
            if len(tile_T) < TILE + 2 * REACH:
                tile_T = np.pad(tile_T, (0, TILE + 2 * REACH - len(tile_T)))
            found_RT = _interpolate_tile(tile_T, interpolators, floor)[:, : stop - start]
            np.maximum(peaks_RT[:, start:stop], found_RT, out=peaks_RT[:, start:stop])
    return peaks_RT


def _interpolate_tile(
    tile_T: NDArray[np.float32], interpolators: list[NDArray[np.float32]], floor: float
) -> NDArray[np.float32]:
    # Sample n lies at tile_T[n + REACH]; its taps span n + 1 - REACH … n + REACH.
    signal_NT = as_strided(tile_T[1:], (2 * REACH, TILE), 2 * tile_T.strides).copy()
    found_RT = np.zeros((len(interpolators), TILE), np.float32)
    found_RT[0] = _highest_between(interpolators[0], signal_NT)
    near = np.flatnonzero(found_RT[0] > NEAR * floor)
    if len(near):
        for row, reach in enumerate(METER_REACHES[1:], start=1):
            part_NT = signal_NT[REACH - reach : REACH + reach, near]
            found_RT[row, near] = _highest_between(interpolators[row], part_NT)
    return found_RT


def _highest_between(taps_PN: NDArray[np.float32], signal_NT: NDArray[np.float32]) -> NDArray[np.float32]:
    between_PT = taps_PN @ signal_NT
    return np.asarray(np.maximum(between_PT.max(axis=0), -between_PT.min(axis=0)))


@cache
def interpolator_taps(factor: int, reach: int) -> NDArray[np.float32]:
    """Kaiser-windowed sincs for the places between two samples, [P = factor - 1, 2 * reach]."""
    places_P = np.arange(1, factor) / factor
    distance_PN = places_P[:, None] - np.arange(1 - reach, reach + 1)
    window_PN = np.i0(KAISER_BETA * np.sqrt(1 - (distance_PN / reach) ** 2)) / np.i0(KAISER_BETA)
    taps_PN = np.sinc(distance_PN) * window_PN
    return np.asarray(taps_PN / taps_PN.sum(axis=1, keepdims=True), np.float32)
