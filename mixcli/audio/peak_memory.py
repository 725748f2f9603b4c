"""The peaks of a mix, found once for all passes of a limiter over it.

Legend: T samples, C channels, N samples whose peak stands out.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.true_peak import peaks_above

MOST_BYTES = 1 << 25  # of what is kept: all that stands out in some hours of a mix, seldom a tenth of it

Peaks = tuple[NDArray[np.int32], NDArray[np.float32]]


class PeakMemory:
    """Finds the samples of a chunk whose peak is above `floor` (a factor), and keeps them for the next pass.

    What a limiter asks for is the same in each pass but for its ceiling, so the peaks above the lowest one
    serve them all. What does not fit into `most_bytes` is found anew each time.
    """

    def __init__(self, floor: float, *, most_bytes: int = MOST_BYTES) -> None:
        self.floor = floor
        self._left = most_bytes
        self._kept: dict[int, Peaks] = {}

    def peaks(self, number: int, context_TC: NDArray[np.float32], factor: int) -> Peaks:
        """Places in chunk `number` and their peaks, [N]; the context is that of `peaks_above`."""
        if number in self._kept:
            return self._kept[number]
        found = find_peaks(context_TC, factor, self.floor)
        n_bytes = found[0].nbytes + found[1].nbytes
        if n_bytes <= self._left:
            self._left -= n_bytes
            self._kept[number] = found
        return found


def find_peaks(context_TC: NDArray[np.float32], factor: int, floor: float) -> Peaks:
    """The samples of a chunk whose peak is above `floor`, and their peaks, [N]."""
    peaks_T = peaks_above(context_TC, factor, floor=floor)
    if peaks_T is None:
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    places_N = np.flatnonzero(peaks_T > floor).astype(np.int32)
    return places_N, peaks_T[places_N]
