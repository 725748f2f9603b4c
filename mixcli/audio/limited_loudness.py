"""The gain at which a mix has its loudness after the limiter, found on a sketch of the mix.

Legend: `T` samples, `C` channels, `N` peaks.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.decibels import db_to_gain
from mixcli.audio.limiter import CHUNK, Contexts, lead_in
from mixcli.audio.loudness import integrated_lufs
from mixcli.audio.meters import Blocks
from mixcli.audio.mix_sketch import MixSketch
from mixcli.audio.peak_memory import PeakMemory
from mixcli.audio.true_peak import oversampling_factor

SOLVED_LU = 0.005  # the limited loudness is solved this close
MOST_TRIES = 12  # gains that are tried; three or four are enough in practice
# Of gain beyond the one at hand: peaks that later tries ask for are found with its own; the second time more.
PEAKS_FOR_DB = (1.0, 4.0)
SLOPES = (0.2, 1.0)  # a decibel of gain gives between these in LU while the limiter works


@dataclass(frozen=True, kw_only=True)
class LimitedGain:
    """A gain and what comes of it: the loudness after the limiter, and the highest reductions per 100 ms.

    `peaks` are those of the mix for the limiter to come; `passes` counts how often they were looked for.
    """

    gain_db: float
    limited_lufs: float
    reduction_hops: NDArray[np.float32]
    peaks: PeakMemory
    passes: int


def solve_limited(
    blocks: Blocks,
    sketch: MixSketch,
    *,
    ceiling_dbtp: float,
    first_db: float,
    most_db: float,
    target_lufs: float,
) -> LimitedGain:
    """Raise the gain from `first_db` until the loudness after the limiter is the target, or to `most_db`.

    The mix itself is read for its peaks alone, once as a rule; all tries are made on the sketch.
    """
    gain_db, slope, passes = first_db, SLOPES[1], 0
    found: _Peaks | None = None
    tried: tuple[float, float] | None = None
    for _ in range(MOST_TRIES):
        ceiling = db_to_gain(ceiling_dbtp - gain_db)
        if found is None or found.memory.floor > ceiling:
            further_db = min(gain_db + PEAKS_FOR_DB[passes > 0], most_db)
            floor = db_to_gain(ceiling_dbtp - max(gain_db, further_db))
            found, passes = _find_peaks(blocks, sketch, floor), passes + 1
        energies, reductions = sketch.limited(found.steps_N, found.peaks_N, ceiling)
        lufs = integrated_lufs(energies * db_to_gain(gain_db) ** 2)
        answer = LimitedGain(
            gain_db=gain_db, limited_lufs=lufs, reduction_hops=reductions, peaks=found.memory, passes=passes
        )
        missing_lu = target_lufs - lufs
        if not np.isfinite(lufs) or abs(missing_lu) <= SOLVED_LU or (missing_lu > 0 and gain_db >= most_db):
            break
        if tried is not None and gain_db != tried[0]:
            slope = float(np.clip((lufs - tried[1]) / (gain_db - tried[0]), *SLOPES))
        tried = gain_db, lufs
        gain_db = min(gain_db + missing_lu / slope, most_db)
    return answer


@dataclass(frozen=True)
class _Peaks:
    """The peaks of a mix, the highest of each step of its sketch, [N] each, and all of them."""

    steps_N: NDArray[np.int32]
    peaks_N: NDArray[np.float32]
    memory: PeakMemory


def _find_peaks(blocks: Blocks, sketch: MixSketch, floor: float) -> _Peaks:
    """Read a mix and find its peaks above a floor (a factor), in the chunks of the limiter."""
    memory = PeakMemory(floor)
    factor, lead = oversampling_factor(sketch.sample_rate), lead_in(sketch.sample_rate)
    contexts = Contexts(lead, sketch.n_channels)
    steps: list[NDArray[np.int32]] = []
    peaks: list[NDArray[np.float32]] = []
    n_chunks = 0

    def look_at(block_TC: NDArray[np.float32], *, last: bool) -> None:
        nonlocal n_chunks
        for context_TC in contexts.push(block_TC, last=last):
            places_N, peaks_N = memory.peaks(n_chunks, context_TC, factor)
            if len(places_N):
                steps_N = sketch.steps_of(places_N + (n_chunks * CHUNK - lead))
                firsts = np.flatnonzero(np.diff(steps_N, prepend=steps_N[0] - 1))
                steps.append(steps_N[firsts].astype(np.int32))
                peaks.append(np.maximum.reduceat(peaks_N, firsts))
            n_chunks += 1

    for block_TC in blocks():
        look_at(block_TC, last=False)
    look_at(np.zeros((0, sketch.n_channels), np.float32), last=True)
    steps_N = np.concatenate([*steps, np.zeros(0, np.int32)])
    peaks_N = np.concatenate([*peaks, np.zeros(0, np.float32)])
    return _Peaks(steps_N, peaks_N, memory)
