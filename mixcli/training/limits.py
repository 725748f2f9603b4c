"""How far from the console's mixes those lie that a network learns from: the farthest it may go itself."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.console.render import ConsoleRenderer
from mixcli.console.rules import make_recipe
from mixcli.measures.apart import levelled_profile
from mixcli.measures.nearness import MEASURES, compare_profiles
from mixcli.models.model_file import Limits
from mixcli.models.settings import ModelSettings
from mixcli.settings import RuleSettings
from mixcli.training.prepare_inputs import hear_song
from mixcli.training.prepare_session import session_song
from mixcli.training.prepared_song import PreparedSong

FEWEST, MOST = 8, 32  # songs: with fewer nothing is known
LONGEST_S = 30.0
LEAST = 0.01  # of any measure: what nobody hears
PERCENTILE = 95.0  # of songs: the farthest of all may be a fault

Sound = NDArray[np.float32]


def learn_limits(songs: Sequence[PreparedSong], model: ModelSettings) -> Limits | None:
    """The distances, by measure, that 19 of 20 mixes of the part "validation" do not exceed.

    None where these songs are too few, and for networks behind the console, which are bounded otherwise.
    """
    held_out = [song for song in songs if song.part == "validation" and song.inputs_KT.any()]
    if model.outputs != "mix" or len(held_out) < FEWEST:
        return None
    numbers = np.unique(np.linspace(0, len(held_out) - 1, MOST).astype(int))
    found = [departure(held_out[number], model) for number in numbers]
    limits = {}
    for measure in MEASURES:
        distances = [each[measure.key] for each in found if np.isfinite(each[measure.key])]
        farthest = float(np.percentile(distances, PERCENTILE)) if distances else 0.0
        limits[measure.key] = max(farthest, LEAST)
    return Limits.model_validate({key: round(value, 3) for key, value in limits.items()})


def departure(song: PreparedSong, model: ModelSettings) -> dict[str, float]:
    """How far the mix of a song, from its middle, is from the console's, by measure."""
    n_heard = min(song.n_samples, round(LONGEST_S * song.sample_rate))
    start = (song.n_samples - n_heard) // 2
    heard = slice(start, start + n_heard)
    inputs = dict(zip(model.inputs, np.asarray(song.inputs_KT[:, heard]), strict=True))
    target_TC = np.ascontiguousarray(song.target_CT[:, heard].T)
    console_TC = console_mix({name: input_T for name, input_T in inputs.items() if input_T.any()}, song)
    pair = [levelled_profile(mix_TC, song.sample_rate) for mix_TC in (target_TC, console_TC)]
    return compare_profiles(*pair)


def console_mix(inputs: dict[str, Sound], song: PreparedSong) -> Sound:
    """What the console alone makes of the inputs of a network, `[T, 2]`."""
    with tempfile.TemporaryDirectory() as folder:
        silent_TC = np.zeros((1, 2), np.float32)
        made = session_song(song.name, inputs, silent_TC, song.sample_rate, Path(folder))
        known = hear_song(made, repair=False)
        recipe = make_recipe(known.song, known.measures, settings=RuleSettings(), pairs=known.pairs)
        blocks = [
            block.buses_KTC.sum(axis=0, dtype=np.float32) + block.returns_TC
            for block in ConsoleRenderer(known.song, recipe)
        ]
    return np.concatenate(blocks)
