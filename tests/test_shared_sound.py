"""Copies and bleed in songs so long that a look at few segments comes first; and digests of equal sounds."""

import hashlib
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.shared_sound import find_bleed, find_moved_copies
from mixcli.songs.sound_digest import SoundDigest, sha256_of
from mixcli.songs.survey import survey_song

RATE = 8_000
SECONDS = 40


@pytest.fixture
def survey_of(tmp_path):
    """Song and survey of stems {name: [T]}."""

    def call(stems):
        for name, audio_T in stems.items():
            soundfile.write(tmp_path / name, audio_T, RATE, subtype="PCM_24")
        song = read_song(tmp_path, DiscoveryOptions(allow_single=True))
        return song, survey_song(song, RATE)

    return call


def hits(rng, strength_H):
    """Bursts of noise, a quarter of a second apart, of given strengths."""
    since_s = np.arange(SECONDS * RATE) / RATE % 0.25
    return (
        0.2 * np.repeat(strength_H, RATE // 4) * rng.standard_normal(len(since_s)) * np.exp(-since_s / 0.05)
    )


def test_a_copy_of_nearly_all_of_a_long_stem_is_found_and_another_sound_in_step_with_it_is_not(
    survey_of, rng
):
    strength_H = 0.3 + 0.7 * rng.random(4 * SECONDS)
    original, along = hits(rng, strength_H), hits(rng, strength_H)
    moved = -0.5 * np.roll(original, 40)
    moved[30 * RATE : 31 * RATE] = 0.5 * along[30 * RATE : 31 * RATE]
    song, survey = survey_of({"Bass.wav": original, "Gtr.wav": along, "Keys.wav": moved})
    (copy,) = find_moved_copies(song, survey)
    assert (copy.name, copy.original, copy.inverted) == ("Keys.wav", "Bass.wav", True)
    assert copy.delay_ms == pytest.approx(5.0, abs=0.02)


def test_bleed_is_found_in_a_long_song_that_has_it_in_four_of_five_pauses(survey_of, rng):
    drums = hits(rng, 0.3 + 0.7 * rng.random(4 * SECONDS))
    time_s = np.arange(SECONDS * RATE) / RATE
    sings = (time_s % 2 < 1).astype(float)
    tone = sum(np.sin(2 * np.pi * 220 * k * time_s + np.sin(2 * np.pi * 5 * time_s)) / k for k in range(1, 9))
    heard = np.where(time_s % 10 < 8, np.roll(drums, 64), 0.2 * hits(rng, rng.random(4 * SECONDS)))
    song, survey = survey_of({"Drums.wav": drums, "Lead Vox.wav": 0.1 * sings * tone + 0.1 * heard})
    (bleed,) = find_bleed(song, survey)
    assert (bleed.name, bleed.source) == ("Lead Vox.wav", "Drums.wav")


def test_a_quick_digest_knows_each_sample_and_its_place_and_no_cut(rng):
    samples_TC = rng.standard_normal((50_001, 2)).astype(np.float32)

    def digest(samples_TC, borders=()):
        found = SoundDigest("44100 2")
        for start, stop in pairwise([0, *borders, len(samples_TC)]):
            found.update(samples_TC[start:stop])
        return found.hexdigest()

    whole = digest(samples_TC)
    assert digest(samples_TC, sorted(rng.integers(0, len(samples_TC), 9))) == whole
    others = [samples_TC[:-1], -samples_TC, samples_TC[:, ::-1], samples_TC[::-1]]
    for place in (0, 31_111, 50_000):
        changed_TC = samples_TC.copy()
        changed_TC[place, 1] = np.nextafter(changed_TC[place, 1], np.float32(9))
        others.append(changed_TC)
    assert len({whole, *(digest(np.ascontiguousarray(other)) for other in others)}) == 1 + len(others)


def test_the_certain_digest_is_of_the_samples_of_the_file(survey_of, rng):
    samples_T = np.round(rng.standard_normal(3_000) * 2**20) / 2**23
    song, survey = survey_of({"Bass.wav": samples_T, "Keys.wav": samples_T, "Gtr.wav": samples_T[::-1]})
    expected = hashlib.sha256(f"{RATE} 1".encode() + samples_T.astype(np.float32).tobytes()).hexdigest()
    digests = {name: stem.digest for name, stem in survey.stems.items()}
    assert digests["Bass.wav"] == digests["Keys.wav"] == expected == sha256_of(song.stems[0])
    assert digests["Gtr.wav"] != expected
