"""Bringing a mix to its loudness under a true-peak ceiling, streamed from something that can be read again.

Legend: `T` samples, `C` channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.limited_loudness import solve_limited
from mixcli.audio.limiter import TruePeakLimiter
from mixcli.audio.loudness import integrated_lufs
from mixcli.audio.meters import Blocks, Measures, Meters, finite, measure
from mixcli.audio.mix_sketch import MixSketch
from mixcli.audio.peak_memory import PeakMemory

__all__ = [
    "CEILING_MARGIN_DB",
    "MAX_GAIN_DB",
    "MasterSolution",
    "MasterTarget",
    "Measures",
    "Meters",
    "apply_master",
    "gain_to_loudness",
    "measure",
    "solve_master",
]

CEILING_MARGIN_DB = 0.2  # kept below the ceiling, so that it holds under other meters and after quantising
MAX_GAIN_DB = 40.0  # a nearly silent mix is not raised without end
REACHED_LU = 0.1  # the pass mark of EBU Tech 3341


@dataclass(frozen=True, kw_only=True)
class MasterTarget:
    """What is asked of a finished mix.

    `limit`: linear gain, then a limiter that may take at most `limit_db`. `gain`: linear gain only,
    lowered until the peaks fit. `measure`: the samples stay as they are. Without `target_lufs` the true
    peak is brought to the ceiling by linear gain; without `ceiling_dbtp` peaks are let through.
    """

    target_lufs: float | None = -14.0
    ceiling_dbtp: float | None = -1.0
    mode: Literal["gain", "limit", "measure"] = "limit"
    limit_db: float = 6.0


@dataclass(frozen=True, kw_only=True)
class MasterSolution:
    """What is done to a mix so that it meets its target, and what comes of it.

    `ceiling_dbtp` is the level held, 0.2 dB below the one asked. `measurable` is false under 0.4 s and
    below the gate of -70 LUFS: then the level is left as it is, but for peaks above the ceiling.
    `reached` is false where the target is missed by more than 0.1 LU; `short_by_lu` says by how much
    (≥ 0) and `held_by` what came first. Loudness and peaks are None where they are -inf.
    `limiter_passes` counts how often the mix was read for the peaks that the limiter is to hold, and
    `reduction_hops` are its highest reductions in each 100 ms, in dB. `peaks` are the mix's, for passes to
    come; without them they are found anew.
    """

    gain_db: float
    limited: bool = False
    ceiling_dbtp: float | None = None
    max_reduction_db: float = 0.0
    mix_lufs: float | None
    mix_true_peak_dbtp: float | None
    predicted_lufs: float | None
    measurable: bool
    reached: bool = True
    short_by_lu: float = 0.0
    held_by: Literal["limiter", "ceiling", "gain cap"] | None = None
    limiter_passes: int = 0
    reduction_hops: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(0, np.float32), repr=False, compare=False
    )
    peaks: PeakMemory | None = field(default=None, repr=False, compare=False)


def solve_master(
    blocks: Blocks,
    sample_rate: int,
    n_channels: int,
    target: MasterTarget,
    *,
    sketch: MixSketch | None = None,
) -> MasterSolution:
    """Find the gain that brings a mix to its target; `blocks()` must give the same blocks each time.

    The mix is measured in one pass, or was while it was made: then `sketch` is what was kept of it. Only
    where the gain brings peaks above the ceiling is there another, to find them; how loud the mix is after
    the limiter is worked out on the sketch, within 0.02 LU.
    """
    if sketch is None:
        sketch = MixSketch(sample_rate, n_channels)
        for block_TC in blocks():
            sketch.push(block_TC)
    sketch.finish()
    energies = sketch.hop_energies()
    mix_lufs = integrated_lufs(energies)
    mix = MasterSolution(
        gain_db=0.0,
        mix_lufs=finite(mix_lufs),
        mix_true_peak_dbtp=finite(sketch.true_peak_dbtp),
        predicted_lufs=finite(mix_lufs),
        measurable=bool(np.isfinite(mix_lufs)),
    )
    if target.mode == "measure" or mix.mix_true_peak_dbtp is None:
        return mix
    headroom_db = np.inf
    if target.ceiling_dbtp is not None:
        mix = replace(mix, ceiling_dbtp=target.ceiling_dbtp - CEILING_MARGIN_DB)
        headroom_db = target.ceiling_dbtp - CEILING_MARGIN_DB - sketch.true_peak.highest_dbtp
    if target.target_lufs is None:
        return _amplify(
            mix, min(headroom_db, MAX_GAIN_DB) if target.ceiling_dbtp is not None else 0.0, energies
        )
    if not mix.measurable:
        return _amplify(mix, min(0.0, headroom_db), energies)
    # The limiter takes most at the highest peak, and there exactly what the peak is above the ceiling.
    most_db = min(headroom_db + (target.limit_db if target.mode == "limit" else 0.0), MAX_GAIN_DB)
    gain_db = min(gain_to_loudness(energies, target.target_lufs), most_db)
    if gain_db <= headroom_db:
        solution = _amplify(mix, gain_db, energies)
    else:
        solution = _limit(blocks, sketch, mix, gain_db, most_db, target.target_lufs)
    return _judge(solution, target)


def apply_master(
    blocks: Blocks, sample_rate: int, n_channels: int, solution: MasterSolution
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Stream the finished samples, [T, C], with the gain they were given, linear and limiter in one, [T].

    The blocks come out in other lengths than they went in, and add up to the same length. A part of the
    mix times the same gain is its part of the finished mix. A gain of 0 dB leaves the samples bit for bit.
    """
    gain = np.float32(db_to_gain(solution.gain_db))
    if not solution.limited:
        for block_TC in blocks():
            yield block_TC * gain, np.full(len(block_TC), gain)
        return
    limiter = _limiter(sample_rate, n_channels, solution)
    for block_TC in blocks():
        yield _finish(*limiter.push_for_gain(block_TC), gain)
    yield _finish(*limiter.push_for_gain(np.zeros((0, n_channels), np.float32), last=True), gain)


