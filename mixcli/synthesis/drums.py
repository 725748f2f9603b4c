"""One drummer's performance: what is struck when, and what each piece of the kit sounds like by itself."""

from dataclasses import dataclass

import numpy as np

from mixcli.synthesis.score import BEATS_PER_BAR, CHORUS, JITTER_S, LAST, N_SAMPLES, VERSE, when
from mixcli.synthesis.signals import (
    SAMPLE_RATE,
    Signal,
    add_at,
    coloured_noise,
    fade_edges,
    generator,
    high_pass,
    reshape_spectrum,
    seconds,
)

PIECES = ("kick", "snare_head", "snare_wires", "hihat", "tom_1", "tom_2", "crash")


@dataclass(frozen=True)
class Stroke:
    """One stroke: the piece ("snare" is head and wires), position in beats, velocity from 0 to 1."""

    piece: str
    beat: float
    velocity: float


def groove() -> tuple[Stroke, ...]:
    """Return every stroke of the song: hats alone, a fill, verse, fill, chorus, fill, last hit."""
    strokes: list[Stroke] = []

    def bar(index: int, piece: str, *hits: tuple[float, float]) -> None:
        strokes.extend(Stroke(piece, index * BEATS_PER_BAR + beat, velocity) for beat, velocity in hits)

    bar(1, "hihat", *((beat / 2, 0.6 if beat % 2 == 0 else 0.35) for beat in range(5)))
    bar(1, "snare", (2.5, 0.5), (2.75, 0.6))
    bar(1, "tom_1", (3.0, 0.7), (3.25, 0.75))
    bar(1, "tom_2", (3.5, 0.85), (3.75, 0.9))
    for index in range(VERSE, LAST):
        chorus = index >= CHORUS
        fill = {5: 3.0, 9: 3.0}.get(index, 4.0)
        kick = (
            ((0, 1.0), (0.75, 0.6), (1.5, 0.8), (2.5, 0.9))
            if chorus
            else ((0, 0.95), (1.75, 0.65), (2.5, 0.85))
        )
        bar(index, "kick", *kick)
        bar(index, "snare", (1, 0.95 if chorus else 0.85), *(((3, 0.95),) if fill > 3 else ()))
        bar(index, "snare", (1.75, 0.12), *(((3.75, 0.1),) if fill > 3 else ()))  # ghost strokes
        eighths = [(beat / 2, 0.8 if beat % 2 == 0 else 0.45) for beat in range(8) if beat / 2 < fill]
        sixteenths = [] if chorus else [(0.75, 0.25), (2.25, 0.22)]
        bar(index, "open_hat" if chorus else "hihat", *eighths, *sixteenths)
    bar(5, "snare", (3.0, 0.7))
    bar(5, "tom_1", (3.25, 0.75), (3.5, 0.8))
    bar(5, "tom_2", (3.75, 0.95))
    bar(9, "snare", (3.0, 0.6), (3.25, 0.7), (3.5, 0.8), (3.75, 0.95))
    for index, velocity in ((VERSE, 0.55), (CHORUS, 0.95), (8, 0.6), (LAST, 1.0)):
        bar(index, "crash", (0, velocity))
    bar(LAST, "kick", (0, 1.0))
    bar(LAST, "tom_2", (0, 0.6))
    return tuple(strokes)


def _membrane(sound: Signal) -> Signal:
    """A decaying sine has a little of everything down to 0 Hz, which no membrane can radiate."""
    return fade_edges(reshape_spectrum(sound, high_pass(25.0)), 0.0006, 0.1)


def _kick(rng: np.random.Generator) -> Signal:
    t_s = seconds(round(0.6 * SAMPLE_RATE))
    # The head's pitch falls from 150 to 54 Hz as its tension relaxes; the phase is the integral of that.
    phase = 2 * np.pi * (54.0 * t_s + 96.0 * 0.014 * (1.0 - np.exp(-t_s / 0.014)))
    beater = coloured_noise(len(t_s), 1800.0, 5500.0, rng) * np.exp(-t_s / 0.005)
    return _membrane(np.sin(phase) * np.exp(-t_s / 0.11) + 0.16 * beater)


def _snare_head(rng: np.random.Generator) -> Signal:
    t_s = seconds(round(0.45 * SAMPLE_RATE))
    sound = 0.35 * coloured_noise(len(t_s), 900.0, 6000.0, rng) * np.exp(-t_s / 0.012)
    # Modes of a struck membrane over an air cavity: 1, 1.59, 2.14, 2.30 of the lowest.
    for ratio, level, decay_s in (
        (1.0, 1.0, 0.055),
        (1.59, 0.6, 0.04),
        (2.14, 0.35, 0.028),
        (2.3, 0.2, 0.025),
    ):
        bend = 0.09 * 0.01 * (1.0 - np.exp(-t_s / 0.01))
        sound += level * np.sin(2 * np.pi * 186.0 * ratio * (t_s + bend)) * np.exp(-t_s / decay_s)
    return _membrane(sound)


