"""Changing the sample rate of a stream, block by block."""

import numpy as np
import soxr
from numpy.typing import NDArray


class StreamResampler:
    """Resample a stream with soxr at its quality HQ: linear phase, no delay, aliases below -100 dB.

    Output sample k lies at time k / to_rate, the first on the first input sample. The whole output has
    ceil(n * to_rate / from_rate) samples for n in, so that no input is beyond its end; past its own end the
    input counts as silence. The samples are the same, bit for bit, whatever the block sizes. At equal rates
    blocks pass through as they are.
    """

    def __init__(self, from_rate: int, to_rate: int, n_channels: int) -> None:
        """Rates in Hz."""
        self._from_rate, self._to_rate = from_rate, to_rate
        self._n_channels = n_channels
        self._stream = (
            None
            if from_rate == to_rate
            else soxr.ResampleStream(from_rate, to_rate, n_channels, dtype="float32", quality="HQ")
        )
        self._n_in = 0
        self._n_out = 0

    def push(self, block_TC: NDArray[np.float32], *, last: bool = False) -> NDArray[np.float32]:
        """The output that the input so far completes, [T', C]; with `last` all the rest. T may be 0."""
        if self._stream is None:
            return block_TC
        self._n_in += len(block_TC)
        out_TC = self._feed(block_TC)
        if last:
            # soxr rounds the length; a few zeros more give the sample that rounding up needs.
            n_zeros = 2 * -(-self._from_rate // self._to_rate)
            zeros_TC = np.zeros((n_zeros, self._n_channels), np.float32)
            out_TC = np.concatenate([out_TC, self._stream.resample_chunk(zeros_TC, last=True)])
            n_total = -(-self._n_in * self._to_rate // self._from_rate)
            out_TC = out_TC[: max(n_total - self._n_out, 0)]
        self._n_out += len(out_TC)
        return out_TC

    def _feed(self, block_TC: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._stream is None or len(block_TC) == 0:
            return np.zeros((0, self._n_channels), np.float32)
        chunk_TC = np.ascontiguousarray(block_TC, dtype=np.float32)
        resampled_TC: NDArray[np.float32] = self._stream.resample_chunk(chunk_TC)
        return resampled_TC


def resampled(signal_CT: NDArray[np.float32], from_rate: int, to_rate: int) -> NDArray[np.float32]:
    """A whole sound, [C, T], at another rate, in little more than half the time of `StreamResampler`.

    The samples are the same, bit for bit.
    """
    if from_rate == to_rate:
        return signal_CT
    n_channels, n_samples = signal_CT.shape
    # The zeros give the sample that rounding up needs. Channel by channel nothing has to be interleaved.
    known_CT = np.zeros((n_channels, n_samples + 2 * -(-from_rate // to_rate)), np.float32)
    known_CT[:, :n_samples] = signal_CT
    resampled_TC: NDArray[np.float32] = soxr.resample(known_CT.T, from_rate, to_rate, quality="HQ")
    return resampled_TC.T[:, : -(-n_samples * to_rate // from_rate)]
