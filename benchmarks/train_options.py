"""Whether every layout, and each option of the Wave-U-Net, learns something in a few steps, and mixes.

    python benchmarks/train_options.py MATERIAL [--song SONG] [--steps 20] [--work DIR] [--only WORD]

MATERIAL is the folder of kits and performances for `synth:drums`. Each network begins at random weights (no
linear start) and is trained by `mixcli train` on short sessions; told are its parameters, the loss on
sessions held back before and after, and, with --song, the integrated loudness of what the run makes of that
song. A network of drum microphones is given the stems called drums as its overheads, all others are left out
of its song; `base` mixes the whole song.
"""

import argparse
import csv
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from stream_errors import OPTIONS

from mixcli.models.checkpoint import load_model

LAYOUTS = ("paper", "base", "toolkit", "demucs")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("material", type=Path)
    parser.add_argument("--song", type=Path)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--work", type=Path, help="keeps runs and prepared sessions")
    parser.add_argument("--only", default="", help="only what has this in its name")
    asked = parser.parse_args()
    networks = {name: (name, {}) for name in LAYOUTS}
    for option in OPTIONS:
        words = ", ".join(f"{key} {value}" for key, value in option.items())
        networks[f"paper, {words}"] = ("paper", {f"model.{key}": value for key, value in option.items()})
    failed = 0
    print("| network | parameters | loss before | after | song mixed, LUFS |")
    print("| --- | --- | --- | --- | --- |")
    with ExitStack() as stack:
        work = asked.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        for number, (name, (preset, options)) in enumerate(networks.items()):
            if asked.only not in name:
                continue
            run = work / f"run-{number}"
            shutil.rmtree(run, ignore_errors=True)
            before, after = trained(preset, options, asked, work / "cache", run)
            size = sum(parameter.numel() for parameter in load_model(run).module.parameters())
            loudness = mixed(run, preset, asked.song, work) if asked.song else math.nan
            good = after < before and (asked.song is None or math.isfinite(loudness))
            failed += not good
            told = f"{before:.4f} | {after:.4f} | {loudness:.1f} |{'' if good else ' FAILED'}"
            print(f"| {name} | {size:,} | {told}", flush=True)
    return 1 if failed else 0


def trained(
    preset: str, options: dict[str, object], asked: argparse.Namespace, cache: Path, run: Path
) -> tuple[float, float]:
    """The loss on what was held back, before the first and after the last step."""
    settings = {
        "train.linear_start": "false",
        "train.schedule": "constant" if preset != "paper" else "two-stage",
        "train.warmup_steps": 0,
        "train.ema": 0,
        "train.steps_per_epoch": asked.steps,
        "train.validation_s": 2,
        **options,
    }
    data = f"synth:drums={asked.material},sessions={asked.sessions},longest=6,seed=0"
    command = [sys.executable, "-m", "mixcli", "train", data, "--out", str(run), "--cache", str(cache)]
    command += ["-p", f"train-{preset}", "--val", "0.25", "--steps", str(asked.steps)]
    command += ["--batch-size", "2", "--segment", "1", "--lr", "1e-4", "-q"]
    for key, value in settings.items():
        command += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    with (run / "log.csv").open(newline="") as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file) if row["val_loss"]]
    return losses[0], losses[-1]


def mixed(run: Path, preset: str, song: Path, work: Path) -> float:
    """The loudness of the song as the run mixes it."""
    if preset != "base":
        drums = work / f"{song.name} drums"
        shutil.rmtree(drums, ignore_errors=True)
        drums.mkdir()
        for path in song.glob("drums*"):
            shutil.copy(path, drums / f"overheads{path.suffix}")
        song = drums
    out = work / "mix.wav"
    command = [sys.executable, "-m", "mixcli", "mix", str(song), "--model", str(run), "--out", str(out)]
    command += ["--if-exists", "overwrite", "--allow-single", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    return float(json.loads(done.stdout)["outputs"][0]["integrated_lufs"])


if __name__ == "__main__":
    sys.exit(main())
