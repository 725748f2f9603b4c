import numpy as np
import pytest
import soundfile

from mixcli.audio.files import read_info
from mixcli.engine.input_levels import LoudLevels, gains_to, measure_input_gains
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
    settings = ModelSettings(
        inputs=("drums.kick", "drums.snare", "drums.hihat"), sample_rate=RATE, input_peak_dbfs=-12.0
    )
    plan = plan_inputs(stems, settings)
    gains_K = measure_input_gains(plan, settings)
    peaks = [np.abs(samples["A"] + samples["B"]).max(), 1.0]
    assert gains_K[:2] == pytest.approx([10 ** (-12 / 20) / peak for peak in peaks], rel=1e-6)
    assert gains_K[2] == 1  # silence stays what it is
    as_they_are = settings.model_copy(update={"input_peak_dbfs": None})
    assert measure_input_gains(plan, as_they_are).tolist() == [1, 1, 1]


def test_silence_and_what_is_as_good_as_silence_are_left_alone():
    assert gains_to(np.array([0.0, 1e-40, 0.5], np.float32), 0.0).tolist() == [1.0, 1.0, 2.0]


@pytest.mark.parametrize("n_block", [1, 777, 50_000])
def test_the_loud_level_is_the_percentile_of_the_frames_levels(n_block, rng):
    n_frame = round(0.06 * RATE)
    levels_db = rng.permutation(np.linspace(-60, -6, 1_000))
    frames_FT = rng.choice([-1.0, 1.0], (1_000, n_frame)) * 10 ** (levels_db[:, None] / 20)
    samples_TK = np.stack([frames_FT.ravel(), 0 * frames_FT.ravel()], axis=1).astype(np.float32)
    if n_block == 1:
        samples_TK = samples_TK[: 3 * n_frame + 7]
    loud = LoudLevels(2, RATE)
    for start in range(0, len(samples_TK), n_block):
        loud.push(samples_TK[start : start + n_block])
    heard_db = levels_db if n_block > 1 else levels_db[:4]
    # the highest level that at most 0.5 % of the frames are above
    expected_db = np.sort(heard_db)[::-1][int(0.005 * len(heard_db))]
    level, silence = loud.levels()
    assert 20 * np.log10(level) == pytest.approx(expected_db, abs=0.051)
    assert silence == 0


def test_a_microphone_that_is_hit_seldom_gets_the_gain_of_one_that_is_hit_often(tmp_path, rng):
    stems, hit_T = [], rng.uniform(-1, 1, 480)
    for name, role, gain, times in [
        ("A", "drums.kick", 0.5, 120),
        ("B", "drums.tom", 0.5, 6),
        ("L", "drums.overhead:L", 0.2, 60),
        ("R", "drums.overhead:R", 0.1, 60),
    ]:
        samples_T = np.zeros(300 * 480, np.float32)
        for hit in range(times):
            samples_T[480 * 2 * hit : 480 * (2 * hit + 1)] = gain * hit_T
        soundfile.write(tmp_path / f"{name}.wav", samples_T, RATE, subtype="FLOAT")
        info = read_info(tmp_path / f"{name}.wav")
        side = {"side": role[-1]} if ":" in role else {}
        stems.append(
            Stem(
                name=f"{name}.wav", files=(info,), role=role.split(":")[0], role_from="name", attributes=side
            )
        )
    settings = ModelSettings(
        inputs=("drums.kick", "drums.tom", "drums.overhead:L", "drums.overhead:R"),
        sample_rate=RATE,
        input_loud_dbfs=-20.0,
    )
    gains_K = measure_input_gains(plan_inputs(stems, settings), settings)
    rms = np.sqrt(np.mean(hit_T**2))
    pair = np.sqrt((0.2**2 + 0.1**2) / 2)
    expected_K = 0.1 / (rms * np.array([0.5, 0.5, pair, pair]))
    assert 20 * np.log10(gains_K / expected_K) == pytest.approx(0, abs=0.06)


def test_a_microphone_with_nothing_but_spill_gets_6_db_more_than_the_median(tmp_path, rng):
    roles = ("drums.kick", "drums.snare", "drums.hihat", "drums.tom")
    stems = []
    for role, gain in zip(roles, (0.5, 0.25, 0.125, 0.001), strict=True):
        samples_T = (gain * rng.choice([-1.0, 1.0], 480 * 300)).astype(np.float32)
        soundfile.write(tmp_path / f"{role}.wav", samples_T, RATE, subtype="FLOAT")
        info = read_info(tmp_path / f"{role}.wav")
        stems.append(Stem(name=f"{role}.wav", files=(info,), role=role, role_from="name", attributes={}))
    inputs = (*roles, "bass.electric")  # which nobody recorded
    settings = ModelSettings(inputs=inputs, sample_rate=RATE, input_loud_dbfs=-20.0)
    gains_K = measure_input_gains(plan_inputs(stems, settings), settings)
    # 0.1 / level: 0.2, 0.4, 0.8, 100; half-way between the middle two, and twice that
    assert gains_K == pytest.approx([0.2, 0.4, 0.8, 0.6 * 10 ** (6 / 20), 1], rel=0.007)


def test_inputs_are_brought_to_one_level_not_to_two():
    with pytest.raises(ValueError, match="not to both"):
        ModelSettings(inputs=("drums.kick",), input_peak_dbfs=-12.0, input_loud_dbfs=-20.0)
