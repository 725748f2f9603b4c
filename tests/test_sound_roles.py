"""Roles from sound alone: made-up sounds whose kind is a matter of physics, and a song never heard before."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors import safe_open

from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.heard_roles import roles_from_sound
from mixcli.songs.roles import ROLES
from mixcli.songs.sound_roles import CLASSES, LABELS, WEIGHTS, numbers_of, probabilities
from mixcli.songs.survey import survey_song

RATE = 44_100
SONGS = Path(__file__).parents[1].parent / "shared" / "data" / "everything-is-free-stems"
LEFT_OUT = "sodium-2"  # the weights have heard nothing of this song


def seconds(length_s):
    return np.arange(round(length_s * RATE)) / RATE


def struck(length_s, strokes_s, stroke):
    """A sound of the time since the stroke, at the times given."""
    samples = np.zeros(round((length_s + 2) * RATE))
    for start_s in strokes_s:
        one = stroke(seconds(1.5))
        start = round(start_s * RATE)
        samples[start : start + len(one)] += one
    return samples[: round(length_s * RATE)]


def kick(since):
    phase = 2 * np.pi * (50 * since + 60 * 0.03 * (1 - np.exp(-since / 0.03)))
    return np.sin(phase) * np.exp(-since / 0.12)


def high_pass(noise, corner_hz):
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(4, corner_hz, "high", fs=RATE, output="sos"), noise)


def made_up(rng):
    """Sounds by the role that physics gives them."""
    beats = np.arange(0, 16, 0.5)
    line = np.repeat(rng.choice([41.2, 49.0, 55.0, 61.7], 32), 1)
    bass = np.zeros(16 * RATE)
    for index, pitch in enumerate(line):
        since = seconds(0.5)
        tone = sum(np.sin(2 * np.pi * pitch * n * since) / n**2 for n in range(1, 9))
        bass[index * len(since) : (index + 1) * len(since)] = (
            tone * np.exp(-since / 0.6) * np.minimum(since / 0.005, 1)
        )
    return {
        "drums.kick": struck(16, beats, kick),
        "drums.hihat": struck(
            16,
            np.arange(0, 16, 0.25),
            lambda since: high_pass(rng.standard_normal(len(since)), 7_000) * np.exp(-since / 0.03),
        ),
        "drums.snare": struck(
            16,
            beats[1::2],
            lambda since: (
                0.6 * np.sin(2 * np.pi * 190 * since) * np.exp(-since / 0.06)
                + 0.7 * high_pass(rng.standard_normal(len(since)), 1_000) * np.exp(-since / 0.09)
            ),
        ),
        "bass": bass,
    }


@pytest.fixture
def song(tmp_path):
    """Writes stems and reads them as a song with its survey."""

    def make(stems):
        folder = tmp_path / "Song"
        folder.mkdir()
        for name, samples in stems.items():
            soundfile.write(folder / name, 0.5 * samples / np.abs(samples).max(), RATE, subtype="PCM_24")
        found = read_song(folder, DiscoveryOptions(allow_single=True))
        return apply_survey(found, survey_song(found, RATE))

    return make


def test_drums_and_a_bass_are_told_by_what_they_are_made_of(song, rng):
    sounds = made_up(rng)
    found, survey = song({f"{index:02d}.wav": samples for index, samples in enumerate(sounds.values(), 1)})
    assert {stem.role_from for stem in found.stems} == {"none"}
    heard = roles_from_sound(found, survey)
    for stem, role in zip(heard.stems, sounds, strict=True):
        assert stem.role_from == "sound"
        assert stem.role.startswith(role)


def test_what_is_heard_is_said_with_how_sure_and_what_to_do(song, rng):
    found, survey = song({"01.wav": made_up(rng)["drums.kick"], "Gtr.wav": made_up(rng)["bass"]})
    assert [notice.code for notice in found.notices].count("W331") == 1
    (notice,) = [one for one in roles_from_sound(found, survey).notices if one.code in ("W331", "W332")]
    assert notice.code == "W332"
    assert notice.message.startswith('1 role is from the sound alone: "01.wav" drums.kick (')
    assert '--role "01.wav=ROLE"' in notice.message


def test_a_name_always_wins(song, rng):
    sounds = made_up(rng)
    found, survey = song({"Flute.wav": sounds["drums.kick"], "Vox.wav": sounds["bass"]})
    assert roles_from_sound(found, survey) == found


def test_noise_and_next_to_nothing_stay_other(song, rng):
    tick = np.zeros(4 * RATE)
    tick[1_000:1_050] = 1.0
    found, survey = song({"01.wav": tick, "02.wav": made_up(rng)["bass"]})
    heard = roles_from_sound(found, survey)
    assert heard.stems[0].role == "other"
    assert heard.stems[0].role_from == "none"
    (notice,) = [one for one in heard.notices if one.code == "W331"]
    assert notice.message == '1 stem has no known role: "01.wav"; treated as other.'


def test_the_weights_say_what_they_know_and_where_it_comes_from():
    assert WEIGHTS.stat().st_size < 100_000
    with safe_open(WEIGHTS, framework="numpy") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert tuple(metadata["classes"].split()) == LABELS
    for word in ("Apache-2.0", "CC0", "CC BY 4.0", "Groove MIDI", "MuldjordKit", "Freedoom"):
        assert word in metadata["licence"]
    members, hidden, seen = tensors["first"].shape
    assert tensors["second"].shape == (members, len(CLASSES), hidden)
    assert tensors["mean"].shape == tensors["deviation"].shape == (seen,)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert all(one.role in ROLES for one in CLASSES)


def test_likelihoods_are_those_of_the_plain_network(song, rng):
    _, survey = song({"01.wav": made_up(rng)["drums.snare"], "02.wav": made_up(rng)["bass"]})
    seen = numbers_of(survey.stems["01.wav"])
    with safe_open(WEIGHTS, framework="numpy") as file:
        tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    scaled = np.clip((seen - tensors["mean"]) / tensors["deviation"], -4, 4)
    scores = np.zeros(len(CLASSES))
    for member in range(len(tensors["first"])):
        hidden = np.maximum(tensors["first"][member] @ scaled + tensors["first_bias"][member], 0)
        scores += (tensors["second"][member] @ hidden + tensors["second_bias"][member]) / len(
            tensors["first"]
        )
    expected = np.exp(scores / tensors["temperature"])
    assert probabilities(seen) == pytest.approx(expected / expected.sum(), rel=1e-9)
    assert probabilities(seen).sum() == pytest.approx(1.0)
