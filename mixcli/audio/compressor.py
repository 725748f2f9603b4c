"""A compressor: levels over a threshold are turned down, one gain for all channels, streamed.

Legend: `T` samples, `C` channels. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that makes it.
"""

import math
from dataclasses import dataclass

import numpy as np

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.dynamics import (
    Block,
    Detector,
    GlidingGain,
    LevelDetector,
    Smoother,
    apply_gain,
    compress_curve,
)
from mixcli.audio.filters import SosFilter, butterworth_high_pass


@dataclass(frozen=True, kw_only=True)
class CompressorSettings:
    """What a compressor does.

    The level is that of the loudest channel: with `rms` its mean square over 10 ms, so a full-scale sine
    reads -3.01 dB; with `peak` its highest sample in 10 ms. The attack and release times are those in which
    1 - 1/e of a change of the reduction in dB is done, after the detector has seen the change: the peak
    detector sees a rise at once and a fall after its 10 ms, the RMS detector sees both within 12.5 ms.
    `most_reduction_db` ends the curve. The high-pass, of second order, is in the detector's way only.
    """

    threshold_db: float
    ratio: float
    knee_db: float = 6.0
    attack_ms: float = 10.0
    release_ms: float = 120.0
    make_up_db: float = 0.0
    detector: Detector = "rms"
    side_chain_high_pass_hz: float | None = None
    most_reduction_db: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold_db) or not math.isfinite(self.make_up_db):
            raise ValueError("threshold_db and make_up_db must be finite")
        if not self.ratio >= 1:
            raise ValueError(f"ratio must be at least 1, not {self.ratio:g}")
        for name in ("knee_db", "attack_ms", "release_ms"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name):g}")
        if self.detector not in ("rms", "peak"):
            raise ValueError(f'detector must be "rms" or "peak", not "{self.detector}"')
        if self.most_reduction_db is not None and not self.most_reduction_db >= 0:
            raise ValueError(f"most_reduction_db must be 0 or more, not {self.most_reduction_db:g}")


class Compressor:
    """Compresses a stream without delay.

    The samples do not depend on how the stream is cut. Where nothing has to be turned down, and without
    make-up, they pass bit for bit. The gain is never above the make-up.
    """

    def __init__(self, settings: CompressorSettings, sample_rate: int, n_channels: int) -> None:
        self.n_channels = n_channels
        self._settings = settings
        self._high_pass = None
        if settings.side_chain_high_pass_hz is not None:
            sos_S6 = butterworth_high_pass(settings.side_chain_high_pass_hz, sample_rate)
            self._high_pass = SosFilter(sos_S6, n_channels)
        self._detector = LevelDetector(settings.detector, sample_rate, n_channels)
        self._smoother = Smoother(settings.attack_ms, settings.release_ms, sample_rate)
        self._glide = GlidingGain(sample_rate)
        self._make_up = np.float32(db_to_gain(settings.make_up_db))

    def push(self, block_TC: Block) -> Block:
        """Compress the next samples, [T, C] float32 to the same shape."""
        return apply_gain(block_TC, self.push_for_gain(block_TC))

    def push_for_gain(self, block_TC: Block) -> Block:
        """As `push`, but return the gain of the samples, [T], with the make-up in it.

        What is summed from parts is compressed part by part with the same gain.
        """
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block must be [T, {self.n_channels}], not {list(block_TC.shape)}")
        if not len(block_TC):
            return np.zeros(0, np.float32)
        settings = self._settings
        heard_TC = block_TC if self._high_pass is None else self._high_pass.push(block_TC)
        level_M = self._detector.push(heard_TC)
        target_M = compress_curve(level_M, settings.threshold_db, settings.ratio, settings.knee_db)
        if settings.most_reduction_db is not None:
            target_M = np.minimum(target_M, settings.most_reduction_db)
        gain_T = self._glide.push(self._smoother.push(target_M), len(block_TC))
        if self._make_up != 1:
            gain_T *= self._make_up
        return gain_T

    @property
    def max_reduction_db(self) -> float:
        """The highest reduction so far, in dB, ≥ 0, without the make-up."""
        return abs(20 * math.log10(self._glide.lowest))
