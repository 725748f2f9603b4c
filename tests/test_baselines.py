"""Baselines against closed forms and plain implementations; the oracle against planted consoles."""

import numpy as np
import pytest

from mixcli.evaluation.baselines import BASELINES, SIDE_DB, STEM_LUFS, random_levels_db, render_baseline
from mixcli.evaluation.oracle import correct_console, fit_console
from mixcli.evaluation.oracle_console import StaticConsole, console_bands, linear_phase_fir, render_console
from mixcli.evaluation.oracle_energies import mean_energies

RATE = 16_000


def bursts(rng, seconds=6.0, rate=RATE, low=0.0, pieces=24):
    """Noise whose level changes often: something that differs from stem to stem and from band to band."""
    n_samples = round(seconds * rate)
    level = rng.uniform(0.02, 1.0, pieces) * (rng.uniform(size=pieces) > low)
    envelope = np.repeat(level, -(-n_samples // pieces))[:n_samples]
    return (0.2 * envelope * rng.standard_normal(n_samples)).astype(np.float32)


def stereo(*signals):
    return np.stack(signals * (2 // len(signals)), axis=1)


def make(name, stems, rate=RATE, seed=3, song="song", reference_TC=None):
    blocks = list(render_baseline(name, stems, rate, seed=seed, song=song, reference_TC=reference_TC))
    assert all(len(block_TC) <= 65_536 and block_TC.dtype == np.float32 for block_TC in blocks)
    return np.concatenate(blocks)


@pytest.fixture
def stems(rng):
    return [stereo(bursts(rng)), stereo(bursts(rng), bursts(rng)) * 0.3, stereo(bursts(rng, 4.5)) * 2.0]


def padded(stems):
    length = max(map(len, stems))
    return [np.pad(stem, ((0, length - len(stem)), (0, 0))).astype(np.float64) for stem in stems]


def test_the_sum_is_the_sum_as_long_as_the_longest_stem(stems):
    assert np.allclose(make("sum", stems), sum(padded(stems)), atol=1e-6)


def test_the_peak_sum_gives_every_stem_the_same_peak(stems):
    expected = sum(stem / np.abs(stem).max() for stem in padded(stems))
    assert np.allclose(make("peak-sum", stems), expected, atol=1e-6)
    assert np.abs(make("peak-sum", stems[1:2])).max() == pytest.approx(1.0)


def test_equal_loudness_reads_the_same_for_every_stem_by_another_meter(stems):
    pyebur128 = pytest.importorskip("pyebur128")
    for stem_TC in stems:
        mix_TC = make("equal-loudness", [stem_TC])
        meter = pyebur128.R128State(2, RATE, int(pyebur128.MeasurementMode.MODE_I))
        meter.add_frames(np.ascontiguousarray(mix_TC).ravel(), len(mix_TC))
        assert pyebur128.get_loudness_global(meter) == pytest.approx(STEM_LUFS, abs=0.05)


def test_equal_loudness_adds_its_stems_up_and_leaves_silent_ones_out(stems):
    silent_TC = np.zeros((7 * RATE, 2), np.float32)
    alone = sum(padded([make("equal-loudness", [stem_TC]) for stem_TC in stems]))
    mix_TC = make("equal-loudness", [*stems, silent_TC])
    assert len(mix_TC) == len(silent_TC)
    assert np.allclose(mix_TC[: len(alone)], alone, atol=1e-6)
    assert np.isfinite(make("peak-sum", [*stems, silent_TC])).all()


def test_random_gains_are_the_stated_faders_on_equal_loudness(stems):
    levels_db = random_levels_db(len(stems), 3, "song")
    assert all(-12 <= level_db <= 0 for level_db in levels_db)
    equal = padded([make("equal-loudness", [stem_TC]) for stem_TC in stems])
    expected = sum(10 ** (level / 20) * stem for level, stem in zip(levels_db, equal, strict=True))
    assert np.allclose(make("random-gains", stems), expected, atol=1e-6)


def test_random_gains_hang_on_seed_and_song_alone():
    drawn = random_levels_db(5, 0, "one song")
    assert random_levels_db(5, 0, "one song") == drawn
    assert random_levels_db(5, 1, "one song") != drawn
    assert random_levels_db(5, 0, "another") != drawn
    many = random_levels_db(20_000, 0, "one song")
    assert np.mean(many) == pytest.approx(-6, abs=0.1)
    assert np.std(many) == pytest.approx(12 / np.sqrt(12), abs=0.1)


def test_the_blind_side_equals_a_plain_implementation(stems):
    from scipy.signal import butter, sosfilt

    equal = make("equal-loudness", stems).astype(np.float64)
    mid_T = equal.mean(axis=1)
    n_taps = int(0.018 * RATE)
    noise = np.random.default_rng(3).standard_normal(n_taps) * np.hanning(n_taps)
    side_T = np.convolve(mid_T, noise / np.linalg.norm(noise))[: len(mid_T)]
    side_T = sosfilt(butter(2, 150, "high", fs=RATE, output="sos"), side_T)
    side_T *= 10 ** (SIDE_DB / 20) * np.sqrt((mid_T**2).mean() / (side_T**2).mean())
    expected = np.stack([equal[:, 0] + side_T, equal[:, 1] - side_T], axis=1)
    assert np.allclose(make("blind-side", stems), expected, atol=1e-5)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_the_same_every_time_and_in_blocks(stems, name):
    reference_TC = make("blind-side", stems)
    first_TC = make(name, stems, reference_TC=reference_TC)
    assert np.array_equal(first_TC, make(name, stems, reference_TC=reference_TC))
    assert len(first_TC) == max(map(len, stems))
    assert np.isfinite(first_TC).all()


@pytest.mark.parametrize("name", BASELINES)
def test_silence_and_scraps_are_mixed_without_fuss(rng, name):
    for stems in (
        [np.zeros((3000, 2), np.float32)],
        [stereo(bursts(rng, 0.05))],
        [np.zeros((0, 2), np.float32)],
    ):
        blocks = render_baseline(name, stems, RATE, seed=0, song="", reference_TC=stems[0])
        mix_TC = np.concatenate([np.zeros((0, 2), np.float32), *blocks])
        assert len(mix_TC) == len(stems[0])
        assert np.isfinite(mix_TC).all()
    assert (
        list(render_baseline(name, [], RATE, seed=0, song="", reference_TC=np.zeros((9, 2), np.float32)))
        == []
    )


def test_other_names_and_an_oracle_without_a_reference_are_refused(stems):
    with pytest.raises(ValueError, match="no baseline"):
        make("louder", stems)
    with pytest.raises(ValueError, match="reference"):
        make("oracle", stems)


def flat_console(n_stems, rate=RATE, middle=1.0, pan=0.0, blind=0.0, side=0.0):
    n_bands = len(console_bands(rate))
    centres_hz = tuple(float(np.sqrt(low * high)) for low, high in console_bands(rate))
    gains = [np.ones((n_stems, n_bands)) * np.reshape(gain, (-1, 1)) for gain in (middle, pan, blind, side)]
    return StaticConsole(centres_hz, *gains)


def play(stems, console, rate=RATE, seed=0):
    return np.concatenate(list(render_console(stems, console, rate, seed=seed)))


def test_a_console_of_ones_plays_its_stems_back_without_delay(rng):
    for seconds in (0.01, 1.0, 9.0):
        stem_TC = stereo(bursts(rng, seconds), bursts(rng, seconds))
        assert np.allclose(play([stem_TC], flat_console(1, side=1.0)), stem_TC, atol=1e-5)


def test_the_consoles_blocks_equal_plain_convolutions(rng, stems):
    from scipy.signal import fftconvolve

    console = flat_console(
        3, middle=rng.uniform(0, 2, 3), pan=rng.uniform(-1, 1, 3), side=rng.uniform(0, 1, 3)
    )
    console.middle_SB[:] *= rng.uniform(0.2, 2.0, console.middle_SB.shape)
    console.pan_SB[:] *= rng.uniform(0.5, 1.5, console.pan_SB.shape)
    mid_T = side_T = 0.0
    for stem, stem_TC in enumerate(padded(stems)):
        middle_T, own_T = stem_TC.mean(axis=1), (stem_TC[:, 0] - stem_TC[:, 1]) / 2
        taps = [
            linear_phase_fir(gains[stem], console.centres_hz, RATE)
            for gains in (console.middle_SB, console.pan_SB, console.side_SB)
        ]
        half = len(taps[0]) // 2
        parts = [
            fftconvolve(signal, fir)[half : half + len(signal)]
            for signal, fir in zip((middle_T, middle_T, own_T), taps, strict=True)
        ]
        mid_T, side_T = mid_T + parts[0], side_T + parts[1] + parts[2]
    expected = np.stack([mid_T + side_T, mid_T - side_T], axis=1)
    assert np.allclose(play(stems, console), expected, atol=1e-5)


def test_the_filters_have_the_gains_asked_for():
    rate = 44_100
    console = flat_console(1, rate)
    gains = 10 ** (np.linspace(-12, 6, len(console.centres_hz)) / 20)
    taps = linear_phase_fir(gains, console.centres_hz, rate)
    response = np.abs(np.fft.rfft(taps, 1 << 16))
    hz = np.fft.rfftfreq(1 << 16, 1 / rate)
    found_db = 20 * np.log10(np.interp(console.centres_hz, hz, response))
    assert found_db == pytest.approx(20 * np.log10(gains), abs=0.2)


@pytest.mark.parametrize("delay", [0, 700, -700])
def test_the_oracle_finds_planted_static_gains_within_half_a_db(rng, delay):
    stems = [stereo(bursts(rng, 20, low=0.4, pieces=100)) for _ in range(4)]
    gains = np.array([1.0, 0.5, 2.0, 0.25])
    reference_TC = np.roll(
        sum(gain * stem_TC for gain, stem_TC in zip(gains, stems, strict=True)), delay, axis=0
    )
    console = fit_console(stems, reference_TC.astype(np.float32), RATE)
    found_db = 20 * np.log10(np.sqrt((console.middle_SB[:, 6:] ** 2).mean(axis=1)))
    assert found_db == pytest.approx(20 * np.log10(gains), abs=0.5)


def test_the_oracle_finds_a_planted_equaliser_pan_and_width(rng):
    stems = [stereo(bursts(rng, 12, low=0.4, pieces=48)) for _ in range(3)]
    planted = flat_console(3, middle=[1.0, 0.5, 1.5], pan=[0.4, -0.25, 0.0], blind=[0.0, 0.0, 0.5])
    shelf = np.where(np.array(planted.centres_hz) > 1000, 2.0, 1.0)
    planted.middle_SB[1] *= shelf
    reference_TC = play(stems, planted, seed=99)
    found = fit_console(stems, reference_TC, RATE)
    inside = slice(8, None)  # wide enough for a fit of every band within twelve seconds
    away_db = 20 * np.log10(found.middle_SB[:, inside] / planted.middle_SB[:, inside])
    assert np.abs(away_db).mean() < 0.5
    assert found.pan_SB[:, inside].mean(axis=1) == pytest.approx([0.4, -0.25, 0.0], abs=0.05)
    assert found.blind_SB[:, inside].mean(axis=1) == pytest.approx([0.0, 0.0, 0.5], abs=0.12)


def test_the_oracle_brings_middle_side_and_lean_of_every_band_to_the_references(rng, stems):
    planted = flat_console(3, middle=[1.0, 0.5, 1.5], pan=[0.4, 0.3, 0.1], blind=[0.2, 0.3, 0.1])
    reference_TC = play(stems, planted, seed=99)
    wanted, found = (
        mean_energies([signal_TC], RATE)
        for signal_TC in (reference_TC, make("oracle", stems, reference_TC=reference_TC))
    )
    assert 10 * np.log10(found[:2] / wanted[:2])[:, 1:] == pytest.approx(
        np.zeros((2, wanted.shape[1] - 1)), abs=0.5
    )
    assert (found[2] / found[0])[1:] == pytest.approx((wanted[2] / wanted[0])[1:], abs=0.05)


def test_a_correction_towards_what_is_there_changes_nothing(rng, stems):
    console = flat_console(3, middle=[1.0, 0.5, 1.5], pan=[0.4, 0.3, 0.1], blind=[0.2, 0.3, 0.1], side=0.5)
    energies = mean_energies([play(stems, console)], RATE)
    same = correct_console(console, energies, energies)
    for before, after in (
        (console.middle_SB, same.middle_SB),
        (console.pan_SB, same.pan_SB),
        (console.blind_SB, same.blind_SB),
    ):
        assert after == pytest.approx(before, abs=1e-6)


def test_mean_energies_do_not_depend_on_the_cut(rng):
    signal_TC = stereo(bursts(rng), bursts(rng))
    whole = mean_energies([signal_TC], RATE)
    cut = mean_energies((signal_TC[start : start + 1000] for start in range(0, len(signal_TC), 1000)), RATE)
    assert cut == pytest.approx(whole, rel=1e-4, abs=1e-12)
