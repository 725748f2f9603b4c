"""Truth: soundfile reading whole files, integers scaled by hand, and damage made byte by byte."""

import os
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import AudioReader, check_channels, read_info
from mixcli.errors import SongError

RATE = 8_000
EXACT = [
    ("WAV", "PCM_U8"),
    ("WAV", "PCM_16"),
    ("WAV", "PCM_24"),
    ("WAV", "PCM_32"),
    ("WAV", "FLOAT"),
    ("WAV", "DOUBLE"),
    ("WAV", "ULAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_24"),
    ("W64", "FLOAT"),
    ("FLAC", "PCM_16"),
    ("FLAC", "PCM_24"),
    ("AIFF", "PCM_24"),
    ("AIFF", "FLOAT"),
    ("CAF", "PCM_24"),
    ("CAF", "ALAC_24"),
    ("AU", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]
WITH_LENGTHS = [
    f for f in EXACT if f[0] in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU", "FLAC", "OGG", "MP3")
]


def make(path, container="WAV", subtype="PCM_16", *, n_samples=6000, n_channels=2, rate=RATE, seed=5):
    signal_TC = np.random.default_rng(seed).uniform(-0.5, 0.5, (n_samples, n_channels))
    soundfile.write(path, signal_TC, rate, format=container, subtype=subtype)
    return path


def read_all(path, block=1000, **more):
    with AudioReader(read_info(path), **more) as reader:
        blocks = [np.zeros((0, reader.n_channels), np.float32)]
        while len(block_TC := reader.read(block)):
            blocks.append(block_TC)
    return np.concatenate(blocks)


def refusal(path):
    with pytest.raises(SongError) as caught:
        read_all(path)
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize(("container", "subtype"), EXACT)
def test_blocks_equal_the_whole_file_as_soundfile_reads_it(tmp_path, container, subtype):
    path = make(tmp_path / "stem", container, subtype)
    with soundfile.SoundFile(path) as sound:  # soundfile.read seeks first, which moves MP3 by a last bit
        whole_TC, rate = sound.read(dtype="float32", always_2d=True), sound.samplerate
    info = read_info(path)
    assert (info.n_samples, info.sample_rate, info.n_channels) == (len(whole_TC), rate, 2)
    assert info.container == container.replace("WAVEX", "WAV")
    assert (info.subtype, info.n_bytes) == (subtype, path.stat().st_size)
    for block in (997, 6000):
        block_TC = read_all(path, block)
        assert block_TC.dtype == np.float32
        assert np.array_equal(block_TC, whole_TC)


@pytest.mark.parametrize(("container", "subtype"), EXACT)
def test_reading_from_a_sample_on_gives_what_reading_through_gives(tmp_path, container, subtype):
    path = make(tmp_path / "stem", container, subtype)
    whole_TC = read_all(path)
    with AudioReader(read_info(path)) as reader:
        for start in (4001, 17, 5990, 0, 3000, len(whole_TC)):
            reader.seek(start)
            assert np.array_equal(reader.read(500), whole_TC[start : start + 500])


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_are_scaled_by_their_full_scale(tmp_path, bits):
    top = 2 ** (bits - 1)
    values = np.array([-top, -1, 0, 1, 3, top // 3, top - 1])
    with wave.open(str(tmp_path / "stem.wav"), "wb") as writer:
        writer.setparams((1, bits // 8, RATE, 0, "NONE", ""))
        unsigned = values + 128 if bits == 8 else values
        writer.writeframes(b"".join(int(v).to_bytes(bits // 8, "little", signed=bits > 8) for v in unsigned))
    # 32 bits are rounded to the nearest float32; scaling by a power of two makes no difference to that.
    expected = (values.astype(np.float64) / top).astype(np.float32)
    assert np.array_equal(read_all(tmp_path / "stem.wav")[:, 0], expected)


def test_doubles_are_rounded_to_the_nearest_float_and_loud_floats_are_kept(tmp_path):
    values = np.array([0.1, -1 / 3, 1.5, -30.0, 1e-30, 9999.0])
    soundfile.write(tmp_path / "stem.wav", values, RATE, subtype="DOUBLE")
    assert np.array_equal(read_all(tmp_path / "stem.wav")[:, 0], values.astype(np.float32))


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "FLOAT"), ("AIFF", "DOUBLE"), ("CAF", "FLOAT")])
def test_invalid_samples_are_counted_over_the_whole_file(tmp_path, container, subtype):
    signal_TC = np.zeros((100_000, 2))
    signal_TC[20_000:20_300] = np.nan
    signal_TC[99_000:99_012, 1] = -np.inf
    soundfile.write(tmp_path / "Synth.wav", signal_TC, RATE, format=container, subtype=subtype)
    for block in (512, 65_536):
        with pytest.raises(SongError) as caught:
            read_all(tmp_path / "Synth.wav", block)
        assert caught.value.code == "E314"
        assert caught.value.message == '"Synth.wav" has 312 invalid samples (first at 0:02.5).'
        assert caught.value.hint == "re-export, or --repair-nan."


def test_repairing_writes_zeros_for_invalid_samples_and_counts_them(tmp_path):
    signal_TC = np.full((1000, 2), 0.25)
    signal_TC[400:403, 0] = np.nan
    soundfile.write(tmp_path / "stem.wav", signal_TC, RATE, subtype="FLOAT")
    with AudioReader(read_info(tmp_path / "stem.wav"), repair=True) as reader:
        read_TC = reader.read(1000)
        assert reader.n_repaired == 3
    assert np.array_equal(read_TC, np.nan_to_num(signal_TC, nan=0.0).astype(np.float32))


def test_levels_that_no_recording_has_are_refused(tmp_path):
    signal_T = np.zeros(RATE)
    signal_T[4000] = -20_000
    soundfile.write(tmp_path / "stem.wav", signal_T, RATE, subtype="FLOAT")
    error = refusal(tmp_path / "stem.wav")
    assert error.code == "E317"
    assert error.message == '"stem.wav" has samples at +86 dBFS (first at 0:00.5).'


def test_more_than_two_channels_are_refused_unless_folded(tmp_path):
    info = read_info(make(tmp_path / "Room.wav", n_channels=6))
    check_channels(info, downmix=True)
    with pytest.raises(SongError) as caught:
        check_channels(info, downmix=False)
    assert caught.value.code == "E315"
    assert caught.value.message == '"Room.wav" has 6 channels; stems are mono or stereo.'
    check_channels(read_info(make(tmp_path / "Pair.wav")), downmix=False)


def test_5_1_is_folded_as_the_itu_says(tmp_path):
    # One channel after the other sounds alone; ITU-R BS.775-4 table 2, 2/0.
    soundfile.write(tmp_path / "stem.wav", np.eye(6), RATE, subtype="FLOAT")
    gains = [[1, 0], [0, 1], [0.7071, 0.7071], [0, 0], [0.7071, 0], [0, 0.7071]]
    assert read_all(tmp_path / "stem.wav") == pytest.approx(np.array(gains), abs=1e-4)


@pytest.mark.parametrize(
    ("n_channels", "gains"),
    [
        (3, [[1 / 2, 0], [0, 1 / 2], [1 / 2, 1 / 2]]),
        (4, [[1 / 2, 0], [0, 1 / 2], [1 / 2, 0], [0, 1 / 2]]),
        (8, [[1 / 4, 0], [0, 1 / 4]] * 4),
    ],
)
def test_other_layouts_are_averaged_left_and_right(tmp_path, n_channels, gains):
    soundfile.write(tmp_path / "stem.wav", np.eye(n_channels), RATE, subtype="FLOAT")
    assert np.array_equal(read_all(tmp_path / "stem.wav"), np.array(gains, np.float32))


def test_long_paths_and_names_that_are_not_utf_8_are_read(tmp_path):
    folder = tmp_path
    for _ in range(6):
        folder = folder / ("d" * 200)
    folder.mkdir(parents=True)
    source = make(tmp_path / "stem.wav").read_bytes()
    for path in (folder / "stem.wav", tmp_path / os.fsdecode(b"K\xefck.wav")):
        path.write_bytes(source)
        assert len(read_all(path)) == 6000


def test_a_file_that_changes_between_looking_and_reading_is_refused(tmp_path):
    info = read_info(make(tmp_path / "stem.wav"))
    make(tmp_path / "stem.wav", n_samples=100)
    with pytest.raises(SongError, match="changed") as caught:
        AudioReader(info)
    assert caught.value.code == "E311"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors by /proc")
def test_no_descriptor_is_left_open(tmp_path):
    good = make(tmp_path / "good.flac", "FLAC")
    cut = make(tmp_path / "cut.flac", "FLAC", n_samples=60_000)
    os.truncate(cut, cut.stat().st_size // 2)
    (tmp_path / "bad.wav").write_bytes(b"RIFF" * 30)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        read_all(good)
        refusal(cut)
        refusal(tmp_path / "bad.wav")
        refusal(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
