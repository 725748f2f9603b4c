"""The demo song against its score, physics and the file format."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixcli.errors import OutputError
from mixcli.songs.discovery import DiscoveryOptions, read_song
from mixcli.synthesis.demo_song import demo_song_is_there, write_demo_song
from mixcli.synthesis.room import MICROPHONES, path_of
from mixcli.synthesis.signals import generator
from mixcli.synthesis.strings import StringTone, pluck

BEAT_S = 60 / 104
FIRST_BEAT_S = 0.25
RATE = 44_100
ANOTHER_RUN = """
import hashlib, json, sys
from pathlib import Path
from mixcli.synthesis.demo_song import write_demo_song
paths = write_demo_song(Path(sys.argv[1]))
hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
print(json.dumps({"hashes": hashes, "modules": sorted(name for name in sys.modules if "." not in name)}))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder of the song, written here."""
    folder = tmp_path_factory.mktemp("demo") / "demo-song"
    write_demo_song(folder)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Hashes of the files that another process writes, and the modules it has loaded for it."""
    command = [sys.executable, "-c", ANOTHER_RUN, str(tmp_path_factory.mktemp("demo") / "there")]
    root = str(Path(__file__).parents[1])
    return json.loads(subprocess.run(command, capture_output=True, cwd=root, text=True, check=True).stdout)


@pytest.fixture(scope="module")
def stems_TC(demo):  # noqa: N802 (the name carries the shape)
    return {path.name: soundfile.read(path, always_2d=True)[0] for path in sorted(demo.iterdir())}


def piece_of(stem_TC, beat, beats):
    """The first channel between two positions in the score."""
    start = round((FIRST_BEAT_S + beat * BEAT_S) * RATE)
    return stem_TC[start : start + round(beats * BEAT_S * RATE), 0]


def strongest_hz(sound, near_hz):
    """The frequency of the spectrum's peak within a semitone, by parabolic interpolation in dB."""
    spectrum = 20 * np.log10(np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 19)) + 1e-12)
    hz_per_bin = RATE / (1 << 19)
    low, high = round(near_hz / 1.06 / hz_per_bin), round(near_hz * 1.06 / hz_per_bin)
    peak = low + int(np.argmax(spectrum[low:high]))
    left, middle, right = spectrum[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * middle + right)) * hz_per_bin


def cents(found_hz, meant_hz):
    return 1200 * np.log2(found_hz / meant_hz)


def band_level_db(sound, low_hz, high_hz):
    power = np.abs(np.fft.rfft(sound)) ** 2
    frequencies_hz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return 10 * np.log10(power[(frequencies_hz >= low_hz) & (frequencies_hz < high_hz)].sum() + 1e-20)


def delay_of(later, earlier, at_most):
    """By how many samples a recording is later than another, from their cross-correlation."""
    n_fft = 2 * len(later)
    correlation = np.fft.irfft(np.fft.rfft(later, n_fft) * np.conj(np.fft.rfft(earlier, n_fft)), n_fft)
    return int(np.argmax(np.abs(correlation[:at_most])))


@pytest.mark.slow
def test_there_are_seventeen_24_bit_files_of_26_s(demo):
    files = {path.name: soundfile.info(path) for path in demo.iterdir()}
    assert len(files) == 17
    assert {file.subtype for file in files.values()} == {"PCM_24"}
    assert {file.samplerate for file in files.values()} == {44_100}
    assert {file.duration for file in files.values()} == {26.0}
    assert [name for name, file in files.items() if file.channels == 2] == ["Rhodes.wav"]


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(demo, report):
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in demo.iterdir()}
    assert hashes == report["hashes"]


@pytest.mark.slow
def test_neither_torch_nor_scipy_is_needed(report):
    assert not {"torch", "scipy"} & set(report["modules"])


@pytest.mark.slow
def test_peaks_are_those_of_a_raw_session_and_nothing_clips(stems_TC):
    peaks_dbfs = {name: 20 * np.log10(np.max(np.abs(stem_TC))) for name, stem_TC in stems_TC.items()}
    assert all(-20 < peak_dbfs < -3 for peak_dbfs in peaks_dbfs.values()), peaks_dbfs
    assert peaks_dbfs["EGtr Rhy.wav"] > peaks_dbfs["LdVox.wav"] + 10  # guitars hot, voices careful


@pytest.mark.slow
def test_no_stem_has_an_offset(stems_TC):
    for name, stem_TC in stems_TC.items():
        assert np.all(np.abs(stem_TC.mean(axis=0)) < 1e-4), name  # −80 dBFS


@pytest.mark.parametrize(
    ("beat", "beats", "pitch"),
    [(8.0, 1.4, 38), (12.0, 1.4, 35), (16.0, 1.4, 31), (40.0, 4.0, 38)],
)
@pytest.mark.slow
def test_bass_notes_are_in_tune_within_5_cents(stems_TC, beat, beats, pitch):
    meant_hz = 440 * 2 ** ((pitch - 69) / 12)
    note = piece_of(stems_TC["Bass DI.wav"], beat + 0.05, beats - 0.15)
    assert abs(cents(strongest_hz(note, 2 * meant_hz), 2 * meant_hz)) < 5


