"""Stems out of a sound font and out of formulas: General MIDI, made-up synthesisers, sweeps of noise."""

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import mido
import numpy as np
import soundfile
from scipy.signal import butter, sosfilt
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


def electronic(parts: dict[str, list[list[Note]]], rng: np.random.Generator, n: int) -> Iterator[Example]:
    """Made-up synthesisers: basses, plucks, stabs, leads and pads of partials that decay, some with echo."""
    for index in range(n):
        bass = index % 4 == 0
        pool = parts["bass" if bass else "melody"]
        seconds = float(rng.uniform(*SECONDS))
        notes = excerpt(pool[int(rng.integers(len(pool)))], seconds, rng, 8)
        if not notes:
            continue
        shift = 0 if bass else 12 * int(rng.integers(-1, 3))
        patch = {
            "tilt": rng.uniform(0.6, 2.2),
            "decay_s": float(rng.choice([0.06, 0.12, 0.25, 0.6, 2.0, 20.0])) * rng.uniform(0.7, 1.4),
            "damping": rng.uniform(0.0, 1.2),
            "attack_s": float(rng.choice([0.002, 0.005, 0.02, 0.2])),
            "odd": rng.random() < 0.3,
            "detune": float(rng.choice([0.0, 0.002, 0.006])),
            "bell": float(rng.choice([0.0, 0.0, 0.0, 0.4])),
            "vibrato": float(rng.choice([0.0, 0.0, 0.004])),
        }
        fixed_s = float(rng.uniform(0.08, 0.5)) if patch["attack_s"] < 0.1 and rng.random() < 0.5 else None
        stem_T = np.zeros(round((seconds + 2) * RATE), np.float32)
        cache: dict[int, np.ndarray] = {}
        for note in notes:
            key = int(np.clip(note.key + shift, 24, 108))
            if key not in cache:
                cache[key] = _tone(key, 1.5, patch, rng)
            length_s = min(fixed_s or note.stop_s - note.start_s, 1.4)
            tone_T = cache[key][: round((length_s + 0.05) * RATE)].copy()
            n_fade = min(len(tone_T), round(0.05 * RATE))
            tone_T[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)
            start = round(note.start_s * RATE)
            stop = min(start + len(tone_T), len(stem_T))
            stem_T[start:stop] += tone_T[: stop - start] * (note.velocity / 127)
        if not bass and rng.random() < 0.4:
            delay = round(rng.uniform(0.15, 0.5) * RATE)
            for _ in range(3):
                stem_T[delay:] += np.float32(rng.uniform(0.2, 0.5)) * stem_T[:-delay]
        label = "bass_synth" if bass else "synth"
        yield Example(label=label, source="electronic", group="electronic", samples_TC=stem_T[:, None])


