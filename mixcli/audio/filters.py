"""Recursive filters that run over a stream of blocks and remember where they were.

Legend: T samples, C channels, S second-order sections.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE_STATE = (
    1e-15  # filter state below -300 dBFS; set to zero in silence before it turns into slow denormals
)

Block = NDArray[np.float32]


class SosFilter:
    """Second-order sections in series, run block by block with float64 state.

    `sos_S6` is scipy's layout, [S, 6]. Samples do not depend on how the stream is cut; a silent block after
    the filter has died away costs next to nothing.
    """

    def __init__(self, sos_S6: NDArray[np.float64], n_channels: int) -> None:
        self._sos_S6 = np.asarray(sos_S6, np.float64)
        self._state_SC2 = np.zeros((len(self._sos_S6), n_channels, 2))

    def push(self, block_TC: Block) -> Block:
        """Filter the next samples, [T, C] float32 to the same shape."""
        from scipy.signal import sosfilt

        if np.abs(self._state_SC2).max(initial=0.0) < NEGLIGIBLE_STATE and not block_TC.any():
            self._state_SC2[:] = 0.0
            return np.zeros_like(block_TC)
        filtered_CT, self._state_SC2 = sosfilt(
            self._sos_S6, block_TC.T.astype(np.float64), axis=1, zi=self._state_SC2
        )
        filtered_TC: Block = filtered_CT.astype(np.float32).T  # a channel lies in one piece
        return filtered_TC


def butterworth_high_pass(frequency_hz: float, sample_rate: int, order: int = 2) -> NDArray[np.float64]:
    """Sections of a Butterworth high-pass, -3.01 dB at `frequency_hz`, [S, 6]; minimum phase."""
    return _butterworth("highpass", frequency_hz, sample_rate, order)


def butterworth_low_pass(frequency_hz: float, sample_rate: int, order: int = 2) -> NDArray[np.float64]:
    """Sections of a Butterworth low-pass, -3.01 dB at `frequency_hz`, [S, 6]; minimum phase."""
    return _butterworth("lowpass", frequency_hz, sample_rate, order)


def _butterworth(
    kind: Literal["highpass", "lowpass"], frequency_hz: float, sample_rate: int, order: int
) -> NDArray[np.float64]:
    from scipy.signal import butter

    if not 0 < frequency_hz < sample_rate / 2:
        raise ValueError(f"{frequency_hz:g} Hz is not between 0 and half of {sample_rate} Hz")
    sos_S6: NDArray[np.float64] = butter(order, frequency_hz, kind, fs=sample_rate, output="sos")
    return sos_S6
