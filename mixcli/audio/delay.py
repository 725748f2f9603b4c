"""A delay by any time: whole samples as they are, what is left of one by a windowed sinc, streamed.

Legend: T samples, C channels, N taps.
"""

import math

import numpy as np
from numpy.typing import NDArray

HALF_TAPS = 32  # on either side; with the window below flat within 0.01 dB up to 0.44 of the rate
KAISER_BETA = 8.0
WHOLE_SAMPLES = 1e-6  # a delay this near to whole samples is one: 10 ms at 44.1 kHz are 441 exactly

Block = NDArray[np.float32]


def delay_in_samples(delay_ms: float, sample_rate: int) -> tuple[int, float]:
    """A delay as whole samples and the rest of one, from 0 to below 1. Raises ValueError below 0."""
    if not 0 <= delay_ms < math.inf:
        raise ValueError(f"a delay must be 0 ms or more, not {delay_ms:g}")
    delay = delay_ms * 1e-3 * sample_rate
    if abs(delay - round(delay)) < WHOLE_SAMPLES:
        return round(delay), 0.0
    return math.floor(delay), delay - math.floor(delay)


def fractional_delay_fir(fraction: float) -> NDArray[np.float64]:
    """A filter that delays by HALF_TAPS - 1 + `fraction` samples, 0 <= fraction < 1, [N] with a sum of 1.

    SOURCE: T. I. Laakso et al., "Splitting the unit delay", IEEE Signal Processing Magazine 13(1), 1996:
    the ideal interpolator, a sinc around the delay, under a window (Kaiser's) around the same place.
    """
    from scipy.special import i0

    if not 0 <= fraction < 1:
        raise ValueError(f"a fraction of a sample is from 0 to below 1, not {fraction:g}")
    distance_N = np.arange(2 * HALF_TAPS) - (HALF_TAPS - 1 + fraction)
    inside_N = np.sqrt(np.maximum(1 - (distance_N / HALF_TAPS) ** 2, 0.0))
    taps_N = np.sinc(distance_N) * i0(KAISER_BETA * inside_N)
    return np.asarray(taps_N / taps_N.sum())


class FractionalDelay:
    """Delays a stream by HALF_TAPS - 1 + `fraction` samples.

    The products are summed in float64, for every sample in the same order: the samples do not depend on how
    the stream is cut. Before the stream there was silence.
    """

    def __init__(self, fraction: float, n_channels: int) -> None:
        self._taps_N = fractional_delay_fir(fraction)
        self._past_TC: Block = np.zeros((len(self._taps_N) - 1, n_channels), np.float32)

    def push(self, block_TC: Block) -> Block:
        """Delay the next samples, [T, C] to the same shape."""
        known_TC = np.concatenate([self._past_TC, block_TC])
        self._past_TC = known_TC[len(known_TC) - len(self._past_TC) :].copy()
        delayed_TC = np.zeros_like(block_TC)
        if len(block_TC) and known_TC.any():
            for channel in range(block_TC.shape[1]):
                known_T = known_TC[:, channel].astype(np.float64)
                delayed_TC[:, channel] = np.convolve(known_T, self._taps_N, mode="valid")
        return delayed_TC