def _snare_wires(rng: np.random.Generator) -> Signal:
    t_s = seconds(round(0.5 * SAMPLE_RATE))
    envelope = np.exp(-t_s / 0.07) * (1.0 - np.exp(-t_s / 0.0012))
    return fade_edges(0.3 * coloured_noise(len(t_s), 2200.0, 8500.0, rng) * envelope, 0.0005, 0.1)


def _tom(frequency_hz: float, rng: np.random.Generator) -> Signal:
    t_s = seconds(round(0.9 * SAMPLE_RATE))
    bend = 0.25 * 0.03 * (1.0 - np.exp(-t_s / 0.03))
    sound = 0.12 * coloured_noise(len(t_s), 1500.0, 5000.0, rng) * np.exp(-t_s / 0.006)
    for ratio, level, decay_s in ((1.0, 1.0, 0.19), (1.5, 0.35, 0.1), (1.98, 0.15, 0.06)):
        sound += level * np.sin(2 * np.pi * frequency_hz * ratio * (t_s + bend)) * np.exp(-t_s / decay_s)
    return _membrane(sound)


def _plate(
    low_hz: float, high_hz: float, n_modes: int, decay_s: float, rng: np.random.Generator, noise: float
) -> Signal:
    """A cymbal: many modes without a common ratio over noise; high ones fade first, but for the attack."""
    n_samples = round(5.0 * decay_s * SAMPLE_RATE)
    t_s = seconds(n_samples)
    sound = noise * coloured_noise(n_samples, low_hz * 1.5, 15_000.0, rng) * np.exp(-t_s / (0.45 * decay_s))
    for _ in range(n_modes):
        mode_hz = low_hz * (high_hz / low_hz) ** rng.random()
        level = rng.random() * min(1.0, mode_hz / (4.0 * low_hz)) * np.sqrt(2.0 / n_modes)
        mode_decay_s = decay_s * (low_hz / mode_hz) ** 0.3
        n_mode = min(n_samples, round(8.0 * mode_decay_s * SAMPLE_RATE))  # 70 dB down it is no longer heard
        mode_t_s = t_s[:n_mode]
        mode = np.sin(2 * np.pi * (mode_hz * mode_t_s + rng.random())) * np.exp(-mode_t_s / mode_decay_s)
        sound[:n_mode] += level * mode
    return fade_edges(sound, 0.0008, decay_s)


def perform() -> dict[str, Signal]:
    """Return what each of `PIECES` sounds like by itself over the whole song, [T], at one common level.

    Every stroke is a new sound (no two hits have the same noise), early or late by at most `JITTER_S`, and
    brighter when harder, as the noise parts grow faster with velocity than the membranes do.
    """
    rng = generator(101)
    lines = {piece: np.zeros(N_SAMPLES) for piece in PIECES}
    # Cymbals are costly: a few of each kind, taken in turn.
    plates = {
        "hihat": [_plate(4200.0, 13_000.0, 24, 0.035, rng, 0.5) for _ in range(3)],
        "open_hat": [_plate(3800.0, 13_000.0, 24, 0.14, rng, 0.5) for _ in range(3)],
        "crash": [_plate(420.0, 11_000.0, 50, 0.75, rng, 0.3)],
    }
    for index, stroke in enumerate(groove()):
        start_s = when(stroke.beat) + JITTER_S * (rng.random() + rng.random() - 1.0)
        loud, hard = stroke.velocity**1.3, stroke.velocity**1.8
        if stroke.piece == "kick":
            add_at(lines["kick"], _kick(rng), start_s, loud)
        elif stroke.piece == "snare":
            add_at(lines["snare_head"], _snare_head(rng), start_s, loud)
            add_at(lines["snare_wires"], _snare_wires(rng), start_s, loud)
        elif stroke.piece in ("tom_1", "tom_2"):
            add_at(lines[stroke.piece], _tom(142.0 if stroke.piece == "tom_1" else 92.0, rng), start_s, loud)
        else:
            line = lines["crash" if stroke.piece == "crash" else "hihat"]
            choices = plates[stroke.piece]
            add_at(line, choices[index % len(choices)], start_s, hard)
    return lines
