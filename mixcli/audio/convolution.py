"""Convolution of a stream with a long impulse response, by the fast Fourier transform.

Legend: T samples, C channels, N taps, P pieces, F frequencies.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.silence import is_sounding

LONGEST_HOP = 65_536  # samples of input per transform; the renderer's block, so that it is never cut
MOST_PIECES = 64  # that a block of that length is cut into
SIDE_BY_SIDE = 4  # transforms that the FFT library makes at once, in little more than the time of one
SIDE_BY_SIDE_SHARE = 0.4  # of the time of one after the other, as measured
POWER_OF_TWO_SHARE = 1.06  # of another length that a power of two may have and still be faster
SIDE_BY_SIDE_LENGTH = 16_384  # longer ones, four at once, leave the cache

Block = NDArray[np.float32]
Spectra = NDArray[np.complex64]


class StreamConvolver:
    """A causal FIR filter over a stream of blocks: sample t of the output is Σ_n fir[n] · input[t - n].

    `fir` is [N] for the same filter in every channel, or [N, C] for one per channel. One channel goes through
    a filter of C channels into C outputs. The last N - 1 samples are remembered and transformed once more
    with those that follow (overlap-save), in float32: about -140 dB of the signal. Cutting the stream
    elsewhere changes no more than that rounding. `n_taps` makes the filter as long as others, with zeros.
    """

    def __init__(self, fir: NDArray[np.floating], n_channels: int, *, n_taps: int = 0) -> None:
        from scipy.fft import rfft

        fir_CN = np.atleast_2d(np.asarray(fir, np.float64).T)
        if fir_CN.shape[1] == 0:
            raise ValueError("an impulse response needs at least one tap")
        if 1 not in (len(fir_CN), n_channels) and len(fir_CN) != n_channels:
            raise ValueError(f"{n_channels} channels do not fit a filter of {len(fir_CN)}")
        self.n_taps = max(fir_CN.shape[1], n_taps)
        self.n_outputs = max(len(fir_CN), n_channels)
        self._hop, self._n_fft = _cheapest_transform(self.n_taps)
        self._spectrum_CF = rfft(fir_CN, self._n_fft, axis=1).astype(np.complex64)
        self._past_CT = np.zeros((n_channels, self.n_taps - 1), np.float32)
        self._n_heard = 0  # how many samples the past may still sound for; after that it is exactly zero

    def push(self, block_TC: Block) -> Block:
        """Filter the next samples, [T, C] to [T, n_outputs], each channel in one piece."""
        spectra_CPF = self.push_for_spectra(block_TC)
        if spectra_CPF is None:
            return np.zeros((self.n_outputs, len(block_TC)), np.float32).T
        return filtered_block(spectra_CPF, self.n_taps, len(block_TC)).T

    def push_for_spectra(self, block_TC: Block) -> Spectra | None:
        """As `push`, but return spectra for `filtered_block`, [n_outputs, P, F]; None is silence.

        Those of two filters of the same n_taps may differ in P: the pieces that come after are silent.
        """
        from scipy.fft import rfft

        n_samples, n_past = len(block_TC), self.n_taps - 1
        is_heard = is_sounding(block_TC)
        n_sounding = n_samples if is_heard else min(n_samples, self._n_heard)
        if not n_sounding:
            return None
        n_pieces = -(-n_sounding // self._hop)
        n_known = max(n_past + n_samples, (n_pieces - 1) * self._hop + self._n_fft)
        known_CT = np.zeros((len(self._past_CT), n_known), np.float32)
        known_CT[:, :n_past] = self._past_CT
        known_CT[:, n_past : n_past + n_samples] = block_TC.T
        self._past_CT = known_CT[:, n_samples : n_samples + n_past].copy()
        self._n_heard = n_past if is_heard else self._n_heard - n_sounding
        # Pieces that overlap by what the filter remembers, without a copy.
        channel, sample = known_CT.strides
        shape, strides = (len(known_CT), n_pieces, self._n_fft), (channel, self._hop * sample, sample)
        pieces_CPT = np.ndarray(shape, known_CT.dtype, known_CT, strides=strides)
        spectra_CPF: Spectra = rfft(pieces_CPT, axis=2)
        into_CPF = spectra_CPF if len(spectra_CPF) == self.n_outputs else None
        filtered_CPF: Spectra = np.multiply(spectra_CPF, self._spectrum_CF[:, None], out=into_CPF)
        return filtered_CPF


def filtered_block(spectra_CPF: Spectra, n_taps: int, n_samples: int) -> Block:
    """What spectra of filters of `n_taps` are in time, [C, n_samples]; the spectra are used up."""
    from scipy.fft import irfft

    hop, n_fft = _cheapest_transform(n_taps)
    convolved_CPT = irfft(spectra_CPF, n_fft, axis=2, overwrite_x=True)
    # Before that the transform's end has come round to its start.
    pieces_CPT = convolved_CPT[:, :, n_taps - 1 : n_taps - 1 + hop]
    filtered_CT: Block = pieces_CPT.reshape(len(pieces_CPT), -1)[:, :n_samples]
    if filtered_CT.shape[1] == n_samples:
        return filtered_CT
    silence_CT = np.zeros((len(filtered_CT), n_samples - filtered_CT.shape[1]), np.float32)
    return np.concatenate([filtered_CT, silence_CT], axis=1)


def n_pieces_of(n_taps: int, n_samples: int) -> int:
    """How many pieces a block's spectra have at most."""
    return -(-n_samples // _cheapest_transform(n_taps)[0])


@cache
def _cheapest_transform(n_taps: int) -> tuple[int, int]:
    """Samples of input per transform, and its length, that cost least for blocks of the longest hop."""

    def cost(n_pieces: int) -> float:
        n_fft = _transform_length(LONGEST_HOP // n_pieces + n_taps - 1)
        at_once = n_pieces % SIDE_BY_SIDE == 0 and n_fft <= SIDE_BY_SIDE_LENGTH
        share = SIDE_BY_SIDE_SHARE if at_once else 1.0
        return float(n_pieces * n_fft * np.log2(n_fft)) * share

    pieces = [1 << power for power in range(MOST_PIECES.bit_length())]
    hop = LONGEST_HOP // min(pieces, key=cost)
    return hop, _transform_length(hop + n_taps - 1)


def _transform_length(n_samples: int) -> int:
    """The length of at least so many samples whose transform is fastest."""
    from scipy.fft import next_fast_len

    length = int(next_fast_len(n_samples, real=True))
    power_of_two = 1 << (n_samples - 1).bit_length()
    return power_of_two if power_of_two <= POWER_OF_TWO_SHARE * length else length
