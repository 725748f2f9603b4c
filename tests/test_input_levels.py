import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.engine.input_levels import gains_to_peak, measure_input_gains
from mixcli.engine.prepare import plan_inputs
from mixcli.models.settings import ModelSettings
from mixcli.songs.song import Stem

RATE = 8_000


def test_every_input_is_brought_to_the_peak_over_the_whole_song(tmp_path, rng):
    stems, samples = [], {}
    for name, role, peak in [("A", "drums.kick", 0.1), ("B", "drums.kick", 0.05), ("C", "drums.snare", 1.0)]:
        samples_T = 0.01 * rng.uniform(-1, 1, 150_000).astype(np.float32)
        samples_T[{"A": 3, "B": 3, "C": 149_999}[name]] = -peak
        soundfile.write(tmp_path / f"{name}.wav", samples_T, RATE, subtype="FLOAT")
        info = read_info(tmp_path / f"{name}.wav")
        stems.append(Stem(name=f"{name}.wav", files=(info,), role=role, role_from="name", attributes={}))
        samples[name] = samples_T
    settings = ModelSettings(inputs=("drums.kick", "drums.snare", "drums.hihat"), sample_rate=RATE)
    plan = plan_inputs(stems, settings)
    gains_K = measure_input_gains(plan, -12.0)
    peaks = [np.abs(samples["A"] + samples["B"]).max(), 1.0]
    assert gains_K[:2] == pytest.approx([10 ** (-12 / 20) / peak for peak in peaks], rel=1e-6)
    assert gains_K[2] == 1  # silence stays what it is
    assert measure_input_gains(plan, None).tolist() == [1, 1, 1]


def test_silence_and_what_is_as_good_as_silence_are_left_alone():
    assert gains_to_peak(np.array([0.0, 1e-40, 0.5], np.float32), 0.0).tolist() == [1.0, 1.0, 2.0]
