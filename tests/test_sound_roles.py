"""Roles from sound alone: made-up sounds whose kind is a matter of physics, and a song never heard before."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors import safe_open

from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.heard_roles import hear, leads_among, roles_from_sound
from mixcli.songs.roles import ROLES, family_of, match_role
from mixcli.songs.sound_roles import CLASSES, LABELS, WEIGHTS, numbers_of, probabilities
from mixcli.songs.survey import survey_song
from mixcli.synthesis.demo_song import write_demo_song

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
    beats = np.arange(0, 8, 0.5)
    line = rng.choice([41.2, 49.0, 55.0, 61.7], 16)
    bass = np.zeros(8 * RATE)
    for index, pitch in enumerate(line):
        since = seconds(0.5)
        tone = sum(np.sin(2 * np.pi * pitch * n * since) / n**2 for n in range(1, 9))
        bass[index * len(since) : (index + 1) * len(since)] = (
            tone * np.exp(-since / 0.6) * np.minimum(since / 0.005, 1)
        )
    return {
        "drums.kick": struck(8, beats, kick),
        "drums.hihat": struck(
            8,
            np.arange(0, 8, 0.25),
            lambda since: high_pass(rng.standard_normal(len(since)), 7_000) * np.exp(-since / 0.03),
        ),
        "drums.snare": struck(
            8,
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


def test_next_to_nothing_stays_other_and_is_told(song, rng):
    tick = np.zeros(4 * RATE)
    tick[1_000:1_050] = 1.0
    found, survey = song({"01.wav": tick, "Bass.wav": made_up(rng)["bass"]})
    assert hear(survey.stems["01.wav"]) is None
    heard = roles_from_sound(found, survey)
    assert heard.stems[0].role == "other"
    assert heard.stems[0].role_from == "none"
    (notice,) = [one for one in heard.notices if one.code == "W331"]
    assert notice.message.startswith('1 stem has no known role: "01.wav"')


def measured(tmp_path, voices):
    """The surveys of sounds, by name."""
    for name, samples in voices.items():
        soundfile.write(tmp_path / name, samples, RATE, subtype="PCM_24")
    return survey_song(read_song(tmp_path, DiscoveryOptions(allow_single=True)), RATE).stems


def sung(rng, gain, *, from_s=0.0, to_s=8.0, side=0.0):
    """Noise in place of a voice, from one time to another, with a side that has nothing to do with it."""
    times = seconds(8.0)
    mid, other = 0.1 * gain * rng.standard_normal((2, len(times))) * ((times >= from_s) & (times < to_s))
    return np.column_stack([mid + side * other, mid - side * other])


def test_the_lead_is_the_voice_that_gives_most_from_the_centre(tmp_path, rng):
    voices = {"a.wav": sung(rng, 0.5), "b.wav": sung(rng, 1.0), "c.wav": sung(rng, 1.2, side=1.0)}
    assert leads_among(measured(tmp_path, voices)) == ("b.wav",)


def test_a_voice_that_takes_turns_with_the_lead_leads_as_well(tmp_path, rng):
    voices = {
        "verse.wav": sung(rng, 1.0, to_s=4.5),
        "chorus.wav": sung(rng, 0.8, from_s=4.5),
        "double.wav": sung(rng, 0.8, to_s=4.0),
        "far.wav": sung(rng, 0.2, from_s=4.5),
    }
    assert leads_among(measured(tmp_path, voices)) == ("verse.wav", "chorus.wav")


def test_voices_that_are_all_wide_stand_behind_one_that_was_not_heard(tmp_path, rng):
    assert leads_among(measured(tmp_path, {"a.wav": sung(rng, 1.0, side=1.0)})) == ()
    assert leads_among({}) == ()


@pytest.fixture(scope="module")
def numbered_demo(tmp_path_factory):
    """The demo song, which is made by formulas of another room, with numbers for names: found, real names."""
    folder = tmp_path_factory.mktemp("demo")
    names = {}
    (folder / "Song").mkdir()
    for number, path in enumerate(sorted(write_demo_song(folder / "named")), 1):
        names[f"{number:02d}.wav"] = path.name
        path.rename(folder / "Song" / f"{number:02d}.wav")
    found = read_song(folder / "Song", DiscoveryOptions())
    found, survey = apply_survey(found, survey_song(found, found.stems[0].sample_rate))
    return roles_from_sound(found, survey), names


def test_a_song_whose_names_are_numbers_gets_its_drums_bass_and_guitar(numbered_demo):
    heard, names = numbered_demo
    roles = {names[stem.name]: stem.role for stem in heard.stems}
    assert roles["01_KickIn.wav"] == "drums.kick"
    assert roles["02_SnrTop.wav"] == roles["03_SnrBtm.wav"] == "drums.snare"
    assert roles["04_HH.wav"] == "drums.hihat"
    assert roles["05_Tom1.wav"] == roles["06_Tom2.wav"] == "drums.tom"
    assert roles["Bass DI.wav"] == "bass.electric"
    assert roles["AcGtr.wav"] == "gtr.acoustic"


def test_what_hears_the_whole_kit_beside_close_microphones_is_no_second_kit(numbered_demo):
    heard, names = numbered_demo
    roles = {names[stem.name]: stem.role for stem in heard.stems}
    assert {roles[name] for name in ("OH.L.wav", "OH.R.wav", "DrumRoom.wav")} == {"drums.overhead"}


def group_of(role):
    """Families that a mix treats alike are one here."""
    if role == "perc.pitched":
        return "tones"
    alike = dict.fromkeys(("keys", "synth", "strings", "winds", "plucked"), "tones") | {"perc": "drums"}
    return alike.get(family_of(role), family_of(role))


def test_no_stem_is_given_to_a_family_it_is_not_of(numbered_demo):
    heard, names = numbered_demo
    for stem in heard.stems:
        if stem.role_from == "sound" and names[stem.name] != "Audio 12.wav":  # whatever that is
            assert group_of(stem.role) == group_of(match_role(names[stem.name]).role)


@pytest.mark.skipif(not SONGS.is_dir(), reason="the free songs are not beside the checkout")
def test_of_a_real_song_never_heard_six_in_seven_roles_given_are_of_the_right_family(tmp_path):
    (tmp_path / "Song").mkdir()
    names = {}
    for number, path in enumerate(sorted((SONGS / LEFT_OUT).glob("*.ogg")), 1):
        names[f"{number:02d}.ogg"] = path.name
        (tmp_path / "Song" / f"{number:02d}.ogg").symlink_to(path)
    found = read_song(tmp_path / "Song", DiscoveryOptions())
    heard = roles_from_sound(found, survey_song(found, RATE))
    judged = []
    for stem in heard.stems:
        truth = match_role(names[stem.name]).role
        if stem.role_from == "sound" and family_of(truth) not in ("fx", "other"):  # these may be of anything
            judged.append(group_of(stem.role) == group_of(truth))
    assert len(judged) >= 7
    assert sum(judged) >= 6 / 7 * len(judged)


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
