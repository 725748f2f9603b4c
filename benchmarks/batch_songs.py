"""How fast `mixcli batch` mixes with one process and with two, and how long it takes to find nothing to do.

Makes songs (10 to 60 s, 4 to 40 stems, 44.1 kHz) in a temporary folder, or in the one of --folder, where they
stay and are found again, and mixes them with `-j 1` and `-j 2` in turn, each time from nothing. With
--rounds 0 it only makes them. With `--plan N` it makes N tiny songs instead, with mixes and a manifest that
were not made by mixing, and takes the time of a dry run without the mixes and of a run that skips them all.

    python benchmarks/batch_songs.py [--songs 200] [--rounds 3] [--folder DIR]
    python benchmarks/batch_songs.py --plan 10000
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
NAMES = ("Kick", "Snare", "OH", "Tom", "Bass", "Gtr", "Keys", "Pad", "BV", "LdVox")


def write_song(folder: Path, seed: int) -> float:
    """Decaying notes with noise at their onsets; the length of the song in seconds. A whole song is kept."""
    generator = np.random.default_rng(seed)
    seconds, n_stems = generator.uniform(10, 60), int(generator.integers(4, 41))
    if folder.exists():
        return float(seconds)
    unfinished = folder.parent.parent / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    times_T = np.arange(round(seconds * RATE)) / RATE
    for stem in range(n_stems):
        phase_T = times_T % (0.2 + 0.03 * stem)
        tone_T = np.sin(2 * np.pi * generator.uniform(60, 900) * times_T) * np.exp(-phase_T * 8)
        noise_T = generator.standard_normal(len(times_T)) * np.exp(-phase_T * 50) * 0.3
        name = f"{NAMES[stem % len(NAMES)]} {stem // len(NAMES) + 1}"
        soundfile.write(unfinished / f"{name}.wav", 0.1 * (tone_T + noise_T), RATE, subtype="PCM_24")
    folder.parent.mkdir(exist_ok=True)
    unfinished.rename(folder)
    return float(seconds)


def run_once(folder: Path, *options: str) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of processors, and the most memory of one process in MiB.

    The measuring is done by a process of its own, since what the system tells is the most of all children.
    """
    code = (
        "import resource, subprocess, sys, time\n"
        "start = time.perf_counter()\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss)\n"
    )
    command = [sys.executable, "-m", "mixcli", "batch", "library", "-q", *options]
    done = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=folder, check=True, capture_output=True, text=True
    )
    clock_s, processors_s, memory_kib = map(float, done.stdout.split())
    return clock_s, processors_s, memory_kib / 1024


def compare_jobs(folder: Path, n_songs: int, n_rounds: int) -> None:
    """Mix a library again and again, by one process and by two in turn."""
    audio_s = sum(write_song(folder / "library" / f"Song {seed:03d}", seed) for seed in range(n_songs))
    print(f"{n_songs} songs, {audio_s / 60:.1f} min of audio", flush=True)
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(n_rounds):
        for jobs in taken:
            shutil.rmtree(folder / "mixes", ignore_errors=True)
            clock_s, processors_s, memory = run_once(folder, "-j", str(jobs))
            taken[jobs].append(clock_s)
            used = f"{processors_s:7.1f} s of processors, {memory:4.0f} MiB at most"
            print(f"-j {jobs}: {clock_s:7.1f} s, {used}", flush=True)
    if not n_rounds:
        return
    middle = {jobs: statistics.median(seconds) for jobs, seconds in taken.items()}
    for jobs, seconds in middle.items():
        print(f"-j {jobs}: {audio_s / seconds:.2f} x real time")
    print(f"-j 2 against -j 1: {middle[1] / middle[2]:.2f}")


def write_tiny(folder: Path, n_songs: int) -> None:
    """Songs of three stems of half a second, all alike."""
    samples_T = 0.1 * np.random.default_rng(0).standard_normal(4000)
    soundfile.write(folder / "stem.wav", samples_T, 8000, subtype="PCM_24")
    stem = (folder / "stem.wav").read_bytes()
    for number in range(n_songs):
        song = folder / "library" / f"Artist {number // 20:04d}" / f"Song {number:05d}"
        song.mkdir(parents=True)
        for name in ("Kick", "Bass", "LdVox"):
            (song / f"{name}.wav").write_bytes(stem)


def pretend_mixed(folder: Path) -> None:
    """A file in place of every mix, and what the manifest would say if it were one."""
    from mixcli.batching.freshness import audio_mark, song_key
    from mixcli.batching.manifest import write_line

    command = [sys.executable, "-m", "mixcli", "batch", "library", "-n", "--json"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    asked = subprocess.run(
        [sys.executable, "-c", ASKED], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    lines = []
    for song in json.loads(done.stdout)["songs"]:
        mix = folder / song["mix"]
        mix.parent.mkdir(parents=True)
        mix.write_bytes(b"mix")
        key = song_key(asked, folder / song["path"])
        name = song["mix"].removeprefix("mixes/")
        known = {"status": "ok", "folder": song["path"], "stems": 3, "duration": 0.5, "warnings": []}
        known |= {"asked": key.asked, "stat": key.stat, "content": None, **audio_mark(mix)}
        lines.append(write_line({"mix": name, **known}))
    (folder / "mixes" / "manifest.jsonl").write_bytes(b"".join(lines))


ASKED = """
import sys
from pathlib import Path
from mixcli.batching.freshness import asked_digest
from mixcli.cli.batch_options import BatchOptions
from mixcli.cli.batch_request import build_batch
print(asked_digest(build_batch([Path("library")], Path("mixes"), BatchOptions())[0].every))
"""


def time_planning(folder: Path, n_songs: int) -> None:
    """A dry run of songs that are all new, then a run of songs that are all up to date."""
    write_tiny(folder, n_songs)
    for name, options in (("dry run, all new", ("-n",)), ("run, all skipped", ())):
        if not options:
            pretend_mixed(folder)
        clock_s, processors_s, memory = run_once(folder, *options)
        print(f"{name}: {clock_s:6.1f} s, {processors_s:6.1f} s of processors, {memory:4.0f} MiB at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--songs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--plan", type=int, metavar="N")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if asked.plan is None:
            compare_jobs(asked.folder or Path(name), asked.songs, asked.rounds)
        else:
            time_planning(Path(name), asked.plan)


if __name__ == "__main__":
    main()
