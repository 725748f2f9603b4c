"""Stems out of formulas, on the parts of songs: synthesisers, drum machines, sweeps of noise."""

from collections.abc import Iterator

import numpy as np
from rendered_material import DRUM_KEYS
from scipy.signal import butter, sosfilt
from sound_material import RATE, SECONDS, Example, Note, excerpt


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
    decay_s, noise_s = rng.uniform(0.05, 0.35), rng.uniform(0.04, 0.2)
    bottom_hz, slide, tone, noise, corner_hz = {
        "kick": (rng.uniform(38, 65), rng.uniform(1, 6), 1.0, rng.uniform(0, 0.1), 1_000.0),
        "snare": (rng.uniform(150, 260), 0.3, rng.uniform(0.2, 1), 0.7, rng.uniform(500, 2_500)),
        "clap": (1_000.0, 0.0, 0.0, 1.0, rng.uniform(700, 1_500)),
        "hihat": (rng.uniform(4_000, 9_000), 0.0, rng.uniform(0, 0.3), 1.0, rng.uniform(4_000, 9_000)),
        "tom": (rng.uniform(70, 180), rng.uniform(0.2, 1), 1.0, rng.uniform(0, 0.15), 1_000.0),
    }[label]
    if label in ("snare", "hihat"):
        decay_s /= 3
    if label in ("kick", "tom"):
        noise_s = 0.02
    if label == "hihat":
        noise_s = 10 ** rng.uniform(-1.8, -0.6)
    slide_s = rng.uniform(0.01, 0.06)
    phase_T = 2 * np.pi * bottom_hz * (since_T + slide * slide_s * (1 - np.exp(-since_T / slide_s)))
    if label == "clap":  # a resonance of the hands, near 1 kHz
        filter_sos = butter(1, [corner_hz, rng.uniform(1.5, 4) * corner_hz], "band", fs=RATE, output="sos")
    else:
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
