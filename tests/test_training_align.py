import numpy as np
import pytest
from dataset_trees import RATE, delayed, mixed, sounds
from scipy.signal import butter, sosfilt

from mixcli.training.align import MixAlignment, NoAlignment, align_mix, coherence, level_db
from mixcli.training.align_fit import EMPHASIS, StemFit

SECONDS = 6.0


def plain_sum(stems):
    return np.sum(list(stems.values()), axis=0, dtype=np.float32)


@pytest.mark.parametrize("delay", [0, 1, 137, -220, 5_000, -5_500])
@pytest.mark.parametrize(("polarity", "gain_db"), [(1, 0.0), (-1, -7.5)])
def test_a_known_delay_polarity_and_gain_are_found_again(delay, polarity, gain_db):
    sum_T = plain_sum(sounds(1, SECONDS))
    mix_T = polarity * 10 ** (gain_db / 20) * delayed(sum_T, delay)
    found = align_mix({"plain": sum_T}, mix_T.astype(np.float32), RATE)
    assert isinstance(found, MixAlignment)
    assert found.delay_samples == -delay
    assert found.inverted == (polarity < 0)
    assert found.gain_db == pytest.approx(gain_db, abs=0.1)
    assert found.coherence > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_a_mix_with_faders_filters_and_saturation_is_still_found(seed):
    rng = np.random.default_rng(seed)
    stems = sounds(seed, SECONDS)
    made = 0
    for samples in stems.values():
        sos = butter(1, rng.uniform(200, 2000), rng.choice(["low", "high"]), fs=RATE, output="sos")
        made = made + 10 ** (rng.uniform(-9, 9) / 20) * np.tanh(
            3 * (0.7 * sosfilt(sos, samples) + 0.3 * samples)
        )
    delay = int(rng.integers(-2000, 2000))
    mix_T = (1 - 2 * (seed % 2)) * delayed(np.tanh(made).astype(np.float32), delay)
    found = align_mix({"plain": plain_sum(stems)}, mix_T, RATE)
    assert isinstance(found, MixAlignment)
    assert abs(found.delay_samples + delay) <= 2  # the filters' own delay
    assert found.inverted == bool(seed % 2)


@pytest.mark.parametrize(("first", "second"), [(1, 2), (3, 4), (5, 6), (7, 8)])
def test_two_unrelated_songs_of_one_tempo_are_refused(first, second):
    stems = sounds(first, SECONDS)
    mix_T = mixed(sounds(second, SECONDS)).mean(axis=1)
    found = align_mix({"plain": plain_sum(stems)}, mix_T, RATE)
    assert isinstance(found, NoAlignment)
    assert "stems and mix" in found.reason


def test_silence_and_noise_are_no_mix_of_anything(rng):
    sum_T = plain_sum(sounds(1, SECONDS))
    for mix_T in (np.zeros_like(sum_T), rng.standard_normal(len(sum_T)).astype(np.float32)):
        assert isinstance(align_mix({"plain": sum_T}, mix_T, RATE), NoAlignment)


def test_steady_tones_without_a_lag_of_their_own_must_agree_as_they_lie():
    time_s = np.arange(int(SECONDS * RATE)) / RATE
    tones = [np.sin(2 * np.pi * hz * time_s).astype(np.float32) for hz in (250, 500)]
    found = align_mix({"plain": tones[0] + tones[1]}, -0.5 * (tones[0] + tones[1]), RATE)
    assert isinstance(found, MixAlignment)
    assert (found.delay_samples, found.inverted) == (0, True)
    assert found.gain_db == pytest.approx(-6.02, abs=0.01)
    assert isinstance(
        align_mix({"plain": tones[0]}, np.sin(2 * np.pi * 777 * time_s).astype(np.float32), RATE), NoAlignment
    )


@pytest.mark.parametrize("what", ["as it is", "cut at 0:30", "other tempo", "other intro"])
def test_a_mix_that_does_not_stay_with_its_stems_is_refused_at_the_time_where_it_leaves(what):
    """At 2 kHz, which is enough to tell."""
    rate, seconds = 2_000, 60.0
    # without the chords, which are the same at all times
    sum_T = plain_sum(
        {name: samples for name, samples in sounds(11, seconds, rate).items() if name != "chords"}
    )
    mix_T = np.tanh(2 * sum_T)
    if what == "cut at 0:30":  # a bar is missing
        mix_T = np.concatenate([mix_T[: 30 * rate], mix_T[32 * rate + 250 :]])
    elif what == "other tempo":  # a clock that is 0.5 % fast: 50 ms are gone after 10 s
        mix_T = np.interp(np.arange(len(mix_T)) * 1.005, np.arange(len(mix_T)), mix_T).astype(np.float32)
    elif what == "other intro":
        mix_T = np.concatenate([plain_sum(sounds(12, seconds, rate))[: 10 * rate], mix_T[10 * rate :]])
    found = align_mix({"plain": sum_T}, mix_T.astype(np.float32), rate)
    if what in ("as it is", "other intro"):
        assert isinstance(found, MixAlignment)
        assert found.delay_samples == 0
    else:
        assert isinstance(found, NoAlignment)
        assert "drift" in found.reason or "too little" in found.reason or "no common time" in found.reason
    if what == "cut at 0:30":
        # either half may be the one that is taken for right
        assert found.reason.split(" at ")[1].startswith(("0:30", "0:00"))


