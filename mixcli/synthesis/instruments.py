"""The players besides the drummer: bass, two guitars, electric piano, shaker and a pad."""

import numpy as np

from mixcli.synthesis.score import (
    BASS,
    BEAT_S,
    BEATS_PER_BAR,
    CHORDS,
    CHORUS,
    JITTER_S,
    LAST,
    N_SAMPLES,
    VERSE,
    Chord,
    pitch_hz,
    when,
)
from mixcli.synthesis.signals import (
    SAMPLE_RATE,
    Signal,
    add_at,
    band,
    bin_frequencies,
    bumps,
    coloured_noise,
    fade_edges,
    fast_length,
    generator,
    high_pass,
    reshape_spectrum,
    seconds,
)
from mixcli.synthesis.strings import StringTone, pluck

BASS_LATE_S = 0.004  # the bass player leans back a little, the guitars more
GUITAR_LATE_S = 0.006
_BASS_STRING = StringTone(decay_s=3.5, loss_hz=350.0, pluck_position=0.17, bright_hz=1300.0, noise=0.04)
_STEEL_STRING = StringTone(decay_s=2.8, loss_hz=2500.0, pluck_position=0.22, bright_hz=9000.0, noise=0.35)
_ELECTRIC_STRING = StringTone(decay_s=4.0, loss_hz=2000.0, pluck_position=0.13, bright_hz=6000.0, noise=0.15)


def _early_or_late(rng: np.random.Generator) -> float:
    """Between −`JITTER_S` and +`JITTER_S`, mostly near 0, in s."""
    return float(JITTER_S * (rng.random() + rng.random() - 1.0))