def _tone(key: int, seconds: float, patch: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    times_T = np.arange(round(seconds * RATE)) / RATE
    pitch = 440 * 2 ** ((key - 69) / 12)
    bend_T = patch["vibrato"] * np.sin(2 * np.pi * 5.5 * times_T) * pitch * np.minimum(times_T, 0.5)
    phase_T = 2 * np.pi * (pitch * times_T + np.cumsum(bend_T) / RATE)
    tone_T = np.zeros(len(times_T), np.float32)
    for partial in range(1, 33):
        if patch["odd"] and partial % 2 == 0:
            continue
        ratio = partial * (1 + patch["bell"] * 0.13 * (partial - 1))
        if ratio * pitch > 14_000:
            break
        level_T = partial ** -patch["tilt"] * np.exp(
            -times_T / (patch["decay_s"] * partial ** -patch["damping"])
        )
        for side in (1, -1) if patch["detune"] else (1,):
            start = rng.uniform(0, 2 * np.pi)
            tone_T += (level_T * np.sin(ratio * (1 + side * patch["detune"]) * phase_T + start)).astype(
                np.float32
            )
    return tone_T * np.minimum(times_T / patch["attack_s"], 1).astype(np.float32)


def drum_machines(parts: dict[str, list[list[Note]]], rng: np.random.Generator, n: int) -> Iterator[Example]:
    """Drum machines by formula: kicks that slide down, snares, claps, hi-hats and toms of tone and noise."""
    for index in range(n):
        label = ("kick", "snare", "clap", "hihat", "tom")[index % 5]
        part = parts["drums"][int(rng.integers(len(parts["drums"])))]
        keys = DRUM_KEYS["snare" if label in ("clap", "tom") else label]
        own = [note for note in part if note.key in keys]
        notes = excerpt(own, float(rng.uniform(*SECONDS)), rng, 6) if len(own) > 10 else []
        if not notes:
            continue
        stroke_T = _stroke(label, rng)
        stem_T = np.zeros(round((notes[-1].start_s + 2) * RATE), np.float32)
        pitches = rng.choice([1.0, 0.8, 0.65], len(notes)) if label == "tom" else np.ones(len(notes))
        for note, pitch in zip(notes, pitches, strict=True):
            one_T = stroke_T[(np.arange(int(len(stroke_T) / pitch) - 1) * pitch).astype(int)]
            start = round(note.start_s * RATE)
            stop = min(start + len(one_T), len(stem_T))
            stem_T[start:stop] += one_T[: stop - start] * (note.velocity / 127)
        yield Example(label=label, source="machines", group="machines", samples_TC=stem_T[:, None])


def _stroke(label: str, rng: np.random.Generator) -> np.ndarray:
    """One stroke of 1 s: a tone that slides down, and noise above a corner, each with its decay."""
    since_T = np.arange(RATE) / RATE
    bottom_hz, slide, decay_s, tone, noise, corner_hz, noise_s = {
        "kick": (rng.uniform(38, 65), rng.uniform(1, 6), rng.uniform(0.05, 0.35), 1.0, rng.uniform(0, 0.1), 1_000, 0.01),
        "snare": (rng.uniform(150, 260), 0.3, rng.uniform(0.03, 0.12), rng.uniform(0.2, 1), 0.7, rng.uniform(500, 2_500), rng.uniform(0.05, 0.2)),
        "clap": (1_000.0, 0.0, 0.01, 0.0, 1.0, rng.uniform(700, 1_500), rng.uniform(0.04, 0.2)),
        "hihat": (rng.uniform(4_000, 9_000), 0.0, 0.05, rng.uniform(0, 0.3), 1.0, rng.uniform(4_000, 9_000), 10 ** rng.uniform(-1.8, -0.6)),
        "tom": (rng.uniform(70, 180), rng.uniform(0.2, 1), rng.uniform(0.1, 0.4), 1.0, rng.uniform(0, 0.15), 1_000, 0.03),
    }[label]  # fmt: skip
    slide_s = rng.uniform(0.01, 0.06)
    phase_T = 2 * np.pi * bottom_hz * (since_T + slide * slide_s * (1 - np.exp(-since_T / slide_s)))
    filter_sos = butter(2, corner_hz, "high", fs=RATE, output="sos")
    noise_T = sosfilt(filter_sos, rng.standard_normal(RATE)) * np.exp(-since_T / noise_s)
    if label == "clap":
        late = [round(RATE * shift) for shift in (0.010, 0.021)]
        noise_T = noise_T + sum(
            np.pad(noise_T[:-shift] * np.exp(-since_T[:-shift] / 0.01), (shift, 0)) for shift in late
        )
    stroke_T = tone * np.sin(phase_T) * np.exp(-since_T / decay_s) + noise * noise_T
    return (stroke_T / np.abs(stroke_T).max()).astype(np.float32)


def sweeps(rng: np.random.Generator, n: int) -> Iterator[Example]:
    """Risers, falls and impacts of noise, as they come between the parts of a song."""
    for _ in range(n):
        seconds = float(rng.uniform(3, 12))
        times_T = np.arange(round(seconds * RATE)) / RATE
        noise_T = rng.standard_normal(len(times_T))
        edge = rng.uniform(0.002, 0.05)
        for _pass in range(2):
            noise_T = sosfilt([[edge, 0, 0, 1, edge - 1, 0]], noise_T)
        up = rng.random() < 0.5
        phase_T = 2 * np.pi * np.cumsum(200 * 2 ** (times_T / seconds * rng.uniform(2, 5))) / RATE
        sweep_T = noise_T * np.cos(phase_T) * np.exp(rng.uniform(1, 4) * (times_T / seconds))
        sweep_T = sweep_T if up else sweep_T[::-1]
        yield Example(
            label="fx", source="sweeps", group="sweeps", samples_TC=sweep_T.astype(np.float32)[:, None].copy()
        )
