"""Recursive filters that run over a stream of blocks and remember where they were.

Legend: T samples, C channels, S second-order sections.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.recursion import GRID, FilterMatrices, GridFilter
from mixcli.audio.silence import is_sounding

SECTIONS_AT_ONCE = 2  # more in one system cost more than one system after the other
GRIDS_AT_ONCE = 4  # of all channels together: what is worked on stays in the cache

Block = NDArray[np.float32]
Samples = NDArray[np.float64]


class SosFilter:
    """Second-order sections in series, run block by block in float64.

    `sos_S6` is scipy's layout, [S, 6]. Samples do not depend on how the stream is cut; a silent block after
    the filter has died away costs next to nothing.
    """

    def __init__(self, sos_S6: NDArray[np.float64], n_channels: int) -> None:
        self._filters = _in_series(sos_S6, n_channels)
        self._open_CT = np.zeros((n_channels, 0), np.float32)  # of the grid that is not complete yet

    def push(self, block_TC: Block) -> Block:
        """Filter the next samples, [T, C] float32 to the same shape."""
        n_open = self._open_CT.shape[1]
        if self._is_at_rest() and not is_sounding(block_TC):
            n_open = (n_open + len(block_TC)) % GRID
            self._open_CT = np.zeros((len(self._open_CT), n_open), np.float32)
            return np.zeros_like(block_TC)
        known_CT = np.concatenate([self._open_CT, block_TC.T], axis=1) if n_open else block_TC.T
        n_whole = known_CT.shape[1] // GRID * GRID
        filtered_CT = np.empty(known_CT.shape, np.float32)
        step = max(1, GRIDS_AT_ONCE // len(known_CT)) * GRID
        for start in range(0, n_whole, step):
            part = slice(start, min(start + step, n_whole))
            filtered_CT[:, part] = self._run(known_CT[:, part])
        self._open_CT = known_CT[:, n_whole:].copy()
        if n_rest := known_CT.shape[1] - n_whole:
            # The rest is filtered as if silence came after it, and once more when the grid is complete.
            grid_CT = np.zeros((len(known_CT), GRID), np.float32)
            grid_CT[:, :n_rest] = self._open_CT
            states = [filtering.state_CN for filtering in self._filters]
            filtered_CT[:, n_whole:] = self._run(grid_CT)[:, :n_rest]
            for filtering, state_CN in zip(self._filters, states, strict=True):
                filtering.state_CN = state_CN
        filtered_TC: Block = filtered_CT[:, n_open:].T  # a channel lies in one piece
        return filtered_TC

    def _is_at_rest(self) -> bool:
        return not any(filtering.state_CN.any() for filtering in self._filters) and not self._open_CT.any()

    def _run(self, grids_CT: NDArray[np.floating]) -> NDArray[np.floating]:
        for filtering in self._filters:
            grids_CT = filtering.push(grids_CT)
        return grids_CT


def filtered_whole(sos_S6: NDArray[np.float64], signal_TC: Samples) -> Samples:
    """All of a signal, [T, C], through second-order sections from rest, in float64."""
    n_samples, n_channels = signal_TC.shape
    grids_CT = np.zeros((n_channels, -(-n_samples // GRID) * GRID))
    grids_CT[:, :n_samples] = signal_TC.T
    for filtering in _in_series(sos_S6, n_channels):
        grids_CT = filtering.push(grids_CT)
    return np.ascontiguousarray(grids_CT[:, :n_samples].T)


def _in_series(sos_S6: NDArray[np.float64], n_channels: int) -> list[GridFilter]:
    sections = np.asarray(sos_S6, np.float64)
    groups = [
        sections[first : first + SECTIONS_AT_ONCE] for first in range(0, len(sections), SECTIONS_AT_ONCE)
    ]
    return [GridFilter(FilterMatrices(group, double=True), n_channels) for group in groups]


def butterworth_high_pass(frequency_hz: float, sample_rate: int, order: int = 2) -> NDArray[np.float64]:
    """Sections of a Butterworth high-pass, -3.01 dB at `frequency_hz`, [S, 6]; minimum phase."""
    return _butterworth(frequency_hz, sample_rate, order, is_high=True)


def butterworth_low_pass(frequency_hz: float, sample_rate: int, order: int = 2) -> NDArray[np.float64]:
    """Sections of a Butterworth low-pass, -3.01 dB at `frequency_hz`, [S, 6]; minimum phase."""
    return _butterworth(frequency_hz, sample_rate, order, is_high=False)


def _butterworth(frequency_hz: float, sample_rate: int, order: int, *, is_high: bool) -> NDArray[np.float64]:
    """The analogue prototype's pairs of poles, 1 / (s² + s / q + 1), after the bilinear transform."""
    if not 0 < frequency_hz < sample_rate / 2:
        raise ValueError(f"{frequency_hz:g} Hz is not between 0 and half of {sample_rate} Hz")
    warped = math.tan(math.pi * frequency_hz / sample_rate)
    level, sign = (1.0, -1.0) if is_high else (warped, 1.0)
    sections = []
    if order % 2:
        scale = 1 + warped
        sections.append([level / scale, sign * level / scale, 0.0, 1.0, (warped - 1) / scale, 0.0])
    for inverse_q in _inverse_qs(order):
        scale = 1 + warped * inverse_q + warped**2
        above = level**2 / scale
        below = [2 * (warped**2 - 1) / scale, (1 - warped * inverse_q + warped**2) / scale]
        sections.append([above, 2 * sign * above, above, 1.0, *below])
    return np.array(sections)


def _inverse_qs(order: int) -> Iterator[float]:
    """1 / q of each pair of Butterworth's poles, which lie evenly on a circle; the least resonant first."""
    for pair in reversed(range(order // 2)):
        yield 2 * math.sin(math.pi * (2 * pair + 1) / (2 * order))
