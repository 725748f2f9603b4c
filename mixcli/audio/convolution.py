"""Convolution of a stream with a long impulse response, by the fast Fourier transform.

Legend: T samples, C channels, N taps, P pieces.
"""

import numpy as np
from numpy.typing import NDArray

LONGEST_HOP = 65_536  # samples of input per transform; the renderer's block, so that it is never cut
MOST_PIECES = 64  # that a block of that length is cut into
SIDE_BY_SIDE = 4  # transforms that the FFT library makes at once, in little more than the time of one
SIDE_BY_SIDE_SHARE = 0.4  # of the time of one after the other, as measured
SIDE_BY_SIDE_LENGTH = 16_384  # longer ones, four at once, leave the cache

Block = NDArray[np.float32]


class StreamConvolver:
    """A causal FIR filter over a stream of blocks: sample t of the output is Σ_n fir[n] · input[t - n].

    `fir` is [N] for the same filter in every channel, or [N, C] for one per channel. One channel goes through
    a filter of C channels into C outputs. The last N - 1 samples of the convolution are carried from block to
    block (overlap-add), computed in float32: about -140 dB of the signal. Cutting the stream elsewhere
    changes no more than that rounding.
    """

    def __init__(self, fir: NDArray[np.floating], n_channels: int) -> None:
        from scipy.fft import rfft

        fir_CN = np.atleast_2d(np.asarray(fir, np.float64).T)
        if fir_CN.shape[1] == 0:
            raise ValueError("an impulse response needs at least one tap")
        if 1 not in (len(fir_CN), n_channels) and len(fir_CN) != n_channels:
            raise ValueError(f"{n_channels} channels do not fit a filter of {len(fir_CN)}")
        self.n_taps = fir_CN.shape[1]
        self.n_outputs = max(len(fir_CN), n_channels)
        self._hop, self._n_fft = _cheapest_transform(self.n_taps)
        self._spectrum_CF = rfft(fir_CN, self._n_fft, axis=1).astype(np.complex64)
        self._tail_CT = np.zeros((self.n_outputs, self.n_taps - 1), np.float32)
        self._n_tail = 0  # how much of the tail may sound; after that it is exactly zero

    def push(self, block_TC: Block) -> Block:
        """Filter the next samples, [T, C] to [T, n_outputs]."""
        n_samples = len(block_TC)
        output_CT = np.zeros((self.n_outputs, n_samples + self.n_taps - 1), np.float32)
        output_CT[:, : self._n_tail] = self._tail_CT[:, : self._n_tail]
        if block_TC.any():
            self._add_convolved(block_TC, output_CT)
            self._n_tail = self.n_taps - 1
        else:
            self._n_tail = max(0, self._n_tail - n_samples)
        self._tail_CT = output_CT[:, n_samples:]
        return np.ascontiguousarray(output_CT[:, :n_samples].T)

    def _add_convolved(self, block_TC: Block, output_CT: Block) -> None:
        from scipy.fft import irfft, rfft

        n_samples = len(block_TC)
        n_pieces = -(-n_samples // self._hop)
        padded_CT = np.zeros((block_TC.shape[1], n_pieces * self._hop), np.float32)
        padded_CT[:, :n_samples] = block_TC.T
        pieces_CPT = padded_CT.reshape(len(padded_CT), n_pieces, self._hop)
        spectra_CPF = rfft(pieces_CPT, self._n_fft, axis=2)
        if len(spectra_CPF) == self.n_outputs:
            spectra_CPF *= self._spectrum_CF[:, None]
        else:
            spectra_CPF = spectra_CPF * self._spectrum_CF[:, None]
        convolved_CPT = irfft(spectra_CPF, self._n_fft, axis=2, overwrite_x=True)
        for piece in range(n_pieces):
            part_CT = output_CT[:, piece * self._hop :][:, : self._n_fft]
            part_CT += convolved_CPT[:, piece, : part_CT.shape[1]]


def _cheapest_transform(n_taps: int) -> tuple[int, int]:
    """Samples of input per transform, and its length, that cost least for blocks of the longest hop."""
    from scipy.fft import next_fast_len

    def cost(n_pieces: int) -> float:
        n_fft = next_fast_len(LONGEST_HOP // n_pieces + n_taps - 1, real=True)
        at_once = n_pieces % SIDE_BY_SIDE == 0 and n_fft <= SIDE_BY_SIDE_LENGTH
        share = SIDE_BY_SIDE_SHARE if at_once else 1.0
        return float(n_pieces * n_fft * np.log2(n_fft)) * share

    pieces = [1 << power for power in range(MOST_PIECES.bit_length())]
    hop = LONGEST_HOP // min(pieces, key=cost)
    return hop, next_fast_len(hop + n_taps - 1, real=True)
