"""Small libraries for the tests of batch, and the program run on them as an operator does."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from conftest import plucks, write_wav

RATE = 8_000
STEMS = {"Kick": 60, "LdVox": 440}


def write_song(folder, seconds=0.6, seed=0):
    """A song of two stems that is unlike one with another seed."""
    for index, (name, frequency_hz) in enumerate(STEMS.items()):
        samples = plucks(frequency_hz * (1 + seed % 7 / 50), seconds, RATE, seed=index + 2 * seed)
        write_wav(folder / f"{name}.wav", samples, RATE)
    return folder


def write_library(root, names, seconds=0.6):
    """Songs by their paths below `root`, each another sound and a little longer than the one before."""
    for seed, name in enumerate(names):
        write_song(root / name, seconds + 0.05 * seed, seed)
    return root


def command(*arguments):
    return [sys.executable, "-m", "mixcli", *map(str, arguments)]


def environment(**more):
    places = [str(Path(__file__).parents[1]), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), **more}


def mixcli(cwd, *arguments, **more):
    """Run the program to its end; returns exit code, stdout and stderr."""
    done = subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, check=False, **more
    )
    return done.returncode, done.stdout, done.stderr


def start(cwd, *arguments, **more):
    """Start the program."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    return subprocess.Popen(command(*arguments), cwd=cwd, **{**pipes, **more})


def results(folder):
    """Digests of all mixes and recipes below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in ("*.wav", "*.recipe.yaml")
        for path in folder.rglob(pattern)
    }


def leftovers(folder):
    """What a run must not leave: temporaries and locks."""
    return [path.name for path in folder.rglob(".*")]


def entries(out):
    """The last line of every mix in a manifest, read as anyone would read it."""
    lines = (out / "manifest.jsonl").read_text("utf-8").splitlines()
    return {entry["mix"]: entry for entry in map(json.loads, lines)}
