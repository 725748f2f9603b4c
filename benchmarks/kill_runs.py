"""A library of small songs, `mixcli batch` on it, and what is left in the output, for `kill_batch.py`."""

import contextlib
import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

HOOK = Path(__file__).parent / "kill_hook"
RATES = (8_000, 11_025, 16_000, 22_050, 44_100)
STEMS = (("Kick", 60), ("LdVox", 440), ("Bass", 90), ("Gtr", 330))
TIMES = ("finished", "mtime_ns", "seconds", "sum")  # of a line of the manifest; "sum" follows from them


def write_library(folder: Path, n_songs: int) -> None:
    """Songs of 2 to 4 stems, 0.5 to 1.2 s, 8 to 44.1 kHz, in folders of artists."""
    generator = np.random.default_rng(5)
    for number in range(n_songs):
        rate, song = RATES[number % len(RATES)], folder / f"Artist {'AB'[number % 2]}" / f"Song {number:02d}"
        song.mkdir(parents=True)
        time_T = np.arange(round(generator.uniform(0.5, 1.2) * rate)) / rate
        for name, frequency_hz in STEMS[: 2 + number % 3]:
            phase_T = time_T % 0.25
            tone_T = np.sin(2 * np.pi * frequency_hz * (1 + number / 40) * time_T) * np.exp(-phase_T * 12)
            noise_T = generator.standard_normal(len(time_T)) * np.exp(-phase_T * 40) * 0.3
            soundfile.write(song / f"{name}.wav", 0.2 * (tone_T + noise_T), rate, subtype="PCM_24")


def start(folder: Path, *options: str, kill_at: str = "") -> subprocess.Popen[str]:
    """Start the program in a process group of its own, on its way to be killed at a moment."""
    paths = [str(HOOK), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, "-m", "mixcli", "batch", "library", "--out", "out", "--progress", "json", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "KILL_AT": kill_at},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill_group(process: "subprocess.Popen[str]") -> None:
    """SIGKILL for a program and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def survivors(group: int) -> int:
    """Processes of a group that are still running (Linux)."""
    alive = 0
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = place.read_text("ascii", "replace").rpartition(")")[2].split()[:3]
        except OSError:
            continue
        alive += its_group == str(group) and state not in "ZX"
    return alive


def events(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The events of a run; what a kill has cut short is none."""
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [event for event in found if isinstance(event, dict) and "event" in event]


def begun(told: list[dict[str, Any]]) -> list[str]:
    """The songs that were given to a process."""
    return [event["song"] for event in told if event["event"] == "song_start"]


def recorded(out: Path) -> dict[str, dict[str, Any]]:
    """What the manifest says of each song, by the song's place in the library; torn lines say nothing."""
    known = {}
    try:
        lines = (out / "manifest.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    for line in lines:
        entry = json.loads(line)
        known[entry["mix"].rpartition("/")[0]] = entry
    return known


def temporaries(out: Path) -> list[str]:
    """Temporaries and locks: everything that begins with a point."""
    return [path.name for path in out.rglob(".*")]


@dataclass(frozen=True)
class Output:
    """What lies in an output folder: audio and recipes to the byte, the rest without times of day and run."""

    sounds: dict[str, str]
    others: dict[str, Any] = field(repr=False)
    contents: dict[str, str | None] = field(repr=False)

    @classmethod
    def of(cls, out: Path) -> "Output":
        """Read a folder."""
        sounds, others = {}, {}
        for path in sorted(path for path in out.rglob("*") if path.is_file()):
            name = path.relative_to(out).as_posix()
            if name.endswith((".wav", ".recipe.yaml")):
                sounds[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            elif name.endswith(".mix.json"):
                others[name] = {**json.loads(path.read_text("utf-8")), "run": None}
            elif name == "summary.csv":
                rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
                others[name] = [{**row, "seconds": "", "finished": ""} for row in rows]
            elif name == "manifest.jsonl":
                others[name] = {
                    song: {key: value for key, value in entry.items() if key not in (*TIMES, "content")}
                    for song, entry in recorded(out).items()
                }
            else:
                others[name] = path.read_bytes()
        return cls(sounds, others, {song: entry["content"] for song, entry in recorded(out).items()})

    def differences(self, other: "Output") -> list[str]:
        """The names of files that are not alike, or in one of both only.

        A song that was found finished, where the kill came before its line in the manifest, has no digest of
        its stems there.
        """
        unlike = [
            name
            for ours, theirs in ((self.sounds, other.sounds), (self.others, other.others))
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]
        for song, content in self.contents.items():
            if content is not None and other.contents.get(song) not in (content, None):
                unlike.append(f"manifest.jsonl: stems of {song}")
        return unlike
