"""What is measured of a finished mix: loudness, loudness range, true peak, sample peak, in one pass.

Legend: `T` samples, `C` channels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.behind import Behind
from mixcli.audio.loudness import LoudnessMeter
from mixcli.audio.true_peak import TruePeakMeter

Blocks = Callable[[], Iterator[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What meters read of a finished mix; None stands for -inf and for what is too short to be measured."""

    integrated_lufs: float | None
    loudness_range_lu: float | None
    max_momentary_lufs: float | None
    max_short_term_lufs: float | None
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None


class Meters:
    """Measures a stream of blocks, [T, C], by BS.1770-5, EBU Tech 3341 and 3342; its cuts change nothing."""

    def __init__(self, sample_rate: int, n_channels: int) -> None:
        self.loudness = LoudnessMeter(sample_rate, n_channels, double=False)
        self.true_peak = TruePeakMeter(sample_rate, n_channels)

    def push(self, block_TC: NDArray[np.float32]) -> None:
        """Take the next samples."""
        self.loudness.push(block_TC)
        self.true_peak.push(block_TC)

    def finish(self) -> Measures:
        """What was measured. Nothing may be pushed after it."""
        return Measures(
            integrated_lufs=finite(self.loudness.integrated_lufs()),
            loudness_range_lu=self.loudness.loudness_range_lu(),
            max_momentary_lufs=finite(self.loudness.max_momentary_lufs()),
            max_short_term_lufs=finite(self.loudness.max_short_term_lufs()),
            true_peak_dbtp=finite(self.true_peak.finish()),
            sample_peak_dbfs=finite(self.true_peak.sample_peak_dbfs),
        )


def measure(blocks: Blocks, sample_rate: int, n_channels: int) -> Measures:
    """Read a stream once and measure it, its loudness in a thread of its own."""
    meters = Meters(sample_rate, n_channels)
    with Behind(meters.loudness.push) as listener:
        for block_TC in blocks():
            listener.push(block_TC)
            meters.true_peak.push(block_TC)
    return meters.finish()


def finite(level: float) -> float | None:
    """The level, or None where it is none."""
    return float(level) if np.isfinite(level) else None
