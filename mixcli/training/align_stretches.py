"""Whether stems and mix stay together: an edit, another tempo or clock takes a mix off its stems.

Letters: T samples.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.wording import clock_time

STRETCH_S = 10.0
FEWEST = 4  # sounding stretches: fewer say nothing of a course
SOUNDING_DB = -40.0  # re the whole: what is softer are pauses and fades
APART = 0.2  # of the usual coherence: a stretch below has other sound at that time
MOST_APART = 0.25  # of all stretches; an intro from elsewhere is forgiven

Signal = NDArray[np.float32]
Coherence = Callable[[Signal, Signal, int], float]


def part_ways(sum_T: Signal, mix_T: Signal, sample_rate: int, coherence: Coherence) -> str | None:
    """Why stems and mix that lie on each other do not stay so, in a sentence; None where they do.

    Stretches of 10 s in which both sound are compared with the best of them. More than a quarter with less
    than a fifth of its coherence is refused; the first of these is told by its time.
    """
    length = round(STRETCH_S * sample_rate)
    least = [10 ** (SOUNDING_DB / 20) * _level(signal_T) for signal_T in (sum_T, mix_T)]
    found: list[tuple[int, float]] = []
    for start in range(0, min(len(sum_T), len(mix_T)) - length + 1, length):
        parts = sum_T[start : start + length], mix_T[start : start + length]
        if all(_level(part_T) > level for part_T, level in zip(parts, least, strict=True)):
            found.append((start, coherence(*parts, sample_rate)))
    if len(found) < FEWEST:
        return None
    usual = float(np.quantile([near for _, near in found], 0.75))
    apart = [start for start, near in found if near < APART * usual]
    if len(apart) <= MOST_APART * len(found):
        return None
    time = clock_time(apart[0] / sample_rate)
    return f"stems and mix part ways at {time}: an edit, another tempo, or drift."


def _level(signal_T: Signal) -> float:
    """The root mean square."""
    return float(np.sqrt(np.square(signal_T, dtype=np.float64).mean())) if len(signal_T) else 0.0
