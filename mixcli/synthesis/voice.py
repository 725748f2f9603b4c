"""The singers: a melody becomes curves of pitch, loudness and vowel colour, and the curves become a voice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mixcli.synthesis.formants import CONSONANTS, CONTROL, CONTROL_HZ, VOWELS, between_points, phonate
from mixcli.synthesis.score import BEATS_PER_BAR, CHORDS, CHORUS, LEAD, N_SAMPLES, SungNote, pitch_hz, when
from mixcli.synthesis.signals import (
    SAMPLE_RATE,
    Signal,
    add_at,
    coloured_noise,
    db,
    fade_edges,
    generator,
    seconds,
    smooth,
    white_noise,
)

_BEFORE_S, _AFTER_S = 0.12, 0.25  # room around a phrase for its first consonant and its release


@dataclass(frozen=True, kw_only=True)
class Singer:
    """What is constant about a voice: seed, vibrato, formant scale, breath, and lag behind the beat."""

    seed: int
    vibrato_cents: float
    vibrato_hz: float
    formant_scale: float = 1.0
    breath_db: float = -27.0
    late_s: float = 0.012
    highest_hz: float = 8000.0


@dataclass(frozen=True)
class _Gesture:
    """What the throat does in one phrase: points of every curve, [M] or [F, M], and consonants, [T]."""

    cents_M: Signal
    level_M: Signal
    vibrato_M: Signal
    formants_FM: Signal
    consonants: Signal


def _phrases(notes: Sequence[SungNote]) -> list[list[SungNote]]:
    """Cut a melody where the singer breathes: at rests."""
    phrases: list[list[SungNote]] = []
    for note in notes:
        if phrases and note.beat - (phrases[-1][-1].beat + phrases[-1][-1].beats) < 0.05:
            phrases[-1].append(note)
        else:
            phrases.append([note])
    return phrases


def _intend(notes: Sequence[SungNote], start_s: float, n_samples: int, rng: np.random.Generator) -> _Gesture:
    """Return the curves of a phrase as steps from note to note."""
    control_s = np.arange(n_samples // CONTROL + 2) / CONTROL_HZ
    cents_M = np.full(len(control_s), 100.0 * notes[0].pitch)
    level_M = np.zeros(len(control_s))
    vibrato_M = np.zeros(len(control_s))
    formants_FM = np.repeat(np.array(VOWELS[notes[0].vowel])[:, None], len(control_s), axis=1)
    consonants = np.zeros(n_samples)
    for index, note in enumerate(notes):
        onset_s = when(note.beat) - start_s
        on = control_s >= onset_s
        cents_M[on] = 100.0 * note.pitch
        level_M[on] = db(-12.0 * (1.0 - note.velocity))
        formants_FM[:, on] = np.array(VOWELS[note.vowel])[:, None]
        vibrato_M[on] = np.clip((control_s[on] - onset_s - 0.22) / 0.35, 0.0, 1.0)  # long notes only
        if index == 0:
            cents_M[on & (control_s < onset_s + 0.05)] -= 90.0  # scoops into a phrase from below
        consonant = CONSONANTS.get(note.consonant)
        if consonant is None:
            continue
        before = (control_s >= onset_s - consonant.length_s) & ~on
        level_M[before] = db(consonant.voiced_db - 12.0 * (1.0 - note.velocity)) if index else 0.0
        if consonant.formants is not None:
            formants_FM[:3, before] = np.array(consonant.formants)[:, None]
        burst = coloured_noise(round(consonant.noise_s * SAMPLE_RATE), *consonant.noise_hz, rng)
        burst = fade_edges(burst, 0.25 * consonant.noise_s, 0.6 * consonant.noise_s)
        add_at(
            consonants,
            burst,
            onset_s - 0.8 * consonant.noise_s,
            0.25 * note.velocity * db(consonant.noise_db),
        )
    level_M[control_s >= when(notes[-1].beat + notes[-1].beats) - start_s] = 0.0
    return _Gesture(cents_M, level_M, vibrato_M, formants_FM, consonants)


def _sing_phrase(notes: Sequence[SungNote], singer: Singer, rng: np.random.Generator) -> tuple[Signal, float]:
    """Return one phrase [T] and its start in s."""
    start_s = when(notes[0].beat) - _BEFORE_S
    end_s = when(notes[-1].beat + notes[-1].beats) + _AFTER_S
    n_samples = round((end_s - start_s) * SAMPLE_RATE)
    gesture = _intend(notes, start_s, n_samples, rng)
    n_points = len(gesture.cents_M)

    # Smoothing turns the steps into glides, because a throat cannot jump.
    drift = 40.0 * smooth(white_noise(n_points, rng), 0.12, CONTROL_HZ)
    rate_hz = singer.vibrato_hz * (1.0 + 0.5 * smooth(white_noise(n_points, rng), 0.5, CONTROL_HZ))
    wave = np.sin(2 * np.pi * np.cumsum(rate_hz) / CONTROL_HZ) * smooth(gesture.vibrato_M, 0.1, CONTROL_HZ)
    cents_M = smooth(gesture.cents_M, 0.085, CONTROL_HZ) + drift + singer.vibrato_cents * wave
    level_M = smooth(gesture.level_M, 0.045, CONTROL_HZ) * (1.0 + 0.08 * wave)
    formants_FM = np.stack([smooth(formant, 0.055, CONTROL_HZ) for formant in gesture.formants_FM])
    pitch_M = pitch_hz(0) * 2.0 ** (cents_M / 1200.0)

    voice, phase = phonate(pitch_M, level_M, singer.formant_scale * formants_FM, n_samples, singer.highest_hz)
    # Air escapes in puffs, once per turn of the vocal folds.
    air = coloured_noise(n_samples, 1500.0, 7000.0, rng) * (1.0 + np.cos(phase))
    voice += db(singer.breath_db) * between_points(level_M, n_samples) * air
    return fade_edges(voice + gesture.consonants, 0.005, 0.02), start_s + singer.late_s


def sing(notes: Sequence[SungNote], singer: Singer) -> Signal:
    """Return a melody sung from the first note to the last, with a breath before each phrase, [T]."""
    rng = generator(singer.seed)
    line = np.zeros(N_SAMPLES)
    for phrase in _phrases(notes):
        voice, start_s = _sing_phrase(phrase, singer, rng)
        add_at(line, voice, start_s)
        t_s = seconds(round(0.22 * SAMPLE_RATE))
        breath = coloured_noise(len(t_s), 900.0, 5500.0, rng) * np.sin(np.pi * t_s / 0.22) ** 2
        add_at(line, breath, start_s - 0.28, db(singer.breath_db + 2.0))
    return line


def lead_voice() -> Signal:
    """Return the lead voice of the song, [T]."""
    return sing(LEAD, Singer(seed=401, vibrato_cents=28.0, vibrato_hz=5.4))


def backing_voices() -> Signal:
    """Return the three backing singers on one microphone, "oo" through the chorus, [T]."""
    line = np.zeros(N_SAMPLES)
    for part in range(3):
        notes = [
            SungNote(chord.beat, chord.beats, chord.voices[part], "d" if chord.beat % 4 == 0 else "", "u")
            for chord in CHORDS
            if chord.beat >= CHORUS * BEATS_PER_BAR
        ]
        singer = Singer(
            seed=411 + part,
            vibrato_cents=14.0,
            vibrato_hz=5.0 + 0.3 * part,
            formant_scale=1.0 + 0.05 * (part - 1),
            breath_db=-32.0,
            late_s=0.01 + 0.008 * part,
            highest_hz=3200.0,
        )
        line += sing(notes, singer)
    return line
