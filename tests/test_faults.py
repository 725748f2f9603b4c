"""What is left out of a song for its sound: silence, copies, bounces and mixes; and what is only said."""

import numpy as np
import pytest
import soundfile

from mixcli.errors import SongError
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.least_squares import explain, smallest_residuals
from mixcli.songs.survey import survey_song

RATE = 8_000
N = 9_000


@pytest.fixture
def judge(tmp_path):
    """Writes stems, surveys them and applies the survey."""

    def call(stems, *, subtype="FLOAT", skip_bad=False):
        for name, samples in stems.items():
            soundfile.write(tmp_path / name, samples, RATE, subtype=subtype)
        song = read_song(tmp_path, DiscoveryOptions(allow_single=True))
        survey = survey_song(song, RATE, skip_bad=skip_bad)
        return apply_survey(song, survey)

    return call


@pytest.fixture
def parts(rng):
    """Independent mono parts of a song."""
    names = ["Kick", "Snare", "Hat", "Bass", "Keys", "Vox", "Gtr"]
    return {name: (0.1 * rng.standard_normal(N)).astype(np.float32) for name in names}


def files(parts, *names):
    return {f"{name}.wav": parts[name] for name in names}


def why(song):
    return {one.name: one.why for one in song.excluded}


def messages(song, code):
    return [notice.message for notice in song.notices if notice.code == code]


def stereo(left, right):
    return np.column_stack([left, right]).astype(np.float32)


def test_silent_stems_are_left_out_of_song_and_survey(judge, parts):
    song, survey = judge(files(parts, "Kick", "Bass") | {"Vox.wav": parts["Vox"] * np.float32(1e-4)})
    assert [stem.name for stem in song.stems] == list(survey.stems) == ["Bass.wav", "Kick.wav"]
    assert why(song) == {"Vox.wav": "silent"}
    assert survey.gram_NN.shape == (2, 2)
    assert messages(song, "I332") == ['"Vox.wav" is silent (peak below -70 dBFS); left out.']


def test_a_song_of_silence_is_refused(judge):
    silence = np.zeros(N, np.float32)
    with pytest.raises(SongError) as caught:
        judge({"Kick.wav": silence, "Bass.wav": silence})
    assert (caught.value.code, caught.value.message) == (
        "E332",
        "all 2 stems are silent (peak below -70 dBFS).",
    )


def test_the_second_of_two_copies_is_left_out(judge, parts):
    song, _ = judge(
        files(parts, "Kick", "Bass") | {"Kick copy.wav": parts["Kick"], "Chug.flac.wav": parts["Bass"]}
    )
    assert why(song) == {"Chug.flac.wav": "copy", "Kick copy.wav": "copy"}
    assert messages(song, "W333") == [
        '"Kick copy.wav" is a copy of "Kick.wav"; left out.',
        '"Chug.flac.wav" is a copy of "Bass.wav"; left out.',
    ]


def test_a_bounce_of_two_parts_is_left_out_and_the_parts_are_named(judge, parts):
    bounce = stereo(parts["Kick"] + 0.5 * parts["Snare"], 0.8 * parts["Kick"] + 0.9 * parts["Snare"])
    song, survey = judge(files(parts, "Kick", "Snare", "Bass") | {"Drums.wav": bounce})
    assert why(song) == {"Drums.wav": "bounce"}
    assert messages(song, "W334") == ['"Drums.wav" is a bounce of "Kick.wav", "Snare.wav"; left out.']
    assert list(survey.stems) == ["Bass.wav", "Kick.wav", "Snare.wav"]
    assert song.reference is None


def test_a_sum_over_three_families_is_the_reference(judge, parts, tmp_path):
    names = ("Kick", "Snare", "Bass", "Keys", "Vox")
    total = sum(gain * parts[name] for gain, name in zip((1, 0.5, 0.7, 0.3, 1.2), names, strict=True))
    song, _ = judge(files(parts, *names) | {"Blue Sky.wav": stereo(total, total)})
    assert why(song) == {"Blue Sky.wav": "mix"}
    assert song.reference == tmp_path / "Blue Sky.wav"
    assert messages(song, "W325")[0].startswith(
        '"Blue Sky.wav" is an existing mix of "Bass.wav", "Keys.wav", '
    )


def test_a_mix_and_a_bounce_in_one_song_both_go_and_every_part_stays(judge, parts):
    drums = parts["Kick"] + parts["Snare"] + parts["Hat"]
    total = drums + parts["Bass"] + parts["Vox"]
    stems = files(parts, "Kick", "Snare", "Hat", "Bass", "Vox") | {"Drums.wav": drums, "Song.wav": total}
    song, _ = judge(stems)
    assert why(song) == {"Drums.wav": "bounce", "Song.wav": "mix"}