@pytest.mark.parametrize(("beat", "beats", "pitch"), [(10.0, 1.4, 66), (24.0, 1.5, 71), (41.0, 2.4, 62)])
@pytest.mark.slow
def test_long_sung_notes_are_centred_within_15_cents(stems_TC, beat, beats, pitch):
    meant_hz = 440 * 2 ** ((pitch - 69) / 12)
    note = piece_of(stems_TC["LdVox.wav"], beat + 0.3, beats - 0.5)
    power = np.abs(np.fft.rfft(note * np.hanning(len(note)), 1 << 17)) ** 2
    frequencies_hz = np.fft.rfftfreq(1 << 17, 1 / RATE)
    near = (frequencies_hz > meant_hz / 1.05) & (frequencies_hz < meant_hz * 1.05)
    centre_hz = np.sum(power[near] * frequencies_hz[near]) / np.sum(power[near])  # vibrato spreads the line
    assert abs(cents(centre_hz, meant_hz)) < 15


@pytest.mark.parametrize("frequency_hz", [41.2, 110.0, 329.63, 987.77])
def test_a_string_has_its_partials_at_whole_multiples(frequency_hz):
    tone = StringTone(decay_s=3.0, loss_hz=2000.0, pluck_position=0.23, bright_hz=3000.0, noise=0.2)
    sound = pluck(frequency_hz, 2.0, 0.8, tone, generator(1))
    for partial in (1, 2, 3):
        meant_hz = partial * frequency_hz
        assert abs(cents(strongest_hz(sound, meant_hz), meant_hz)) < 1


def test_a_string_fades_as_fast_as_it_says():
    tone = StringTone(decay_s=2.0, loss_hz=1e9, pluck_position=0.23, bright_hz=3000.0, noise=0.0)
    sound = pluck(220.0, 1.5, 0.8, tone, generator(1))
    early, late = (np.sqrt(np.mean(sound[start : start + 4410] ** 2)) for start in (4410, 4410 + 44_100))
    assert 20 * np.log10(late / early) == pytest.approx(-30.0, abs=0.5)  # 60 dB in 2 s


@pytest.mark.slow
def test_kick_strokes_lie_on_the_swung_grid(stems_TC):
    kick = np.abs(stems_TC["01_KickIn.wav"][:, 0])
    offbeat = 0.035  # of a beat: how late every second sixteenth is
    for bar in (2, 3, 4, 5):
        for beat in (0.0, 1.75 + offbeat, 2.5):
            meant = round((FIRST_BEAT_S + (4 * bar + beat) * BEAT_S) * RATE)
            around = kick[meant - 2205 : meant + 2205]
            onset = int(np.argmax(around > 0.1 * around.max())) - 2205
            # 3 ms of the player, and up to 2.5 ms until a stroke has risen to a tenth
            assert -3.0 <= 1000 * onset / RATE <= 5.5, (bar, beat)


@pytest.mark.slow
def test_overheads_hear_the_snare_3_to_5_ms_after_its_own_microphone(stems_TC):
    snare = piece_of(stems_TC["02_SnrTop.wav"], 8.9, 0.8)
    for name, side in (("OH.L.wav", -0.80), ("OH.R.wav", 0.80)):
        overhead = piece_of(stems_TC[name], 8.9, 0.8)
        delay_ms = 1000 * delay_of(overhead, snare, 441) / RATE
        # geometry: snare at (−0.22, 0.10, 0.66) m, its microphone 0.11 m away, sound at 343 m/s
        distance_m = np.sqrt((side + 0.22) ** 2 + 0.2**2 + 1.09**2)
        assert delay_ms == pytest.approx(1000 * (distance_m - 0.108) / 343, abs=0.15)
        assert 3 < delay_ms < 5


@pytest.mark.slow
def test_the_snare_bottom_has_the_opposite_polarity(stems_TC):
    top, bottom = (piece_of(stems_TC[name], 8.9, 0.8) for name in ("02_SnrTop.wav", "03_SnrBtm.wav"))
    spectrum = np.fft.rfft(top) * np.conj(np.fft.rfft(bottom))
    body = np.fft.rfftfreq(len(top), 1 / RATE) < 400  # the head; the wires above are another sound
    assert np.sum(spectrum[body].real) < -0.5 * np.sum(np.abs(spectrum[body]))
    assert np.corrcoef(top, bottom)[0, 1] < -0.2


