"""Stems out of a General MIDI sound font, on the parts of songs and of drummers."""

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mido
import numpy as np
import soundfile
from sound_material import N_SONGS, RATE, SECONDS, SOUND_FONT, Example, Note, excerpt, performance

PROGRAMS = {
    "piano": (0, 1, 2, 3), "epiano": (4, 5, 7), "mallet": (8, 9, 10, 11, 12, 13, 108),
    "organ": (16, 17, 18, 19, 20), "gtr_acoustic": (24, 25), "gtr_electric": (26, 27, 28, 29, 30),
    "bass_upright": (32,), "bass_electric": (33, 34, 35, 36, 37), "bass_synth": (38, 39),
    "strings": (40, 41, 42, 43, 44, 45, 48, 49, 50, 51, 110), "plucked": (15, 46, 104, 105, 106, 107),
    "brass": (56, 57, 58, 59, 60, 61, 62, 63), "reed": (64, 65, 66, 67, 68, 69, 70, 71),
    "flute": (72, 73, 74, 75, 77, 78, 79), "synth": tuple(range(80, 96)),
}  # fmt: skip
MIDDLE_KEYS = {
    40: 76,
    41: 64,
    42: 52,
    43: 40,
    58: 43,
    67: 50,
    68: 70,
    70: 48,
    72: 84,
    73: 76,
    9: 84,
    10: 84,
    8: 84,
}
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40)
DRUM_KEYS = {
    "kick": (35, 36), "snare": (37, 38, 40), "clap": (39,), "hihat": (42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50), "cymbal": (49, 51, 52, 53, 55, 57, 59),
    "perc": (54, 56, 58, *range(60, 82)),
}  # fmt: skip


@cache
def midi_parts(data: Path) -> dict[str, list[list[Note]]]:
    """Parts of songs by what they are for: bass, guitar, melody (and chords), drums."""
    parts: dict[str, list[list[Note]]] = defaultdict(list)
    for path in sorted((data / "freedoom-midi").glob("d_*.mid"))[:N_SONGS]:
        for (channel, program), part in performance(path).items():
            if len(part) < 40:
                continue
            kind = {3: "guitar", 4: "bass"}.get(program // 8, "melody" if program < 96 else "")
            parts["drums" if channel == 9 else kind].append(part)
    return parts


def general_midi(
    parts: dict[str, list[list[Note]]], rng: np.random.Generator, n_each: int
) -> Iterator[Example]:
    """One program per stem on parts of songs, `n_each` stems per program (twice that for basses)."""
    wanted = []
    for label, programs in PROGRAMS.items():
        kind = "bass" if label.startswith("bass") else "melody"
        for program in programs:
            n = n_each * {1: 8, 2: 4, 3: 3, 4: 2, 5: 2}.get(len(programs), 1)
            for _ in range(n):
                from_guitar = kind == "melody" and (label.startswith("gtr") or rng.random() < 0.3)
                pool = parts["guitar" if from_guitar else kind]
                notes = excerpt(pool[int(rng.integers(len(pool)))], float(rng.uniform(*SECONDS)), rng, 8)
                if notes and program in MIDDLE_KEYS:
                    shift = 12 * round((MIDDLE_KEYS[program] - np.median([note.key for note in notes])) / 12)
                    notes = [
                        Note(n.start_s, n.stop_s, int(np.clip(n.key + shift, 0, 127)), n.velocity)
                        for n in notes
                    ]
                if notes:
                    wanted.append((label, 0, program, notes))
    yield from _rendered(wanted, "gm", rng)


def general_midi_drums(
    data: Path, parts: dict[str, list[list[Note]]], rng: np.random.Generator, n_each: int
) -> Iterator[Example]:
    """Single pieces and whole kits of the sound font, played by drummers and by songs' drum parts."""
    grooves = [path for path in sorted((data / "groove-midi").glob("*/*/*.mid")) if "_beat_" in path.name]
    wanted = []
    for label in (*DRUM_KEYS, "kit"):
        for _ in range(n_each * (2 if label in ("kit", "perc", "cymbal", "clap") else 1)):
            if rng.random() < 0.5:
                part = parts["drums"][int(rng.integers(len(parts["drums"])))]
            else:
                found = performance(grooves[int(rng.integers(len(grooves)))]).values()
                part = sorted((note for one in found for note in one), key=lambda note: note.start_s)
            if label != "kit":
                keys = DRUM_KEYS[label]
                own = [note for note in part if note.key in keys]
                if len(own) < 10:  # the part does not play it: another piece's rhythm
                    least = DRUM_KEYS[str(rng.choice(["kick", "snare", "hihat"]))]
                    low, high = sorted(rng.integers(0, len(keys), 2))
                    own = [
                        Note(
                            note.start_s,
                            note.stop_s,
                            int(keys[int(rng.integers(low, high + 1))]),
                            note.velocity,
                        )
                        for note in part
                        if note.key in least
                    ]
                part = own
            notes = excerpt(part, float(rng.uniform(*SECONDS)), rng, 5) if part else []
            if notes:
                wanted.append((label, 9, int(rng.choice(DRUM_KITS)), notes))
    yield from _rendered(wanted, "gm-drums", rng)


def _rendered(
    wanted: list[tuple[str, int, int, list[Note]]], source: str, rng: np.random.Generator
) -> Iterator[Example]:
    """Play stems one after the other into one file, for starting takes longer than playing; cut it up."""
    for first in range(0, len(wanted), 40):
        batch = wanted[first : first + 40]
        events, bounds, now_s = [], [], 0.0
        for _, channel, program, notes in batch:
            effects = int(rng.choice([0, 0, 20, 60]))
            events.append((now_s, mido.Message("program_change", channel=channel, program=program)))
            events.append((now_s, mido.Message("control_change", channel=channel, control=91, value=effects)))
            for note in notes:
                on = mido.Message("note_on", channel=channel, note=note.key, velocity=note.velocity)
                off = mido.Message("note_off", channel=channel, note=note.key)
                events += [(now_s + 0.05 + note.start_s, on), (now_s + 0.05 + note.stop_s, off)]
            length_s = max(note.stop_s for note in notes) + 1.0
            bounds.append((now_s, now_s + length_s))
            now_s += length_s + 1.5
        whole_TC = _play(sorted(events, key=lambda event: event[0]))
        for (label, _, program, _), (start_s, stop_s) in zip(batch, bounds, strict=True):
            samples_TC = whole_TC[round(start_s * RATE) : round(stop_s * RATE)]
            if len(samples_TC) and np.abs(samples_TC).max() > 1e-4:
                yield Example(label=label, source=source, group=f"{source}/{program}", samples_TC=samples_TC)


def _play(events: list[tuple[float, mido.Message]]) -> np.ndarray:
    track, now = mido.MidiTrack(), 0
    for time_s, message in events:
        tick = round(time_s * 1_000)
        track.append(message.copy(time=tick - now))
        now = tick
    song = mido.MidiFile(ticks_per_beat=500)  # with 120 beats a minute: a tick is a millisecond
    song.tracks.append(track)
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "song.mid", Path(folder) / "song.wav"
        song.save(midi)
        options = ["-ni", "-q", "-g", "0.5", "-r", str(RATE), "-F", str(wave)]
        subprocess.run(["fluidsynth", *options, str(SOUND_FONT), str(midi)], check=True, capture_output=True)
        return soundfile.read(wave, dtype="float32", always_2d=True)[0]