def test_music_of_its_own_beside_its_namesakes_stays_with_a_warning(judge, parts, rng):
    other = (0.1 * rng.standard_normal(N)).astype(np.float32)
    song, _ = judge(files(parts, "Kick", "Snare") | {"OUTRO_DRUM.wav": other})
    assert why(song) == {}
    (message,) = messages(song, "W335")
    assert message.startswith('"OUTRO_DRUM.wav" is named like a bounce of "Kick.wav", "Snare.wav", but')
    assert message.endswith("its sound is not their sum; kept.")


@pytest.mark.parametrize(("noise_db", "excluded"), [(-26, True), (-14, False)])
def test_twenty_decibels_of_rest_decide(judge, parts, rng, noise_db, excluded):
    drums = parts["Kick"] + parts["Snare"]
    rest = rng.standard_normal(N)
    rest *= np.sqrt((drums**2).sum() / (rest**2).sum()) * 10 ** (noise_db / 20)
    song, _ = judge(files(parts, "Kick", "Snare", "Bass") | {"Drums.wav": (drums + rest).astype(np.float32)})
    assert ("Drums.wav" in why(song)) == excluded


def test_a_sum_turned_upside_down_is_not_a_bounce(judge, parts):
    song, _ = judge(files(parts, "Kick", "Snare", "Bass") | {"Drums.wav": -parts["Kick"] - parts["Snare"]})
    assert why(song) == {}


def test_microphones_on_one_source_stay(judge, parts, rng):
    inside, outside = parts["Kick"], parts["Kick"] + 0.03 * parts["Snare"]
    stems = {"Kick In.wav": inside, "Kick Out.wav": 0.7 * outside} | files(parts, "Snare", "Bass")
    song, _ = judge(stems)
    assert why(song) == {}


def test_two_bounces_of_the_same_parts_both_go(judge, parts):
    drums = parts["Kick"] + parts["Snare"]
    stems = files(parts, "Kick", "Snare", "Bass") | {"Drums.wav": drums, "Drums 2.wav": 0.5 * drums}
    song, _ = judge(stems)
    assert why(song) == {"Drums.wav": "bounce", "Drums 2.wav": "bounce"}


def test_dual_mono_clipping_and_hot_floats_are_said(judge, parts):
    clipped = parts["Bass"].copy()
    clipped[100:110] = 1.0
    stems = {"Keys.wav": stereo(parts["Keys"], parts["Keys"]), "Vox.wav": parts["Vox"] * np.float32(8)}
    song, _ = judge(stems)
    assert messages(song, "I333") == ['stereo with identical channels, treated as mono: "Keys.wav".']
    assert messages(song, "I334") == ['float samples above 0 dBFS, kept as they are: "Vox.wav".']
    song, _ = judge({"Bass.wav": clipped} | files(parts, "Kick"), subtype="PCM_16")
    assert messages(song, "W336") == ['"Bass.wav" is clipped: 1 run at full scale.']


def test_stems_that_cannot_be_read_to_their_end_are_left_out_if_asked(judge, parts):
    bad = parts["Vox"].copy()
    bad[5] = np.inf
    song, survey = judge(files(parts, "Kick", "Bass") | {"Vox.wav": bad}, skip_bad=True)
    assert why(song) == {"Vox.wav": "broken"}
    assert list(survey.stems) == ["Bass.wav", "Kick.wav"]
    assert messages(song, "W314")[0].startswith('left out: "Vox.wav" has 1 invalid sample')


def test_the_fit_equals_the_least_squares_of_the_signals(rng):
    parts_TP = rng.standard_normal((500, 3))
    signal_T = parts_TP @ [0.5, 1.5, 0.2] + 0.3 * rng.standard_normal(500)
    everything_TN = np.column_stack([parts_TP, signal_T])
    channels = {"a": slice(0, 2), "b": slice(2, 3), "c": slice(3, 4)}
    gram_NN = everything_TN.T @ everything_TN
    gains, left, *_ = np.linalg.lstsq(parts_TP, signal_T, rcond=None)
    energy = signal_T @ signal_T
    assert (gains > 0).all()
    fit = explain(gram_NN, channels, "c", ["a", "b"])
    assert fit.residual == pytest.approx(float(left[0]) / energy, rel=1e-6)
    assert fit.shares["a"] == pytest.approx(np.square(parts_TP[:, :2] @ gains[:2]).sum() / energy, rel=1e-6)
    assert smallest_residuals(gram_NN, channels)["c"] == pytest.approx(float(left[0]) / energy, rel=1e-6)


def test_the_bound_lies_below_the_fit_also_for_dependent_stems(rng):
    parts_TP = rng.standard_normal((300, 4))
    everything_TN = np.column_stack([parts_TP, parts_TP[:, :2].sum(axis=1), np.zeros(300)])
    channels = {name: slice(index, index + 1) for index, name in enumerate("abcdef")}
    bounds = smallest_residuals(everything_TN.T @ everything_TN, channels)
    for name, bound in bounds.items():
        others = [other for other in channels if other != name]
        assert bound <= explain(everything_TN.T @ everything_TN, channels, name, others).residual + 1e-6
    assert bounds["e"] < 1e-6
    assert bounds["c"] == pytest.approx(1.0, abs=0.05)
