"""Bringing a mix to its loudness under a true-peak ceiling, streamed from something that can be read again.

Legend: `T` samples, `C` channels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.behind import Behind
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.limiter import TruePeakLimiter
from mixcli.audio.loudness import LoudnessMeter, integrated_lufs
from mixcli.audio.peak_memory import PeakMemory
from mixcli.audio.true_peak import TruePeakMeter

CEILING_MARGIN_DB = 0.2  # kept below the ceiling, so that it holds under other meters and after quantising
MAX_GAIN_DB = 40.0  # a nearly silent mix is not raised without end
SOLVED_LU = 0.02  # the limited loudness is solved this close
REACHED_LU = 0.1  # the pass mark of EBU Tech 3341
MAX_LIMITER_PASSES = 8  # two or three are enough in practice
PEAKS_FOR_DB = 1.0  # of gain beyond a pass: peaks that later passes will ask for are kept with its own
SLOPES = (0.2, 1.0)  # a decibel of gain gives between these in LU while the limiter works

Blocks = Callable[[], Iterator[NDArray[np.float32]]]


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
    `reduction_hops` are the highest reductions of the limiter in each 100 ms, in dB. `peaks` are the mix's,
    for passes to come; without them they are found anew.
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


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What meters read of a finished mix; None stands for -inf and for what is too short to be measured."""

    integrated_lufs: float | None
    loudness_range_lu: float | None
    max_momentary_lufs: float | None
    max_short_term_lufs: float | None
    true_peak_dbtp: float | None
    sample_peak_dbfs: float | None


def measure(blocks: Blocks, sample_rate: int, n_channels: int) -> Measures:
    """Read a stream once and measure it by BS.1770-5, EBU Tech 3341 and 3342."""
    loudness, true_peak = _meter(blocks, sample_rate, n_channels)
    return Measures(
        integrated_lufs=_finite(loudness.integrated_lufs()),
        loudness_range_lu=loudness.loudness_range_lu(),
        max_momentary_lufs=_finite(loudness.max_momentary_lufs()),
        max_short_term_lufs=_finite(loudness.max_short_term_lufs()),
        true_peak_dbtp=_finite(true_peak.finish()),
        sample_peak_dbfs=_finite(true_peak.sample_peak_dbfs),
    )


def _meter(blocks: Blocks, sample_rate: int, n_channels: int) -> tuple[LoudnessMeter, TruePeakMeter]:
    """Both meters after one pass, one of them in a thread of its own."""
    loudness = LoudnessMeter(sample_rate, n_channels)
    true_peak = TruePeakMeter(sample_rate, n_channels)
    with Behind(loudness.push) as listener:
        for block_TC in blocks():
            listener.push(block_TC)
            true_peak.push(block_TC)
    return loudness, true_peak


def solve_master(blocks: Blocks, sample_rate: int, n_channels: int, target: MasterTarget) -> MasterSolution:
    """Find the gain that brings a mix to its target; `blocks()` must give the same blocks each time.

    One pass measures the mix. Only where the gain brings peaks above the ceiling are there passes
    through the limiter, each followed by the meter, until the loudness after it is the target.
    """
    loudness, true_peak = _meter(blocks, sample_rate, n_channels)
    energies = loudness.hop_energies()
    mix_lufs = integrated_lufs(energies)
    mix = MasterSolution(
        gain_db=0.0,
        mix_lufs=_finite(mix_lufs),
        mix_true_peak_dbtp=_finite(true_peak.finish()),
        predicted_lufs=_finite(mix_lufs),
        measurable=bool(np.isfinite(mix_lufs)),
    )
    if target.mode == "measure" or mix.mix_true_peak_dbtp is None:
        return mix
    headroom_db = np.inf
    if target.ceiling_dbtp is not None:
        mix = replace(mix, ceiling_dbtp=target.ceiling_dbtp - CEILING_MARGIN_DB)
        headroom_db = target.ceiling_dbtp - CEILING_MARGIN_DB - true_peak.highest_dbtp
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
        solution = _solve_limited(blocks, sample_rate, n_channels, mix, gain_db, most_db, target.target_lufs)
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


def _solve_limited(
    blocks: Blocks,
    sample_rate: int,
    n_channels: int,
    mix: MasterSolution,
    gain_db: float,
    most_db: float,
    target_lufs: float,
) -> MasterSolution:
    """Raise the gain until the loudness after the limiter is the target, or the limiter takes its most."""
    slope = SLOPES[1]
    solution = mix
    for n_passes in range(1, MAX_LIMITER_PASSES + 1):
        previous, solution = solution, replace(mix, gain_db=gain_db, limited=True, limiter_passes=n_passes)
        solution = replace(solution, peaks=_peaks_for(solution, most_db, previous.peaks))
        solution = _listen(blocks, sample_rate, n_channels, solution)
        if solution.predicted_lufs is None:
            break
        missing_lu = target_lufs - solution.predicted_lufs
        if abs(missing_lu) <= SOLVED_LU or (missing_lu > 0 and gain_db >= most_db):
            break
        if n_passes > 1 and previous.predicted_lufs is not None:
            rise_lu = solution.predicted_lufs - previous.predicted_lufs
            slope = float(np.clip(rise_lu / (gain_db - previous.gain_db), *SLOPES))
        gain_db = min(gain_db + missing_lu / slope, most_db)
    return solution


def _listen(blocks: Blocks, sample_rate: int, n_channels: int, solution: MasterSolution) -> MasterSolution:
    """Send the mix through the limiter once and fill in what comes of it."""
    loudness = LoudnessMeter(sample_rate, n_channels)
    gain = np.float32(db_to_gain(solution.gain_db))
    limiter = _limiter(sample_rate, n_channels, solution)

    def listen(limited: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
        loudness.push(_finish(*limited, gain)[0])

    with Behind(listen) as listener:
        for block_TC in blocks():
            listener.push(limiter.push_for_gain(block_TC))
        listener.push(limiter.push_for_gain(np.zeros((0, n_channels), np.float32), last=True))
    return replace(
        solution,
        predicted_lufs=_finite(loudness.integrated_lufs()),
        max_reduction_db=limiter.max_reduction_db,
        reduction_hops=limiter.reduction_hops,
    )


def _peaks_for(solution: MasterSolution, most_db: float, known: PeakMemory | None) -> PeakMemory:
    """What keeps the peaks for a pass and those after it: the one at hand, if it looks far enough down."""
    if known is not None and known.floor <= _lowest_peak(solution, solution.gain_db):
        return known
    return PeakMemory(
        _lowest_peak(solution, max(solution.gain_db, min(solution.gain_db + PEAKS_FOR_DB, most_db)))
    )


def _lowest_peak(solution: MasterSolution, gain_db: float) -> float:
    """The peak of the mix that a gain brings to the ceiling, a factor."""
    return db_to_gain((solution.ceiling_dbtp or 0.0) - gain_db)


def _limiter(sample_rate: int, n_channels: int, solution: MasterSolution) -> TruePeakLimiter:
    """The limiter for a mix before its linear gain: its ceiling is lower by that gain."""
    if solution.ceiling_dbtp is None:
        raise ValueError("a limiter needs a ceiling")
    ceiling_dbtp = solution.ceiling_dbtp - solution.gain_db
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
    return replace(mix, gain_db=float(gain_db), predicted_lufs=_finite(lufs))


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


def _finite(level: float) -> float | None:
    return float(level) if np.isfinite(level) else None
