"""Instruments recorded note by note: a part of a song played on them, through an amplifier where it belongs.

A pack is a folder with `notes.csv`: `instrument`, `file`, and the MIDI key as `midi_measured` or
`midi_from_name`. What an instrument is, its name says. Legend: T samples.
"""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.resample import StreamResampler
from mixcli.audio.wording import display_name
from mixcli.errors import SongError
from mixcli.synthesis.general_midi import Part
from mixcli.synthesis.material import NOTES
from mixcli.synthesis.player import VELOCITY_DB
from mixcli.synthesis.sound_bank import SAMPLE_RATE, SoundBank

ROLE_OF_NAME = {
    "bass-electric": "bass.electric",
    "bass-upright": "bass.upright",
    "guitar-electric": "gtr.electric",
    "sax": "winds.reed",
}
FARTHEST_SEMITONES = 7.0  # a note is not taken further than that
ROUND_ROBIN_SEMITONES = 0.6
RELEASE_S = 0.06
DRIVE = {29: 8.0, 30: 20.0}  # of General MIDI's overdriven and distorted guitar; others are nearly clean
CLEAN_DRIVE = 1.5

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class RecordedNote:
    """One note of an instrument: its MIDI key, with fractions, and its file."""

    key: float
    path: Path


def read_instruments(folder: Path) -> dict[str, tuple[RecordedNote, ...]]:
    """The notes of each instrument of a pack; raises SongError E375 for a broken index."""
    found: dict[str, list[RecordedNote]] = defaultdict(list)
    try:
        with (folder / NOTES).open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                key = float(row.get("midi_measured") or row["midi_from_name"])
                found[row["instrument"]].append(RecordedNote(key, folder / row["file"]))
    except (OSError, UnicodeDecodeError, KeyError, ValueError, csv.Error) as error:
        raise SongError(
            f'"{display_name(folder / NOTES)}" cannot be read ({error}).',
            code="E375",
            hint="docs/synthesis.md says what it holds.",
        ) from error
    return {name: tuple(notes) for name, notes in sorted(found.items())}


def instruments_for(role: str, packs: Sequence[Path]) -> list[tuple[RecordedNote, ...]]:
    """The instruments of all packs that a role may be played on."""
    return [
        notes
        for folder in packs
        for name, notes in read_instruments(folder).items()
        if any(name.startswith(begin) and role == of for begin, of in ROLE_OF_NAME.items())
    ]


def reaches(notes: Sequence[RecordedNote], part: Part) -> bool:
    """Whether an instrument has a note near enough to every one of a part."""
    keys = {stroke.key for stroke in part.strokes}
    return all(min(abs(note.key - key) for note in notes) <= FARTHEST_SEMITONES for key in keys)


def play_notes(
    part: Part, notes: Sequence[RecordedNote], n_samples: int, bank: SoundBank, rng: np.random.Generator
) -> Samples:
    """A part on an instrument, [T]: the nearest notes, retuned, as long as they are held or ring.

    Bends and pedals are left out. Each note has the level of its velocity, 40 log10(velocity / 127) dB.
    """
    made_T = np.zeros(n_samples, np.float32)
    tuned: dict[tuple[Path, int], Samples] = {}
    for start_s, stop_s, key, velocity in _held(part, n_samples / SAMPLE_RATE):
        nearest = min(abs(note.key - key) for note in notes)
        near = [note for note in notes if abs(note.key - key) <= nearest + ROUND_ROBIN_SEMITONES]
        note = near[int(rng.integers(len(near)))]
        if (note.path, key) not in tuned:
            tuned[note.path, key] = _tuned(bank.sound(note.path)[0], key - note.key)
        n_release = round(RELEASE_S * SAMPLE_RATE)
        n_held = round((stop_s - start_s) * SAMPLE_RATE)
        start = round(start_s * SAMPLE_RATE)
        ring_T = tuned[note.path, key][: n_held + n_release] * np.float32(10 ** (_level_db(velocity) / 20))
        n_fade = min(n_release, len(ring_T))
        ring_T[len(ring_T) - n_fade :] *= np.linspace(1, 0, n_fade, dtype=np.float32)
        ring_T = ring_T[: n_samples - start]
        made_T[start : start + len(ring_T)] += ring_T
    return made_T


def amplified(signal_T: Samples, program: int, cabinet_CT: Samples) -> Samples:
    """A direct signal through a driven amplifier and a loudspeaker's impulse response, [T]."""
    peak = float(np.abs(signal_T).max(initial=0.0))
    if not peak:
        return signal_T
    driven_T = np.tanh(signal_T * np.float32(DRIVE.get(program, CLEAN_DRIVE) / peak))
    return StreamConvolver(cabinet_CT[0], 1).push(driven_T[:, None])[:, 0]


def _level_db(velocity: int) -> float:
    return VELOCITY_DB * float(np.log10(velocity / 127))


def _tuned(note_T: Samples, semitones: float) -> Samples:
    """A note at full scale, retuned by playing it faster or slower."""
    peak = float(np.abs(note_T).max(initial=0.0)) or 1.0
    resampler = StreamResampler(round(SAMPLE_RATE * 2 ** (semitones / 12)), SAMPLE_RATE, 1)
    return resampler.push(note_T[:, None] / np.float32(peak), last=True)[:, 0]


def _held(part: Part, seconds: float) -> list[tuple[float, float, int, int]]:
    """The notes of a part as (start, stop, key, velocity); one that is not let go ends with the stretch."""
    sounding: dict[int, tuple[float, int]] = {}
    held = []
    for time_s, message in part.messages:
        if message.type not in ("note_on", "note_off"):
            continue
        if message.note in sounding:
            start_s, velocity = sounding.pop(message.note)
            held.append((start_s, time_s, message.note, velocity))
        if message.type == "note_on" and message.velocity:
            sounding[message.note] = (time_s, message.velocity)
    held += [(start_s, seconds, key, velocity) for key, (start_s, velocity) in sounding.items()]
    return sorted(held)
