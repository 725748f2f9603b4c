"""Made-up stems and mixes with known levels, places and times, for the tests of measures."""

import numpy as np

RATE = 44_100


def music_like_stems(seconds=7.0, rate=RATE, seed=0):
    """Five stereo stems of notes and noise in different ranges, panned and partly wide, each [T, 2]."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * rate)) / rate
    stems = []
    for index, (frequency_hz, every_s, pan) in enumerate(
        [(55, 0.5, 0.0), (220, 0.37, -0.4), (660, 0.29, 0.5), (1760, 0.81, 0.1), (5200, 0.25, -0.2)]
    ):
        phase_s = (time_s + 0.05 * index) % every_s
        note = np.sin(2 * np.pi * frequency_hz * time_s) + 0.4 * np.sin(4 * np.pi * frequency_hz * time_s + 1)
        swell = 0.6 + 0.4 * np.sin(2 * np.pi * time_s / (2.1 + 0.4 * index))
        mono = 0.08 * swell * note * np.exp(-6 * phase_s)
        mono += 0.02 * swell * rng.standard_normal(len(time_s)) * np.exp(-30 * phase_s)
        side = 0.15 * index * 0.02 * rng.standard_normal(len(time_s)) * np.exp(-3 * phase_s)
        stems.append(np.stack([mono * (1 - pan) + side, mono * (1 + pan) - side], axis=1).astype(np.float32))
    return stems


def separate_stems(n_stems, seconds_each=1.0, rate=RATE, seed=0):
    """Noises that sound one after the other with silence between: their energies add exactly."""
    rng = np.random.default_rng(seed)
    length, pause = round(seconds_each * rate), 8192
    stems = []
    for index in range(n_stems):
        stem_TC = np.zeros((n_stems * (length + pause), 2), np.float32)
        start = index * (length + pause)
        stem_TC[start : start + length] = 0.1 * rng.standard_normal((length, 2))
        stems.append(stem_TC)
    return stems


def add_up(stems, gains=None):
    """The sum of stems, each times its gain."""
    gains = np.ones(len(stems)) if gains is None else gains
    return sum(np.float32(gain) * stem_TC for gain, stem_TC in zip(gains, stems, strict=True))