def test_stems_of_very_different_levels_are_found_by_their_levelled_sum():
    """One stem 50 dB above the others in the session, and hardly in the mix."""
    stems = sounds(9, SECONDS)
    mix_T = plain_sum({name: samples for name, samples in stems.items() if name != "bass"})
    stems = stems | {"bass": stems["bass"] * 300}
    levelled_T = np.sum([s / np.sqrt((s**2).mean()) for s in stems.values()], axis=0).astype(np.float32)
    found = align_mix({"plain": plain_sum(stems), "levelled": levelled_T}, mix_T, RATE)
    assert isinstance(found, MixAlignment)
    assert (found.sum_used, found.delay_samples) == ("levelled", 0)


def fitted(stems_NT, mix_T, centre, reach, block=3_000):
    """The fit in blocks, with the mix taken as the class asks for it."""
    fit = StemFit(len(stems_NT), centre, reach)
    padded_T = np.pad(mix_T, 2 * RATE)
    for start in range(0, stems_NT.shape[1], block):
        part_NT = stems_NT[:, start : start + block]
        first = start + centre - reach - 1 + 2 * RATE
        fit.push(part_NT, padded_T[first : first + part_NT.shape[1] + 2 * reach + 1])
    return fit.best()


@pytest.mark.parametrize("later", [-31, 0, 1, 57])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_fit_finds_the_delay_that_a_sum_of_microphones_hides(later, sign, rng):
    """The mix is nearly all overheads, which hear the drums 40 samples later; the stems nearly all close."""
    close_T, room_T = sounds(4, SECONDS)["snare"], 0.01 * rng.standard_normal(int(SECONDS * RATE))
    overhead_T = delayed(close_T, 40) + room_T.astype(np.float32)
    stems_NT = np.stack([close_T, 0.1 * overhead_T])
    mix_T = sign * delayed(0.05 * close_T + overhead_T, later)
    rough = align_mix({"plain": stems_NT.sum(axis=0)}, mix_T.astype(np.float32), RATE)
    assert rough.delay_samples == -(40 + later)  # where the sum alone would put it
    found = fitted(stems_NT, mix_T.astype(np.float32), 40 + later, 100)
    assert found.later_samples == later
    assert found.inverted == (sign < 0)
    assert found.explained > 0.98


def test_the_fit_explains_the_share_that_least_squares_leaves(rng):
    stems_NT = rng.standard_normal((3, 9_000)).astype(np.float32)
    mix_T = (0.5 * stems_NT[0] - 0.2 * stems_NT[2] + 0.3 * rng.standard_normal(9_000)).astype(np.float32)
    found = fitted(stems_NT, mix_T, 0, 5, block=1_000)
    sharp_NT = stems_NT - EMPHASIS * np.pad(stems_NT, ((0, 0), (1, 0)))[:, :-1]
    sharp_T = mix_T - EMPHASIS * np.pad(mix_T, (1, 0))[:-1]
    gains = np.linalg.lstsq(sharp_NT.T, sharp_T, rcond=None)[0]
    left = np.square(sharp_T - gains @ sharp_NT).sum() / np.square(sharp_T).sum()
    assert found.explained == pytest.approx(1 - left, abs=1e-3)
    assert (found.later_samples, found.inverted) == (0, False)


def test_coherence_is_that_of_a_known_signal_to_noise_ratio(rng):
    """Of x + n with one spectrum, the magnitude-squared coherence is s / (s + n)."""
    signal_T, noise_T = rng.standard_normal((2, 60 * RATE)).astype(np.float32)
    for ratio in (0.0, 0.25, 1.0, 9.0):
        expected = ratio / (ratio + 1)
        found = coherence(signal_T, (np.sqrt(ratio) * signal_T + noise_T).astype(np.float32), RATE)
        assert found == pytest.approx(expected, abs=0.02)


def test_the_level_of_silence_is_low_but_a_number():
    assert level_db(np.zeros(9, np.float32), np.ones(9, np.float32)) == -120
    assert level_db(np.ones(9, np.float32), 0.5 * np.ones(9, np.float32)) == pytest.approx(-6.0206, abs=1e-4)