@pytest.mark.parametrize(
    ("name", "own", "others"),
    [
        ("01_KickIn.wav", "kick", ("snare_head", "tom_1", "tom_2", "hihat", "crash")),
        ("02_SnrTop.wav", "snare_head", ("kick", "tom_1", "tom_2", "hihat", "crash")),
        ("05_Tom1.wav", "tom_1", ("kick", "snare_head", "tom_2", "hihat", "crash")),
        ("06_Tom2.wav", "tom_2", ("kick", "snare_head", "tom_1", "hihat", "crash")),
    ],
)
def test_every_close_microphone_hears_the_other_pieces_18_to_45_db_down(name, own, others):
    own_gain, _ = path_of(MICROPHONES[name], own)
    for other in others:
        gain, _ = path_of(MICROPHONES[name], other)
        assert -45 < 20 * np.log10(abs(gain / own_gain)) < -18, other


@pytest.mark.slow
def test_every_instrument_has_its_energy_where_it_belongs(stems_TC):
    def share_db(name, low_hz, high_hz):
        sound = stems_TC[name][:, 0]
        return band_level_db(sound, low_hz, high_hz) - band_level_db(sound, 0, RATE)

    assert share_db("01_KickIn.wav", 45, 110) > -2
    assert share_db("02_SnrTop.wav", 150, 400) > -3
    assert -25 < share_db("02_SnrTop.wav", 2000, 8000) < -8
    assert share_db("04_HH.wav", 5000, 20_000) > -3
    assert share_db("Bass DI.wav", 40, 1000) > -0.5
    assert share_db("LdVox.wav", 150, 8000) > -0.1
    assert -30 < share_db("LdVox.wav", 2000, 5000) < -12  # the upper formants
    assert share_db("EGtr Rhy.wav", 8000, 22_000) < -50  # a loudspeaker, and no folded overtones


@pytest.mark.parametrize("name", ["Bass DI.wav", "Rhodes.wav", "EGtr Rhy.wav", "Audio 12.wav"])
@pytest.mark.slow
def test_notes_begin_and_end_without_clicks(stems_TC, name):
    sound = stems_TC[name][:, 0]
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) < 10_000] = 0  # a step would ring there, nothing else does
    assert 20 * np.log10(np.max(np.abs(np.fft.irfft(spectrum))) / np.max(np.abs(sound))) < -50


@pytest.mark.slow
def test_the_first_quarter_second_is_only_hiss(stems_TC):
    for name, stem_TC in stems_TC.items():
        assert np.max(np.abs(stem_TC[: round(0.04 * RATE)])) < 10 ** (-60 / 20), name


@pytest.mark.slow
def test_names_give_every_stem_a_role_but_the_awkward_one(demo):
    song = read_song(demo, DiscoveryOptions())
    assert {stem.name: stem.role for stem in song.stems} == {
        "01_KickIn.wav": "drums.kick",
        "02_SnrTop.wav": "drums.snare",
        "03_SnrBtm.wav": "drums.snare",
        "04_HH.wav": "drums.hihat",
        "05_Tom1.wav": "drums.tom",
        "06_Tom2.wav": "drums.tom",
        "07_Shaker.wav": "perc.hand",
        "OH.L.wav": "drums.overhead",
        "DrumRoom.wav": "drums.room",
        "Bass DI.wav": "bass.electric",
        "AcGtr.wav": "gtr.acoustic",
        "EGtr Rhy.wav": "gtr.electric",
        "Rhodes.wav": "keys.epiano",
        "LdVox.wav": "vox.lead",
        "BGV oohs.wav": "vox.backing",
        "Audio 12.wav": "other",
    }
    assert not song.excluded


@pytest.mark.slow
def test_writing_again_keeps_the_files(demo):
    times = {path: path.stat().st_mtime_ns for path in demo.iterdir()}
    assert demo_song_is_there(demo)
    assert set(write_demo_song(demo)) == set(times)
    assert {path: path.stat().st_mtime_ns for path in demo.iterdir()} == times


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        write_demo_song(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("E501", 5)
    assert caught.value.message == f'"{tmp_path}" holds files that are not the demo\'s ("notes.txt").'
    assert "--force" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert not demo_song_is_there(tmp_path)


def test_a_file_of_the_same_name_but_another_size_is_not_overwritten(tmp_path):
    (tmp_path / "Bass DI.wav").write_bytes(b"my own bass")
    with pytest.raises(OutputError, match="Bass DI") as caught:
        write_demo_song(tmp_path)
    assert caught.value.code == "E501"
    assert (tmp_path / "Bass DI.wav").read_bytes() == b"my own bass"


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "demo").write_text("a file")
    with pytest.raises(OutputError, match="is a file") as caught:
        write_demo_song(tmp_path / "demo")
    assert caught.value.code == "E501"
    assert not demo_song_is_there(tmp_path / "demo")


@pytest.mark.slow
def test_a_song_written_in_part_is_completed_and_force_leaves_other_files_alone(demo, tmp_path):
    (tmp_path / "Bass DI.wav").write_bytes((demo / "Bass DI.wav").read_bytes())
    (tmp_path / ".DS_Store").write_bytes(b"")
    write_demo_song(tmp_path)
    assert demo_song_is_there(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "LdVox.wav").write_bytes(b"broken")
    write_demo_song(tmp_path, overwrite=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "LdVox.wav").read_bytes() == (demo / "LdVox.wav").read_bytes()
