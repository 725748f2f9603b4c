"""A downward expander: levels under a threshold are turned down further, one gain for all channels, streamed.

It takes the noise and the spill of other instruments out of the pauses of a stem. Legend: `T` samples, `C`
channels, `M` hops. A *reduction* is a level in dB, ≥ 0; a *gain* is the factor that makes it.
"""

import math
from dataclasses import dataclass

import numpy as np

from mixcli.audio.dynamics import (
    FLOOR_DB,
    Block,
    Detector,
    GlidingGain,
    LevelDetector,
    Levels,
    Smoother,
    apply_gain,
    expand_curve,
    hops_in,
    over_last,
)


@dataclass(frozen=True, kw_only=True)
class ExpanderSettings:
    """What an expander does.

    The level is that of the loudest channel over the last 10 ms, its highest sample (`peak`) or its mean
    square (`rms`). Under the threshold it falls by `ratio` dB per dB, by at most `range_db`. The attack is
    the opening, the release the closing, each the time in which 1 - 1/e of a change of the reduction in dB is
    done. The closing begins `hold_ms` after the detector has seen the level fall.
    """

    threshold_db: float
    ratio: float = 2.0
    range_db: float = 20.0
    attack_ms: float = 1.0
    hold_ms: float = 50.0
    release_ms: float = 150.0
    knee_db: float = 6.0
    detector: Detector = "peak"

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold_db):
            raise ValueError("threshold_db must be finite")
        if not 1 <= self.ratio < math.inf:
            raise ValueError(f"ratio must be at least 1 and finite, not {self.ratio:g}")
        for name in ("range_db", "attack_ms", "hold_ms", "release_ms", "knee_db"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name):g}")
        if self.detector not in ("rms", "peak"):
            raise ValueError(f'detector must be "rms" or "peak", not "{self.detector}"')


class Expander:
    """Expands a stream downwards, without delay.

    The samples do not depend on how the stream is cut. Where it is open they pass bit for bit. Before the
    stream there was silence: it begins closed.
    """

    def __init__(self, settings: ExpanderSettings, sample_rate: int, n_channels: int) -> None:
        self.n_channels = n_channels
        self._settings = settings
        self._detector = LevelDetector(settings.detector, sample_rate, n_channels)
        self._n_held = hops_in(settings.hold_ms, sample_rate)
        self._past_M: Levels = np.full(self._n_held, FLOOR_DB)
        closed_db = float(self._curve(np.array([FLOOR_DB]))[0])
        # The reduction goes up when the expander closes.
        self._smoother = Smoother(settings.release_ms, settings.attack_ms, sample_rate, start_db=closed_db)
        self._glide = GlidingGain(sample_rate, start_db=closed_db)

    def push(self, block_TC: Block) -> Block:
        """Expand the next samples, [T, C] float32 to the same shape."""
        return apply_gain(block_TC, self.push_for_gain(block_TC))

    def push_for_gain(self, block_TC: Block) -> Block:
        """As `push`, but return the gain of the samples, [T]."""
        if block_TC.ndim != 2 or block_TC.shape[1] != self.n_channels:
            raise ValueError(f"a block must be [T, {self.n_channels}], not {list(block_TC.shape)}")
        if not len(block_TC):
            return np.zeros(0, np.float32)
        known_M = np.concatenate([self._past_M, self._detector.push(block_TC)])
        self._past_M = known_M[len(known_M) - self._n_held :].copy()
        target_M = self._curve(over_last(known_M, self._n_held + 1, np.maximum))
        return self._glide.push(self._smoother.push(target_M), len(block_TC))

    def _curve(self, level_M: Levels) -> Levels:
        settings = self._settings
        return expand_curve(
            level_M, settings.threshold_db, settings.ratio, settings.knee_db, settings.range_db
        )

    @property
    def max_reduction_db(self) -> float:
        """The highest reduction so far, in dB, ≥ 0; an expander begins with that of silence."""
        return abs(20 * math.log10(self._glide.lowest))
