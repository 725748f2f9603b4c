"""Truth: the file as any reader reads it."""

import numpy as np
import pytest
import soundfile

from mixcli.audio.meters import measure
from mixcli.audio.mix_sketch import MixSketch
from mixcli.audio.output import ScratchFile
from mixcli.audio.writer import MixWriter
from mixcli.mixing.finish import finish_mix, read_blocks
from mixcli.settings import MixSettings

RATE = 8000


@pytest.fixture
def mix(rng):
    places_T = np.arange(3 * RATE)
    hits_T = np.exp(-(places_T % 2000) / 300)
    return (0.4 * rng.standard_normal((3 * RATE, 2)) * hits_T[:, None]).astype(np.float32)


def finished(mix_TC, path, *, sketched, **settings):
    sketch = MixSketch(RATE, 2) if sketched else None
    with ScratchFile(path.parent, 2) as scratch:
        for start in range(0, len(mix_TC), 7000):
            scratch.append(mix_TC[start : start + 7000])
            if sketch is not None:
                sketch.push(mix_TC[start : start + 7000])
        return finish_mix(scratch, path, RATE, MixSettings(**settings), software="mixcli", sketch=sketch)


@pytest.mark.parametrize(
    ("container", "bit_depth"), [("wav", "16"), ("wav", "24"), ("wav", "32f"), ("flac", "16"), ("flac", "24")]
)
def test_the_writer_gives_back_what_a_reader_reads_bit_for_bit(container, bit_depth, tmp_path, mix):
    path = tmp_path / f"mix.{container}"
    mix_TC = mix / np.float32(4)
    mix_TC[::3] *= np.float32(1e-9)  # rounds to zero from below and from above
    arguments = {"container": container, "bit_depth": bit_depth, "dither_seed": 5}
    with MixWriter(path, sample_rate=RATE, n_channels=2, **arguments) as writer:
        written = [writer.write(mix_TC[:9000]), writer.write(mix_TC[9000:])]
    read_TC = soundfile.read(path, dtype="float32")[0]
    assert np.concatenate(written).tobytes() == read_TC.tobytes()


@pytest.mark.parametrize(("container", "bit_depth"), [("wav", "24"), ("wav", "32f"), ("flac", "16")])
def test_what_is_said_of_a_mix_is_what_its_file_measures(container, bit_depth, tmp_path, mix):
    path = tmp_path / f"mix.{container}"
    found = finished(mix, path, sketched=True, format=container, bit_depth=bit_depth, lufs=-18.0)
    assert found.solution.limited
    assert found.measures == measure(lambda: read_blocks(path), RATE, 2)
    assert found.measures.integrated_lufs == pytest.approx(-18.0, abs=0.05)
    assert found.measures.true_peak_dbtp <= -1.0


def test_a_mix_that_was_measured_while_it_was_made_becomes_the_same_file(tmp_path, mix):
    found = [finished(mix, tmp_path / f"{sketched}.wav", sketched=sketched) for sketched in (True, False)]
    assert found[0] == found[1]
    assert (tmp_path / "True.wav").read_bytes() == (tmp_path / "False.wav").read_bytes()
