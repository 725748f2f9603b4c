"""What is left out of a song for its sound: silence, copies, bounces and mixes; and what is only said."""

import struct

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

    def call(stems, *, subtype="FLOAT", skip_bad=False, starts=None):
        for name, samples in stems.items():
            soundfile.write(tmp_path / name, samples, RATE, subtype=subtype)
        for name, start in (starts or {}).items():
            with_time_reference(tmp_path / name, start)
        song = read_song(tmp_path, DiscoveryOptions(allow_single=True))
        survey = survey_song(song, RATE, skip_bad=skip_bad)
        return apply_survey(song, survey)

    return call


@pytest.fixture
def parts(rng):
    """Independent mono parts of a song."""
    names = ["Kick", "Snare", "Hat", "Bass", "Keys", "Vox", "Gtr"]
    return {name: (0.1 * rng.standard_normal(N)).astype(np.float32) for name in names}


def with_time_reference(path, time_reference):
    """Insert a bext chunk (EBU Tech 3285) with a start time before the data of a WAV file."""
    content = path.read_bytes()
    at = content.index(b"data")
    body = bytes(338) + struct.pack("<Q", time_reference) + bytes(602 - 346)
    content = content[:at] + b"bext" + struct.pack("<I", len(body)) + body + content[at:]
    path.write_bytes(content[:4] + struct.pack("<I", len(content) - 8) + content[8:])


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


def test_the_same_sound_at_another_time_is_no_copy(judge, parts, tmp_path):
    clap = parts["Hat"][:800]
    stems = files(parts, "Kick") | {"Clap 1.wav": clap, "Clap 2.wav": clap, "Clap 3.wav": clap}
    starts = {"Kick.wav": 0, "Clap 1.wav": 1_000, "Clap 2.wav": 1_200, "Clap 3.wav": 1_200}
    song, survey = judge(stems, starts=starts)
    assert why(song) == {"Clap 3.wav": "copy"}
    with soundfile.SoundFile(tmp_path / "Clap 1.wav") as file:
        assert file.frames == 800
    # 25 ms apart, the noise has nothing in common with itself
    assert abs(survey.correlation("Clap 1.wav", "Clap 2.wav")) < 0.2


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


@pytest.fixture
def kit(rng):
    """Drums whose energy lies below and whose hats lie above: low thumps, a snare, quiet bright noise."""
    time_s = np.arange(2 * RATE) / RATE
    kick = np.sin(2 * np.pi * 55 * time_s) * np.exp(-6 * (time_s % 0.5))
    snare = np.sin(2 * np.pi * 190 * time_s) * np.exp(-9 * ((time_s + 0.25) % 0.5))
    hats = np.diff(rng.standard_normal(len(time_s) + 2), 2) * np.exp(-20 * (time_s % 0.125))
    loud = {"Kick": 0.5 * kick, "Snare": 0.2 * snare}
    own = 0.7 * (loud["Kick"] + loud["Snare"])
    hats *= np.sqrt((own**2).sum() / (hats**2).sum()) * 10 ** (-22 / 20)
    bass = 0.3 * np.sin(2 * np.pi * 82.4 * time_s)
    return {name: part.astype(np.float32) for name, part in {**loud, "Hat": hats, "Bass": bass}.items()}


def lufs(samples):
    pyloudnorm = pytest.importorskip("pyloudnorm")
    return pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(samples.astype(np.float64))


def test_what_can_be_heard_is_not_thrown_away_with_a_bounce(judge, kit):
    loop = 0.7 * (kit["Kick"] + kit["Snare"]) + kit["Hat"]
    rest_db = 10 * np.log10((kit["Hat"] ** 2).sum() / (loop**2).sum())
    assert rest_db < -20 < lufs(kit["Hat"]) - lufs(loop)  # next to no energy, and yet heard
    song, survey = judge(files(kit, "Kick", "Snare", "Bass") | {"Drum Loop.wav": loop})
    assert why(song) == {}
    assert "Drum Loop.wav" in survey.stems
    assert messages(song, "W335") == [
        '"Drum Loop.wav" is nearly the sum of "Kick.wav", "Snare.wav", but has sound of its own; kept.'
    ]


@pytest.mark.parametrize("channels", [1, 2])
def test_a_bounce_of_all_its_parts_goes_however_quiet_one_of_them_is(judge, kit, channels):
    loop = 0.7 * (kit["Kick"] + kit["Snare"]) + 0.3 * kit["Hat"]
    assert 10 * np.log10(0.09 * (kit["Hat"] ** 2).sum() / (loop**2).sum()) < -30
    samples = loop if channels == 1 else stereo(loop, 0.5 * loop)
    song, _ = judge(files(kit, "Kick", "Snare", "Hat", "Bass") | {"Drum Loop.wav": samples})
    assert why(song) == {"Drum Loop.wav": "bounce"}


def test_a_short_passage_that_stands_alone_is_heard(judge, parts):
    long = {name: np.tile(part, 12) for name, part in parts.items()}  # 13.5 s
    drums = long["Kick"] + long["Snare"]
    drums[60_000:64_000] += 0.5 * parts["Vox"][:4_000]  # 0.5 s
    extra = drums - long["Kick"] - long["Snare"]
    assert 10 * np.log10((extra**2).sum() / (drums**2).sum()) < -20
    song, _ = judge(files(long, "Kick", "Snare", "Bass") | {"Drums.wav": drums})
    assert why(song) == {}


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
    assert np.concatenate([fit.gains["a"], fit.gains["b"]]).ravel() == pytest.approx(gains)
    assert fit.shares["a"] == pytest.approx(np.square(parts_TP[:, :2] @ gains[:2]).sum() / energy, rel=1e-6)
    assert smallest_residuals(gram_NN, channels)["c"] == pytest.approx(float(left[0]) / energy, rel=1e-6)


def test_a_fit_that_is_not_found_explains_nothing(judge, parts, monkeypatch):
    def give_up(*_, **__):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr("scipy.optimize.nnls", give_up)
    song, _ = judge(files(parts, "Kick", "Snare", "Bass") | {"Loop.wav": parts["Kick"] + parts["Snare"]})
    assert why(song) == {}


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
