"""Planted clicks: steps, slope breaks, spikes, dropouts and cuts, from what is audible up.

A planted click is audible if, within 12 ms, it stands above the music in half of the third octaves from 1 to
16 kHz (12 dB where there are stems, 24 dB without), and reaches -40 dB (-24 dB) of the level of its 50 ms.
Without stems none is planted where a note begins: a click and an attack are the same there.
"""

import numpy as np
import pytest
from artefact_material import RATE, level_of
from artefact_planting import described, rates
from artefact_real import MEASURED, SET, STEMS, real_songs

from mixcli.audio.decibels import db_to_gain
from mixcli.measures.clicks import find_clicks

EXCESS_DB, SMALLEST_DB = 12.0, -40.0
BLIND_EXCESS_DB, BLIND_SMALLEST_DB = 24.0, -24.0
LOUDEST_DB = 35.0
KINDS_OF_RATES = [(True, EXCESS_DB, SMALLEST_DB), (False, BLIND_EXCESS_DB, BLIND_SMALLEST_DB)]
BEFORE = 6_000  # samples before a click that are looked at, and half of those after it
THIRDS_HZ = 1000 * 2 ** (np.arange(13) / 3)


def third_octaves(sound_T):
    power = np.square(np.abs(np.fft.rfft(sound_T * np.hanning(len(sound_T)))))
    hz = np.fft.rfftfreq(len(sound_T), 1 / RATE)
    return np.array([power[(hz >= c / 2 ** (1 / 6)) & (hz < c * 2 ** (1 / 6))].sum() for c in THIRDS_HZ])


def excess_db(clean_TC, dirty_TC, place):
    """Level of what was planted over the music in the median third octave, of the channel with more."""
    values = []
    for channel in (0, 1):
        music_T = clean_TC[place - 256 : place + 256, channel].astype(float)
        added_T = dirty_TC[place - 256 : place + 256, channel] - music_T
        ratio = (third_octaves(added_T) + 1e-20) / (third_octaves(music_T) + 1e-20)
        values.append(np.median(10 * np.log10(ratio)))
    return max(values)


