"""Truth: the samples put in, hashlib, and what the file system holds afterwards."""

import errno
import hashlib
import os
import resource

import numpy as np
import pytest

from mixcli.audio.output import ScratchFile
from mixcli.errors import OutputError


def test_scratch_samples_come_back_as_often_and_in_what_blocks_one_likes(tmp_path):
    signal_TC = np.random.default_rng(1).standard_normal((1000, 2)).astype(np.float32)
    with ScratchFile(tmp_path, 2) as scratch:
        for start in range(0, 1000, 300):
            scratch.append(signal_TC[start : start + 300])
        for size in (1, 77, 1000, 5000):
            assert np.array_equal(np.concatenate(list(scratch.blocks(size))), signal_TC)
        first, second = scratch.blocks(400), scratch.blocks(300)
        pairs = list(zip(first, second, strict=False))
        assert np.array_equal(pairs[1][0], signal_TC[400:800])
        assert np.array_equal(pairs[1][1], signal_TC[300:600])
        assert np.array_equal(scratch.read(990, 100), signal_TC[990:])
        assert scratch.n_samples == 1000
        assert scratch.digest == hashlib.sha256(signal_TC.astype("<f4").tobytes()).hexdigest()
        assert scratch.seed == int(scratch.digest[:32], 16)


def test_scratch_blocks_can_be_written_to_by_their_reader(tmp_path):
    with ScratchFile(tmp_path, 1) as scratch:
        scratch.append(np.ones((10, 1), np.float32))
        block_TC = scratch.read(0, 10)
        block_TC *= 2
        assert np.array_equal(scratch.read(0, 10), np.ones((10, 1)))


def test_an_empty_scratch_file_has_no_blocks(tmp_path):
    with ScratchFile(tmp_path, 2) as scratch:
        assert list(scratch.blocks(10)) == []
        assert scratch.digest == hashlib.sha256(b"").hexdigest()


def test_a_scratch_file_has_no_name_while_it_is_open_and_is_gone_afterwards(tmp_path):
    with ScratchFile(tmp_path, 2) as scratch:
        scratch.append(np.ones((10, 2), np.float32))
        assert os.listdir(tmp_path) == []
    scratch.close()
    assert os.listdir(tmp_path) == []


def test_a_full_disk_stops_a_scratch_file_with_the_error_for_it(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with ScratchFile(tmp_path, 2) as scratch:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OutputError, match="no space left"):
            scratch.append(np.ones((10, 2), np.float32))


def test_a_file_larger_than_the_system_allows_is_an_output_error(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ScratchFile(tmp_path, 2) as scratch:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(OutputError, match="larger than this system allows"):
                scratch.append(np.ones((10_000, 2), np.float32))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
