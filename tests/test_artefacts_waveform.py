"""Planted clipping and direct current.

Clipping: hard, at 0.3 to 6 dB below the peak of the second, on one side or both, in floats or the steps of 16
or 24 bits, then any gain within 20 dB; from three runs of three samples on. Direct current: -34 to -15 dB of
the mix's level, over the whole second and some of those beside it.
"""

import numpy as np
import pytest
from artefact_material import RATE, as_files_are, clean_songs, engineer, level_of
from artefact_planting import rates

from mixcli.measures.artefacts import find_artefacts
from mixcli.measures.clipping import clipped_runs, is_clipped
from mixcli.measures.direct_current import offset_of

LEAST_RUNS, RUN = 3, 3
BOTH = pytest.mark.parametrize("with_stems", [True, pytest.param(False, marks=pytest.mark.slow)])
COUNTS = pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])


def long_runs(over_T):
    """Number of runs of at least three samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], over_T.astype(int), [0]])))
    return int((edges[1::2] - edges[::2] >= RUN).sum())


def plant_clipping(rng, mix_TC, song, block):
    part_TC = mix_TC[block * RATE : (block + 1) * RATE]
    side = rng.choice(["both", "upper", "lower"])
    for _ in range(20):
        ceiling = np.abs(part_TC).max() * 10 ** (-rng.uniform(0.3, 6) / 20)
        low, high = (-ceiling if side != "upper" else -9), (ceiling if side != "lower" else 9)
        runs = sum(long_runs((part_TC[:, c] < low) | (part_TC[:, c] > high)) for c in (0, 1))
        if runs >= LEAST_RUNS and ceiling > 0.01:
            np.clip(part_TC, low, high, out=part_TC)
            return {block}
    return None


def quantise_and_gain(rng, mix_TC):
    return as_files_are(mix_TC, rng) * np.float32(10 ** (rng.uniform(-20, 20) / 20))


def plant_offset(rng, mix_TC, song, block):
    height = level_of(song.mix_TC) * 10 ** (rng.uniform(-34, -15) / 20) * rng.choice([-1, 1])
    start, stop = int((block - rng.uniform(0, 0.3)) * RATE), int((block + 1 + rng.uniform(0, 0.3)) * RATE)
    mix_TC[max(start, 0) : stop, rng.integers(2) :] += np.float32(height)
    return {block}


@COUNTS
@BOTH
def test_planted_clipping_is_found_and_clean_seconds_left_alone(count, with_stems):
    found, false = rates("clipping", plant_clipping, count, with_stems=with_stems, finish=quantise_and_gain)
    assert found >= 0.95
    assert false <= 0.02


@COUNTS
@BOTH
def test_planted_direct_current_is_found_and_clean_seconds_left_alone(count, with_stems):
    found, false = rates("dc", plant_offset, count, with_stems=with_stems)
    assert found >= 0.95
    assert false <= 0.02


@pytest.mark.parametrize("bits", [16, 24])
def test_a_quantised_bass_note_is_flat_on_top_but_not_clipped(bits):
    tone_T = 0.9 * np.sin(2 * np.pi * 31 * np.arange(RATE) / RATE)
    tone_T = (np.round(tone_T * 2 ** (bits - 1)) / 2 ** (bits - 1)).astype(np.float32)
    assert long_runs(tone_T == tone_T.max()) > 0 or bits == 24
    assert len(clipped_runs(tone_T, 0.6)) == 0


def test_runs_are_where_a_clipped_sine_is_flat():
    tone_T = np.sin(2 * np.pi * 441 * np.arange(RATE) / RATE).astype(np.float32)  # 100 samples a period
    runs_R2 = clipped_runs(np.clip(tone_T, -2, 0.8).astype(np.float32), 0.6)
    over_T = tone_T >= np.float32(0.8)
    assert len(runs_R2) == 441
    for start, stop in runs_R2:
        assert over_T[start:stop].all()
        assert not over_T[start - 1]
        assert not over_T[stop]


def test_a_square_wave_is_not_clipped():
    square_T = np.sign(np.sin(2 * np.pi * 110.5 * np.arange(RATE) / RATE)).astype(np.float32)
    assert not is_clipped(clipped_runs(square_T, 1.0))


def test_clipping_that_a_stem_brought_is_not_the_mix_s():
    song = clean_songs(0)[0]
    stem_TC = np.clip(song.stems[1], -0.15, 0.15)
    mix_TC = np.roll(0.7 * stem_TC, 400, axis=0)
    assert "clipping" in {one.kind for one in find_artefacts(mix_TC, RATE, None)}
    assert "clipping" in {one.kind for one in find_artefacts(mix_TC, RATE, song.stems[1:2])}
    assert "clipping" not in {one.kind for one in find_artefacts(mix_TC, RATE, [stem_TC])}


def test_the_offset_of_a_block_is_its_constant_part():
    time_s = np.arange(RATE) / RATE
    block_TC = np.stack([0.25 + np.sin(2 * np.pi * 37.3 * time_s), np.sin(2 * np.pi * 8 * time_s)], axis=1)
    assert offset_of(block_TC.astype(np.float32)) == pytest.approx([0.25, 0.0], abs=1e-4)


def test_an_offset_that_the_stems_have_is_not_the_mix_s(rng):
    song = clean_songs(0)[1]
    stems = [stem_TC + np.float32(0.02) for stem_TC in song.stems]
    mix_TC = engineer(rng, song.stems) + np.float32(0.01)
    assert sum(one.kind == "dc" for one in find_artefacts(mix_TC, RATE, song.stems)) == 12
    assert sum(one.kind == "dc" for one in find_artefacts(mix_TC, RATE, stems)) == 0
