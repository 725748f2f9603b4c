"""The peak of a signal between its samples, as ITU-R BS.1770-5 annex 2 asks, streamed.

Legend: `T` samples, `C` channels, `R` interpolators, `P` places between two samples, `N` taps, `J` pieces.
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
PIECE = REACH  # samples that are interpolated, or not, together; their taps end in the pieces beside them
# So many make a product of less than 2^18 multiplications, which the BLAS library does in the calling thread;
# and as the shape is always the same, so is the rounding.
PIECES_AT_ONCE = 16
TILE = 8192  # samples the meter looks at in one go, from the same places however the stream is cut
HIGH_RATE_HZ = 176_400  # there only sound above 70 kHz could need the finer grid
FACTOR, FACTOR_HIGH_RATE = 8, 4  # a tone at a quarter of the rate reads at most 0.04 (0.17) dB low
ROUNDING = 1 + 1e-5  # of float32, on a bound


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
        inner_TC = context_TC[REACH : len(context_TC) - REACH]
        floor = max(self._peak, float(inner_TC.max()), -float(inner_TC.min()))  # no true peak is below it
        self._peak, self._highest = max(self._peak, floor), max(self._highest, floor)
        peaks_R = oversample_peaks(context_TC, self._factor, floor=floor).max(axis=1)
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
    context_CT = _whole_pieces(context_TC)
    n_pieces = context_CT.shape[1] // PIECE - 2
    peaks_RT = np.empty((len(METER_REACHES), n_pieces * PIECE), np.float32)
    peaks_RT[:] = np.abs(context_CT[:, PIECE:-PIECE]).max(axis=0, initial=0.0)
    pieces_RJT = peaks_RT.reshape(len(METER_REACHES), n_pieces, PIECE)
    for context_T in context_CT:
        places_J, found_RJT = _pieces_above(context_T, factor, floor)
        pieces_RJT[:, places_J] = np.maximum(pieces_RJT[:, places_J], found_RJT)
    return peaks_RT[:, :n_samples]


def peaks_above(context_TC: NDArray[np.float32], factor: int, *, floor: float) -> NDArray[np.float32] | None:
    """The rows of `oversample_peaks` in one, the highest of each sample, [T]; None if none is above `floor`.

    Where nothing can be above `floor`, it is 0.
    """
    worst_gain, _ = worst_gains(factor)
    if max(float(context_TC.max()), -float(context_TC.min())) * worst_gain <= floor:
        return None
    context_CT = _whole_pieces(context_TC)
    peaks_JT = np.zeros((context_CT.shape[1] // PIECE - 2, PIECE), np.float32)
    n_found = 0
    for context_T in context_CT:
        places_J, found_RJT = _pieces_above(context_T, factor, floor)
        at_hand_JT = np.abs(context_T[PIECE:-PIECE].reshape(-1, PIECE)[places_J])
        found_JT = np.maximum(found_RJT.max(axis=0), at_hand_JT)
        peaks_JT[places_J] = np.maximum(peaks_JT[places_J], found_JT)
        n_found += len(places_J)
    return peaks_JT.reshape(-1)[: len(context_TC) - 2 * REACH] if n_found else None


def _whole_pieces(context_TC: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels in rows, with silence up to a whole number of pieces, [C, T]."""
    n_pieces = -(-(len(context_TC) - 2 * REACH) // PIECE)
    context_CT = np.zeros((context_TC.shape[1], (n_pieces + 2) * PIECE), np.float32)
    context_CT[:, : len(context_TC)] = context_TC.T
    return context_CT


def _pieces_above(
    context_T: NDArray[np.float32], factor: int, floor: float
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Which pieces may reach above `floor`, [J], and what is between their samples, [R, J, PIECE]."""
    (places_J,) = np.nonzero(_bounds(context_T, factor) > floor)
    return places_J, _interpolate(context_T, places_J, factor)


def _bounds(context_T: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """The most that any interpolator can find in each piece but the first and the last, [J].

    The lower of two bounds: by the highest sample the taps reach, and by the samples at hand and the largest
    step from one sample to the next within reach.
    """
    worst_gain, worst_step_gain = worst_gains(factor)
    magnitude_T = np.abs(context_T)
    steps_T = np.zeros_like(context_T)
    np.abs(np.subtract(context_T[1:], context_T[:-1], out=steps_T[:-1]), out=steps_T[:-1])
    highest_J, steps_J = _highest_of_pieces(magnitude_T), _highest_of_pieces(steps_T)
    at_hand_J = np.maximum(highest_J[1:-1], magnitude_T[2 * PIECE :: PIECE])  # a piece and the sample after
    by_steps_J = at_hand_J + np.float32(worst_step_gain) * _highest_of_three(steps_J)
    by_steps_J *= np.float32(ROUNDING)
    bounds_J: NDArray[np.float32] = np.minimum(
        by_steps_J, np.float32(worst_gain) * _highest_of_three(highest_J)
    )
    return bounds_J


def _highest_of_pieces(values_T: NDArray[np.float32]) -> NDArray[np.float32]:
    highest_J = values_T
    for _ in range(PIECE.bit_length() - 1):
        highest_J = np.maximum(highest_J[::2], highest_J[1::2])
    return highest_J


def _highest_of_three(values_J: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(np.maximum(values_J[:-2], values_J[1:-1]), values_J[2:])


def _interpolate(
    context_T: NDArray[np.float32], places_J: NDArray[np.intp], factor: int
) -> NDArray[np.float32]:
    """The highest magnitude from each sample of some pieces to the next, [R, J, PIECE]."""
    n_all = len(context_T) // PIECE - 2
    around_JN = as_strided(context_T, (n_all, 3 * PIECE), (PIECE * context_T.itemsize, context_T.itemsize))
    n_products = -(-len(places_J) // PIECES_AT_ONCE)
    filled_J = np.resize(places_J, n_products * PIECES_AT_ONCE)
    found_JRT = np.empty((len(filled_J), len(METER_REACHES), PIECE), np.float32)
    for start in range(0, len(filled_J), PIECES_AT_ONCE):
        part = slice(start, start + PIECES_AT_ONCE)
        between = around_JN[filled_J[part]] @ piece_matrix(factor)
        np.abs(between, out=between)
        found_JRT[part] = between.reshape(PIECES_AT_ONCE, factor - 1, *found_JRT.shape[1:]).max(axis=1)
    return found_JRT[: len(places_J)].transpose(1, 0, 2)


@cache
def piece_matrix(factor: int) -> NDArray[np.float32]:
    """What makes three pieces into all values between the samples of the second, [3 PIECE, P * R * PIECE]."""
    matrix = np.zeros((3 * PIECE, factor - 1, len(METER_REACHES), PIECE), np.float32)
    for row, reach in enumerate(METER_REACHES):
        taps_PN = interpolator_taps(factor, reach)
        for sample in range(PIECE):  # its taps span sample + 1 - reach … sample + reach
            first = PIECE + sample + 1 - reach
            matrix[first : first + 2 * reach, :, row, sample] = taps_PN.T
    return np.ascontiguousarray(matrix.reshape(3 * PIECE, -1))


@cache
def worst_gains(factor: int) -> tuple[float, float]:
    """How far any signal may rise between its samples: by its highest sample, and by its steps.

    A value y between the samples x[n] and x[n + 1] is the sum of h[k] x[n + k]. So |y| is at most the sum of
    |h| times the highest sample. And as the taps h add up to 1, y is x[n] + p (x[n + 1] - x[n]), which lies
    between the two samples, plus the sum of c[j] (x[n + j + 1] - x[n + j]): for j >= 0, c[j] is the sum of
    all h[k] with k > j, for j < 0 less the sum of those with k <= j, and c[0] is less by the place p. So
    |y| is at most the higher of the two samples plus the sum of |c| times the largest step.
    """
    gain = step_gain = 0.0
    for reach in METER_REACHES:
        taps_PN = interpolator_taps(factor, reach).astype(np.float64)
        offsets_N = np.arange(1 - reach, reach)
        sums_PN = np.cumsum(taps_PN, axis=1)[:, :-1]  # of the taps up to each offset
        totals_P1 = taps_PN.sum(axis=1, keepdims=True)
        c_PN = np.where(offsets_N >= 0, totals_P1 - sums_PN, -sums_PN)
        c_PN[:, reach - 1] -= np.arange(1, factor) / factor
        gain = max(gain, float(np.abs(taps_PN).sum(axis=1).max()))
        step_gain = max(step_gain, float(np.abs(c_PN).sum(axis=1).max()))
    return gain * ROUNDING, step_gain * ROUNDING


@cache
def interpolator_taps(factor: int, reach: int) -> NDArray[np.float32]:
    """Kaiser-windowed sincs for the places between two samples, [P = factor - 1, 2 * reach]."""
    places_P = np.arange(1, factor) / factor
    distance_PN = places_P[:, None] - np.arange(1 - reach, reach + 1)
    window_PN = np.i0(KAISER_BETA * np.sqrt(1 - (distance_PN / reach) ** 2)) / np.i0(KAISER_BETA)
    taps_PN = np.sinc(distance_PN) * window_PN
    return np.asarray(taps_PN / taps_PN.sum(axis=1, keepdims=True), np.float32)
