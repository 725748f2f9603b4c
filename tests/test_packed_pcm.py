"""Truth: soundfile reading the whole file, which decodes each sample by itself."""

import os

import numpy as np
import pytest
import soundfile

from mixcli.audio.files import AudioReader, read_info
from mixcli.audio.opening import open_regular, open_sound
from mixcli.audio.packed_pcm import packed_pcm
from mixcli.errors import SongError

RATE = 8_000


def write(path, container="WAV", n_channels=2, n_samples=5_003, subtype="PCM_24", **more):
    levels_TC = np.random.default_rng(3).integers(-(2**23), 2**23, (n_samples, n_channels))
    levels_TC[:2] = [[-(2**23)], [2**23 - 1]]
    soundfile.write(path, (levels_TC << 8).astype(np.int32), RATE, format=container, subtype=subtype, **more)
    return levels_TC


def reader_of(path, into):
    info = read_info(path)
    with open_regular(path) as (descriptor, _), open_sound(descriptor, path) as sound:
        return into(packed_pcm(descriptor, sound, info))


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64"])
@pytest.mark.parametrize("n_channels", [1, 2, 5])
def test_samples_are_the_integers_over_full_scale_from_anywhere(tmp_path, container, n_channels):
    levels_TC = write(tmp_path / "a.wav", container, n_channels)

    def check(packed):
        for start, n_samples in ((0, 5_003), (1, 1), (777, 2_000), (5_002, 1)):
            found_TC = packed.read(start, n_samples)
            assert found_TC.dtype == np.float32
            assert np.array_equal(found_TC, levels_TC[start : start + n_samples] / 2**23)
        assert packed.read(5_000, 10).shape[0] >= 3

    reader_of(tmp_path / "a.wav", check)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_32", "FLOAT"])
def test_other_formats_are_left_to_the_decoder(tmp_path, subtype):
    write(tmp_path / "a.wav", subtype=subtype)
    reader_of(tmp_path / "a.wav", lambda packed: _is_none(packed))


@pytest.mark.parametrize(
    ("container", "more"), [("AIFF", {}), ("CAF", {}), ("FLAC", {}), ("WAV", {"endian": "BIG"})]
)
def test_files_whose_numbers_begin_with_their_high_byte_are_left_to_the_decoder(tmp_path, container, more):
    path = tmp_path / "a.sound"
    levels_TC = write(path, container, **more)
    reader_of(path, lambda packed: _is_none(packed))
    with AudioReader(read_info(path)) as reader:
        assert np.array_equal(reader.read(6_000), levels_TC / 2**23)


def test_chunks_around_the_samples_are_not_heard(tmp_path):
    """A chunk of odd length in front and one behind, put into the bytes by hand."""
    path = tmp_path / "a.wav"
    levels_TC = write(path, n_channels=1)
    data = path.read_bytes()
    place = data.index(b"data")
    before, behind = b"junk\x03\0\0\0abc\0", b"\0LIST\x04\0\0\0INFO"
    whole = data[:place] + before + data[place:] + behind
    path.write_bytes(whole[:4] + (len(whole) - 8).to_bytes(4, "little") + whole[8:])
    with AudioReader(read_info(path)) as reader:
        assert reader._packed is not None
        assert np.array_equal(reader.read(9_999), levels_TC / 2**23)
        assert len(reader.read(10)) == 0
        reader.seek(4_000)
        assert np.array_equal(reader.read(100), levels_TC[4_000:4_100] / 2**23)


def test_a_file_that_is_cut_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    write(path)
    with AudioReader(read_info(path)) as reader:
        reader.read(1_000)
        os.truncate(path, 10_000)
        with pytest.raises(SongError) as caught:
            reader.read(4_000)
    assert caught.value.code == "E312"


def _is_none(packed):
    assert packed is None
