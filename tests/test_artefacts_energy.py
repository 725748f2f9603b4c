"""Planted foreign energy and noise in rests.

Foreign: tones, bursts of third-octave noise, and the mix's own low part mirrored up, 0.15 to 0.9 s
long; at least 20 dB above the mix in their band and time and -45 dB of its level. Noise in rests: white,
pink or hum, from -60 dB of the mix's level up, 2.3 s and more after the last sound.
"""

from functools import cache

import numpy as np
import pytest
from artefact_material import RATE, level_of, noise, rest_song
from artefact_planting import rates
from scipy.signal import butter, sosfiltfilt

from mixcli.measures.artefacts import describe_artefact_stems, find_artefacts
from mixcli.measures.band_energy import describe_energy, energy_bands

ABOVE_DB, LEAST_DB, LOUDEST_DB = 20.0, -45.0, -10.0
COUNTS = pytest.mark.parametrize("count", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 200))])


def foreign_sound(rng, kind, mix_TC, start, n):
    """A sound [T], root mean square 1, and the band it is in, Hz."""
    time_s = np.arange(n) / RATE
    centre_hz = 10 ** rng.uniform(np.log10(300), np.log10(18_000))
    band_hz = centre_hz / 2 ** (1 / 6), min(centre_hz * 2 ** (1 / 6), 0.45 * RATE)
    if kind == "tone":
        sound_T = np.sin(2 * np.pi * centre_hz * time_s)
    elif kind == "burst":
        sound_T = sosfiltfilt(butter(3, band_hz, "bandpass", fs=RATE, output="sos"), rng.standard_normal(n))
    else:  # what decimation without a filter makes of a loud low part
        low_T = sosfiltfilt(
            butter(4, (100, 2_000), "bandpass", fs=RATE, output="sos"), mix_TC[start : start + n, 0]
        )
        sound_T, band_hz = low_T * np.cos(np.pi * np.arange(n)), (RATE / 2 - 2_000, RATE / 2 - 100)
    sound_T = sound_T * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 0.5
    return sound_T / max(np.sqrt(np.mean(sound_T**2)), 1e-9), band_hz


def band_level(sound_T, band_hz):
    """Level of a part in a band, under no window but its own."""
    power = np.square(np.abs(np.fft.rfft(sound_T * np.hanning(len(sound_T)))))
    hz = np.fft.rfftfreq(len(sound_T), 1 / RATE)
    inside = (hz >= band_hz[0]) & (hz < band_hz[1])
    return np.sqrt(power[inside].sum() / 0.375) / len(sound_T) * np.sqrt(2)


def plant_foreign(rng, mix_TC, song, block):
    kind, level = rng.choice(["tone", "burst", "image"]), level_of(song.mix_TC)
    for _ in range(20):
        n = int(rng.uniform(0.15, 0.9) * RATE)
        start = int((block + rng.uniform(0, 1 - n / RATE)) * RATE)
        added_T, band_hz = foreign_sound(rng, kind, mix_TC, start, n)
        added_T = added_T * level * 10 ** (rng.uniform(LEAST_DB, LOUDEST_DB) / 20)
        around_TC = mix_TC[max(start - 4_410, 0) : start + n + 4_410]
        music = max(band_level(around_TC[:, c], band_hz) for c in (0, 1))
        if level_of(added_T) < 0.9 * level * 10 ** (LEAST_DB / 20):
            continue  # the mirror of silence
        if band_level(added_T, band_hz) >= music * 10 ** (ABOVE_DB / 20):
            mix_TC[start : start + n] += added_T[:, None].astype(np.float32)
            return {block}
    return None


@cache
def noise_of(kind):
    return noise(np.random.default_rng(3), 0.5 if kind == "pink" else 0.0)


def plant_noise(rng, mix_TC, song, block):
    start = int(max(block, song.rest_s[0] + 2.3) * RATE)
    stop = int(min(block + 1, song.rest_s[1] - 0.15) * RATE)
    if stop - start < 0.3 * RATE:
        return None
    kind = rng.choice(["white", "pink", "hum"])
    if kind == "hum":
        sound_TC = np.repeat(np.sin(2 * np.pi * 50 * np.arange(len(mix_TC)) / RATE)[:, None], 2, axis=1)
    else:
        sound_TC = np.roll(noise_of(kind), rng.integers(len(mix_TC)), axis=0)
    length = int(rng.uniform(0.3 * RATE, stop - start))
    first = start + int(rng.integers(stop - start - length + 1))
    level = level_of(song.mix_TC) * 10 ** (rng.uniform(-60, -35) / 20)
    part_TC = sound_TC[first : first + length]
    mix_TC[first : first + length] += (part_TC * level / level_of(part_TC)).astype(np.float32)
    return {block}


@COUNTS
def test_planted_foreign_energy_is_found_and_clean_seconds_left_alone(count):
    found, false = rates("foreign", plant_foreign, count)
    assert found >= 0.95
    assert false <= 0.02


@COUNTS
def test_planted_noise_in_rests_is_found_and_clean_seconds_left_alone(count):
    rests = [rest_song(seed) for seed in range(4)]
    songs = [(song, describe_artefact_stems(song.stems, RATE)) for song in rests]
    found, false = rates("rest_noise", plant_noise, count, songs=songs, blocks=lambda rng, song: (6, 8))
    assert found >= 0.95
    assert false <= 0.02


@pytest.mark.parametrize("gain_db", [-20, 20])
@pytest.mark.parametrize(("kind", "plant"), [("foreign", plant_foreign), ("rest_noise", plant_noise)])
def test_foreign_energy_and_noise_are_the_same_at_any_gain(rng, kind, plant, gain_db):
    song = rest_song(0)
    dirty_TC = song.mix_TC.copy()
    assert any(plant(rng, dirty_TC, song, block) for block in (0, 7, 8, 10, 11))
    gain = np.float32(10 ** (gain_db / 20))
    found = [
        [(one.kind, one.start_s) for one in find_artefacts(mix_TC, RATE, song.stems) if one.kind == kind]
        for mix_TC in (dirty_TC, gain * dirty_TC)
    ]
    assert found[0] == found[1] != []


def test_the_energies_of_all_bands_are_the_mean_square():
    time_s = np.arange(3 * RATE) / RATE
    tone_TC = np.stack([np.sin(2 * np.pi * 1_000 * time_s), 0.5 * np.sin(2 * np.pi * 5_000 * time_s)], axis=1)
    energy_GB = describe_energy(tone_TC.astype(np.float32), RATE)
    assert energy_GB.sum(axis=1) == pytest.approx((0.5 + 0.125) / 2, rel=1e-3)
    strongest = [energy_bands(RATE)[band] for band in np.argsort(energy_GB[5])[-2:]]
    assert any(low <= 1_000 < high for low, high in strongest)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_bands_cover_every_rate_without_holes(rate):
    bands = energy_bands(rate)
    assert [low for low, _ in bands[1:]] == [high for _, high in bands[:-1]]
    assert bands[-1][1] > rate / 2
