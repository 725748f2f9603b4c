"""The values of a signal between its samples, by windowed sincs, for the pieces of it that matter.

Legend: `T` samples, `C` channels, `R` interpolators, `P` places between two samples, `N` taps, `J` pieces.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

REACH = 16  # samples on either side that an interpolated value depends on
# Meters interpolate with filters of different lengths, which disagree by up to 0.5 dB on sound close to half
# the rate (white noise, clipped edges). A ceiling is held under a long, a middle and a short one.
METER_REACHES = (REACH, 10, 6)
KAISER_BETA = 5.0  # flat within 0.02 dB to 0.4 of the rate, -0.1 dB at 20 kHz of 44.1 kHz
PIECE = REACH  # samples that are interpolated, or not, together; their taps end in the pieces beside them
# So many make a product of less than 2^18 multiplications, which the BLAS library does in the calling thread.
# How a row is rounded hangs on the shape of a product, which is always the same, and on some processors on
# the row's number too: so that of a piece follows from where it lies, whatever else is interpolated with it.
PIECES_AT_ONCE = 16


def between_samples(
    context_CT: NDArray[np.float32], places_J: NDArray[np.intp], factor: int
) -> NDArray[np.float32]:
    """The highest magnitude from each sample of some pieces to the next, [R, J, PIECE].

    `places_J` count all pieces of the channels' rows but the first and the last of each, row after row; there
    must be one. A piece has the same bits whatever others are asked for.
    """
    n_pieces = context_CT.shape[1] // PIECE - 2
    around_CJN = overlapping(context_CT, n_pieces, PIECE, 3 * PIECE)
    rows_J = _rows(places_J)
    n_products = int(rows_J.max()) // PIECES_AT_ONCE + 1
    filled_J = np.full(n_products * PIECES_AT_ONCE, places_J[0])
    filled_J[rows_J] = places_J
    around_JN = around_CJN[filled_J // n_pieces, filled_J % n_pieces]
    matrix = piece_matrix(factor)
    found_JRT = np.empty((len(filled_J), len(METER_REACHES), PIECE), np.float32)
    for start in range(0, len(filled_J), PIECES_AT_ONCE):
        part = slice(start, start + PIECES_AT_ONCE)
        between = around_JN[part] @ matrix
        np.abs(between, out=between)
        between.reshape(PIECES_AT_ONCE, factor - 1, *found_JRT.shape[1:]).max(axis=1, out=found_JRT[part])
    return found_JRT[rows_J].transpose(1, 0, 2)


def _rows(places_J: NDArray[np.intp]) -> NDArray[np.intp]:
    """A row for each piece, [J], counted over all products: in its product the number of its place."""
    numbers_J = places_J % PIECES_AT_ONCE
    order_J = np.argsort(numbers_J, kind="stable")
    counts = np.bincount(numbers_J, minlength=PIECES_AT_ONCE)
    before_J = np.repeat(np.cumsum(counts) - counts, counts)
    products_J = np.empty_like(order_J)
    products_J[order_J] = np.arange(len(order_J)) - before_J
    rows_J: NDArray[np.intp] = products_J * PIECES_AT_ONCE + numbers_J
    return rows_J


def overlapping(rows_CT: NDArray[np.float32], n_parts: int, step: int, length: int) -> NDArray[np.float32]:
    """Parts of rows that begin every `step` samples, [C, n_parts, length]: a view of the same memory."""
    item = rows_CT.itemsize
    strides = (rows_CT.strides[0], step * item, item)
    return np.ndarray((len(rows_CT), n_parts, length), rows_CT.dtype, rows_CT.data, strides=strides)


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
def interpolator_taps(factor: int, reach: int) -> NDArray[np.float32]:
    """Kaiser-windowed sincs for the places between two samples, [P = factor - 1, 2 * reach]."""
    places_P = np.arange(1, factor) / factor
    distance_PN = places_P[:, None] - np.arange(1 - reach, reach + 1)
    window_PN = np.i0(KAISER_BETA * np.sqrt(1 - (distance_PN / reach) ** 2)) / np.i0(KAISER_BETA)
    taps_PN = np.sinc(distance_PN) * window_PN
    return np.asarray(taps_PN / taps_PN.sum(axis=1, keepdims=True), np.float32)
