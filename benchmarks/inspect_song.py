"""How long `mixcli inspect` takes for 100 stems, and `mixcli --help` to start.

Makes a song of 100 mono stems (WAV, 24 bits, 44.1 kHz, 10 s each) and one of two stems of 0.1 s in a
temporary folder, and runs, each in its own process and in turn, `mixcli inspect` of both, `mixcli --help`,
and the help of a Typer app that has nothing but one option. The difference of the first two is the measuring;
the ratio of the other two is what mixcli adds to the start of its framework.

    python benchmarks/inspect_song.py [--runs 5]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
EMPTY_APP = """
import typer
app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
@app.command()
def start(name: str = typer.Option("", help="A name.")) -> None:
    "Do nothing."
app()
"""


def write_song(folder: Path, n_stems: int, seconds: float) -> Path:
    """Stems of noise with a tone each, unlike one another, with pauses."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    times_T = np.arange(round(seconds * RATE)) / RATE
    for index in range(n_stems):
        tone_T = 0.2 * np.sin(2 * np.pi * (80 + 37 * index) * times_T)
        gate_T = np.sin(2 * np.pi * (0.3 + 0.01 * index) * times_T) > -0.5
        stem_T = (tone_T + 0.05 * rng.standard_normal(len(times_T))) * gate_T
        soundfile.write(folder / f"{index:03d}_Gtr {index}.wav", stem_T, RATE, subtype="PCM_24")
    return folder


def wall_s(*arguments: str) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    n_runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        small = write_song(Path(folder) / "small", 2, 0.1)
        large = write_song(Path(folder) / "large", 100, 10.0)
        commands = {
            "inspect, 2 stems of 0.1 s": ("-m", "mixcli", "inspect", str(small)),
            "inspect, 100 stems of 10 s": ("-m", "mixcli", "inspect", str(large)),
            "mixcli --help": ("-m", "mixcli", "--help"),
            "help of an empty Typer app": ("-c", EMPTY_APP, "--help"),
        }
        for command in commands.values():
            wall_s(*command)  # files in memory, bytecode written
        taken: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(n_runs):
            for name, command in commands.items():
                taken[name].append(wall_s(*command))
    medians = [statistics.median(seconds) for seconds in taken.values()]
    for (name, seconds), median in zip(taken.items(), medians, strict=True):
        print(f"{name:28} {median:6.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"{'measuring 100 stems':28} {medians[1] - medians[0]:6.2f} s")
    print(f"{'help against an empty app':28} {medians[2] / medians[3]:6.2f} times")


if __name__ == "__main__":
    main()
