"""Hard clipping: runs of samples at one ceiling that the waveform runs into with a slope.

Legend: `T` samples, `C` channels, `R` runs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.pulses import part_of

RUN_SAMPLES = 3  # the shortest run that counts
LONE_RUN_SAMPLES = 5  # a run that needs no second one beside it: three equal samples may be chance
MIN_RUNS = 2
FLATNESS = (
    4e-4  # of the ceiling: 13 steps of 16 bits at full scale, so that dither and a gain leave runs flat
)
OVERSHOOT_MIN = 5e-3  # of the ceiling (-46 dB): what the slopes at both ends would have added, had they met
JUMP = 0.5  # of the ceiling: who comes from beyond the other side at both ends is a square wave
LEAST_CEILING = 0.1  # of the mix's level; below, the steps of 16 bits themselves look like clipping
EXPLAINED_CORRELATION = 0.995  # a stem whose waveform is the mix's own there brought the flat top along
UNSURE_S = 0.01  # a third of the delays looked through where it is not known
WINDOW_S = 0.003  # of mix and stem compared about a run
CORNER_MIN = 4e-3  # of the ceiling: no round top falls so much to both sides of three samples that flat
CHECKED_RUNS = 6  # of a block, longest first: bounds the work


def clipped_runs(block_T: NDArray[np.float32], mix_rms: float) -> NDArray[np.int64]:
    """Starts and stops of the clipped runs of one channel's block, [R, 2]; either polarity.

    Only runs at the block's own highest (or lowest) level count: the ceiling, if it is clipped at all.
    A natural peak is no run: what is flat of it is also what its slopes promise. Nor is a square wave, which
    jumps from rail to rail.
    """
    found = [_runs_at_top(block_T, mix_rms), _runs_at_top(-block_T, mix_rms)]
    return np.concatenate(found)


def is_clipped(runs_R2: NDArray[np.int64]) -> bool:
    """Whether runs are too many, or one too long, for chance."""
    lengths_R = runs_R2[:, 1] - runs_R2[:, 0]
    return len(lengths_R) >= MIN_RUNS or bool((lengths_R >= LONE_RUN_SAMPLES).any())


def _runs_at_top(block_T: NDArray[np.float32], mix_rms: float) -> NDArray[np.int64]:
    nothing = np.zeros((0, 2), np.int64)
    if len(block_T) < RUN_SAMPLES + 4:
        return nothing
    ceiling = float(block_T.max())
    if ceiling <= LEAST_CEILING * mix_rms:
        return nothing
    top = np.flatnonzero(block_T >= ceiling * (1 - FLATNESS))
    cuts = np.flatnonzero(np.diff(top) > 1) + 1
    first_R, last_R = top[np.concatenate([[0], cuts])], top[np.concatenate([cuts - 1, [len(top) - 1]])]
    keep = (last_R - first_R + 1 >= RUN_SAMPLES) & (first_R >= 2) & (last_R < len(block_T) - 2)
    first_R, last_R = first_R[keep], last_R[keep]
    before_R, after_R = block_T[first_R - 1], block_T[last_R + 1]
    rising_R = np.maximum(before_R - block_T[first_R - 2], 1e-12)
    falling_R = np.maximum(after_R - block_T[last_R + 2], 1e-12)
    # The slopes outside the run, carried on, meet at this height. A parabola that is flat over three samples
    # promises 0.24 % more than its top at most.
    gap_R = (last_R - first_R + 2).astype(np.float64)
    meet_R = before_R + rising_R * (after_R - before_R + falling_R * gap_R) / (rising_R + falling_R)
    jumps_R = (before_R < -JUMP * ceiling) & (after_R < -JUMP * ceiling)
    drop_R = ceiling - np.maximum(before_R, after_R)
    corner_R = (meet_R > ceiling * (1 + OVERSHOOT_MIN)) | (drop_R > CORNER_MIN * ceiling)
    clipped_R = corner_R & ~jumps_R
    runs_R2: NDArray[np.int64] = np.stack([first_R, last_R + 1], axis=1)[clipped_R].astype(np.int64)
    return runs_R2


def runs_of_stems(
    runs_R2: NDArray[np.int64],
    mix_T: NDArray[np.float32],
    stems: Sequence[NDArray[np.float32]],
    sample_rate: int,
    delay: int | None,
) -> bool:
    """Whether the stems brought the longest runs along: one of them, or their sum, is flat there itself.

    `mix_T` is one channel of the mix and the runs count from its start. A stem, mean of its channels, answers
    for a run if it is flat at its own top (or bottom) and its waveform is the mix's.
    """
    half = round(WINDOW_S * sample_rate)
    slack = half if delay is not None else 3 * round(UNSURE_S * sample_rate)
    longest = runs_R2[np.argsort(runs_R2[:, 0] - runs_R2[:, 1])][:CHECKED_RUNS]
    for start, stop in longest:
        first, last = int(start) - half, int(stop) + half
        mix_part_T = np.asarray(mix_T[max(first, 0) : last], np.float64)
        shift = (delay or 0) + slack
        low = max(first, 0) - shift
        parts = []
        for stem_TC in stems:
            part_TC = part_of(stem_TC, low, low + len(mix_part_T) + 2 * slack)
            if part_TC.any():
                parts.append(part_TC.mean(axis=1))
        if len(parts) > 1:
            parts.append(np.sum(parts, axis=0))
        if not any(_is_same_flat_top(part_T, mix_part_T) for part_T in parts):
            return False
    return True


def _is_same_flat_top(stem_T: NDArray[np.float32], mix_T: NDArray[np.float64]) -> bool:
    """Whether the mix's waveform is somewhere in the stem's and flat at an extreme there."""
    windows = np.lib.stride_tricks.sliding_window_view(stem_T.astype(np.float64), len(mix_T))
    energy = np.sqrt(np.einsum("wt,wt->w", windows, windows) * np.dot(mix_T, mix_T))
    likeness = np.abs(windows @ mix_T) / np.maximum(energy, 1e-20)
    best = int(np.argmax(likeness))
    if likeness[best] < EXPLAINED_CORRELATION:
        return False
    part_T = windows[best]
    for side_T in (part_T, -part_T):
        at_top = side_T >= side_T.max() - FLATNESS * abs(float(side_T.max()))
        if np.convolve(at_top, np.ones(RUN_SAMPLES), "valid").max() >= RUN_SAMPLES:
            return True
    return False
