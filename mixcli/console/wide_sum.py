"""The sum of strips whose side is made by a filter: one transform back for all of them.

Legend: T samples, C = 2 channels, P pieces and F frequencies of a filter's spectra.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import Spectra, filtered_block, n_pieces_of
from mixcli.audio.width import n_curve_taps, n_decorrelation_taps

Block = NDArray[np.float32]
Gains = tuple[np.float32, np.float32]  # left and right
UNITY: Gains = (np.float32(1), np.float32(1))


@dataclass(frozen=True)
class WideBlock:
    """What a strip gives that is not yet panned: the mid with its gains, the side, inverted in the right.

    `side_PF` is None where no side sounds; `send_T` goes to the reverb.
    """

    mid_T: Block
    mid_gains: Gains
    side_PF: Spectra | None
    side_gains: Gains
    send_T: Block | None


def n_side_taps(sample_rate: int) -> int:
    """The length of all filters of a side that are summed: that of the longest."""
    return n_curve_taps(sample_rate) + n_decorrelation_taps(sample_rate) - 1


class WideSum:
    """Sums the wide strips of one block of `n_samples`, in the order in which they come."""

    def __init__(self, n_samples: int, sample_rate: int) -> None:
        self._n_samples, self._n_taps = n_samples, n_side_taps(sample_rate)
        # Strips in the centre, whose gains are 1, are summed once for both channels.
        self._centre_T: Block = np.zeros(n_samples, np.float32)
        self._panned_CT: Block = np.zeros((2, n_samples), np.float32)
        self._centre_PF: Spectra | None = None
        self._panned_CPF: Spectra | None = None

    def add(self, block: WideBlock) -> None:
        """Add a strip's mid and side with their gains."""
        if block.mid_gains == UNITY:
            self._centre_T += block.mid_T
        else:
            for channel, gain in enumerate(block.mid_gains):
                self._panned_CT[channel] += block.mid_T * gain
        if block.side_PF is None:
            return
        n_pieces = len(block.side_PF)
        if block.side_gains == UNITY:
            if self._centre_PF is None:
                self._centre_PF = self._no_spectra(block.side_PF)
            _numbers(self._centre_PF[:n_pieces])[:] += _numbers(block.side_PF)
            return
        if self._panned_CPF is None:
            self._panned_CPF = np.stack([self._no_spectra(block.side_PF)] * 2)
        for channel, gain in enumerate(block.side_gains):
            _numbers(self._panned_CPF[channel, :n_pieces])[:] += _numbers(block.side_PF) * gain

    def panned(self) -> Block:
        """The sum, [T, 2], each channel in one piece; the sum is used up."""
        sum_CT = np.add(self._panned_CT, self._centre_T, out=self._panned_CT)
        spectra_CPF = self._panned_CPF
        if self._centre_PF is not None:
            centre_1PF = self._centre_PF[None]
            spectra_CPF = centre_1PF if spectra_CPF is None else spectra_CPF + centre_1PF
        if spectra_CPF is not None:
            side_CT = filtered_block(spectra_CPF, self._n_taps, self._n_samples)
            sum_CT[0] += side_CT[0]
            sum_CT[1] -= side_CT[-1]
        return sum_CT.T

    def _no_spectra(self, like_PF: Spectra) -> Spectra:
        return np.zeros((n_pieces_of(self._n_taps, self._n_samples), like_PF.shape[1]), np.complex64)


def _numbers(spectra_PF: Spectra) -> Block:
    """Real and imaginary parts side by side, without a copy: a gain on them is half the work."""
    return spectra_PF.view(np.float32)
