"""Where a signal may rise above a level between its samples, without working out what is between them.

First whole stretches are bounded, then the pieces of those that are left.

Legend: `T` samples, `C` channels, `F` stretches that are left, `J` pieces, `P` places, `N` taps.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.interpolation import METER_REACHES, PIECE, interpolator_taps, overlapping

STRETCH_PIECES = 64  # of a stretch
STRETCH = STRETCH_PIECES * PIECE  # samples
ROUNDING = 1 + 1e-5  # of float32, on a bound


def whole_stretches(context_TC: NDArray[np.float32]) -> NDArray[np.float32]:
    """The channels in rows, with silence up to whole stretches and a piece on each side, [C, T]."""
    n_stretches = max(-(-(len(context_TC) - 2 * PIECE) // STRETCH), 1)
    context_CT = np.empty((context_TC.shape[1], n_stretches * STRETCH + 2 * PIECE), np.float32)
    for context_T, channel_T in zip(context_CT, context_TC.T, strict=True):
        context_T[: len(channel_T)] = channel_T
        context_T[len(channel_T) :] = 0.0
    return context_CT


def pieces_above(context_CT: NDArray[np.float32], factor: int, floor: float) -> NDArray[np.intp]:
    """The pieces in which any interpolator may find more than `floor`, [J], as `between_samples` counts them.

    The context is that of `whole_stretches`; its first and last piece are looked at from beside them only.
    """
    n_stretches = (context_CT.shape[1] - 2 * PIECE) // STRETCH
    around_CFT = overlapping(context_CT, n_stretches, STRETCH, STRETCH + 2 * PIECE)
    steps_CT = np.empty_like(context_CT)
    np.subtract(context_CT[:, 1:], context_CT[:, :-1], out=steps_CT[:, :-1])
    steps_CT[:, -1] = 0.0
    steps_CFT = overlapping(steps_CT, n_stretches, STRETCH, STRETCH + 2 * PIECE)
    gain, step_gain = worst_gains(factor)
    highest_CF = _magnitudes(around_CFT)
    bounds_CF = np.minimum(gain * highest_CF, highest_CF + step_gain * _magnitudes(steps_CFT))
    channels_F, stretches_F = np.nonzero(bounds_CF * ROUNDING > floor)
    if not len(channels_F):
        return np.zeros(0, np.intp)
    bounds_FJ = _bounds(around_CFT[channels_F, stretches_F], steps_CFT[channels_F, stretches_F], factor)
    left_F, pieces_F = np.nonzero(bounds_FJ > floor)
    first_F = (channels_F * n_stretches + stretches_F) * STRETCH_PIECES
    return np.asarray(first_F[left_F] + pieces_F, np.intp)


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


def _magnitudes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    highest: NDArray[np.float32] = np.maximum(values.max(axis=-1), -values.min(axis=-1))
    return highest


def _bounds(
    around_FT: NDArray[np.float32], steps_FT: NDArray[np.float32], factor: int
) -> NDArray[np.float32]:
    """The most that any interpolator can find in each piece of stretches but the first and the last, [F, J].

    The lower of two bounds: by the highest sample the taps reach, and by the samples at hand and the largest
    step from one sample to the next within reach.
    """
    worst_gain, worst_step_gain = worst_gains(factor)
    magnitude_FT, steps_FT = np.abs(around_FT), np.abs(steps_FT)
    highest_FJ, steps_FJ = _highest_of_pieces(magnitude_FT), _highest_of_pieces(steps_FT)
    # A piece and the sample after.
    at_hand_FJ = np.maximum(highest_FJ[:, 1:-1], magnitude_FT[:, 2 * PIECE :: PIECE])
    by_steps_FJ = at_hand_FJ + np.float32(worst_step_gain) * _highest_of_three(steps_FJ)
    by_steps_FJ *= np.float32(ROUNDING)
    bounds_FJ: NDArray[np.float32] = np.minimum(
        by_steps_FJ, np.float32(worst_gain) * _highest_of_three(highest_FJ)
    )
    return bounds_FJ


def _highest_of_pieces(values_FT: NDArray[np.float32]) -> NDArray[np.float32]:
    highest_FJ = values_FT
    for _ in range(PIECE.bit_length() - 1):
        highest_FJ = np.maximum(highest_FJ[:, ::2], highest_FJ[:, 1::2])
    return highest_FJ


def _highest_of_three(values_FJ: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.maximum(np.maximum(values_FJ[:, :-2], values_FJ[:, 1:-1]), values_FJ[:, 2:])
