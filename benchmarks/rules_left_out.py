"""The rules on songs that took no part in choosing their constants: each song left out in turn.

    python benchmarks/rules_left_out.py STEMS_FOLDER [--work DIR] [--seconds 22]

STEMS_FOLDER is that of rules_ablation.py; excerpts SONG-1, SONG-2 … are of one song. For each song the five
constants behind the levels are chosen anew from a grid, by the distance of the faders to the artist's on the
excerpts of all other songs, and its own excerpts are then mixed with them. Printed are the choices, and the
median of every measure over all excerpts, as rules_ablation.py prints it.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import soundfile
from rules_ablation import MEASURES, Excerpt, blind_library, equal_loudness, rules, scores, show

from mixcli.audio.loudness import LoudnessMeter
from mixcli.console import character, lead_ratio, rule_table
from mixcli.console.rules import make_recipe
from mixcli.settings import RuleSettings


class Constants(NamedTuple):
    """What is chosen; `role` and `electronic` are factors on the tables as they are."""

    role: float
    db_per_peak_db: float
    db_per_octave: float
    electronic: float
    voices_db: float


GRID = [
    Constants(*each)
    for each in product(
        (0.5, 1.0, 1.5), (-0.2, -0.35, -0.5), (-0.2, -0.4, -0.6), (0.0, 1.0, 1.8), (-4.0, -2.5, -1.0)
    )
]
SHIPPED = Constants(1.0, -0.35, -0.4, 1.0, -2.5)


@contextmanager
def constants(chosen: Constants) -> Iterator[None]:
    """The rules with these constants."""
    steps = {key: chosen.electronic * step for key, step in rule_table.ELECTRONIC_STEPS_DB.items()}
    table = {
        role: replace(rule, level_db=chosen.role * rule.level_db)
        for role, rule in rule_table.ROLE_RULES.items()
    }
    with (
        patch.dict(rule_table.ELECTRONIC_STEPS_DB, steps),
        patch.dict(rule_table.ROLE_RULES, table),
        patch.object(character, "DB_PER_PEAK_DB", chosen.db_per_peak_db),
        patch.object(character, "DB_PER_OCTAVE", chosen.db_per_octave),
        patch.object(lead_ratio, "USUAL_RATIO_DB", chosen.voices_db),
    ):
        yield


def mid_loudness(path: Path) -> float:
    """Loudness of a stem folded to the middle, LUFS, as it stands in the artist's mix."""
    stem_TC, rate = soundfile.read(path, always_2d=True)
    mid_T = stem_TC.mean(axis=1)
    meter = LoudnessMeter(rate, 2)
    meter.push(np.stack([mid_T, mid_T], axis=1).astype(np.float32))
    return meter.integrated_lufs()


def fader_distance(excerpt: Excerpt, artist: dict[str, float]) -> float:
    """Mean distance of the rules' levels to the artist's, dB, a common gain taken off."""
    recipe = make_recipe(excerpt.song, excerpt.survey, settings=RuleSettings())
    apart_db = np.array([
        stem.gain_db + excerpt.survey.stems[name].loudness_lufs - artist[Path(name).stem]
        for name, stem in recipe.stems.items()
        if np.isfinite(artist[Path(name).stem])
    ])  # fmt: skip
    return float(np.abs(apart_db - apart_db.mean()).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", type=Path)
    parser.add_argument("--work", type=Path, default=None, help="keeps the blind stems for another run")
    parser.add_argument("--seconds", type=float, default=22.0)
    given = parser.parse_args()
    with ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folders = blind_library(given.stems, work)
        excerpts = [Excerpt(folder, given.seconds) for folder in folders]
        artists = [
            {path.stem: mid_loudness(path) for path in sorted((given.stems / folder.name).glob("*.ogg"))}
            for folder in folders
        ]
        songs = [folder.name.rsplit("-", 1)[0] for folder in folders]
        distances = np.zeros((len(GRID), len(excerpts)))
        for row, choice in enumerate(GRID):
            with constants(choice):
                for column, (excerpt, artist) in enumerate(zip(excerpts, artists, strict=True)):
                    distances[row, column] = fader_distance(excerpt, artist)
        left_out: dict[str, list[float]] = {key: [] for key in MEASURES}
        for song in sorted(set(songs)):
            others = np.array([each != song for each in songs])
            choice = GRID[int(distances[:, others].mean(axis=1).argmin())]
            own = [excerpt for excerpt, other in zip(excerpts, others, strict=True) if not other]
            with constants(choice):
                found = scores(own, rules())
            print(f"without {song}: {choice}", flush=True)
            for key in MEASURES:
                left_out[key] += found[key]
        # In the order of the songs, which is that of the excerpts.
        equal = scores(excerpts, equal_loudness)
        show("equal loudness", equal, equal)
        show("each song left out", left_out, equal)
        show("as it ships", scores(excerpts, rules()), equal)
        shipped = distances[GRID.index(SHIPPED)]
        print(f"faders as they ship: mean {shipped.mean():.2f}, median {np.median(shipped):.2f} dB")


if __name__ == "__main__":
    sys.exit(main())
