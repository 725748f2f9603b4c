"""An hour of song takes no more memory than three minutes of it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mixcli.models.checkpoint import build_model, save_model
from mixcli.models.settings import BASE

RATE = 44_100
NAMES = (
    *("Kick", "Snare", "HiHat", "OH", "Toms", "Bass", "EGtr 1", "EGtr 2", "AcGtr"),
    *("Piano", "Organ", "Pad", "Strings", "LdVox", "BGV 1", "BGV 2"),
)
FRAME_BYTES = 6  # two channels of 24 bits
# The peak of the memory map: what getrusage tells includes the process that began this one, before exec.
CHILD = """
import json, sys
from pathlib import Path
from mixcli.__main__ import run
try:
    run()
except SystemExit as done:
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    print(json.dumps({"code": done.code or 0, "peak": peak}), file=sys.stderr)
"""


def write_sparse_stem(path, minutes, seed):
    """A 24-bit stereo file with a second of noise in every minute and holes, not zeros, between."""
    n_bytes = minutes * 60 * RATE * FRAME_BYTES
    fmt = struct.pack("<HHIIHH", 1, 2, RATE, RATE * FRAME_BYTES, FRAME_BYTES, 24)
    header = b"RIFF" + struct.pack("<I", n_bytes + 36) + b"WAVEfmt " + struct.pack("<I", 16) + fmt
    header += b"data" + struct.pack("<I", n_bytes)
    noise = np.random.default_rng(seed).normal(0, 0.1, (RATE, 2)).clip(-0.9, 0.9)
    steps = (noise * 2**23).astype("<i4").reshape(-1)
    burst = steps.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + n_bytes)
        for minute in range(minutes):
            file.seek(len(header) + minute * 60 * RATE * FRAME_BYTES)
            file.write(burst)


def write_base_model(path):
    """`base` at full size, every layer He-initialised."""
    model = build_model(BASE)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.kaiming_normal_(parameter, generator=generator)
    save_model(path, model, BASE)
    return path


def peak_bytes(folder, out, *options):
    """The most memory of a mix that is made in one process, so that all of it is counted."""
    arguments = ["mix", str(folder), "-o", str(out), "-q", *map(str, options)]
    command = [sys.executable, "-c", CHILD, *arguments]
    one_process = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_process)
    report = json.loads(done.stderr.strip().splitlines()[-1])
    assert report["code"] == 0, done.stderr
    return report["peak"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read as Linux tells it")
@pytest.mark.parametrize("network", [False, True], ids=["console", "base"])
def test_an_hour_of_16_stereo_stems_stays_below_its_bound(tmp_path, network):
    options = ("-m", write_base_model(tmp_path / "base.safetensors")) if network else ()
    peaks = {}
    for minutes in (3, 60):
        song = tmp_path / f"{minutes} minutes"
        song.mkdir()
        for seed, name in enumerate(NAMES):
            write_sparse_stem(song / f"{name}.wav", minutes, seed)
        peaks[minutes] = peak_bytes(song, tmp_path / f"{minutes}.wav", *options)
    assert peaks[60] < 1.2 * 2**30
    assert peaks[60] - peaks[3] < 100 * 2**20
