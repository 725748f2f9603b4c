"""Known changes move the measure they belong to by the computed amount, and the others little."""

import numpy as np
import pytest
from music_like import RATE, add_up, music_like_stems, separate_stems
from nearness_of import nearness_of
from plain_nearness import OCTAVES, SIXTHS, THIRDS

from mixcli.measures.nearness import QUANTILES, compare_profiles
from mixcli.measures.profile import describe_profile


def check_bounds(found, bounds):
    """Every value at most its bound; a value without a bound is the one that was meant to move."""
    assert {key: value for key, value in found.items() if key in bounds and value > bounds[key]} == {}


@pytest.fixture(scope="module")
def song():
    stems = music_like_stems(4.0)
    return stems, add_up(stems)


def mid_and_side(mid_T, side_T):
    return np.stack([mid_T + side_T, mid_T - side_T], axis=1).astype(np.float32)


def octave_noises(rng, seconds=4.0):
    """One mono noise per octave of OCTAVES, well inside its band, as stems in the middle."""
    n_samples = round(seconds * RATE)
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE)
    stems = []
    for centre in OCTAVES:
        spectrum = np.fft.rfft(rng.standard_normal(n_samples))
        spectrum[(frequencies < 0.8 * centre) | (frequencies > 1.25 * centre)] = 0
        noise_T = np.fft.irfft(spectrum, n_samples)
        noise_T *= 0.05 / noise_T.std()
        stems.append(mid_and_side(noise_T, 0 * noise_T))
    return stems


@pytest.mark.parametrize("change_db", [6.0, -6.0])
@pytest.mark.parametrize("moved", range(5))
def test_a_fader_moves_balance_as_computed(moved, change_db, song):
    stems, reference_TC = song
    gains = np.ones(5)
    gains[moved] = 10 ** (change_db / 20)
    found = nearness_of(add_up(stems, gains), reference_TC, stems, RATE)
    assert found["balance_db"] == pytest.approx(2 * 6 * 4 / 5**2, rel=0.01)
    check_bounds(
        found,
        {
            "tone_db": 2.0,
            "width_db": 1.5,
            "image_db": 1.0,
            "dynamics_db": 2.5,
            "spectra_db": 3.0,
            "features": 0.08,
        },
    )


@pytest.mark.parametrize("pan_db", [3.0, 6.0, -6.0])
def test_a_pan_moves_image_as_computed(pan_db, rng):
    stems = octave_noises(rng)
    ratio = 10 ** (pan_db / 20)
    left = ratio * np.sqrt(2 / (1 + ratio**2))  # constant power
    right = left / ratio
    panned = [*stems]
    panned[3] = (stems[3] * [left, right]).astype(np.float32)
    found = nearness_of(add_up(panned), add_up(stems), stems, RATE)
    assert found["image_db"] == pytest.approx(abs(pan_db) / 7, rel=0.01)
    # A pan takes this much off the mid, in the thirds of one octave and from one stem of seven.
    mid_db = abs(20 * np.log10((left + right) / 2))
    assert found["balance_db"] == pytest.approx(2 * mid_db * 6 / 7**2, rel=0.05)
    check_bounds(found, {"tone_db": mid_db * 3 / 26 + 0.01, "dynamics_db": 0.2})
    # Three of twenty thirds go from no width at all to some: the cap.
    check_bounds(found, {"width_db": 12 * 4 / 20})


def test_a_shelf_at_1_khz_moves_tone_as_computed(rng):
    from scipy.signal import freqz, lfilter

    # One pole and one zero, a factor of 2 apart about 1 kHz: +6 dB above it.
    zero, pole = (np.exp(-2 * np.pi * 1000 * factor / RATE) for factor in (0.7, 1.4))
    b, a = np.array([1, -zero]) * (1 - pole) / (1 - zero), [1, -pole]
    stems = separate_stems(4)
    mix_TC = lfilter(b, a, add_up(stems), axis=0).astype(np.float32)
    frequencies, response = freqz(b, a, 2049, fs=RATE, include_nyquist=True)

    def gains_db(centres, half):
        for centre in centres:
            inside = (frequencies >= centre / 2**half) & (frequencies < centre * 2**half)
            yield 10 * np.log10(np.mean(np.abs(response[inside]) ** 2))

    found = nearness_of(mix_TC, add_up(stems), stems, RATE)
    wanted_db = np.mean(np.abs(list(gains_db(THIRDS, 1 / 6))))
    assert wanted_db > 2.5
    assert found["tone_db"] == pytest.approx(wanted_db, rel=0.01)
    # Stems of one spectrum keep their balance.
    check_bounds(found, {"balance_db": 0.02, "width_db": 0.05, "image_db": 0.05, "features": 0.25})
    sounding_db = np.mean(np.abs(list(gains_db(SIXTHS, 1 / 12))))
    assert found["spectra_db"] == pytest.approx(sounding_db, rel=0.15)  # frames of silence differ by nothing


