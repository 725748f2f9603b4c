"""Real stems that may be used for anything, cut into songs of 12 s and mixed as an engineer would.

The limits of the click detector are set on the songs of `SET` (and on made-up ones); those of `MEASURED` only
tell how good they are.
"""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from artefact_material import RATE, SECONDS, CleanSong, engineer, fade

STEMS = Path(__file__).parents[1].parent / "shared" / "data" / "everything-is-free-stems"
SET = ("francium", "potassium", "sodium")
MEASURED = ("lithium", "rubidium")
AUDIBLE = 1e-4


def read(path):
    sound_TC, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return np.repeat(sound_TC, 2, axis=1) if sound_TC.shape[1] == 1 else sound_TC


@cache
def real_songs(names):
    """Three songs of each excerpt, faded in and out so that no stem begins with a click."""
    songs = []
    for folder in sorted(path for name in names for path in STEMS.glob(f"{name}-*")):
        whole = [read(path) for path in sorted(folder.glob("*.ogg"))]
        for part in range(3):
            start = part * SECONDS * RATE
            stems = [stem_part(stem_TC, start) for stem_TC in whole]
            stems = [stem_TC for stem_TC in stems if np.abs(stem_TC).max() > AUDIBLE]
            if len(stems) > 1:
                mix_TC = engineer(np.random.default_rng([part, *folder.name.encode()]), stems)
                songs.append(CleanSong(f"{folder.name} {part}", tuple(stems), mix_TC))
    return tuple(songs)


def stem_part(stem_TC, start):
    n = SECONDS * RATE
    part_TC = stem_TC[start : start + n]
    part_TC = np.pad(part_TC, ((0, n - len(part_TC)), (0, 0)))
    return (part_TC * fade(n)[:, None]).astype(np.float32)
