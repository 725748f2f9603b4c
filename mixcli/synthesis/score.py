"""The score of the demo song: eleven bars in D major, with what every player plays, in beats.

Intro (bars 1–2), verse (3–6), chorus (7–10) and a last chord (11), at 104 beats a minute in 4/4. Positions
and lengths are in quarter notes; `when` turns them into seconds, with the swing of the sixteenths.
"""

from dataclasses import dataclass

from mixcli.synthesis.signals import SAMPLE_RATE

BEATS_PER_MINUTE = 104.0
BEAT_S = 60.0 / BEATS_PER_MINUTE
BEATS_PER_BAR = 4
INTRO, VERSE, CHORUS, LAST = 0, 2, 6, 10  # first bar of each part, counted from 0
DURATION_S = 26.0
N_SAMPLES = round(DURATION_S * SAMPLE_RATE)
LEAD_IN_S = 0.25  # of silence before the first beat, as a recording is started before it is played
SWING = 0.035  # beats by which every second sixteenth is late: 57 % instead of 50 %
JITTER_S = 0.003  # no stroke is further than this from where its player means it


@dataclass(frozen=True)
class Note:
    """One note: position and length in beats, pitch as a MIDI number, velocity from 0 to 1."""

    beat: float
    beats: float
    pitch: int
    velocity: float = 0.8


@dataclass(frozen=True)
class SungNote:
    """One sung note: as `Note`, with a syllable of one consonant (or "") and one vowel."""

    beat: float
    beats: float
    pitch: int
    consonant: str
    vowel: str
    velocity: float = 0.8


@dataclass(frozen=True)
class Chord:
    """One chord of the song and how each instrument grips it, as MIDI numbers from low to high.

    The electric piano's voicings move by steps, the acoustic guitar's are open chords, the electric guitar
    plays root, fifth and octave, and the backing singers share three notes out.
    """

    beat: float
    beats: float
    bass: int
    keys: tuple[int, ...]
    strings: tuple[int, ...]
    power: tuple[int, ...]
    voices: tuple[int, ...]


