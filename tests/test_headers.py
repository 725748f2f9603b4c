"""Truth: damage made byte by byte; what is whole must still read."""

import os
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcli.audio.files import AudioReader, read_info
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


def test_an_empty_file_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "07_Gtr.wav").touch()
    error = refusal(tmp_path / "07_Gtr.wav")
    assert error.code == "E311"
    assert error.message == 'cannot read "07_Gtr.wav": not a known audio format.'
    assert error.hint == '0 bytes: re-export it, or --exclude "07_Gtr.wav".'


@pytest.mark.parametrize(
    "content", [b"hello " * 500, b"\0" * 3000, b"\x00\x05\x16\x07" + b"\0" * 200, b"RIFF"]
)
def test_what_is_no_audio_is_refused(tmp_path, content):
    (tmp_path / "07_Gtr.wav").write_bytes(content)
    error = refusal(tmp_path / "07_Gtr.wav")
    assert error.code == "E311"
    assert error.message.startswith('cannot read "07_Gtr.wav": ')


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "socketless"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "stem.wav"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socketless":
        path.symlink_to(tmp_path / "nowhere")
    assert refusal(path).code == "E311"


@pytest.mark.parametrize("suffix", [".m4a", ".wav"])
def test_aac_is_told_by_its_content_with_the_way_out(tmp_path, suffix):
    path = tmp_path / f"Bass{suffix}"
    path.write_bytes(struct.pack(">I4s4sI", 28, b"ftyp", b"M4A ", 0) + bytes(500))
    error = refusal(path)
    assert error.code == "E313"
    assert error.message == f'"Bass{suffix}": AAC is not supported.'
    assert error.hint == f'ffmpeg -i "Bass{suffix}" "Bass.wav"'


def test_bare_aac_and_unreadable_files_named_m4a_are_aac_too(tmp_path):
    (tmp_path / "a.aac").write_bytes(b"\xff\xf1\x50\x80" + bytes(500))
    (tmp_path / "b.m4a").write_bytes(b"\1\2\3" * 100)
    assert [refusal(tmp_path / name).code for name in ("a.aac", "b.m4a")] == ["E313", "E313"]


@pytest.mark.parametrize("rate", [1, 7_999, 384_001])
def test_rates_that_no_session_has_are_refused(tmp_path, rate):
    assert refusal(make(tmp_path / "stem.wav", rate=rate, n_samples=10)).code == "E316"


@pytest.mark.parametrize(("container", "subtype"), EXACT)
@pytest.mark.parametrize("share", [0.97, 0.5, 0.1])
def test_a_file_cut_short_is_found_in_every_container(tmp_path, container, subtype, share):
    path = make(tmp_path / "stem", container, subtype, n_samples=60_000)
    os.truncate(path, int(path.stat().st_size * share))
    error = refusal(path)
    assert error.code == "E312"
    assert error.message.startswith('"stem" is cut short')


def test_the_error_for_a_cut_file_says_both_lengths(tmp_path):
    path = make(tmp_path / "09_LeadVox.wav", n_samples=252 * RATE, n_channels=1)
    os.truncate(path, 44 + 2 * 125 * RATE)
    with pytest.raises(SongError) as caught:
        read_info(path)
    assert caught.value.message == '"09_LeadVox.wav" is cut short: header says 4:12, data ends at 2:05.'


def test_a_single_missing_sample_is_told_in_fractions_of_a_second(tmp_path):
    path = make(tmp_path / "stem.wav", n_samples=RATE)
    os.truncate(path, path.stat().st_size - 4)
    assert refusal(path).message == '"stem.wav" is cut short: header says 0:01, data ends at 0:00.'


def test_flac_with_flipped_bits_is_refused_while_reading(tmp_path):
    path = make(tmp_path / "stem.flac", "FLAC", n_samples=60_000)
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x55
    path.write_bytes(raw)
    error = refusal(path)
    assert error.code == "E312"
    assert error.message.startswith('"stem.flac" is cut short or damaged: header says 0:07, data ends at 0:0')


