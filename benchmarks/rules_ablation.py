"""What each rule of the console is worth: mixes of blind stems against an artist's, one rule off at a time.

    python benchmarks/rules_ablation.py STEMS_FOLDER [--work DIR] [--seconds 22]

STEMS_FOLDER holds a folder per excerpt whose stems sum, at unity gain, to the artist's mix. They are folded
to mono and brought to one loudness first, so that nothing of that mix is left in them. Printed per row: the
median of every measure over the excerpts, and on how many of them it is nearer than equal loudness.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile

from mixcli.audio.loudness import LoudnessMeter
from mixcli.console import character, lead_ratio, levels, rule_table
from mixcli.console.recipe import Recipe, StemRecipe
from mixcli.console.render import ConsoleRenderer
from mixcli.console.rules import make_recipe
from mixcli.evaluation.material import match_level
from mixcli.measures.balance import compare_levels, describe_stems, stem_levels_db
from mixcli.measures.nearness import compare_profiles
from mixcli.measures.profile import describe_profile
from mixcli.settings import RuleSettings
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.song import Song
from mixcli.songs.survey import Survey, survey_song

STEM_LUFS = -23.0
START_S = 8.0
MEASURES = ("balance_db", "tone_db", "width_db", "image_db", "dynamics_db", "features", "spectra_db")
Decide = Callable[[Song, Survey], Recipe]
Scores = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stems", type=Path)
    parser.add_argument("--work", type=Path, default=None, help="keeps the blind stems for another run")
    parser.add_argument("--seconds", type=float, default=22.0)
    given = parser.parse_args()
    with ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        excerpts = [Excerpt(folder, given.seconds) for folder in blind_library(given.stems, work)]
        equal = scores(excerpts, equal_loudness)
        show("equal loudness", equal, equal)
        with patch.dict(rule_table.ELECTRONIC_STEPS_DB, dict.fromkeys(rule_table.ELECTRONIC_STEPS_DB, 0.0)):
            show("no electronic steps", scores(excerpts, rules()), equal)
        show("all rules", scores(excerpts, rules()), equal)
        for name, switch in SWITCHES.items():
            with switch():
                show(f"no {name}", scores(excerpts, rules()), equal)
        for name, settings in SETTINGS.items():
            show(name, scores(excerpts, rules(**settings)), equal)
        for name, change in CHANGES.items():
            show(name, scores(excerpts, rules(change)), equal)


def blind_library(stems: Path, work: Path) -> list[Path]:
    """Mono stems at one loudness and the artist's mix, a folder per excerpt."""
    folders = []
    for source in sorted(path for path in stems.iterdir() if path.is_dir()):
        folder = work / source.name
        folders.append(folder)
        if (folder / "mix.wav").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        total_TC, rate = np.zeros((0, 2)), 0
        for path in sorted(source.glob("*.ogg")):
            stem_TC, rate = soundfile.read(path, always_2d=True)
            longer_TC = np.zeros((max(len(total_TC), len(stem_TC)), 2))
            longer_TC[: len(total_TC)] += total_TC
            longer_TC[: len(stem_TC)] += stem_TC
            total_TC = longer_TC
            mid_T = stem_TC.mean(axis=1)
            meter = LoudnessMeter(rate, 2)
            meter.push(np.stack([mid_T, mid_T], axis=1).astype(np.float32))
            if np.isfinite(meter.integrated_lufs()):
                gain = min(10 ** ((STEM_LUFS - meter.integrated_lufs()) / 20), 0.99 / np.abs(mid_T).max())
                soundfile.write(folder / f"{path.stem}.flac", mid_T * gain, rate, subtype="PCM_24")
        soundfile.write(folder / "mix.wav", 0.9 * total_TC / np.abs(total_TC).max(), rate, subtype="PCM_24")
    return folders


