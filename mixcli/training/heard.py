"""What the inputs of the training songs sound like, for the model to know the like again."""

from collections.abc import Sequence

import numpy as np

from mixcli.engine.stretches import STRETCH_S, Values, stretch_values
from mixcli.models.familiarity import Familiarity
from mixcli.models.settings import ModelSettings
from mixcli.training.prepared_song import PreparedSong

MOST_LEARNT, MOST_HELD_OUT = 1_000, 300  # stretches


def learn_familiarity(songs: Sequence[PreparedSong], model: ModelSettings) -> Familiarity | None:
    """Learn from the songs of the part "train", and judge by those of "validation".

    None where these are too few, and for networks behind the console, which hear what that has made.
    """
    if model.outputs != "mix":
        return None
    learnt, held_out = (
        _stretches([song for song in songs if song.part == part], most)
        for part, most in (("train", MOST_LEARNT), ("validation", MOST_HELD_OUT))
    )
    return Familiarity.learn(learnt, held_out)


def _stretches(songs: Sequence[PreparedSong], most: int) -> Values:
    """Stretches of songs, evenly spread over them all, `[N, D]`; those that are silent are left out."""
    found = []
    for song in songs:
        n_stretch = round(STRETCH_S * song.sample_rate)
        n_whole = song.n_samples // n_stretch
        for number in np.unique(np.linspace(0, n_whole - 1, max(1, most // len(songs))).astype(int)):
            if n_whole:
                span_KT = song.inputs_KT[:, number * n_stretch : (number + 1) * n_stretch]
                found.append(stretch_values(np.asarray(span_KT, np.float32), song.sample_rate))
    return np.array([values_D for values_D in found if np.isfinite(values_D).any()])
