"""What the scripted engineer hears of a session before he moves anything: the hits of the whole song.

He knows which hits are whose, as one does who looks at the drummer; a network is told none of it. Legend: T
samples, H hits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.synthesis.note_map import OVERHEADS
from mixcli.synthesis.recording import Recording
from mixcli.synthesis.sound_bank import SAMPLE_RATE
from mixcli.synthesis.tone import peak_of

HIT_S = 0.06  # from the onset on: what a hit's level and peak are of
LOUD, SOFT = 75.0, 25.0  # percentiles of the hits of a song
FLOOR_DB = -120.0

Levels = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The hits of one microphone's own pieces over the song, in dB of full scale.

    `level_db` is the mean square of a loud hit, `peak_db` and `soft_peak_db` the peaks of a loud and of a
    soft one. In the overheads the same hits have the level `overhead_db` (mean of the channels), and the left
    channel is `left_db` over the right one.
    """

    level_db: float
    peak_db: float
    soft_peak_db: float
    overhead_db: float
    left_db: float


def listen(recording: Recording) -> dict[str, Heard]:
    """Listen to every microphone whose pieces are played at all; the overheads hear all hits."""
    heard = {}
    all_H = recording.onsets.get(OVERHEADS[0], np.zeros(0, np.int64))
    in_overheads = [_energies(recording.stems[side], all_H) for side in OVERHEADS]
    for name, onsets_H in recording.onsets.items():
        if name not in recording.stems or not recording.stems[name].any():
            continue
        left_H, right_H = (energies_H[np.searchsorted(all_H, onsets_H)] for energies_H in in_overheads)
        both_H = (left_H + right_H) / 2
        own_H = both_H if name in OVERHEADS else _energies(recording.stems[name], onsets_H)
        peaks_H = _peaks(recording.stems[name], onsets_H)
        heard[name] = Heard(
            level_db=_percentile(_db(own_H), LOUD),
            peak_db=_percentile(peaks_H, LOUD),
            soft_peak_db=_percentile(peaks_H, SOFT),
            overhead_db=_percentile(_db(both_H), LOUD),
            left_db=float(np.median(_db(left_H) - _db(right_H))),
        )
    return heard


def hits_per_s(recording: Recording, inputs: tuple[str, ...]) -> float:
    """How many hits of some inputs' pieces there are in a second."""
    n_samples = len(next(iter(recording.stems.values())))
    n_hits = sum(len(recording.onsets.get(name, ())) for name in inputs)
    return n_hits / max(1.0, n_samples / SAMPLE_RATE)


def _energies(stem_T: NDArray[np.float32], onsets_H: NDArray[np.int64]) -> Levels:
    """The mean square of each hit."""
    n_hit = round(HIT_S * SAMPLE_RATE)
    hits = (stem_T[onset : onset + n_hit] for onset in onsets_H.tolist())
    return np.array([float(hit @ hit) / max(1, len(hit)) for hit in hits])


def _db(energies_H: Levels) -> Levels:
    return np.asarray(np.maximum(10 * np.log10(energies_H + 1e-12), FLOOR_DB))


def _peaks(stem_T: NDArray[np.float32], onsets_H: NDArray[np.int64]) -> Levels:
    n_hit = round(HIT_S * SAMPLE_RATE)
    peaks = [peak_of(stem_T[onset : onset + n_hit]) for onset in onsets_H.tolist()]
    return 20 * np.log10(np.maximum(peaks, 1e-6))


def _percentile(values_H: Levels, share: float) -> float:
    return float(np.percentile(values_H, share))
