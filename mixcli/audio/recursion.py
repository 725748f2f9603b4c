"""Recursive filters without a loop over samples: all products of a stretch of sound are matrix products.

The sound is cut into pieces. What a piece does to its own output and to the state after it are fixed
matrices; so is what runs of pieces and grids of runs do to the state. Only the states from grid to grid are
worked out one after the other.

Legend: S second-order sections, N state variables (2 S), C channels, T samples, L samples of a piece.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Sizes for which one product is small enough that the BLAS library makes it in the calling thread (fewer than
# 2^18 multiplications), and always of the same shape, so that it is rounded the same however a stream is cut.
PIECE = 32  # samples
PIECES = 8  # of a run
RUNS = 32  # of a grid
ROWS = 128  # pieces of one product
GRID = PIECE * PIECES * RUNS  # samples
DOUBLINGS = 30  # a billion samples: every filter has died away
LATE, EARLY = np.indices((PIECE, PIECE))
APART = 1e-10
NEGLIGIBLE = 1e-20  # a state below -400 dBFS is set to zero before it decays into slow denormals

Samples = NDArray[Any]  # float32, or float64 where the matrices are double
States = NDArray[np.float64]


class FilterMatrices:
    """What second-order sections in series do to a piece, a run and a grid of samples.

    `sos_S6` is scipy's layout, [S, 6]. Made once, it serves any number of filters. `double`: the samples are
    worked out in float64 too, which takes half as long again.
    """

    def __init__(self, sos_S6: States, *, double: bool = False) -> None:
        self.dtype = np.dtype(np.float64 if double else np.float32)
        step_NN, in_N, out_N, through = _balanced(*_state_space(sos_S6))
        powers = _powers(step_NN, PIECE)
        left_LN = np.array([out_N @ power for power in powers[:PIECE]])
        added_LN = np.array([power @ in_N for power in powers[PIECE - 1 :: -1]])
        response_L = np.array([through, *(left_N @ in_N for left_N in left_LN[: PIECE - 1])])
        own_LL = np.where(LATE >= EARLY, response_L[LATE - EARLY], 0.0)
        self.piece_to_output = _clean(own_LL.T).astype(self.dtype)
        self.state_to_output = _clean(left_LN.T).astype(self.dtype)
        self.piece_to_state = _clean(added_LN).astype(self.dtype)
        self.run = _Chain(powers[PIECE], PIECES)
        self.grid = _Chain(self.run.power_NN, RUNS)
        self.n_states = len(in_N)


class GridFilter:
    """A filter over a stream that comes in whole grids of `GRID` samples.

    It does what `scipy.signal.sosfilt` does, in less than half the time: the states are float64, each piece
    is filtered in float32, with rounding near -140 dB of the input (in float64 with matrices that are
    `double`, near -250 dB). The samples are the same bit for bit however the stream is cut.
    """

    def __init__(self, matrices: FilterMatrices, n_channels: int) -> None:
        self._matrices = matrices
        self.state_CN = np.zeros((n_channels, matrices.n_states))

    def push(self, signal_CT: Samples) -> Samples:
        """Filter whole grids, [C, T] to the same shape, in the precision of the matrices."""
        matrices = self._matrices
        pieces = signal_CT.astype(matrices.dtype, copy=False).reshape(-1, ROWS, PIECE)
        added = (pieces @ matrices.piece_to_state).astype(np.float64, copy=False)
        by_pieces = matrices.run.from_rest(added.reshape(len(signal_CT), -1, RUNS, PIECES, added.shape[-1]))
        by_runs = matrices.grid.from_rest(by_pieces[..., None, :, -1, :])[:, :, 0]
        for grid in range(by_runs.shape[1]):
            by_runs[:, grid] += matrices.grid.from_state(self.state_CN)
            self.state_CN = by_runs[:, grid, -1]
            # The first number alone mostly says that there is sound.
            if abs(self.state_CN[0, 0]) < NEGLIGIBLE and np.abs(self.state_CN).max() < NEGLIGIBLE:
                self.state_CN = np.zeros_like(self.state_CN)
        by_pieces += matrices.run.from_state(by_runs[..., :-1, :])
        filtered: Samples = pieces @ matrices.piece_to_output
        states = by_pieces[..., :-1, :].astype(matrices.dtype).reshape(-1, ROWS, matrices.n_states)
        filtered += states @ matrices.state_to_output
        return filtered.reshape(signal_CT.shape)


class _Chain:
    """The states before and after each of `length` steps in a row, by one product for all of them."""

    def __init__(self, step_NN: States, length: int) -> None:
        powers = _powers(step_NN, length)
        n_states = len(step_NN)
        # What comes in at a step is in the states after it: zeros before, then the powers.
        delayed = np.zeros((2 * length, n_states, n_states))
        delayed[length:] = _clean(np.array(powers[:length]).transpose(0, 2, 1))
        of_sources = np.lib.stride_tricks.sliding_window_view(delayed, length + 1, axis=0)[::-1]
        self._along = of_sources.transpose(0, 1, 3, 2).reshape(length * n_states, -1)
        self._start = _clean(np.concatenate([power.T for power in powers], axis=1))
        self._shape = (length + 1, n_states)
        self.power_NN = powers[length]

    def from_rest(self, added: States) -> States:
        """What the steps add to the state, [..., length, N], to the states, [..., length + 1, N]."""
        states: States = added.reshape(*added.shape[:-2], -1) @ self._along
        return states.reshape(*states.shape[:-1], *self._shape)

    def from_state(self, start: States) -> States:
        """What is left of a state, [..., N], before and after each step, [..., length + 1, N]."""
        states: States = start @ self._start
        return states.reshape(*states.shape[:-1], *self._shape)


def _state_space(sos_S6: States) -> tuple[States, States, States, float]:
    """Sections in series as one system: state' = step · state + in · x, y = out · state + through · x.

    The states of a section are the first of its transposed direct form and the sum of both: near frequency 0
    the two all but cancel out. A section of first order has the first alone.
    """
    step_NN, in_N = np.zeros((0, 0)), np.zeros(0)
    out_N, through = np.zeros(0), 1.0  # of the sections so far: nothing yet
    for b0, b1, b2, _, a1, a2 in sos_S6 / sos_S6[:, 3:4]:
        # In the direct form both states take b · x - a · y; x is the output of the sections before.
        first, second = b1 - a1 * b0, b2 - a2 * b0
        gains, own = np.array([first, first + second]), np.array([[-a1 - 1.0, 1.0], [-1.0 - a1 - a2, 1.0]])
        if b2 == a2 == 0:
            gains, own = gains[:1], np.array([[-a1]])
        step_NN = np.block([[step_NN, np.zeros((len(step_NN), len(own)))], [np.outer(gains, out_N), own]])
        in_N = np.concatenate([in_N, gains * through])
        out_N, through = np.concatenate([b0 * out_N, np.eye(len(own))[0]]), b0 * through
    return step_NN, in_N, out_N, through


def _balanced(
    step_NN: States, in_N: States, out_N: States, through: float
) -> tuple[States, States, States, float]:
    """The same system in other coordinates: white noise at the input makes states of level 1, uncorrelated.

    As they stand, the states of a high-pass far below the sample rate are large and all but cancel out,
    which float32 would not bear.
    """
    spread_NN, power_NN = np.outer(in_N, in_N), step_NN
    for _ in range(DOUBLINGS):  # the sum of power · in · in' · power' over all powers
        spread_NN = spread_NN + power_NN @ spread_NN @ power_NN.T
        power_NN = power_NN @ power_NN
        if not power_NN.any():
            break
    level_N = np.sqrt(np.where(np.diag(spread_NN) > 0, np.diag(spread_NN), 1.0))
    # One section may undo another: then a state hangs on the others, and a little of its own keeps it apart.
    likeness_NN = spread_NN / np.outer(level_N, level_N) + APART * np.eye(len(level_N))
    root_NN = level_N[:, None] * np.linalg.cholesky(likeness_NN)
    return (
        np.linalg.solve(root_NN, step_NN @ root_NN),
        np.linalg.solve(root_NN, in_N),
        out_N @ root_NN,
        through,
    )


def _powers(step_NN: States, most: int) -> list[States]:
    powers = [np.eye(len(step_NN))]
    for _ in range(most):
        powers.append(powers[-1] @ step_NN)
    return powers


def _clean(matrix: States) -> States:
    """Without the numbers so small that they only slow the products down."""
    return np.ascontiguousarray(np.where(np.abs(matrix) < NEGLIGIBLE, 0.0, matrix))