def gain_to_loudness(hop_energies: NDArray[np.float64], target_lufs: float) -> float:
    """The gain in dB that brings mean squares of 100 ms, [n_hops], to an integrated loudness.

    The difference of the two is not quite it: blocks that a gain lifts over the gate of -70 LUFS count.
    """
    gain_db = 0.0
    for _ in range(20):
        missing_lu = target_lufs - integrated_lufs(hop_energies * 10 ** (gain_db / 10))
        if abs(missing_lu) < 1e-6 or not np.isfinite(missing_lu):
            break
        gain_db += missing_lu
    return gain_db


def _limit(
    blocks: Blocks,
    sketch: MixSketch,
    mix: MasterSolution,
    gain_db: float,
    most_db: float,
    target_lufs: float,
) -> MasterSolution:
    """Let the limiter take what the gain brings above the ceiling."""
    limited = solve_limited(
        blocks,
        sketch,
        ceiling_dbtp=_held(mix),
        first_db=gain_db,
        most_db=most_db,
        target_lufs=target_lufs,
    )
    return replace(
        mix,
        gain_db=limited.gain_db,
        limited=True,
        limiter_passes=limited.passes,
        predicted_lufs=finite(limited.limited_lufs),
        max_reduction_db=float(limited.reduction_hops.max(initial=0.0)),
        reduction_hops=limited.reduction_hops,
        peaks=limited.peaks,
    )


def _held(solution: MasterSolution) -> float:
    if solution.ceiling_dbtp is None:
        raise ValueError("a limiter needs a ceiling")
    return solution.ceiling_dbtp


def _limiter(sample_rate: int, n_channels: int, solution: MasterSolution) -> TruePeakLimiter:
    """The limiter for a mix before its linear gain: its ceiling is lower by that gain."""
    ceiling_dbtp = _held(solution) - solution.gain_db
    return TruePeakLimiter(sample_rate, n_channels, ceiling_dbtp, peaks=solution.peaks)


def _finish(
    signal_TC: NDArray[np.float32], limiter_gain_T: NDArray[np.float32], gain: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    gain_T = limiter_gain_T * gain
    finished_TC = np.empty_like(signal_TC)
    for channel in range(signal_TC.shape[1]):  # several times as fast as all channels of a sample at once
        np.multiply(signal_TC[:, channel], gain_T, out=finished_TC[:, channel])
    return finished_TC, gain_T


def _amplify(mix: MasterSolution, gain_db: float, energies: NDArray[np.float64]) -> MasterSolution:
    lufs = integrated_lufs(energies * 10 ** (gain_db / 10))
    return replace(mix, gain_db=float(gain_db), predicted_lufs=finite(lufs))


def _judge(solution: MasterSolution, target: MasterTarget) -> MasterSolution:
    """Say whether the target is reached, and if not, what stood in the way."""
    if target.target_lufs is None or solution.predicted_lufs is None:
        return solution
    missing_lu = target.target_lufs - solution.predicted_lufs
    if abs(missing_lu) <= REACHED_LU:
        return solution
    held_by: Literal["limiter", "ceiling", "gain cap"] = "limiter" if solution.limited else "ceiling"
    if solution.gain_db >= MAX_GAIN_DB:
        held_by = "gain cap"
    return replace(solution, reached=False, short_by_lu=max(0.0, missing_lu), held_by=held_by)
