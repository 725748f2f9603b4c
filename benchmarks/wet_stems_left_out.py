"""Is a network trained on un-mixed stems nearer to an artist's mix than the console, which it works behind?

    python benchmarks/wet_stems_left_out.py STEMS_FOLDER --work DIR [--amount 1] [-- OPTIONS OF mixcli train]
    python benchmarks/wet_stems_left_out.py STEMS_FOLDER --work DIR [--amount 1] --model RUN

STEMS_FOLDER is that of rules_ablation.py; excerpts SONG-1, SONG-2 … are of one song. Each song is left out in
turn: `mixcli train STEMS_FOLDER --wet-stems` learns from the others, and the song's excerpts, their stems in
mono and equally loud, are mixed with the run and by the console alone. Printed are the median of every
measure over all excerpts, and on how many of them the network is nearer than the console. A run that is there
already in DIR is gone on with, or taken as it is where it is done. With --model one network, which has learnt
from none of the songs, mixes them all.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from rules_ablation import MEASURES, blind_library, matched

from mixcli.measures.balance import compare_levels, describe_stems, stem_levels_db
from mixcli.measures.nearness import compare_profiles
from mixcli.measures.profile import describe_profile
from mixcli.mixing.mix_song import mix_song
from mixcli.mixing.request import MixRequest


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stems", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="keeps runs, prepared songs and blind stems")
    parser.add_argument("--name", default="run", help="of the attempt")
    parser.add_argument("--amount", type=float, nargs="+", default=[1.0])
    parser.add_argument("--model", type=Path, help="a network that has learnt from none of the songs")
    own, training = sys.argv[1:], []
    if "--" in own:
        own, training = own[: own.index("--")], own[own.index("--") + 1 :]
    asked = parser.parse_args(own, argparse.Namespace(train=training))
    folders = blind_library(asked.stems, asked.work / "blind")
    songs = sorted({folder.name.rsplit("-", 1)[0] for folder in folders})
    ways = ["console", *(f"network × {amount:g}" for amount in asked.amount)]
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for song in songs:
        run = asked.model or trained(asked, song)
        for folder in folders:
            if folder.name.rsplit("-", 1)[0] != song:
                continue
            score = Scorer(folder)
            for way, amount in zip(ways, [0.0, *asked.amount], strict=True):
                settings = {"amount": amount} | ({"model": str(run)} if amount else {})
                found[way].append(score(settings))
    print(f"| | {' | '.join(MEASURES)} |")
    print(f"| --- {'| --- ' * len(MEASURES)}|")
    for way, scores in found.items():
        cells = []
        for key in MEASURES:
            values, console = ([each[key] for each in scores], [each[key] for each in found["console"]])
            nearer = sum(value < other for value, other in zip(values, console, strict=True))
            cells.append(f"{np.median(values):.3f} ({nearer})")
        print(f"| {way} | {' | '.join(cells)} |", flush=True)


def trained(asked: argparse.Namespace, song: str) -> Path:
    """The run that has not heard the song."""
    run: Path = asked.work / f"{asked.name}-without-{song}"
    command = [sys.executable, "-m", "mixcli", "train", str(asked.stems), "--wet-stems", "--out", str(run)]
    command += ["--exclude", f"{song}*", "--cache", str(asked.work / "cache"), *asked.train]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run


class Scorer:
    """How near mixes of an excerpt are to the artist's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mix_TC, self.rate = soundfile.read(folder / "mix.wav", dtype="float32", always_2d=True)
        self.reference = describe_profile(matched(mix_TC, self.rate), self.rate)
        paths = sorted(folder.glob("*.flac"))
        stems = [np.repeat(soundfile.read(path, dtype="float32", always_2d=True)[0], 2, 1) for path in paths]
        self.stems = describe_stems(stems, self.rate)
        self.levels_S = stem_levels_db(self.reference, self.stems)

    def __call__(self, settings: dict[str, object]) -> dict[str, float]:
        """The distances of a mix to the artist's."""
        with tempfile.TemporaryDirectory() as work:
            asked = {"bit_depth": "32f", "loudness_mode": "measure", **settings}
            result = mix_song(MixRequest(folder=self.folder, out=Path(work) / "mix.wav", settings=asked))
            mix_TC = soundfile.read(result.paths.audio, dtype="float32", always_2d=True)[0]
        profile = describe_profile(matched(mix_TC, self.rate), self.rate)
        levels_S = stem_levels_db(profile, self.stems)
        return compare_profiles(profile, self.reference) | {
            "balance_db": compare_levels(levels_S, self.levels_S)
        }


if __name__ == "__main__":
    main()
