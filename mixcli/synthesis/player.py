"""Playing a performance on a sampled kit: which recorded hit each stroke takes, and where it lands.

Legend: M microphones, T samples.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.synthesis.midi import Stroke
from mixcli.synthesis.note_map import HATS, piece_of
from mixcli.synthesis.sound_bank import SAMPLE_RATE, Hit

VELOCITY_DB = 40.0  # of the logarithm of velocity / 127. SOURCE: MIDI Manufacturers Association, DLS Level 1
LEFT_AFTER_GAIN_DB = 1.5  # how far off the level of its velocity a hit may sound
JITTER_BOUNDS = (0.25, 0.75)  # of a draw from 0 to 1: below it one step softer, above it one louder
SAME_STEP_DB = 0.5  # hits nearer than that in level are round robins of one step
TAIL_S = 4.0  # what rang before the first sample may be heard after it
CHOKE_S = 0.03  # the time in which a new hit of the hi-hat ends the last one

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class PlacedHit:
    """A stroke on its way to the microphones: the sample it lands on, its piece, which hit, and a gain."""

    start: int
    piece: str
    number: int
    gain: float
    n_most: int | None = None  # samples until a choke has ended it


@dataclass(frozen=True)
class Played:
    """A performance placed in time, and the strokes on keys that the kit has no piece for, by key."""

    hits: tuple[PlacedHit, ...]
    unplayed: Mapping[int, int]


def place(
    strokes: Sequence[Stroke],
    pieces: Mapping[str, Sequence[Hit]],
    *,
    start_s: float,
    n_samples: int,
    rng: np.random.Generator,
    jitter: bool = True,
) -> Played:
    """Choose a recorded hit for every stroke from `start_s` on, and the tails of those before.

    The level asked for is that of the piece's loudest hit plus 40 log10(velocity / 127) dB; the nearest
    recorded one is taken, with `jitter` now and then the next softer or louder step, and a gain leaves at
    most 1.5 dB between. A stroke lands on the nearest sample.
    """
    unplayed: Counter[int] = Counter()
    placed: list[PlacedHit] = []
    last_hat: int | None = None
    for stroke in strokes:
        start = round((stroke.time_s - start_s) * SAMPLE_RATE)
        if not -TAIL_S * SAMPLE_RATE <= start < n_samples:
            continue
        piece = piece_of(stroke.key, pieces)
        if piece is None:
            if start >= 0:
                unplayed[stroke.key] += 1
            continue
        number, gain = choose(pieces[piece], stroke.velocity, rng, jitter=jitter)
        if piece in HATS:
            if last_hat is not None:
                before = placed[last_hat]
                n_most = start - before.start + round(CHOKE_S * SAMPLE_RATE)
                placed[last_hat] = PlacedHit(before.start, before.piece, before.number, before.gain, n_most)
            last_hat = len(placed)
        placed.append(PlacedHit(start, piece, number, gain))
    return Played(tuple(placed), dict(sorted(unplayed.items())))


def choose(
    hits: Sequence[Hit], velocity: int, rng: np.random.Generator, *, jitter: bool = True
) -> tuple[int, float]:
    """The number of the hit for a velocity, of hits from soft to loud, and the gain it is played with."""
    levels_db = np.array([hit.level_db for hit in hits])
    wanted_db = levels_db[-1] + VELOCITY_DB * float(np.log10(velocity / 127))
    # Round robins first: hits of one step are as good as each other.
    distance_db = np.abs(levels_db - wanted_db)
    nearest = np.flatnonzero(distance_db <= distance_db.min() + SAME_STEP_DB)
    if jitter:
        step = int(np.searchsorted(JITTER_BOUNDS, rng.random(), side="right")) - 1
        number = int(nearest[rng.integers(len(nearest))]) + step
    else:
        number = int(np.argmin(distance_db))
    number = min(max(number, 0), len(hits) - 1)
    level_db = float(levels_db[number])
    heard_db = min(max(level_db, wanted_db - LEFT_AFTER_GAIN_DB), wanted_db + LEFT_AFTER_GAIN_DB)
    return number, 10 ** ((heard_db - level_db) / 20)


def heard_of(played: Sequence[PlacedHit], n_samples: int) -> dict[tuple[str, int], int]:
    """The hits that are heard in a session, by piece and number, and how many samples of each at most."""
    heard: dict[tuple[str, int], int] = {}
    for hit in played:
        n_left = n_samples - hit.start
        n_heard = n_left if hit.n_most is None else min(n_left, hit.n_most)
        which = hit.piece, hit.number
        heard[which] = max(n_heard, heard.get(which, 0))
    return heard


def sound(
    played: Sequence[PlacedHit],
    hits: Mapping[tuple[str, int], Samples],
    gains: Mapping[str, NDArray[np.float32]],
    n_samples: int,
) -> Samples:
    """All hits added up, [M, T].

    `hits` holds the samples [M, T] of each by piece and number, `gains` a gain per microphone, [M].
    """
    n_microphones = len(next(iter(gains.values())))
    lines_MT = np.zeros((n_microphones, n_samples), np.float32)
    longest = max((each.shape[1] for each in hits.values()), default=0)
    work_MT = np.empty((n_microphones, longest), np.float32)  # one for all: fresh memory costs as much again
    n_fade = round(CHOKE_S * SAMPLE_RATE)
    fade_T = np.linspace(1, 0, n_fade, dtype=np.float32)
    for hit in played:
        samples_MT = hits[hit.piece, hit.number]
        n_hit = samples_MT.shape[1]
        n_most = n_hit if hit.n_most is None else min(n_hit, hit.n_most)
        first, last = max(0, -hit.start), min(n_most, n_samples - hit.start)
        if last <= first:
            continue
        factors_M = gains[hit.piece] * np.float32(hit.gain)
        added_MT = work_MT[:, : last - first]
        np.multiply(samples_MT[:, first:last], factors_M[:, None], out=added_MT)
        if n_most < n_hit:  # choked
            faded = max(first, n_most - n_fade)
            if faded < last:
                into = faded - (n_most - n_fade)
                added_MT[:, faded - first :] *= fade_T[into : into + last - faded]
        lines_MT[:, hit.start + first : hit.start + last] += added_MT
    return lines_MT
