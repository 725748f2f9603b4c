"""Clean material for the artefact detectors: synthetic stems and mixes as an engineer would make them."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE = 44_100
SECONDS = 12


@dataclass(frozen=True)
class CleanSong:
    name: str
    stems: tuple  # [T, 2] each
    mix_TC: np.ndarray
    rest_s: tuple[float, float] | None = None  # where all stems are silent


RUMBLE = butter(2, 20, "high", fs=RATE, output="sos")  # microphones do not hear below
SNARE, HAT = (
    butter(2, band_hz, "bandpass", fs=RATE, output="sos") for band_hz in ((200, 9_000), (5_000, 15_000))
)


def fade(n_samples, begin=441, end=441):
    begin, end = min(begin, n_samples), min(end, n_samples)
    gain_T = np.ones(n_samples)
    gain_T[:begin] = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, begin))
    gain_T[n_samples - end :] *= 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, end))
    return gain_T


def stereo(sound_T, level):
    return np.repeat((level * sound_T)[:, None], 2, axis=1).astype(np.float32)


def drums(rng, per_s):
    """Hits at a density, panned at random: kicks, snares and hats with attacks under 1 ms."""
    out_TC = np.zeros((SECONDS * RATE, 2))
    for index in range(SECONDS * per_s):
        start = max(int((index + rng.uniform(-0.05, 0.05)) / per_s * RATE), 0)
        n = min(int(0.25 * RATE), len(out_TC) - start)
        time_s = np.arange(n) / RATE
        kind = rng.integers(3)
        if kind == 0:
            hit_T = np.sin(2 * np.pi * (50 * time_s + 5 * (1 - np.exp(-30 * time_s)))) * np.exp(-14 * time_s)
        else:
            sos, decay_s, level = (SNARE, 0.05, 0.5) if kind == 1 else (HAT, 0.03, 0.6)
            hit_T = level * sosfilt(sos, rng.standard_normal(n)) * np.exp(-time_s / decay_s)
        if kind == 1:
            hit_T = hit_T + 0.4 * np.sin(2 * np.pi * 190 * time_s) * np.exp(-25 * time_s)
        right = rng.uniform(0.3, 0.7)
        hit_T = hit_T * rng.uniform(0.3, 1) * fade(n, 30, 200)
        out_TC[start : start + n] += hit_T[:, None] * np.sqrt([1 - right, right])
    return (0.4 * sosfilt(RUMBLE, out_TC, axis=0)).astype(np.float32)


def synth(rng, wave):
    """Notes of a saw or square of limited band, or of a square of two values ("naive")."""
    out_T = np.zeros(SECONDS * RATE)
    start = 0
    while start < len(out_T):
        n = min(int(rng.choice([0.125, 0.25, 0.5]) * RATE), len(out_T) - start)
        pitch_hz = 55 * 2 ** (rng.integers(0, 36) / 12)
        time_s = np.arange(n) / RATE
        if wave == "naive":
            note_T = np.sign(np.sin(2 * np.pi * pitch_hz * time_s) + 1e-9)
        else:
            spectrum = np.zeros(4097, complex)
            partials = np.arange(1, int(16_000 / pitch_hz) + 1, 1 if wave == "saw" else 2)
            spectrum[partials] = -4096j / partials
            period_T = np.append(np.fft.irfft(spectrum), 0.0)  # one turn, read at the pitch's speed
            turns = pitch_hz * time_s % 1
            note_T = np.interp(turns * 8192, np.arange(8193), period_T) * fade(n, 132, 132)
        out_T[start : start + n] = note_T
        start += n
    return stereo(out_T, 0.15)


def bass(rng):
    out_T = np.zeros(SECONDS * RATE)
    n = RATE // 2
    time_s = np.arange(n) / RATE
    for start in range(0, len(out_T), n):
        pitch_hz = 41 * 2 ** (rng.integers(0, 18) / 12)
        note_T = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k**1.5 for k in range(1, 8))
        out_T[start : start + n] = note_T * np.exp(-2 * time_s) * fade(n, 220, 441)
    return stereo(out_T, 0.3)


def pad(rng):
    time_s = np.arange(SECONDS * RATE) / RATE
    swell_T = (0.6 + 0.4 * np.sin(2 * np.pi * 0.3 * time_s)) * fade(len(time_s))
    sides = []
    for detune in (1.0, 1.001):
        partials = [(hz * k * detune, 1 / k**2) for hz in (220, 277.2, 329.6) for k in range(1, 10)]
        sides.append(sum(a * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6)) for hz, a in partials))
    return (0.08 * np.stack(sides, axis=1) * swell_T[:, None]).astype(np.float32)


def voice():
    """Glottal pulses through four formants, in phrases."""
    time_s = np.arange(SECONDS * RATE) / RATE
    turns = np.cumsum(180 * 2 ** (0.04 * np.sin(2 * np.pi * 5.5 * time_s))) / RATE
    sound_T = np.zeros(len(time_s))
    sound_T[np.flatnonzero(np.diff(np.floor(turns)))] = 1
    for centre_hz, width_hz in ((600, 80), (1200, 100), (2600, 150), (3500, 200)):
        r = np.exp(-np.pi * width_hz / RATE)
        sound_T = lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * centre_hz / RATE), r * r], sound_T)
    phrases_T = np.clip((np.sin(2 * np.pi * 0.4 * time_s) + 0.5) * 20, 0, 1)
    return stereo(sosfilt(RUMBLE, sound_T / np.abs(sound_T).max() * phrases_T), 0.4)


def chirp():
    time_s = np.arange(SECONDS * RATE) / RATE
    rise = np.log(500) / SECONDS  # from 30 Hz to 15 kHz
    return stereo(np.sin(2 * np.pi * 30 * np.expm1(time_s * rise) / rise) * fade(len(time_s)), 0.3)


def noise(rng, slope=0.0):
    """Noise with a slope of -`slope` times 6 dB per octave, from 20 Hz up."""
    n = SECONDS * RATE
    spectrum = np.fft.rfft(rng.standard_normal((n, 2)), axis=0)
    hz = np.arange(len(spectrum)) / SECONDS
    shaped = np.where(hz < 20, 0, np.maximum(hz, 20) ** -slope)[:, None] * spectrum
    sound_TC = np.fft.irfft(shaped, n, axis=0)
    return (0.1 * sound_TC / sound_TC.std() * fade(n)[:, None]).astype(np.float32)


def engineer(rng, stems):
    """Gains, pans, a high-pass per stem, a reverb of 1.5 s, up to 20 ms of delay, a look-ahead limiter."""
    n = SECONDS * RATE
    out_TC = np.zeros((n, 2))
    high_pass = butter(1, 30, "high", fs=RATE, output="sos")
    for stem_TC in stems:
        right = rng.uniform(0.3, 0.7)
        gains_C = 10 ** (rng.uniform(-6, 6) / 20) * np.sqrt([2 - 2 * right, 2 * right])
        out_TC += sosfilt(high_pass, stem_TC * gains_C, axis=0)
    reverb = int(1.5 * RATE)
    room_TC = 0.01 * rng.standard_normal((reverb, 2)) * 10 ** (-3 * np.arange(reverb) / reverb)[:, None]
    out_TC += np.stack([fftconvolve(out_TC[:, c], room_TC[:, c])[:n] for c in (0, 1)], axis=1)
    delay = int(rng.uniform(0, 0.02) * RATE)
    out_TC = np.concatenate([np.zeros((delay, 2)), out_TC])[:n]
    out_TC *= 0.5 / np.percentile(np.abs(out_TC), 99.9)
    over_T = np.maximum(1, maximum_filter1d(np.abs(out_TC).max(axis=1), 441) / 0.7)
    return (out_TC / uniform_filter1d(over_T, 221)[:, None]).astype(np.float32)


@cache
def rest_song(seed):
    """Drums and a bass that are silent for six or seven seconds."""
    rng = np.random.default_rng(1_000 + seed)
    rest_s = (rng.uniform(2, 3), rng.uniform(8.5, 9.5))
    time_s = np.arange(SECONDS * RATE) / RATE
    away_T = np.clip(100 * np.maximum(rest_s[0] - time_s, time_s - rest_s[1]), 0, 1)
    stems = [sound_TC * away_T[:, None].astype(np.float32) for sound_TC in (drums(rng, 6), bass(rng))]
    return CleanSong("rest", tuple(stems), engineer(rng, stems), rest_s)


@cache
def clean_songs(seed=0):
    """Eight songs of 12 s and their mixes."""
    rng = np.random.default_rng(seed)
    chords_TC = pad(rng)
    made = {
        "band": [drums(rng, 4), bass(rng), chords_TC, voice()],
        "synths": [synth(rng, "saw"), synth(rng, "square"), bass(rng)],
        "naive squares": [synth(rng, "naive"), drums(rng, 4)],
        "dense drums": [drums(rng, 16), drums(rng, 24)],
        "noise": [noise(rng)],
        "pink noise": [noise(rng, 0.5)],
        "chirp": [chirp(), chords_TC],
    }
    songs = [CleanSong(name, tuple(stems), engineer(rng, stems)) for name, stems in made.items()]
    return (*songs, rest_song(seed))


def level_of(signal_TC):
    return float(np.sqrt(np.mean(np.square(signal_TC, dtype=np.float64))))


def as_files_are(mix_TC, rng):
    """The mix as float, or with the steps of 16 or 24 bits, 16 with triangular dither."""
    bits = rng.choice([16, 24, 32])
    if bits == 32:
        return mix_TC
    dither_TC = rng.uniform(-0.5, 0.5, (2, *mix_TC.shape)).sum(axis=0) if bits == 16 else 0
    return (np.round(mix_TC * 2.0 ** (bits - 1) + dither_TC) / 2.0 ** (bits - 1)).astype(np.float32)
