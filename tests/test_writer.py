"""Truth: soundfile, scipy and the wave module reading back; rounding in plain Python; theory of dither."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.io import wavfile

from mixcli.audio.files import AudioReader, read_info
from mixcli.audio.output import atomic_output
from mixcli.audio.writer import MixWriter, write_audio
from mixcli.errors import OutputError, SongError

RATE = 48_000
FORMATS = [("wav", "16"), ("wav", "24"), ("wav", "32f"), ("flac", "16"), ("flac", "24")]


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


def plain_integers(signal_TC, bits, seed=None):
    """The same rounding in whole numbers and fractions of Python."""
    flat = [float(value) * 2 ** (bits - 1) for value in signal_TC.reshape(-1)]
    if seed is not None:
        raw = [int(value) for value in np.random.PCG64(seed).random_raw(len(flat))]
        flat = [
            value + ((word >> 32) - (word & 0xFFFFFFFF)) / 2**32
            for value, word in zip(flat, raw, strict=True)
        ]
    return np.array([round(value) for value in flat]).reshape(signal_TC.shape)


@pytest.mark.parametrize(("container", "bit_depth"), [f for f in FORMATS if f[1] != "32f"])
@pytest.mark.parametrize("seed", [None, 0, 2**127 + 5])
def test_integers_read_back_as_computed_in_plain_python(tmp_path, signal_TC, container, bit_depth, seed):
    path = write(tmp_path / "mix", signal_TC, container, bit_depth, seed=seed)
    bits = int(bit_depth)
    back_TC, sample_rate = soundfile.read(path, dtype="int32")
    assert sample_rate == RATE
    assert soundfile.info(path).subtype == f"PCM_{bits}"
    assert np.array_equal(back_TC >> (32 - bits), plain_integers(signal_TC, bits, seed))
    assert not (back_TC & (2 ** (32 - bits) - 1)).any()


def test_floats_read_back_bit_for_bit_even_above_full_scale(tmp_path, signal_TC):
    loud_TC = signal_TC * 100
    path = write(tmp_path / "mix.wav", loud_TC, "wav", "32f", seed=1)
    assert np.array_equal(soundfile.read(path, dtype="float32")[0], loud_TC)
    assert np.array_equal(wavfile.read(path)[1], loud_TC)
    assert soundfile.info(path).subtype == "FLOAT"
    assert b"PEAK" not in path.read_bytes()


@pytest.mark.parametrize(("container", "bit_depth"), FORMATS)
@pytest.mark.parametrize("n_channels", [1, 2])
def test_the_bytes_depend_on_the_samples_alone(tmp_path, signal_TC, container, bit_depth, n_channels):
    signal_TC = signal_TC[:, :n_channels]
    first = write(
        tmp_path / "first", signal_TC, container, bit_depth, seed=3, software="mixcli 1"
    ).read_bytes()
    again = write(tmp_path / "again", signal_TC, container, bit_depth, seed=3, software="mixcli 1", block=77)
    assert again.read_bytes() == first
    wide_TC = signal_TC.astype(np.float64)
    assert (
        write(tmp_path / "wide", wide_TC, container, bit_depth, seed=3, software="mixcli 1").read_bytes()
        == first
    )


@pytest.mark.parametrize(("container", "bit_depth"), [f for f in FORMATS if f[1] != "32f"])
def test_the_ends_of_the_scale_can_be_written(tmp_path, container, bit_depth):
    top = 2 ** (int(bit_depth) - 1)
    ends_TC = np.array([[-1.0, (top - 1) / top]])
    back_TC = soundfile.read(write(tmp_path / "x", ends_TC, container, bit_depth), dtype="int32")[0]
    assert (back_TC >> (32 - int(bit_depth))).tolist() == [[-top, top - 1]]


@pytest.mark.parametrize("value", [1.0, -1.0001, 1.0593])
def test_a_sample_beyond_full_scale_is_an_error_and_never_clipped(tmp_path, value):
    block_TC = np.zeros((RATE, 2))
    block_TC[RATE // 2, 1] = value
    target = tmp_path / "mix.wav"
    with pytest.raises(OutputError) as caught, atomic_output(target) as partial:
        write(partial, block_TC, block=RATE)
    assert caught.value.code == "E504"
    peak = 20 * np.log10(abs(value))
    assert caught.value.message.startswith(f'"mix.wav" would clip: it reaches {peak:+.2f} dBFS at 0:00.5')
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("bit_depth", ["24", "32f"])
def test_samples_that_are_not_finite_are_refused(tmp_path, value, bit_depth):
    block_TC = np.zeros((10, 2), np.float32)
    block_TC[3, 0] = value
    with pytest.raises(OutputError, match="invalid samples") as caught:
        write(tmp_path / "mix.wav", block_TC, "wav", bit_depth)
    assert caught.value.code == "E503"


def test_flac_refuses_floats(tmp_path, signal_TC):
    with pytest.raises(OutputError) as caught:
        write(tmp_path / "mix.flac", signal_TC, "flac", "32f")
    assert caught.value.code == "E505"


@pytest.mark.parametrize("bit_depth", ["16", "24", "32f"])
def test_a_wav_file_without_samples_is_one_that_reads_as_empty(tmp_path, bit_depth):
    path = write(tmp_path / "mix", np.zeros((0, 2), np.float32), "wav", bit_depth)
    assert (soundfile.info(path).frames, soundfile.info(path).channels) == (0, 2)
    assert read_info(path).n_samples == 0


def test_a_flac_file_without_samples_is_refused_since_no_decoder_opens_one(tmp_path):
    with pytest.raises(OutputError) as caught:
        write(tmp_path / "mix.flac", np.zeros((0, 2), np.float32), "flac")
    assert caught.value.code == "E505"


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000, 192_000, 384_000])
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_every_sample_rate_can_be_written(tmp_path, signal_TC, container, sample_rate):
    form = {"n_channels": 2, "container": container, "bit_depth": "24"}
    assert write_audio(tmp_path / "x", [signal_TC], sample_rate=sample_rate, **form) == 5001
    assert (soundfile.info(tmp_path / "x").samplerate, soundfile.info(tmp_path / "x").frames) == (
        sample_rate,
        5001,
    )


def test_a_wav_file_left_unfinished_is_recognised(tmp_path, signal_TC):
    def interrupted():
        with MixWriter(
            tmp_path / "mix.wav", sample_rate=RATE, n_channels=2, container="wav", bit_depth="24"
        ) as writer:
            writer.write(signal_TC)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(SongError, match="was not finished") as caught:
        read_info(tmp_path / "mix.wav")
    assert caught.value.code == "E312"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("container", ["wav", "flac"])
def test_a_disk_that_is_really_full_is_an_output_error(signal_TC, container):
    with pytest.raises(OutputError, match="no space left") as caught:
        write(Path("/dev/full"), signal_TC, container)
    assert caught.value.code == "E502"


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("container", ["wav", "flac"])
@pytest.mark.parametrize("existed", [False, True])
def test_whichever_call_fails_the_mix_is_the_old_or_the_new_one(
    tmp_path, monkeypatch, signal_TC, container, error_number, existed
):
    form = {"sample_rate": RATE, "n_channels": 2, "container": container, "bit_depth": "16"}
    write_audio(tmp_path / "expected", [signal_TC], **form)
    new = (tmp_path / "expected").read_bytes()
    for number in range(1, 60):
        folder = tmp_path / str(number)
        folder.mkdir()
        target = folder / "mix"
        if existed:
            target.write_bytes(b"old")
        outcome, n_calls = fail_call_while_writing(monkeypatch, number, error_number, target, signal_TC, form)
        if n_calls < number:
            assert (outcome, target.read_bytes()) == ("written", new)
            break
        assert outcome == "E502"
        assert os.listdir(folder) in ([], ["mix"])
        if existed or target.exists():
            assert target.read_bytes() in (b"old", new)
    assert number > 6


def fail_call_while_writing(monkeypatch, number, error_number, target, signal_TC, form):
    """Write a mix with the `number`-th system call failing; returns the outcome and the number of calls."""
    calls = []

    def wrapped(original):
        def call(*args, **kwargs):
            calls.append(original)
            if len(calls) == number:
                raise OSError(error_number, os.strerror(error_number))
            return original(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in ("open", "write", "fsync", "replace"):
            patch.setattr(os, name, wrapped(getattr(os, name)))
        try:
            write_audio(target, [signal_TC[:2000], signal_TC[2000:]], **form)
        except OutputError as error:
            return error.code, len(calls)
    return "written", len(calls)


def test_the_written_file_reads_through_our_own_reader(tmp_path, signal_TC):
    with AudioReader(read_info(write(tmp_path / "mix.wav", signal_TC))) as reader:
        assert np.abs(reader.read(10_000) - signal_TC).max() <= 0.5 / 2**23