class Excerpt:
    """A song, its survey, and the artist's mix of a part of it, measured."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.song = read_song(folder, DiscoveryOptions())
        rate = self.song.stems[0].sample_rate
        self.survey = survey_song(self.song, rate)
        self.start, self.n_samples, self.rate = round(START_S * rate), round(seconds * rate), rate
        self.reference = describe_profile(matched(self._read(folder / "mix.wav"), rate), rate)
        stems = [np.repeat(self._read(folder / stem.name), 2, axis=1) for stem in self.song.stems]
        self.stems = describe_stems(stems, rate)
        self.levels_S = stem_levels_db(self.reference, self.stems)

    def score(self, recipe: Recipe) -> dict[str, float]:
        """The distances of a recipe's mix to the artist's."""
        blocks = ConsoleRenderer(self.song, recipe, start=self.start, n_samples=self.n_samples)
        mix_TC = np.concatenate([block.buses_KTC.sum(axis=0) + block.returns_TC for block in blocks])
        profile = describe_profile(matched(mix_TC.astype(np.float32), self.rate), self.rate)
        levels_S = stem_levels_db(profile, self.stems)
        return compare_profiles(profile, self.reference) | {
            "balance_db": compare_levels(levels_S, self.levels_S)
        }

    def _read(self, path: Path) -> np.ndarray:
        start, stop = self.start, self.start + self.n_samples
        return soundfile.read(path, dtype="float32", always_2d=True, start=start, stop=stop)[0]


def matched(sound_TC: np.ndarray, rate: int) -> np.ndarray:
    """The sound at the loudness at which mixes are compared."""
    out_TC = np.zeros_like(sound_TC)
    match_level(sound_TC, rate, out_TC)
    return out_TC


def scores(excerpts: list[Excerpt], decide: Decide) -> Scores:
    """Every measure, a value per excerpt."""
    found = [excerpt.score(decide(excerpt.song, excerpt.survey)) for excerpt in excerpts]
    return {key: [values[key] for values in found] for key in MEASURES}


def show(name: str, found: Scores, equal: Scores) -> None:
    cells = []
    for key in MEASURES:
        nearer = sum(value < other for value, other in zip(found[key], equal[key], strict=True))
        cells.append(f"{np.median(found[key]):.2f} ({nearer})")
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def rules(change: Callable[[StemRecipe], dict[str, Any]] | None = None, **settings: float) -> Decide:
    """The rules with other settings, and with a change to every stem of what they decide."""

    def decide(song: Song, survey: Survey) -> Recipe:
        recipe = make_recipe(song, survey, settings=RuleSettings(**settings))
        if change is None:
            return recipe
        stems = {name: stem.model_copy(update=change(stem)) for name, stem in recipe.stems.items()}
        return recipe.model_copy(update={"stems": stems})

    return decide


def equal_loudness(song: Song, survey: Survey) -> Recipe:
    """Every stem at one loudness, and nothing else."""
    recipe = make_recipe(song, survey)
    nothing = {"high_pass_hz", "expander", "compressor", "side_from_mid_db", "side_gain_db", "reverb_send_db"}
    stems = {
        name: stem.model_copy(
            update=dict.fromkeys(nothing)
            | {
                "gain_db": STEM_LUFS - survey.stems[name].loudness_lufs,
                "pan": 0.0,
                "polarity": 1,
                "equaliser": [],
            }
        )
        for name, stem in recipe.stems.items()
    }
    return recipe.model_copy(update={"stems": stems})


@contextmanager
def _role_steps_off() -> Iterator[None]:
    same = {role: replace(rule, level_db=0.0) for role, rule in rule_table.ROLE_RULES.items()}
    with patch.dict(rule_table.ROLE_RULES, same):
        yield


SWITCHES: dict[str, Callable[[], Any]] = {
    "steps for the role": _role_steps_off,
    "steps for peaks": lambda: patch.object(character, "DB_PER_PEAK_DB", 0.0),
    "steps for brightness": lambda: patch.object(character, "DB_PER_OCTAVE", 0.0),
    "sharing of levels": lambda: patch.object(levels, "_share_levels", lambda *_: None),
    "place for the voices": lambda: patch.object(levels, "lead_step_db", lambda *_: None),
    "voices half-way only": lambda: patch.object(lead_ratio, "LOWEST_RATIO_DB", -30.0),
}
SETTINGS: dict[str, dict[str, float]] = {
    "no pan": {"pan_scale": 0.0},
    "no compression, no expander": {"compression": 0.0},
    "width −3 dB": {"width_db": -3.0},
    "width +3 dB": {"width_db": 3.0},
    "+ equaliser 0.25": {"equaliser": 0.25},
    "+ masking 1": {"masking": 1.0},
    "+ rides 1": {"rides": 1.0},
    "+ bus tone 0.5": {"bus_tone": 0.5},
    "+ bus compression 1": {"bus_compression": 1.0},
}
CHANGES: dict[str, Callable[[StemRecipe], dict[str, Any]]] = {
    "no made sides": lambda _: {"side_from_mid_db": None},
    "no high-pass": lambda _: {"high_pass_hz": None},
    "no reverb": lambda _: {"reverb_send_db": None},
}


if __name__ == "__main__":
    sys.exit(main())
