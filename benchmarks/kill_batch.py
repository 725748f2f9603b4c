"""What `mixcli batch` loses when it is killed, when two run at once, and when a worker process dies.

Makes a library of small songs in a temporary folder and mixes it once in peace. Then it is mixed again and
again from nothing, by -j 1 and -j 2 in turn, and SIGKILL ends all processes of the run, half of the times at
random, half at the worst moments (see MOMENTS: in the middle of a file or of a journal line, just before and
after a file gets its name). Each time it is started again, until all is done; then the output is compared
with that of the run in peace: audio and recipes to the byte, all else without times of day and of the run.
Then two runs are started at once on one output; then worker processes are killed with a song in hand.

Prints plain figures, and ends with 1 where anything is unlike, lost or left over. Needs Linux, and half an
hour on two processors that are not idle.

    python benchmarks/kill_batch.py [--kills 200] [--pairs 20] [--workers 20] [--songs 8] [--seed 3]
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kill_runs import (
    Output,
    begun,
    events,
    kill_group,
    recorded,
    start,
    survivors,
    temporaries,
    write_library,
)

# CALL:ENDING:WHEN of kill_hook, and the most times that the call is let pass before.
MOMENTS = {
    "the lock is made": ("open:.mixcli.lock:after", 1),
    "the journal is made, without its name": ("replace:manifest.jsonl:before", 1),
    "the journal is made": ("replace:manifest.jsonl:after", 1),
    "first write of the audio": ("write:.wav:after", 3),
    "half of a block of the audio": ("write:.wav:half", 6),
    "the audio is whole, without its name": ("replace:.wav:before", 3),
    "the audio has its name": ("replace:.wav:after", 3),
    "half of a recipe": ("put:.recipe.yaml:half", 3),
    "the recipe is whole, without its name": ("replace:.recipe.yaml:before", 3),
    "the recipe has its name": ("replace:.recipe.yaml:after", 3),
    "half of a result": ("put:.mix.json:half", 3),
    "the result is whole, without its name": ("replace:.mix.json:before", 3),
    "the result has its name, no journal line": ("replace:.mix.json:after", 3),
    "before a journal line": ("write:manifest.jsonl:before", 3),
    "half of a journal line": ("write:manifest.jsonl:half", 3),
    "a journal line, not yet synced": ("fsync:manifest.jsonl:before", 4),
    "a journal line is synced": ("fsync:manifest.jsonl:after", 4),
    "half of the summary": ("put:summary.csv:half", 1),
    "the page has its name": ("replace:index.html:after", 1),
    "before the lock goes": ("unlink:.mixcli.lock:before", 1),
    "any opening": ("open::after", 40),
    "half of any writing": ("write::half", 20),
    "any syncing": ("fsync::before", 12),
}


@dataclass
class Figures:
    """What is counted; `bad` are those that must be 0."""

    bad: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    lost: Counter[tuple[str, int]] = field(default_factory=Counter)  # kills by -j, and the songs in hand then
    n_again: int = 0
    n_rounds: int = 0
    n_left: int = 0
    n_compared: int = 0


def run_once(folder: Path, jobs: int) -> tuple[float, list[str]]:
    """Mix in peace what is left; seconds by the clock, and the songs."""
    began = time.monotonic()
    process = start(folder, "-j", str(jobs))
    _, told = process.communicate()
    if process.returncode:
        raise SystemExit(f"a run in peace ended with {process.returncode}:\n{told}")
    return time.monotonic() - began, begun(events(told.splitlines()))


def one_kill(
    folder: Path, jobs: int, moment: str, after_s: float, count: int, figures: Figures
) -> tuple[list[str], bool]:
    """Start, kill at a moment or after a time, count what was lost; the songs begun, and if it came."""
    out, known = folder / "out", set(recorded(folder / "out"))
    process = start(folder, "-j", str(jobs), kill_at=f"{MOMENTS[moment][0]}:{count}" if moment else "")
    try:
        _, told = process.communicate(timeout=None if moment else after_s)
    except subprocess.TimeoutExpired:
        kill_group(process)
        _, told = process.communicate()
    songs = begun(events(told.splitlines()))
    figures.bad["finished songs that were mixed again"] += len(known.intersection(songs))
    if process.returncode == 0:
        return songs, False
    if process.returncode != -signal.SIGKILL:
        figures.bad["runs that ended with an error"] += 1
        print(told, file=sys.stderr)
    figures.kills[moment or "at random"] += 1
    figures.lost[f"-j {jobs}", len(set(songs) - set(recorded(out)))] += 1
    until = time.monotonic() + 5
    while (n_alive := survivors(process.pid)) and time.monotonic() < until:
        time.sleep(0.02)
    figures.bad["processes that outlived their run"] += n_alive
    figures.n_left += len(temporaries(out))
    return songs, True


def kill_often(folder: Path, peace: Output, n_kills: int, span_s: float, chance: random.Random) -> Figures:
    """Rounds of kills and starts until all songs are done."""
    figures, moments = Figures(), list(MOMENTS)
    while sum(figures.kills.values()) < n_kills:
        shutil.rmtree(folder / "out", ignore_errors=True)
        jobs, starts = 1 + figures.n_rounds % 2, Counter[str]()
        while (n_done := sum(figures.kills.values())) < n_kills:
            moment = moments[n_done // 2 % len(moments)] if n_done % 2 else ""
            count = chance.randint(1, MOMENTS[moment][1]) if moment else 0
            after_s = chance.uniform(0.2, 0.8) * span_s
            songs, came = one_kill(folder, jobs, moment, after_s, count, figures)
            starts.update(songs)
            if not came:  # all was done before
                break
        starts.update(run_once(folder, jobs)[1])
        figures.n_again += sum(count - 1 for count in starts.values())
        figures.n_rounds += 1
        compare(folder / "out", peace, figures)
        print(f"  {n_done} kills", file=sys.stderr, flush=True)
    return figures


def compare(out: Path, peace: Output, figures: Figures) -> None:
    """Count what is not as after the run in peace."""
    unlike = Output.of(out).differences(peace)
    n_sounds = sum(name.endswith((".wav", ".recipe.yaml")) for name in unlike)
    figures.n_compared += len(peace.sounds)
    figures.bad["audio or recipes unlike those of the run in peace"] += n_sounds
    figures.bad["other files unlike them, but for times"] += len(unlike) - n_sounds
    for name in unlike:
        print(f"unlike: {name}", file=sys.stderr)
    figures.bad["temporaries and locks left at the end"] += len(temporaries(out))


def two_at_once(folder: Path, peace: Output, n_pairs: int, chance: random.Random) -> Figures:
    """Two runs on one output, the second up to two seconds later."""
    figures = Figures()
    for _ in range(n_pairs):
        shutil.rmtree(folder / "out", ignore_errors=True)
        first = start(folder, "-j", "1")
        time.sleep(chance.choice((0.0, chance.uniform(0, 2))))
        pair = (first, start(folder, "-j", "1"))
        told = [process.communicate()[1] for process in pair]
        codes = [process.returncode for process in pair]
        if sorted(codes) == [0, 5]:
            refused = codes.index(5)
            named = "error[E509]" in told[refused] and f"process {pair[1 - refused].pid} on" in told[refused]
            figures.bad["refusals that do not name the holder"] += not named
            figures.kills["one refused with 5"] += 1
        elif codes == [0, 0]:
            figures.kills["one after the other, both 0"] += 1
        else:
            figures.bad[f"pairs that ended with {codes}"] += 1
        compare(folder / "out", peace, figures)
    return figures


def kill_workers(folder: Path, peace: Output, n_kills: int, chance: random.Random) -> Figures:
    """Kill the process of a song: once, so that it is done again, or (each fourth time) twice."""
    figures = Figures()
    while sum(figures.kills.values()) < n_kills:
        n_done = sum(figures.kills.values())
        shutil.rmtree(folder / "out", ignore_errors=True)
        left = 2 if n_done % 4 == 3 else 1
        song, told = chance.choice(sorted(peace.contents)), []
        with start(folder, "-j", str(1 + n_done % 2)) as process:
            assert process.stderr is not None
            for line in process.stderr:
                told += events([line])
                if told and left and told[-1]["event"] == "song_start" and told[-1]["song"] == song:
                    left -= 1
                    time.sleep(chance.uniform(0, 0.05))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(told[-1]["pid"], signal.SIGKILL)
                told = told[-200:]
        codes = [event.get("code") for event in told if event["event"] == "warning"]
        ended = {event["song"]: event["error"] for event in told if event["event"] == "song_end"}
        failed = {name: error for name, error in ended.items() if error}
        others = len(ended.keys() - {song})
        figures.bad["songs lost beside the one of the process"] += len(peace.contents) - 1 - others
        if failed == {song: "E603"} and process.returncode == 10:
            figures.kills["killed twice: failed by name (E603), exit code 10"] += 1
        elif not failed and process.returncode == 0:
            figures.kills["killed once: done again" if "W603" in codes else "killed when it was done"] += 1
        else:
            figures.bad[f"runs that ended with {process.returncode} and {failed}"] += 1
        run_once(folder, 1)
        compare(folder / "out", peace, figures)
    return figures


def say(title: str, figures: Figures) -> None:
    print(title)
    for name, count in figures.kills.items():
        print(f"  {count:4d} {name}")
    for name, count in sorted(figures.bad.items()):
        print(f"  {count:4d} {name}")
    print(f"  {figures.n_compared:4d} audio files and recipes were compared", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--workers", type=int, default=20, help="how many worker processes are killed")
    parser.add_argument("--songs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=3)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_library(folder / "library", asked.songs)
        span_s, _ = run_once(folder, 1)
        peace = Output.of(folder / "out")
        print(f"{asked.songs} songs, {len(peace.sounds)} files of audio and recipes in peace", flush=True)
        killed = kill_often(folder, peace, asked.kills, span_s, chance)
        title = f"killed {sum(killed.kills.values())} times in {killed.n_rounds} rounds until all was done:"
        say(title, killed)
        for (jobs, n_songs), count in sorted(killed.lost.items()):
            print(f"  {count:4d} kills with {jobs} had {n_songs} songs in hand that were not done")
        print(f"  {killed.n_again:4d} songs were begun again, after {sum(killed.kills.values())} kills")
        print(f"  {killed.n_left:4d} temporaries and locks lay there after a kill")
        pairs = two_at_once(folder, peace, asked.pairs, chance)
        say(f"two at once, {asked.pairs} times:", pairs)
        workers = kill_workers(folder, peace, asked.workers, chance)
        say(f"worker killed, {asked.workers} times:", workers)
    too_many = any(n_songs > int(jobs[3:]) for jobs, n_songs in killed.lost)
    sys.exit(too_many or any((killed.bad + pairs.bad + workers.bad).values()))


if __name__ == "__main__":
    main()
