"""How many times faster than real time `mixcli mix` is, and where the time goes.

Makes a song of 16 stems and one of 60 (WAV, 24 bits, 44.1 kHz) in a temporary folder: drums, basses,
guitars, keys and voices of decaying notes with pauses, every fourth stem in stereo. The mixes are made in
turn, by one process and by two, with the whole default console, loudness and limiter. Printed are, for
each, the times real time (the song's length by the wall clock), in all and for each phase: start (imports),
survey (reading, measuring, deciding), render, finish (loudness, limiter, file, check); for one process also
the CPU seconds per second of the song, which beside other work on the machine say more than the wall.

    python benchmarks/mix_song.py [--seconds 240] [--runs 3] [--stems 16 60] [--processes 1 2]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
NAMES = (
    *("Kick", "Snare", "HiHat", "Tom 1", "Tom 2", "Overhead L", "Overhead R", "Bass DI"),
    *("Gtr L", "Gtr R", "Piano", "Synth", "Pad", "Lead Vox", "BV 1", "BV 2"),
)
PHASES = ("start", "survey", "render", "finish")
# Run in a process of its own: the time of the whole, and of the stages between the calls it consists of.
TIMED = """
import json, sys, time
clock, began = time.process_time, (time.perf_counter(), time.process_time())
import os; os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as the command does, and the next
from mixcli.freed_memory import keep_freed_memory; keep_freed_memory()
from pathlib import Path
from mixcli.mixing import mix_song as case
from mixcli.mixing.request import MixRequest
taken = {"start": (time.perf_counter() - began[0], clock())}
def timed(stage, name):
    function = getattr(case, name)
    def call(*arguments, **named):
        start = (time.perf_counter(), clock())
        try:
            return function(*arguments, **named)
        finally:
            taken[stage] = (time.perf_counter() - start[0], clock() - start[1])
    setattr(case, name, call)
timed("survey", "plan_mix")
timed("finish", "finish_mix")
start = (time.perf_counter(), clock())
song, out, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
result = case.mix_song(MixRequest(folder=song, out=out, if_exists="overwrite", processes=processes))
whole = (time.perf_counter() - start[0], clock() - start[1])
known = [sum(taken[stage][i] for stage in ("survey", "finish")) for i in (0, 1)]
taken["render"] = (whole[0] - known[0], whole[1] - known[1])
print(json.dumps({"stages": taken, "passes": result.finished.solution.limiter_passes}))
"""


def write_song(folder: Path, n_stems: int, seconds: float) -> Path:
    """Stems of decaying notes, unlike one another, with pauses."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    n_samples = round(seconds * RATE)
    for index in range(n_stems):
        kind = index % len(NAMES)
        n_note = RATE // 2 if kind < 7 else RATE
        times_T = np.arange(n_note) / RATE
        tone_T = np.sin(2 * np.pi * 60 * 2 ** (kind / 3) * times_T + index)
        decay_T = np.exp(-times_T * (12 if kind < 3 else 3))
        note_T = (tone_T + 0.3 * rng.standard_normal(n_note)) * decay_T
        stem_T = np.zeros(n_samples)
        for place, start in enumerate(range(0, n_samples - n_note, n_note)):
            if (place // 8 + index) % 4:
                stem_T[start : start + n_note] = rng.uniform(0.1, 0.3) * note_T
        stem = np.stack([stem_T, np.roll(stem_T, 300)], axis=1) if index % 4 == 3 else stem_T
        name = NAMES[kind] if index < len(NAMES) else f"{NAMES[kind]} take {index // len(NAMES) + 1}"
        soundfile.write(folder / f"{index:02d}_{name}.wav", stem, RATE, subtype="PCM_24")
    return folder


def timed_mix(song: Path, out: Path, processes: int) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds of each stage of one mix; those of other processes are not in the latter."""
    command = [sys.executable, "-c", TIMED, str(song), str(out), str(processes)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    stages: dict[str, tuple[float, float]] = json.loads(printed)["stages"]
    return stages


def show(n_stems: int, processes: int, length_s: float, runs: list[dict[str, tuple[float, float]]]) -> None:
    """One song's times: the median of its runs."""
    wall_s, cpu_s = (
        statistics.median(sum(pair[which] for pair in run.values()) for run in runs) for which in (0, 1)
    )
    spent = f", {cpu_s / length_s:.3f} CPU-s per s" if processes == 1 else ""
    what = f"{n_stems} stems of {length_s:g} s, {processes} processes"
    print(f"{what}: {length_s / wall_s:.1f} times real time{spent}")
    for phase in PHASES:
        wall, cpu = (statistics.median(run[phase][which] for run in runs) for which in (0, 1))
        spent = f"  {cpu / length_s:7.4f} CPU-s per s  {cpu / cpu_s:5.0%}" if processes == 1 else ""
        print(f"  {phase:7} {wall:7.2f} s wall{spent}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--stems", type=int, nargs="+", default=[16, 60])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        songs = {n: write_song(Path(folder) / f"{n}", n, options.seconds) for n in options.stems}
        runs: dict[tuple[int, int], list[dict[str, tuple[float, float]]]] = {
            (n, processes): [] for n in songs for processes in options.processes
        }
        for _ in range(options.runs):
            for (n_stems, processes), measured in runs.items():
                out = Path(folder) / f"{n_stems}.wav"
                measured.append(timed_mix(songs[n_stems], out, processes))
    for (n_stems, processes), measured in runs.items():
        show(n_stems, processes, options.seconds, measured)


if __name__ == "__main__":
    main()