def _bar_of(chord: Chord) -> int:
    return int(chord.beat // BEATS_PER_BAR)


def bass_di() -> Signal:
    """Return the electric bass, straight from its pickup: plucked with the fingers, [T]."""
    rng = generator(301)
    line = np.zeros(N_SAMPLES)
    for note in BASS:
        sound = pluck(pitch_hz(note.pitch), note.beats * BEAT_S, note.velocity, _BASS_STRING, rng)
        add_at(line, sound, when(note.beat) + BASS_LATE_S + _early_or_late(rng))
    return reshape_spectrum(line, high_pass(25.0))


def acoustic_guitar() -> Signal:
    """Return the strummed acoustic guitar: arpeggios in the intro, then strokes down and up, [T]."""
    rng = generator(302)
    line = np.zeros(N_SAMPLES)
    for chord in CHORDS:
        bar = _bar_of(chord)
        if bar < VERSE:
            climb = (*chord.strings[:4], *chord.strings[2:0:-1], *chord.strings[2:4])
            for eighth in range(round(chord.beats * 2)):
                start_s = when(chord.beat + eighth / 2) + GUITAR_LATE_S + _early_or_late(rng)
                ring_s = 1.6 * BEAT_S
                frequency_hz = pitch_hz(climb[eighth % len(climb)])
                add_at(
                    line, pluck(frequency_hz, ring_s, 0.55 + 0.1 * rng.random(), _STEEL_STRING, rng), start_s
                )
            continue
        strokes = [(0.0, 0.9), (1.0, 0.75), (1.5, -0.5), (2.5, -0.55), (3.0, 0.7), (3.5, -0.5)]
        strokes = [stroke for stroke in strokes if stroke[0] < chord.beats] if bar < LAST else [(0.0, 0.9)]
        for index, (beat, force) in enumerate(strokes):
            end = strokes[index + 1][0] if index + 1 < len(strokes) else chord.beats
            # Up strokes catch the high strings only.
            strings = chord.strings if force > 0 else chord.strings[:1:-1]
            for position, pitch in enumerate(strings):
                start_s = when(chord.beat + beat) + GUITAR_LATE_S + 0.009 * position + _early_or_late(rng) / 2
                ring_s = (end - beat) * BEAT_S * (1.0 if bar < LAST else 1.1)
                velocity = abs(force) * (0.85 + 0.15 * rng.random())
                add_at(line, pluck(pitch_hz(pitch), ring_s, velocity, _STEEL_STRING, rng), start_s)
    body = bumps((105.0, 0.5, 5.0), (205.0, 0.6, 4.0), (420.0, 0.8, -2.0), (5000.0, 2.0, 3.0))
    return reshape_spectrum(line, body, band(75.0, 13_000.0))


def _amplifier(line: Signal) -> Signal:
    """Soft clipping at twice the rate (what it adds lies below the folding frequency), then a loudspeaker."""
    n_fft = fast_length(len(line))
    frequencies_hz = bin_frequencies(n_fft)
    spectrum = np.fft.rfft(line, n_fft) * band(120.0, 4800.0, order=3)(frequencies_hz)
    driven = np.tanh(2.0 * np.fft.irfft(spectrum, 2 * n_fft) * 2.0)
    clipped = np.fft.irfft(np.fft.rfft(driven)[: n_fft // 2 + 1], n_fft)[: len(line)] * 0.5
    speaker = bumps((120.0, 0.8, 3.0), (420.0, 1.2, -3.0), (2600.0, 1.2, 8.0))
    return reshape_spectrum(clipped, speaker, band(80.0, 4700.0, order=4))


def electric_guitar() -> Signal:
    """Return the driven guitar: muted stabs on the backbeat in the verse, chords in the chorus, [T]."""
    rng = generator(303)
    line = np.zeros(N_SAMPLES)
    for chord in CHORDS:
        bar = _bar_of(chord)
        if bar < VERSE:
            continue
        if bar < CHORUS:
            strokes = [(beat, 0.16, 0.6) for beat in (1.0, 3.0) if beat < chord.beats]
            if _bar_of(chord) == CHORUS - 1:
                strokes = [(1.0, 0.16, 0.6)]
        elif bar < LAST:
            strokes = [(0.0, 0.9, 0.95), (1.0, 0.4, 0.7), (1.5, 0.45, 0.8)]
        else:
            strokes = [(0.0, 4.0, 0.95)]
        for beat, beats, velocity in strokes:
            strum = np.zeros(round((beats * BEAT_S + 0.02) * SAMPLE_RATE))
            for position, pitch in enumerate(chord.power):
                sound = pluck(pitch_hz(pitch), beats * BEAT_S, velocity, _ELECTRIC_STRING, rng)
                add_at(strum, sound, 0.004 * position, 0.5)
            start_s = when(chord.beat + beat) + GUITAR_LATE_S + _early_or_late(rng)
            add_at(line, fade_edges(_amplifier(strum), 0.0005, 0.008), start_s)
    return line


def _electric_piano_note(pitch: int, duration_s: float, velocity: float) -> Signal:
    """One tine: a sine whose phase is moved by itself (bark), and for an instant a high partial."""
    t_s = seconds(round((duration_s + 0.12) * SAMPLE_RATE))
    frequency_hz = pitch_hz(pitch)
    turn = 2 * np.pi * frequency_hz * t_s
    bark = (0.4 + 1.6 * velocity**2) * np.exp(-t_s / 0.5)
    sound = np.sin(turn + bark * np.sin(turn))
    n_tine = min(len(t_s), SAMPLE_RATE // 2)
    sound[:n_tine] += 0.3 * velocity * np.exp(-t_s[:n_tine] / 0.06) * np.sin(14.0 * turn[:n_tine])
    return fade_edges(velocity * sound * np.exp(-t_s / 1.3), 0.002, 0.12)


def electric_piano() -> Signal:
    """Return the electric piano with its stereo tremolo, [T, 2], left and right by turns louder."""
    rng = generator(304)
    line = np.zeros(N_SAMPLES)
    for chord in CHORDS:
        last = _bar_of(chord) == LAST
        hits = [(0.0, 1.4, 0.75), (1.5, 0.4, 0.5), (2.5, 1.4, 0.6)] if not last else [(0.0, 4.2, 0.75)]
        if chord.beats <= 2.0:
            hits = [(0.0, 1.4, 0.75), (1.5, 0.45, 0.55)]
        for beat, beats, velocity in hits:
            for position, pitch in enumerate(chord.keys):
                start_s = when(chord.beat + beat) + 0.003 * position + _early_or_late(rng)
                force = (
                    velocity * (0.85 + 0.2 * rng.random()) * (1.1 if position == len(chord.keys) - 1 else 1.0)
                )
                add_at(line, _electric_piano_note(pitch, beats * BEAT_S, min(force, 1.0)), start_s)
    line = reshape_spectrum(line, high_pass(40.0))  # a sine that modulates itself has an offset
    sway = 0.35 * np.sin(2 * np.pi * 2.6 * seconds(N_SAMPLES))
    return np.stack([line * np.sqrt(0.5 + sway), line * np.sqrt(0.5 - sway)], axis=1)


def shaker() -> Signal:
    """Return the shaker: sixteenths from the second bar on, each a swell and a stop, [T]."""
    rng = generator(305)
    line = np.zeros(N_SAMPLES)
    for sixteenth in range(BEATS_PER_BAR * 4, LAST * BEATS_PER_BAR * 4):
        accent = (0.8, 0.3, 0.55, 0.35)[sixteenth % 4] * (0.85 + 0.3 * rng.random())
        t_s = seconds(round(0.11 * SAMPLE_RATE))
        swell = np.exp(-0.5 * ((t_s - 0.022) / 0.009) ** 2) + 0.35 * np.exp(
            -0.5 * ((t_s - 0.05) / 0.018) ** 2
        )
        grains = fade_edges(coloured_noise(len(t_s), 4500.0, 11_000.0, rng) * swell, 0.003, 0.03)
        add_at(line, grains, when(sixteenth / 4) - 0.022 + _early_or_late(rng), accent)
    return line


def pad() -> Signal:
    """Return a soft string machine, [T]: every chord is one spectrum of random phases around its partials.

    A partial spread over a few Hz is a choir of detuned oscillators; partials stop at 6 kHz: none folds back.
    """
    rng = generator(306)
    line = np.zeros(N_SAMPLES)
    overlap_s = 0.35
    for chord in CHORDS:
        n_samples = round((chord.beats * BEAT_S + overlap_s) * SAMPLE_RATE)
        n_fft = fast_length(n_samples)
        frequencies_hz = bin_frequencies(n_fft)
        magnitude = np.zeros_like(frequencies_hz)
        for pitch in (chord.bass + 12, *chord.keys[:3]):
            for partial in range(1, int(6000.0 / pitch_hz(pitch)) + 1):
                centre_hz = partial * pitch_hz(pitch)
                width_hz = 0.0025 * centre_hz + 0.3
                near = slice(
                    *np.searchsorted(frequencies_hz, (centre_hz - 5 * width_hz, centre_hz + 5 * width_hz))
                )
                shape = np.exp(-0.5 * ((frequencies_hz[near] - centre_hz) / width_hz) ** 2)
                magnitude[near] += shape / np.sqrt(width_hz) / partial
        magnitude *= band(60.0, 1400.0, order=1)(frequencies_hz)
        phases = np.exp(2j * np.pi * rng.random(len(frequencies_hz)))
        sound = np.fft.irfft(magnitude * phases, n_fft)[:n_samples]
        sound /= np.sqrt(np.mean(sound**2))
        level = 1.0 if _bar_of(chord) >= CHORUS else 0.6
        add_at(line, fade_edges(sound, overlap_s, overlap_s), when(chord.beat) - overlap_s / 2, level)
    return line
