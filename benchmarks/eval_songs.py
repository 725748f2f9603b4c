"""How fast `mixcli eval` scores mixes that are there already, in times real time.

Makes four songs of 30 s (eight stems at 44.1 kHz, a reference) and five systems' mixes of each in a temporary
folder, then scores them in turn with one worker and with two, mixing nothing. Real time is songs × systems ×
length; reading, aligning and describing stems and references is counted in.

    python benchmarks/eval_songs.py [--runs 3] [--songs 4] [--systems 5] [--seconds 30]
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
NAMES = ("Kick", "Snare", "Bass", "Gtr L", "Gtr R", "Keys", "BV", "LdVox")


def make_stems(seconds: float, seed: int) -> dict[str, np.ndarray]:
    """Decaying notes with noise at their onsets, each stem with a pitch, a rhythm and rests of its own."""
    generator = np.random.default_rng(seed)
    times_T = np.arange(round(seconds * RATE)) / RATE
    stems = {}
    for index, name in enumerate(NAMES):
        phase_T = times_T % (0.25 + 0.07 * index)
        tone_T = np.sin(2 * np.pi * 55 * 2 ** (index * 0.7) * times_T) * np.exp(-phase_T * 6)
        noise_T = generator.standard_normal(len(times_T)) * np.exp(-phase_T * 40)
        rests_T = np.sin(2 * np.pi * (0.05 + 0.01 * index) * times_T + index) > -0.8
        stems[name] = 0.1 * (tone_T + 0.5 * noise_T) * rests_T
    return stems


def make_mix(stems: dict[str, np.ndarray], seed: int) -> np.ndarray:
    """A sum with random gains and pans, [T, 2]."""
    generator = np.random.default_rng(seed)
    total_TC = np.zeros((len(next(iter(stems.values()))), 2))
    for stem_T in stems.values():
        pan = generator.uniform(0, np.pi / 2)
        gains_C = 10 ** (generator.uniform(-6, 6) / 20) * np.array([np.cos(pan), np.sin(pan)])
        total_TC += stem_T[:, None] * gains_C
    return np.asarray(0.5 * total_TC / np.abs(total_TC).max())


def make_library(folder: Path, n_songs: int, n_systems: int, seconds: float) -> None:
    """Songs with a mix beside their stems, and a folder of mixes per system."""
    for song in range(n_songs):
        stems = make_stems(seconds, song)
        stem_folder = folder / "library" / f"Song {song}" / "Stems"
        stem_folder.mkdir(parents=True)
        for name, stem_T in stems.items():
            soundfile.write(stem_folder / f"{name}.wav", stem_T, RATE, subtype="PCM_24")
        soundfile.write(stem_folder.parent / "mix.wav", make_mix(stems, 1000 + song), RATE, subtype="PCM_24")
        for system in range(n_systems):
            (folder / f"system {system}").mkdir(exist_ok=True)
            mix_TC = make_mix(stems, 100 * song + system)
            path = folder / f"system {system}" / f"Song {song}.wav"
            soundfile.write(path, mix_TC, RATE, subtype="PCM_24")


def run_once(folder: Path, n_systems: int, workers: int) -> tuple[float, float]:
    """Seconds by the clock and of the processors."""
    systems = [part for n in range(n_systems) for part in ("--system", f"system {n}=system {n}")]
    command = [sys.executable, "-m", "mixcli", "eval", "library", "--no-mix", "--baselines", "none", *systems]
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "-j", str(workers), "-q"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name, default in (("runs", 3), ("songs", 4), ("systems", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--seconds", type=float, default=30.0)
    asked = parser.parse_args()
    real_s = asked.songs * asked.systems * asked.seconds
    taken: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        make_library(Path(name), asked.songs, asked.systems, asked.seconds)
        for _ in range(asked.runs):
            for workers in taken:
                seconds, of_processors = run_once(Path(name), asked.systems, workers)
                taken[workers].append(seconds)
                print(f"-j {workers}: {seconds:6.1f} s, {of_processors:6.1f} s of processors", flush=True)
    for workers, seconds_each in taken.items():
        middle = statistics.median(seconds_each)
        print(f"-j {workers}: {real_s / middle:.1f} x real time (median of {asked.runs})")


main()
