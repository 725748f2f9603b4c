"""Third-octave bands, and the spectrum below 354 Hz, for which the transforms of the survey are too short.

Legend: T samples, C channels, S samples of a step, L samples at the low rate, F frequency bins, B bands,
P real and imaginary parts of the bins.
"""

import numpy as np
from numpy.typing import NDArray

# Base-2 bands, as IEC 61260-1 permits: 24.8 Hz to 20.16 kHz, a sixth of an octave to either side.
CENTRES_HZ = tuple(1000.0 * 2.0 ** (k / 3) for k in range(-16, 14))
EDGES_HZ = (*(centre * 2 ** (-1 / 6) for centre in CENTRES_HZ), CENTRES_HZ[-1] * 2 ** (1 / 6))
N_LOW = 12  # bands, up to 315 Hz, that are found at the low rate
LOWEST_RATE_HZ = 1_300.0  # of the low rate, which lies between this and twice this
TAPS_PER_STEP = 8  # the length of the filter before the low rate, in samples of it
PASSES_AT_ONCE = 8  # that are transformed together
KAISER_BETA = 6.0  # 63 dB down where the low rate would fold into the bands

Block = NDArray[np.float32]


def band_energies(frequencies_F: NDArray[np.float64], power_F: NDArray[np.float64]) -> NDArray[np.float64]:
    """The power of evenly spaced bins shared out to the 30 bands, [F] to [B].

    A bin counts for the width it stands for, so one on an edge gives its part to either side. What lies above
    the last bin is nothing.
    """
    spacing = frequencies_F[1] - frequencies_F[0]
    edges = np.append(frequencies_F - spacing / 2, frequencies_F[-1] + spacing / 2)
    below = np.interp(EDGES_HZ, edges, np.concatenate([[0.0], np.cumsum(power_F)]))
    bands_B: NDArray[np.float64] = np.diff(below)
    return bands_B


class LowSpectrum:
    """The power spectrum of a stream at a rate of 1.3 to 2.6 kHz, by segments of about 1.3 s.

    It takes passes of `n_pass` samples, each with what follows behind it, as the band meter cuts them. A
    segment is two passes; each fades into the next with constant power, so that every sample counts once.
    """

    def __init__(self, sample_rate: int, n_channels: int, n_pass: int) -> None:
        self._step = 2 ** max(0, int(np.log2(sample_rate / LOWEST_RATE_HZ)))
        self._n_low = n_pass // self._step
        length = 2 * self._n_low
        self._window_L = np.sin((np.arange(length) + 0.5) * np.pi / length).astype(np.float32)
        n_taps = TAPS_PER_STEP * self._step
        taps = np.sinc((np.arange(n_taps) - (n_taps - 1) / 2) / self._step) * np.kaiser(n_taps, KAISER_BETA)
        parts_ST = (taps / taps.sum()).reshape(TAPS_PER_STEP, self._step).T
        self._parts_ST = np.ascontiguousarray(parts_ST, np.float32)
        self.frequencies_F = np.arange(length // 2 + 1) * (sample_rate / self._step) / length
        self._scale = 2.0 * self._step / length  # Parseval, one-sided; a low sample stands for `step`
        self._squares_P = np.zeros(2 * len(self.frequencies_F))
        self._lows: list[Block] = [np.zeros((n_channels, self._n_low), np.float32)]  # passes at the low rate

    def add(self, signal_CT: Block) -> Block:
        """Take one pass, [C, n_pass + 7 steps or more], and return it at the low rate, [C, L]."""
        n_steps = self._n_low + TAPS_PER_STEP - 1
        low_CL = np.empty((len(signal_CT), self._n_low), np.float32)
        for low_L, signal_T in zip(low_CL, signal_CT, strict=True):
            # Every step times every part of the filter in one product; its diagonals add up to the samples.
            steps = signal_T[: n_steps * self._step].reshape(n_steps, self._step) @ self._parts_ST
            row, item = steps.strides
            diagonals = np.ndarray((TAPS_PER_STEP, self._n_low), np.float32, steps, strides=(row + item, row))
            diagonals.sum(axis=0, out=low_L)
        self._lows.append(low_CL)
        if len(self._lows) == PASSES_AT_ONCE + 1:
            self._transform()
        return low_CL

    def rest(self) -> None:
        """What waits is over, and silence follows; after it a new segment begins."""
        silence_CL = np.zeros_like(self._lows[0])
        if any(low_CL.any() for low_CL in self._lows):
            self._lows.append(silence_CL)
            self._transform()
        self._lows = [silence_CL]

    def power(self) -> NDArray[np.float64]:
        """Energy per bin over all channels so far, in sums of squares at the full rate, [F].

        The last half of a segment counts once `rest` has said what follows it.
        """
        self._transform()
        power_F: NDArray[np.float64] = self._scale * (self._squares_P[::2] + self._squares_P[1::2])
        return power_F

    def _transform(self) -> None:
        """Add the segments that are whole; many at once, for each call takes its time."""
        from scipy.fft import rfft

        if len(self._lows) < 2:
            return
        segments = np.concatenate([self._lows[:-1], self._lows[1:]], axis=2)
        segments *= self._window_L
        spectra = rfft(segments.reshape(-1, segments.shape[-1]), overwrite_x=True)
        parts = spectra.view(np.float32)  # real and imaginary parts in turn
        self._squares_P += np.einsum("sp,sp->p", parts, parts)
        del self._lows[:-1]
