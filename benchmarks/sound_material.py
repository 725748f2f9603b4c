"""Sounds of known role, played and rendered from a data folder: what `train_sound_roles.py` learns from.

Each generator yields `Example`s of float32 samples [T, C] at 44.1 kHz. Everything is drawn from the random
generator that is handed in, so one seed gives one set of sounds. Needs `mido`, and for General MIDI the
program `fluidsynth` with a sound font.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mido
import numpy as np
import soundfile

from mixcli.songs.discovery import DiscoveryOptions, read_song

RATE = 44_100
SECONDS = (6.0, 16.0)  # shortest and longest stem
N_SONGS = 60  # MIDI files whose parts are played
SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One stem: its class, where it comes from, and what must not be learned from when it is judged."""

    label: str
    source: str
    group: str
    name: str = ""
    samples_TC: np.ndarray


LABELS = {
    "drums.kick": "kick", "drums.snare": "snare", "drums.clap": "clap", "drums.hihat": "hihat",
    "drums.cymbal": "cymbal", "drums.tom": "tom", "drums.kit": "kit", "perc.hand": "perc",
    "perc.pitched": "mallet", "plucked": "plucked", "bass.synth": "bass_synth", "keys.piano": "piano",
}  # fmt: skip
FAMILY_LABELS = {"vox": "vox", "synth": "synth"}  # any role of these families
TWO_IN_ONE = ("PAD_and_BASS",)  # names that say more than one thing


def named_stems(data: Path) -> Iterator[Example]:
    """Stems of finished songs, by their names; effects are left out, for they may be of anything."""
    for folder in sorted((data / "everything-is-free-stems").iterdir()):
        if not folder.is_dir():
            continue
        for stem in read_song(folder, DiscoveryOptions(allow_single=True)).stems:
            label = LABELS.get(stem.role) or FAMILY_LABELS.get(stem.role.split(".")[0])
            if label is None or stem.name.startswith(TWO_IN_ONE):
                continue
            samples_TC, _ = soundfile.read(folder / stem.name, dtype="float32", always_2d=True)
            song = folder.name.rsplit("-", 1)[0]
            yield Example(
                label=label,
                source="songs",
                group=f"songs/{song}",
                name=f"{folder.name}/{stem.name}",
                samples_TC=samples_TC,
            )


@dataclass(frozen=True)
class Note:
    """A note of a performance: seconds, MIDI key, velocity 1 to 127."""

    start_s: float
    stop_s: float
    key: int
    velocity: int


def performance(path: Path) -> dict[tuple[int, int], list[Note]]:
    """The notes of a MIDI file by channel and program."""
    parts: dict[tuple[int, int], list[Note]] = defaultdict(list)
    program = defaultdict(int)
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    now_s = 0.0
    for message in mido.MidiFile(path, clip=True):
        now_s += message.time
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type in ("note_on", "note_off"):
            place = (message.channel, message.note)
            if place in sounding:
                start_s, velocity = sounding.pop(place)
                part = parts[message.channel, program[message.channel]]
                part.append(Note(start_s, max(now_s, start_s + 0.03), message.note, velocity))
            if message.type == "note_on" and message.velocity:
                sounding[place] = (now_s, message.velocity)
    return {place: sorted(part, key=lambda note: note.start_s) for place, part in parts.items()}


def excerpt(part: list[Note], seconds: float, rng: np.random.Generator, fewest: int = 10) -> list[Note]:
    """A stretch of a part that has enough notes, from 0 s on; empty if there is none."""
    for _ in range(8):
        start_s = float(rng.uniform(0, max(0.0, part[-1].start_s - seconds)))
        notes = [
            Note(note.start_s - start_s, min(note.stop_s - start_s, seconds), note.key, note.velocity)
            for note in part
            if start_s <= note.start_s < start_s + seconds
        ]
        if len(notes) >= fewest:
            return notes
    return []


@cache
def read_mono(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0][:, 0]


@cache
def read_hit(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0]
