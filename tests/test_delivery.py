"""What leaves the tool holds its promises under other meters: loudness, ceiling, whatever goes in."""

import json

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

RATE = 44_100


def sine(frequency_hz, seconds, phase=0.0, level=1.0):
    return level * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE + phase)


def adversarial_songs():
    generator = np.random.default_rng(3)
    seconds = 3
    clicks = np.zeros(seconds * RATE)
    clicks[:: RATE // 3] = 1.0
    burst = generator.standard_normal(seconds * RATE) * (np.arange(seconds * RATE) % RATE < RATE // 8)
    square = np.sign(sine(110, seconds))
    return {
        "full-scale fs/4 at 45 degrees": [sine(RATE / 4, seconds, np.pi / 4), sine(90, seconds, level=0.1)],
        "square": [square, sine(220, seconds, level=0.5)],
        "clicks": [clicks, np.roll(clicks, 2_000)],
        "+30 dBFS float": [burst * 31.6, sine(60, seconds, level=10)],
        "noise of one step": [np.round(burst) * 2.0**-10, sine(440, seconds, level=2.0**-10)],
        "half a second": [burst[: RATE // 2] * 0.1, sine(330, 0.5, level=0.3)],
        "0.41 s": [burst[: round(0.41 * RATE)] * 0.1, sine(330, 0.41, level=0.3)],
    }


SONGS = adversarial_songs()


@pytest.fixture
def ebur128():
    return pytest.importorskip("pyebur128", reason="pyebur128 has no wheel for this Python")


def second_meter(ebur128, mix_TC, rate):
    """Integrated loudness and true peak by libebur128."""
    mode = int(ebur128.MeasurementMode.MODE_I) | int(ebur128.MeasurementMode.MODE_TRUE_PEAK)
    state = ebur128.R128State(2, rate, mode)
    state.add_frames(np.ascontiguousarray(mix_TC).ravel(), len(mix_TC))
    peak = max(ebur128.get_true_peak(state, channel) for channel in (0, 1))
    return ebur128.get_loudness_global(state), 20 * np.log10(max(peak, 1e-12))


def check_delivery(ebur128, path, result, *, lufs, ceiling_dbtp, limit_db):
    mix_TC, rate = soundfile.read(path, dtype="float64", always_2d=True)
    read, peak = second_meter(ebur128, mix_TC, rate)
    times_8 = 20 * np.log10(np.abs(resample_poly(mix_TC, 8, 1, axis=0)).max() + 1e-12)
    assert peak <= ceiling_dbtp
    assert times_8 <= ceiling_dbtp
    assert result["outputs"][0]["true_peak_dbtp"] <= ceiling_dbtp
    loudness = result["loudness"]
    assert loudness["max_reduction_db"] <= limit_db + 0.05
    if loudness["reached"]:
        assert read == pytest.approx(lufs, abs=0.1)
    elif np.isfinite(read):
        assert loudness["short_by_lu"] == pytest.approx(lufs - read, abs=0.1)
        assert loudness["max_reduction_db"] == pytest.approx(limit_db, abs=0.05) or loudness["gain_db"] >= 40


@pytest.mark.parametrize("name", SONGS)
def test_loudness_and_ceiling_hold_under_other_meters(run, tmp_path, ebur128, name):
    folder = tmp_path / "song"
    folder.mkdir()
    for stem, samples in zip(("Synth Lead", "Bass"), SONGS[name], strict=True):
        soundfile.write(folder / f"{stem}.wav", samples.astype(np.float32), RATE, subtype="FLOAT")
    code, out, err = run("mix", folder, "-o", tmp_path / "out", "--json")
    assert code == 0, err
    path = tmp_path / "out" / "song.wav"
    check_delivery(ebur128, path, json.loads(out), lufs=-14, ceiling_dbtp=-1, limit_db=6)


@pytest.mark.parametrize(
    ("preset", "lufs", "ceiling_dbtp", "limit_db"),
    [
        ("apple", -16, -1, 6),
        ("broadcast-r128", -23, -1, 6),
        ("broadcast-atsc", -24, -2, 6),
        ("podcast", -16, -1, 6),
        ("loud", -9, -1, 9),
    ],
)
def test_every_preset_meets_its_target(
    run, make_song, tmp_path, ebur128, preset, lufs, ceiling_dbtp, limit_db
):
    folder = make_song(seconds=3, rate=RATE)
    code, out, err = run("mix", folder, "-o", tmp_path / "out", "-p", preset, "--json")
    assert code == 0, err
    path = tmp_path / "out" / "Song A.wav"
    check_delivery(ebur128, path, json.loads(out), lufs=lufs, ceiling_dbtp=ceiling_dbtp, limit_db=limit_db)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_it_holds_at_other_rates(run, make_song, tmp_path, ebur128, rate):
    folder = make_song(seconds=2, rate=rate)
    code, out, err = run("mix", folder, "-o", tmp_path / "out", "--json")
    assert code == 0, err
    path = tmp_path / "out" / "Song A.wav"
    check_delivery(ebur128, path, json.loads(out), lufs=-14, ceiling_dbtp=-1, limit_db=6)