def add_click(part_TC, kind, height, length, channel):
    """A part of a mix with a click at its sample `BEFORE`."""
    dirty_TC = part_TC.copy()
    stop = BEFORE + length
    if kind == "step":  # an offset that is led back
        dirty_TC[BEFORE:stop, channel:] += (height * np.linspace(1, 0, length))[:, None].astype(np.float32)
    elif kind == "slope":  # a break of slope, 20 samples up and slowly back
        shape_T = np.minimum(np.arange(length) / 20, 1) * np.linspace(1, 0, length)
        dirty_TC[BEFORE:stop, channel:] += (height * shape_T)[:, None].astype(np.float32)
    elif kind == "spike":
        dirty_TC[BEFORE, channel:] += height
    elif kind == "dropout":
        dirty_TC[BEFORE : BEFORE + length // 60] = 0  # 3 to 49 samples
    else:  # two renderings joined: the same music, some ms later
        dirty_TC[BEFORE:stop] = part_TC[BEFORE + length : stop + length]
    return dirty_TC


def begins_at(part_TC):
    """Whether the music becomes twice as strong within 12 ms: a note's attack, which hides what is in it."""
    before, after = (
        high_passed_level(part_TC[BEFORE + start : BEFORE + start + 512]) for start in (-520, 60)
    )
    return after > 2 * before


def high_passed_level(part_TC):
    return level_of(np.diff(part_TC, axis=0))


def plant_click(least_db, smallest_db):
    def plant(rng, mix_TC, song, block):
        kind = rng.choice(["step", "slope", "spike", "dropout", "cut"])
        for _ in range(40):
            place = int((block + rng.uniform(0.01, 0.99)) * RATE)
            length, channel = int(rng.integers(200, 3000)), int(rng.integers(2))
            part_TC = mix_TC[max(place - BEFORE, 0) : place + 2 * BEFORE]
            if len(part_TC) < 3 * BEFORE or level_of(part_TC) < 1e-3:
                continue
            dirty_TC = add_click(part_TC, kind, 0.01, length, channel)
            excess = excess_db(part_TC, dirty_TC, BEFORE)
            if kind in ("step", "slope", "spike"):
                height = 0.01 * 10 ** ((rng.uniform(least_db, LOUDEST_DB) - excess) / 20)
                dirty_TC = add_click(part_TC, kind, height, length, channel)
                excess = excess_db(part_TC, dirty_TC, BEFORE)
            around_TC = part_TC[BEFORE - 1102 : BEFORE + 1102]
            if least_db == BLIND_EXCESS_DB and (begins_at(part_TC) or begins_at(dirty_TC)):
                continue
            if (
                excess >= least_db - 0.1
                and np.abs(dirty_TC).max() <= 1
                and np.abs(dirty_TC - part_TC).max() >= db_to_gain(smallest_db) * level_of(around_TC)
                and level_of(around_TC) >= 0.01 * level_of(song.mix_TC)
            ):
                part_TC[:] = dirty_TC
                return {place // RATE, (place + 50) // RATE}
        return None

    return plant


@pytest.mark.slow
@pytest.mark.parametrize("count", [40, 200])
@pytest.mark.parametrize(("with_stems", "least_db", "smallest_db"), KINDS_OF_RATES)
def test_planted_clicks_are_found_and_clean_seconds_left_alone(count, with_stems, least_db, smallest_db):
    found, false = rates("click", plant_click(least_db, smallest_db), count, with_stems=with_stems)
    assert found >= 0.95
    assert false <= 0.02


@pytest.mark.slow
@pytest.mark.skipif(not STEMS.is_dir(), reason="no real stems beside this checkout")
@pytest.mark.parametrize("names", [SET, MEASURED])
@pytest.mark.parametrize(("with_stems", "least_db", "smallest_db"), KINDS_OF_RATES)
def test_the_same_holds_in_real_music(names, with_stems, least_db, smallest_db):
    songs = described(real_songs(names))
    plant = plant_click(least_db, smallest_db)
    found, false = rates("click", plant, 200, songs=songs, with_stems=with_stems)
    assert found >= 0.95
    assert false <= 0.02


def test_crackle_is_found_without_stems_though_its_clicks_stand_in_a_row(rng):
    mix_TC = 0.05 * rng.standard_normal((10 * RATE, 2)).astype(np.float32)
    places = np.arange(RATE // 8, 10 * RATE, RATE // 4) + rng.integers(-2_000, 2_000, 40)
    mix_TC[places] += 4.0
    found = find_clicks(mix_TC, RATE, level_of(mix_TC), None, None)
    assert set(found) <= set(places)
    assert len(found) >= 0.8 * len(places)
    assert {place // RATE for place in found} == set(range(10))


def test_a_soft_attack_behind_a_pulse_makes_it_music_only_in_a_row(rng):
    """A pulse with a tail 4 to 8 dB over the noise: four in a second are ticks, a single one is a click."""
    tail_T = 0.045 * rng.standard_normal((1_000, 2)) * np.exp(-np.arange(1_000) / 300)[:, None]
    clean_TC = 0.01 * rng.standard_normal((10 * RATE, 2)).astype(np.float32)
    row = np.arange(RATE // 8, 10 * RATE - RATE // 4, RATE // 4)
    found = []
    for places in (row, row[20:21]):
        mix_TC = clean_TC.copy()
        for place in places:
            mix_TC[place : place + len(tail_T)] += tail_T.astype(np.float32)
            mix_TC[place] += 1.0
        found.append(find_clicks(mix_TC, RATE, level_of(mix_TC), None, None))
    assert found == [[], [row[20]]]


def test_a_click_that_a_stem_has_is_no_artefact(rng):
    stem_TC = 0.05 * np.repeat(rng.standard_normal((3 * RATE, 1)), 2, axis=1).astype(np.float32)
    stem_TC[[30_000, 80_000]] += 8.0
    mix_TC = 0.5 * np.roll(stem_TC, 300, axis=0)
    mix_TC[100_000] += 4.0
    assert find_clicks(mix_TC, RATE, level_of(mix_TC), [(stem_TC, level_of(stem_TC))], 300) == [100_000]
    assert find_clicks(mix_TC, RATE, level_of(mix_TC), None, None) == [30_300, 80_300, 100_000]


@pytest.mark.parametrize("gain_db", [-20, 20])
def test_clicks_are_the_same_at_any_gain(rng, gain_db):
    mix_TC = 0.05 * rng.standard_normal((2 * RATE, 2)).astype(np.float32)
    mix_TC[[20_000, 60_000]] += 4.0
    louder_TC = (mix_TC * 10 ** (gain_db / 20)).astype(np.float32)
    for stems in (None, [(np.zeros_like(mix_TC), 0.0)]):
        assert find_clicks(louder_TC, RATE, level_of(louder_TC), stems, 0) == [20_000, 60_000]