def test_a_shelf_moves_the_balance_of_stems_in_different_ranges_by_less_than_itself(song):
    from scipy.signal import lfilter

    stems, reference_TC = song
    zero, pole = (np.exp(-2 * np.pi * 1000 * factor / RATE) for factor in (0.7, 1.4))
    b, a = np.array([1, -zero]) * (1 - pole) / (1 - zero), [1, -pole]
    found = nearness_of(lfilter(b, a, reference_TC, axis=0).astype(np.float32), reference_TC, stems, RATE)
    assert 2.5 < found["tone_db"] < 6.0
    # At most half of the shelf: stems all below and all above it.
    check_bounds(found, {"balance_db": 3.01, "width_db": 0.1, "image_db": 0.1})


def test_three_decibels_more_side_move_width_by_three_and_nothing_of_the_mid(rng):
    stems = [mid_and_side(*noise_CT) for noise_CT in rng.standard_normal((3, 2, 5 * RATE)) * [[0.06], [0.03]]]
    reference_TC = add_up(stems)
    mid_T, side_T = reference_TC.mean(1), (reference_TC[:, 0] - reference_TC[:, 1]) / 2
    found = nearness_of(mid_and_side(mid_T, 10 ** (3 / 20) * side_T), reference_TC, stems, RATE)
    assert found["width_db"] == pytest.approx(3.0, rel=0.002)
    assert found["spectra_db"] == pytest.approx(1.5, rel=0.002)  # the mean of mid, 0 dB, and side, 3 dB
    # Side is a quarter of the mid's energy, so every frame is this much louder; that is
    # half of the measure, the crest factor the other.
    louder_db = 10 * np.log10((1 + 10**0.3 / 4) / (1 + 1 / 4))
    assert found["dynamics_db"] == pytest.approx(louder_db / 2, abs=0.1)
    check_bounds(found, {"tone_db": 1e-4, "balance_db": 1e-4, "image_db": 0.1, "features": 0.1})


def test_left_and_right_exchanged_are_the_same_mix(song):
    stems, reference_TC = song
    found = nearness_of(np.ascontiguousarray(reference_TC[:, ::-1]), reference_TC, stems, RATE)
    assert found == pytest.approx(dict.fromkeys(found, 0.0), abs=1e-9)


def test_one_gain_moves_tone_by_itself_and_dynamics_by_half(song):
    stems, reference_TC = song
    found = nearness_of(np.float32(10 ** (2 / 20)) * reference_TC, reference_TC, stems, RATE)
    assert found["tone_db"] == pytest.approx(2.0, abs=0.005)
    assert found["dynamics_db"] == pytest.approx(1.0, abs=0.005)
    check_bounds(found, {"balance_db": 1e-3, "width_db": 1e-3, "image_db": 1e-3})


def test_a_slow_limiter_moves_dynamics_as_computed():
    levels_db = np.linspace(-30.0, -4.0, 27)
    limited_db = np.minimum(levels_db, -12.0)
    length = int(0.4 * RATE)  # 400 whole periods
    sine_T = np.sin(2 * np.pi * 1000 * np.arange(length) / RATE)
    reference_TC, mix_TC = (
        np.repeat(np.concatenate([10 ** (db / 20) * sine_T for db in steps])[:, None], 2, 1).astype(
            np.float32
        )
        for steps in (levels_db, limited_db)
    )
    found = compare_profiles(describe_profile(mix_TC, RATE), describe_profile(reference_TC, RATE))
    moved_db = np.percentile(levels_db, QUANTILES) - np.percentile(limited_db, QUANTILES)
    assert found["dynamics_db"] == pytest.approx(moved_db.mean() / 2, rel=0.001)  # the crest factor stays
    check_bounds(found, {"width_db": 0.0, "image_db": 0.0})


def test_clipping_a_sine_moves_dynamics_as_computed():
    sine_T = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE)
    pair = [
        np.repeat(signal_T[:, None], 2, 1).astype(np.float32) for signal_T in (sine_T, sine_T.clip(-0.5, 0.5))
    ]
    found = compare_profiles(describe_profile(pair[1], RATE), describe_profile(pair[0], RATE))
    angle = np.arcsin(0.5)  # where the clipped part begins
    mean_square = 2 / np.pi * (angle / 2 - np.sin(2 * angle) / 4 + 0.25 * (np.pi / 2 - angle))
    level_db = 10 * np.log10(mean_square / 0.5)
    crest_db = 20 * np.log10(0.5) - level_db
    assert found["dynamics_db"] == pytest.approx((abs(level_db) + abs(crest_db)) / 2, rel=0.005)


def test_a_limiter_on_the_mix_moves_dynamics_more_than_balance_and_width(song):
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    stems, reference_TC = song
    allowed_T = np.minimum(1, 0.15 / np.maximum(np.abs(reference_TC).max(axis=1), 1e-9))
    gain_T = uniform_filter1d(minimum_filter1d(allowed_T, 441), 441)  # 10 ms ahead and after
    mix_TC = reference_TC * gain_T[:, None].astype(np.float32)
    assert 20 * np.log10(gain_T.min()) < -5
    mix_TC = mix_TC * np.float32(reference_TC.std() / mix_TC.std())
    found = nearness_of(mix_TC, reference_TC, stems, RATE)
    assert found["dynamics_db"] > 0.5
    check_bounds(found, {"balance_db": 0.5, "width_db": 0.5, "image_db": 0.1})