def pitch_hz(pitch: int) -> float:
    """Return the frequency of a MIDI number in equal temperament, A4 (69) at 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69) / 12.0))


def when(beat: float) -> float:
    """Return the time of a position in beats, in s; every second sixteenth is late by the swing."""
    sixteenth = beat * 4.0
    is_offbeat = abs(sixteenth - round(sixteenth)) < 1e-9 and round(sixteenth) % 2 == 1
    return LEAD_IN_S + (beat + (SWING if is_offbeat else 0.0)) * BEAT_S


def _bar(bar: int, beat: float = 0.0) -> float:
    return bar * BEATS_PER_BAR + beat


_D_ADD9 = (38, (54, 57, 62, 64), (50, 57, 62, 64), (50, 57, 62), (57, 62, 66))
_B_M7 = (35, (54, 57, 59, 62), (47, 50, 57, 59, 66), (47, 54, 59), (59, 62, 66))
_G_MAJ7 = (31, (55, 59, 62, 66), (43, 47, 50, 55, 59, 66), (43, 50, 55), (55, 59, 62))
_A_SUS = (33, (55, 57, 62, 64), (45, 52, 55, 62, 64), (45, 52, 57), (57, 62, 64))
_A_7 = (33, (55, 57, 61, 64), (45, 52, 55, 61, 64), (45, 52, 57), (61, 64, 67))
_A_6 = (33, (57, 61, 64, 66), (45, 52, 57, 61, 66), (45, 52, 57), (57, 61, 64))
_FIS_M7 = (30, (57, 61, 64, 66), (42, 49, 52, 57, 61, 66), (42, 49, 54), (57, 61, 64))
_E_M7 = (28, (55, 59, 62, 64), (40, 47, 50, 55, 62, 64), (40, 47, 52), (55, 59, 64))
_G_HIGH = (31, (59, 62, 66, 67), (43, 47, 50, 55, 59, 66), (43, 50, 55), (59, 62, 67))
_D_LAST = (38, (57, 62, 66, 69), (50, 57, 62, 66), (38, 45, 50), (62, 66, 69))

CHORDS: tuple[Chord, ...] = tuple(
    Chord(beat, beats, *grip)
    for beat, beats, grip in (
        (_bar(0), 4, _D_ADD9),
        (_bar(1), 4, _G_MAJ7),
        (_bar(2), 4, _D_ADD9),
        (_bar(3), 4, _B_M7),
        (_bar(4), 4, _G_MAJ7),
        (_bar(5), 2, _A_SUS),
        (_bar(5, 2), 2, _A_7),
        (_bar(6), 2, _G_MAJ7),
        (_bar(6, 2), 2, _A_6),
        (_bar(7), 2, _FIS_M7),
        (_bar(7, 2), 2, _B_M7),
        (_bar(8), 2, _E_M7),
        (_bar(8, 2), 2, _FIS_M7),
        (_bar(9), 2, _G_HIGH),
        (_bar(9, 2), 2, _A_7),
        (_bar(10), 4, _D_LAST),
    )
)

BASS: tuple[Note, ...] = tuple(
    Note(_bar(bar, beat), beats, pitch, velocity)
    for bar, beat, beats, pitch, velocity in (
        (1, 3.0, 0.5, 33, 0.6),
        (1, 3.5, 0.5, 35, 0.65),
        (2, 0.0, 1.4, 38, 0.9),
        (2, 1.75, 0.6, 38, 0.7),
        (2, 2.5, 0.9, 38, 0.8),
        (2, 3.5, 0.5, 37, 0.65),
        (3, 0.0, 1.4, 35, 0.9),
        (3, 1.75, 0.6, 35, 0.7),
        (3, 2.5, 0.9, 42, 0.8),
        (3, 3.5, 0.5, 33, 0.65),
        (4, 0.0, 1.4, 31, 0.9),
        (4, 1.75, 0.6, 31, 0.7),
        (4, 2.5, 0.9, 38, 0.8),
        (4, 3.5, 0.5, 35, 0.65),
        (5, 0.0, 1.4, 33, 0.9),
        (5, 1.75, 0.6, 33, 0.7),
        (5, 2.5, 0.5, 40, 0.8),
        (5, 3.0, 0.5, 37, 0.75),
        (5, 3.5, 0.5, 33, 0.75),
        (10, 0.0, 4.0, 38, 0.95),
    )
) + tuple(
    Note(chord.beat + beat, beats, chord.bass + octave, velocity)
    for chord in CHORDS
    if CHORUS <= chord.beat / BEATS_PER_BAR < LAST
    for beat, beats, octave, velocity in ((0.0, 0.95, 0, 0.95), (1.0, 0.45, 0, 0.8), (1.5, 0.45, 12, 0.7))
)

LEAD: tuple[SungNote, ...] = tuple(
    SungNote(_bar(bar, beat), beats, pitch, syllable[:-1], syllable[-1], velocity)
    for bar, beat, beats, pitch, syllable, velocity in (
        (2, 0.5, 0.5, 57, "da", 0.6),
        (2, 1.0, 0.5, 62, "du", 0.65),
        (2, 1.5, 0.5, 64, "na", 0.7),
        (2, 2.0, 1.4, 66, "a", 0.75),
        (2, 3.5, 0.5, 64, "la", 0.6),
        (3, 0.0, 1.4, 62, "o", 0.7),
        (3, 1.5, 0.5, 59, "da", 0.6),
        (3, 2.0, 1.5, 57, "du", 0.6),
        (4, 0.5, 0.5, 59, "sa", 0.6),
        (4, 1.0, 0.5, 62, "da", 0.7),
        (4, 1.5, 0.5, 64, "du", 0.7),
        (4, 2.0, 0.75, 66, "na", 0.75),
        (4, 2.75, 0.25, 67, "e", 0.75),
        (4, 3.0, 0.5, 66, "a", 0.7),
        (4, 3.5, 0.5, 62, "la", 0.65),
        (5, 0.0, 1.9, 64, "o", 0.75),
        (5, 2.5, 0.5, 64, "la", 0.75),
        (5, 3.0, 0.5, 66, "la", 0.8),
        (5, 3.5, 0.5, 67, "la", 0.85),
        (6, 0.0, 1.5, 71, "ha", 1.0),
        (6, 1.5, 0.5, 69, "na", 0.9),
        (6, 2.0, 1.0, 69, "he", 0.9),
        (6, 3.0, 0.5, 67, "la", 0.85),
        (6, 3.5, 0.5, 66, "na", 0.85),
        (7, 0.0, 1.5, 69, "ha", 0.95),
        (7, 1.5, 0.5, 66, "na", 0.85),
        (7, 2.0, 1.25, 66, "o", 0.85),
        (7, 3.5, 0.5, 64, "sa", 0.8),
        (8, 0.0, 1.0, 67, "a", 0.9),
        (8, 1.0, 0.5, 66, "la", 0.85),
        (8, 1.5, 0.5, 64, "da", 0.8),
        (8, 2.0, 1.0, 69, "ha", 0.95),
        (8, 3.0, 0.5, 66, "na", 0.85),
        (8, 3.5, 0.5, 69, "na", 0.9),
        (9, 0.0, 1.5, 71, "ha", 1.0),
        (9, 1.5, 0.5, 69, "na", 0.9),
        (9, 2.0, 0.75, 67, "da", 0.85),
        (9, 2.75, 0.25, 66, "e", 0.8),
        (9, 3.0, 1.0, 64, "na", 0.8),
        (10, 0.0, 1.0, 66, "o", 0.8),
        (10, 1.0, 2.4, 62, "o", 0.7),
    )
)