def wav_with_data_size(path, size):
    raw = bytearray(make(path).read_bytes())
    raw[raw.index(b"data") + 4 : raw.index(b"data") + 8] = struct.pack("<I", size)
    path.write_bytes(raw)
    return path


def test_a_stream_whose_header_leaves_the_length_open_is_read_to_its_end(tmp_path):
    path = wav_with_data_size(tmp_path / "stem.wav", 0xFFFFFFFF)
    assert np.array_equal(read_all(path), read_all(make(tmp_path / "whole.wav")))


def test_a_recording_that_was_never_finished_is_refused(tmp_path):
    error = refusal(wav_with_data_size(tmp_path / "stem.wav", 0))
    assert error.code == "E312"
    assert error.message == '"stem.wav" was not finished: the header says 0:00, but 24 kB of data follow.'


def test_a_file_without_samples_is_valid_and_empty(tmp_path):
    path = tmp_path / "stem.wav"
    soundfile.write(path, np.zeros((0, 2)), RATE)
    raw = path.read_bytes()
    path.write_bytes(
        raw[:4] + struct.pack("<I", len(raw) + 4) + raw[8:] + b"note" + struct.pack("<I", 4) + b"text"
    )
    assert read_info(path).n_samples == 0
    assert read_all(path).shape == (0, 2)


def test_a_wav_file_longer_than_its_header_can_say_is_refused(tmp_path):
    path = make(tmp_path / "stem.wav")
    os.truncate(path, path.stat().st_size + 2**32)  # sparse: takes no disk
    assert "4.3 GB" in refusal(path).message


def without_length(raw):
    """An MP3 file's bytes with the frame count of its Xing or Info header wiped out."""
    position = max(raw.find(b"Xing"), raw.find(b"Info"))
    return raw[:position] + bytes(8) + raw[position + 8 :]


def test_an_mp3_file_of_variable_rate_that_does_not_say_its_length_is_refused(tmp_path):
    path = make(tmp_path / "stem.mp3", "MP3", "MPEG_LAYER_III", n_samples=48_000, rate=48_000)
    path.write_bytes(without_length(path.read_bytes()))
    assert abs(soundfile.info(path).frames - 48_000) > 4000  # the decoder's guess, which would be believed
    error = refusal(path)
    assert error.code == "E311"
    assert "does not say its length" in error.message


def test_an_mp3_file_of_constant_rate_is_read_whole_without_a_stated_length_and_with_a_tag(tmp_path):
    path = tmp_path / "stem.mp3"
    form = {"format": "MP3", "compression_level": 0.5, "bitrate_mode": "CONSTANT"}
    with soundfile.SoundFile(path, "w", 48_000, 2, **form) as sound:
        sound.write(np.random.default_rng(1).uniform(-0.5, 0.5, (48_000, 2)))
    path.write_bytes(without_length(path.read_bytes()) + b"TAG" + bytes(125))
    assert (
        48_000 <= len(read_all(path)) < 48_000 + 4 * 1152
    )  # whole frames, with the encoder's delay and padding


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_header_ends_in_audio_or_in_an_error_with_a_code(tmp_path_factory, data):
    container, subtype = data.draw(st.sampled_from([f for f in EXACT if f[0] != "MP3"]))
    path = tmp_path_factory.mktemp("damage") / "stem"
    raw = bytearray(make(path, container, subtype, n_samples=300).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 120) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    outcome = read_or_refuse(path)
    if isinstance(outcome, SongError):
        assert outcome.code.startswith("E31")
        assert "\n" not in outcome.message
    else:
        assert np.isfinite(outcome).all()


def read_or_refuse(path):
    try:
        return read_all(path)
    except SongError as error:
        return error


def test_an_mp3_file_cut_anywhere_also_between_two_frames_is_found(tmp_path):
    path = make(tmp_path / "stem.mp3", "MP3", "MPEG_LAYER_III", n_samples=RATE)
    n_bytes = path.stat().st_size
    for n_missing in range(1, 500, 2):
        os.truncate(path, n_bytes - n_missing)
        with pytest.raises(SongError, match="is cut short"):
            read_info(path)
