"""Faults of a session, planted into clean stems, and clean stems beside them of which nothing may be said."""

import numpy as np
import pytest
import soundfile

from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.songs.faults import apply_survey
from mixcli.songs.pauses import listen_to_pauses
from mixcli.songs.session_faults import find_session_faults
from mixcli.songs.survey import survey_song

RATE = 24_000
SECONDS = 8


@pytest.fixture
def faults_of(tmp_path):
    """Notices for stems {name: [T] or [T, C]}: code and name of each, and all of them."""

    def call(stems, *, rates=None, subtype="PCM_24"):
        folder = tmp_path / "song"
        folder.mkdir(exist_ok=True)
        for name, audio in stems.items():
            rate = (rates or {}).get(name, RATE)
            soundfile.write(folder / name, np.asarray(audio), rate, subtype=subtype)
        song = read_song(folder, DiscoveryOptions(allow_single=True))
        return find_session_faults(song, survey_song(song, RATE))

    return call


def codes(notices):
    return [(notice.code, notice.file) for notice in notices]


def phrases(rng, pitch_hz, *, shift_s=0.0, seconds=SECONDS):
    """A voice that sings for a second in every two, with vibrato, breath and silence in between."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * pitch_hz * time_s + 0.6 * np.sin(2 * np.pi * 5 * time_s)
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    sings = ((time_s - shift_s) % 2) < 1
    soft = np.convolve(sings, np.hanning(201) / np.hanning(201).sum(), "same")
    return 0.1 * soft * (tone + 0.2 * rng.standard_normal(len(time_s)))


def beat(rng, seconds=SECONDS):
    """Hits of noise and thumps, a quarter of a second apart."""
    time_s = np.arange(round(seconds * RATE)) / RATE
    since_s = time_s % 0.25
    strength = (0.5 + 0.5 * rng.random(len(time_s) // (RATE // 4) + 1))[(time_s // 0.25).astype(int)]
    burst = rng.standard_normal(len(time_s)) * np.exp(-since_s / 0.03)
    return 0.15 * strength * (burst + np.sin(2 * np.pi * 70 * since_s) * np.exp(-since_s / 0.08))


def active_rms(audio):
    return float(np.sqrt(np.mean(np.square(audio[np.abs(audio) > 0.01 * np.abs(audio).max()]))))


def hum(mains_hz, n):
    """A mains hum as rectifiers and transformers give: all multiples, the even ones stronger."""
    time_s = np.arange(n) / RATE
    return sum(
        (1.0 if k % 2 == 0 else 0.5) / k**0.5 * np.sin(2 * np.pi * k * mains_hz * time_s + k)
        for k in range(1, 9)
    )


@pytest.fixture(scope="module")
def clean():
    rng = np.random.default_rng(11)
    return {
        "LdVox.wav": phrases(rng, 220),
        "Strings.wav": np.column_stack([phrases(rng, 330, shift_s=0.7), phrases(rng, 331, shift_s=0.7)]),
        "Drums.wav": beat(rng),
        "Bass.wav": phrases(rng, 49.0, shift_s=0.2),  # a low G, between the pauses of the others
    }


def test_of_clean_stems_nothing_is_said(faults_of, clean):
    assert faults_of(clean) == []


@pytest.mark.parametrize("mains_hz", [50.0, 60.0, 49.95])
@pytest.mark.parametrize("below_db", [30, 50])
def test_hum_in_the_pauses_is_told_with_its_frequency_and_level(faults_of, clean, mains_hz, below_db):
    noise = hum(mains_hz, SECONDS * RATE)
    vox = clean["LdVox.wav"]
    level = active_rms(vox) / noise.std() * 10 ** (-below_db / 20)
    notices = faults_of(clean | {"LdVox.wav": vox + level * noise})
    assert codes(notices) == [("W344", "LdVox.wav")]
    assert f"hums at {round(mains_hz)} Hz" in notices[0].message
    told = int(notices[0].message.split(" dB below")[0].rsplit(" ", 1)[-1])
    assert told == pytest.approx(below_db, abs=4)  # K-weighting favours what lies above 1 kHz


def test_hum_nobody_hears_and_low_notes_are_not_told(faults_of, clean):
    noise = hum(50.0, SECONDS * RATE)
    quiet = clean["LdVox.wav"] + 1e-6 * noise
    time_s = np.arange(SECONDS * RATE) / RATE
    drone = clean["Strings.wav"] + 1e-3 * np.sin(2 * np.pi * 48.9994 * time_s)[:, None]  # G1
    assert faults_of(clean | {"LdVox.wav": quiet, "Strings.wav": drone}) == []


@pytest.mark.parametrize(("below_db", "told"), [(28, True), (60, False)])
def test_a_floor_of_noise_is_told_where_it_is_heard(faults_of, clean, rng, below_db, told):
    vox = clean["LdVox.wav"]
    noisy = vox + active_rms(vox) * 10 ** (-below_db / 20) * rng.standard_normal(len(vox))
    assert codes(faults_of(clean | {"LdVox.wav": noisy})) == ([("W345", "LdVox.wav")] if told else [])


def test_what_dies_away_in_the_pauses_is_neither_hum_nor_noise(faults_of, clean, rng):
    """A reverberation of noise that falls by 30 dB a second."""
    vox = clean["LdVox.wav"]
    tail = rng.standard_normal(2 * RATE) * 10 ** (-30 / 20 * np.arange(2 * RATE) / RATE)
    wet = np.fft.irfft(np.fft.rfft(vox, 2**19) * np.fft.rfft(tail, 2**19))[: len(vox)]
    assert faults_of(clean | {"LdVox.wav": vox + 0.3 * wet / wet.std() * vox.std()}) == []


def test_opposite_channels_are_told(faults_of, clean):
    left = clean["LdVox.wav"]
    opposite = np.column_stack([left, -left + 0.1 * clean["Strings.wav"][:, 0]])
    notices = faults_of(clean | {"Strings.wav": opposite})
    assert codes(notices) == [("W338", "Strings.wav")]
    correlation = np.corrcoef(opposite.T)[0, 1]
    assert f"(correlation {correlation:.2f})" in notices[0].message


@pytest.mark.parametrize(("gain", "told"), [(0.0, True), (0.008, True), (0.02, False)])
def test_a_dead_channel_is_told(faults_of, clean, gain, told):
    right = clean["Strings.wav"][:, 0]
    notices = faults_of(clean | {"Strings.wav": np.column_stack([gain * right, right])})
    assert codes(notices) == ([("W339", "Strings.wav")] if told else [])
    assert all("the left channel" in notice.message for notice in notices)


@pytest.mark.parametrize("gain", [0.6, -1.0])
def test_one_sound_at_two_times_is_told_and_how_far_apart(faults_of, clean, gain):
    again = gain * np.concatenate([np.zeros(288), clean["LdVox.wav"][:-288]])  # 12 ms
    notices = faults_of(clean | {"Vox again.wav": again})
    assert codes(notices) == [("W348", "Vox again.wav")]
    assert '"Vox again.wav" is "LdVox.wav" again, 12.00 ms later' in notices[0].message
    assert ("upside down" in notices[0].message) == (gain < 0)


def test_one_sound_at_two_levels_is_told(faults_of, clean):
    notices = faults_of(clean | {"Vox again.wav": 0.5 * clean["LdVox.wav"]})
    assert [notice.code for notice in notices] == ["W348"]
    assert "at another level" in notices[0].message


def test_two_takes_of_one_part_and_two_microphones_are_no_copies(faults_of, clean, rng):
    vox = clean["LdVox.wav"]
    colour = np.array([1.0, 0.5, -0.4, 0.3, 0.2])
    second = np.convolve(np.concatenate([np.zeros(40), vox])[: len(vox)], colour, "same")
    room = np.fft.irfft(np.fft.rfft(second + 0.02 * rng.standard_normal(len(vox))), len(vox))
    double = phrases(rng, 221)
    assert faults_of(clean | {"LdVox far.wav": room + 0.01 * beat(rng), "LdVoxDT.wav": double}) == []


@pytest.mark.parametrize(("below_db", "told"), [(16, True), (22, True), (45, False)])
def test_drums_in_a_voice_are_told_with_their_level(faults_of, clean, below_db, told):
    """Drums four metres away, with their treble gone, in the pauses of a voice."""
    drums = np.concatenate([np.zeros(280), clean["Drums.wav"]])[: SECONDS * RATE]
    heard = np.convolve(drums, np.hanning(9) / np.hanning(9).sum(), "same")
    vox = clean["LdVox.wav"]
    level = active_rms(vox) / heard.std() * 10 ** (-below_db / 20)
    notices = faults_of(clean | {"LdVox.wav": vox + level * heard})
    assert codes(notices) == ([("W346", "LdVox.wav")] if told else [])
    if told:
        assert '"Drums.wav" is heard in the pauses of "LdVox.wav"' in notices[0].message
        measured = int(notices[0].message.split(" dB below")[0].rsplit(" ", 1)[-1])
        assert measured == pytest.approx(below_db, abs=4)


def test_stems_that_play_at_the_same_times_do_not_bleed(faults_of, rng):
    """A shaker, softer where the voice pauses, on every hit of the drums: in time, and another sound."""
    shaker = beat(np.random.default_rng(99)) * (0.1 + (np.arange(SECONDS * RATE) / RATE % 2 < 1))
    assert faults_of({"Drums.wav": beat(rng), "Keys.wav": shaker}) == []


def test_a_rate_that_its_length_belies_is_told(faults_of, clean):
    rates = dict.fromkeys([*clean, "Gtr.wav"], 44_100) | {"Gtr.wav": 48_000}
    same_samples = clean | {"Gtr.wav": phrases(np.random.default_rng(5), 247, shift_s=1.2)}
    longer = {name: np.concatenate([audio, audio]) for name, audio in same_samples.items()}
    notices = faults_of(longer, rates=rates)
    assert codes(notices) == [("W347", "Gtr.wav")]
    assert "as many samples as 4 stems of 44.1 kHz: if it sounds too fast" in notices[0].message


@pytest.mark.parametrize(("factor", "said", "right", "sounds"), [(48 / 44.1, 44_100, 48, "slow")])
def test_a_length_that_only_another_rate_explains_is_told(faults_of, clean, factor, said, right, sounds):
    longer = {name: np.concatenate([audio, audio]) for name, audio in clean.items()}
    n_samples = round(len(longer["Bass.wav"]) * factor)
    guitar = np.resize(phrases(np.random.default_rng(5), 247, shift_s=1.2), n_samples)
    notices = faults_of(longer | {"Gtr.wav": guitar}, rates=dict.fromkeys([*clean, "Gtr.wav"], said))
    assert codes(notices) == [("W347", "Gtr.wav")]
    assert f"lasts 1.088 times as long as the others: if it sounds too {sounds}, mark it as {right} kHz" in (
        notices[0].message
    )


def test_a_stem_from_a_lower_rate_is_noted_and_a_dull_one_is_not(tmp_path, rng):
    soxr = pytest.importorskip("soxr")
    low = 0.1 * rng.standard_normal(22_050 * 4)
    bright = 0.1 * rng.standard_normal(44_100 * 4)
    dull = np.fft.rfft(bright)
    dull /= 1 + (np.fft.rfftfreq(len(bright), 1 / 44_100) / 8000) ** 4  # 24 dB per octave
    for name, audio in (
        ("up.wav", soxr.resample(low, 22_050, 44_100, quality="VHQ")),
        ("bright.wav", bright),
        ("dull.wav", np.fft.irfft(dull, len(bright))),
    ):
        soundfile.write(tmp_path / name, audio, 44_100, subtype="PCM_24")
    song = read_song(tmp_path)
    notices = find_session_faults(song, survey_song(song, 44_100))
    assert [notice.message for notice in notices] == [
        'resampled from 22.05 kHz, or from a lossy file: "up.wav".'
    ]


def test_faults_are_told_with_all_else_that_the_survey_shows_and_change_nothing(tmp_path, clean):
    for name, audio in clean.items():
        soundfile.write(tmp_path / name, audio, RATE, subtype="PCM_24")
    left = clean["LdVox.wav"]
    soundfile.write(tmp_path / "Strings.wav", np.column_stack([left, 0 * left]), RATE, subtype="PCM_24")
    song = read_song(tmp_path)
    survey = survey_song(song, RATE)
    judged, same = apply_survey(song, survey)
    assert ("W339", "Strings.wav") in codes(judged.notices)
    assert judged.stems == song.stems
    assert same is survey


def test_stems_without_pauses_or_with_digital_silence_are_not_read(tmp_path, rng):
    steady, gated = 0.1 * rng.standard_normal(4 * RATE), phrases(rng, 220, seconds=4)
    gated[np.abs(gated) < 1e-3] = 0
    for name, audio in (("a.wav", steady), ("b.wav", gated)):
        soundfile.write(tmp_path / name, audio, RATE, subtype="FLOAT")
    song = read_song(tmp_path)
    survey = survey_song(song, RATE)
    for path in tmp_path.iterdir():
        path.unlink()
    for name in ("a.wav", "b.wav"):
        assert listen_to_pauses(song, survey, name).hum_below_lu is None
