"""Truth: soundfile and the wave module reading back, the sizes of the files, the offsets of the standards."""

import struct
import wave

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.audio.wav_header import BroadcastExtension, wav_header
from mixcli.audio.writer import MixWriter

RATE = 48_000


@pytest.fixture
def signal_TC():  # noqa: N802 - the shape is in the name
    return np.random.default_rng(7).uniform(-0.99, 0.99, (5001, 2)).astype(np.float32)


def write(path, signal_TC, container="wav", bit_depth="24", *, block=1000, seed=None, **more):
    with MixWriter(
        path,
        sample_rate=RATE,
        n_channels=signal_TC.shape[1],
        container=container,
        bit_depth=bit_depth,
        dither_seed=seed,
        **more,
    ) as writer:
        for start in range(0, len(signal_TC), block):
            writer.write(signal_TC[start : start + block])
    return path


@pytest.mark.parametrize("bits", [16, 24])
def test_plain_wav_readers_agree_on_the_header(tmp_path, signal_TC, bits):
    path = write(tmp_path / "mix.wav", signal_TC[:, :1], "wav", str(bits))
    with wave.open(str(path)) as reader:
        assert reader.getparams()[:4] == (1, bits // 8, RATE, 5001)
    riff_size = struct.unpack("<I", path.read_bytes()[4:8])[0]
    assert riff_size == path.stat().st_size - 8
    assert path.stat().st_size % 2 == 0


def test_float_wav_has_a_fact_chunk_with_its_length(tmp_path, signal_TC):
    raw = write(tmp_path / "mix.wav", signal_TC, "wav", "32f").read_bytes()
    position = raw.index(b"fact")
    assert struct.unpack("<II", raw[position + 4 : position + 12]) == (4, 5001)


@pytest.mark.parametrize("bit_depth", ["16", "24", "32f"])
def test_a_file_past_the_limit_becomes_rf64_and_reads_the_same(tmp_path, signal_TC, bit_depth):
    plain = write(tmp_path / "plain.wav", signal_TC, "wav", bit_depth)
    large = write(tmp_path / "large.wav", signal_TC, "wav", bit_depth, riff_limit=10_000)
    assert large.read_bytes()[:4] == b"RF64"
    assert large.stat().st_size == plain.stat().st_size
    assert soundfile.info(large).format == "RF64"
    assert np.array_equal(soundfile.read(large)[0], soundfile.read(plain)[0])
    assert (read_info(large).container, read_info(large).n_samples) == ("RF64", 5001)


def test_the_change_to_rf64_comes_exactly_at_4_gib():
    common = {"sample_rate": RATE, "n_channels": 1, "bits": 16, "is_float": False}
    n_header = len(wav_header(n_samples=0, **common))
    most = (2**32 - 1 - (n_header - 8)) // 2
    assert wav_header(n_samples=most, **common)[:4] == b"RIFF"
    beyond = wav_header(n_samples=most + 1, **common)
    assert len(beyond) == n_header
    assert beyond[:4] == b"RF64"
    riff_size, data_size, n_samples = struct.unpack("<QQQ", beyond[20:44])
    assert (riff_size, data_size, n_samples) == (n_header - 8 + 2 * (most + 1), 2 * (most + 1), most + 1)


def test_tags_read_back(tmp_path, signal_TC):
    tags = {"title": "Größe", "artist": "The Odds", "comment": "mixed"}
    for container in ("wav", "flac"):
        path = write(tmp_path / container, signal_TC, container, tags=tags, software="mixcli 9.9")
        with soundfile.SoundFile(path) as sound:
            assert (sound.title, sound.artist, sound.comment) == ("Größe", "The Odds", "mixed")
            assert sound.software.startswith("mixcli 9.9")


def test_a_broadcast_extension_stands_before_the_data_and_reads_back(tmp_path, signal_TC):
    extension = BroadcastExtension(
        description="a mix",
        originator="mixcli",
        date="2001-02-03",
        time_reference=2**33 + 7,
        loudness_lufs=-14.02,
    )
    path = write(tmp_path / "mix.wav", signal_TC, broadcast_extension=extension)
    raw = path.read_bytes()
    start = raw.index(b"bext") + 8
    assert start < raw.index(b"data")
    assert struct.unpack("<I", raw[start - 4 : start])[0] == 602
    assert raw[start : start + 6] == b"a mix\0"
    assert struct.unpack("<H", raw[start + 346 : start + 348])[0] == 2
    assert struct.unpack("<5h", raw[start + 412 : start + 422]) == (-1402, *[0x7FFF] * 4)
    assert read_info(path).time_reference == 2**33 + 7
    assert raw[start + 256 : start + 288].rstrip(b"\0") == b"mixcli"  # the offsets of EBU Tech 3285
    assert raw[start + 320 : start + 330] == b"2001-02-03"
    with soundfile.SoundFile(path) as sound:
        assert "bext : 602" in sound.extra_info


def test_the_broadcast_extension_can_be_filled_in_at_the_end(tmp_path, signal_TC):
    path = tmp_path / "mix.wav"
    form = {"sample_rate": RATE, "n_channels": 2, "container": "wav", "bit_depth": "24"}
    with MixWriter(path, **form, broadcast_extension=BroadcastExtension()) as writer:
        writer.write(signal_TC)
        writer.replace_broadcast_extension(BroadcastExtension(max_true_peak_dbtp=-1.004))
    known = BroadcastExtension(max_true_peak_dbtp=-1.004)
    assert path.read_bytes() == write(tmp_path / "2", signal_TC, broadcast_extension=known).read_bytes()
