import numpy as np
import pytest
from music_like import RATE, add_up, music_like_stems, separate_stems
from plain_nearness import plain_levels_db

from mixcli.measures.balance import compare_levels, describe_stems, level_errors_db, stem_levels_db
from mixcli.measures.profile import describe_profile


def levels_db(mix_TC, stems, rate=RATE):
    return stem_levels_db(describe_profile(mix_TC, rate), describe_stems(stems, rate))


@pytest.fixture(scope="module")
def together():
    stems = music_like_stems(4.0)
    described = describe_stems(stems, RATE)
    return stems, described, stem_levels_db(describe_profile(add_up(stems), RATE), described)


@pytest.mark.parametrize("change_db", [6.0, -6.0])
@pytest.mark.parametrize("n_stems", [2, 4, 7])
def test_one_fader_of_many_moves_balance_by_the_closed_form(n_stems, change_db):
    stems = separate_stems(n_stems, 0.4)
    reference_db_S = levels_db(add_up(stems), stems)
    mix_db_S = levels_db(add_up(stems, [10 ** (change_db / 20)] + [1.0] * (n_stems - 1)), stems)
    # One difference is d, the rest 0; off their mean d / S, it leaves |d| (S - 1) / S once and |d| / S
    # S - 1 times.
    wanted_db = 2 * abs(change_db) * (n_stems - 1) / n_stems**2
    assert compare_levels(mix_db_S, reference_db_S) == pytest.approx(wanted_db, rel=1e-3)
    wanted_db_S = [change_db * (n_stems - 1) / n_stems] + [-change_db / n_stems] * (n_stems - 1)
    assert level_errors_db(mix_db_S, reference_db_S) == pytest.approx(np.array(wanted_db_S), abs=0.005)


def test_levels_are_the_faders_where_stems_do_not_sound_together():
    stems = separate_stems(4, 0.4)
    wanted_db = np.array([-12.0, 0.0, 3.0, -30.0])
    assert levels_db(add_up(stems, 10 ** (wanted_db / 20)), stems) == pytest.approx(wanted_db, abs=0.01)


@pytest.mark.parametrize("change_db", [6.0, -6.0])
@pytest.mark.parametrize("moved", range(5))
def test_one_fader_among_stems_that_sound_together_is_found_within_a_fifth_of_a_decibel(
    moved, change_db, together
):
    stems, described, reference_db = together
    gains = np.ones(5)
    gains[moved] = 10 ** (change_db / 20)
    mix_db = stem_levels_db(describe_profile(add_up(stems, gains), RATE), described)
    errors_db = level_errors_db(mix_db, reference_db)
    wanted_db = np.full(5, -change_db / 5)
    wanted_db[moved] += change_db
    assert errors_db == pytest.approx(wanted_db, abs=0.2)


def test_levels_are_those_of_another_solver():
    stems = music_like_stems()
    mix_TC = add_up(stems, [0.7, 1.6, 1.0, 0.5, 1.3])
    assert levels_db(mix_TC, stems) == pytest.approx(plain_levels_db(mix_TC, stems, RATE), abs=0.005)


def test_the_level_of_the_whole_mix_does_not_count():
    stems = music_like_stems(3.0)
    mix_TC = add_up(stems, [1, 2, 0.5, 1, 1])
    quiet = levels_db(0.25 * mix_TC, stems)
    assert compare_levels(quiet, levels_db(mix_TC, stems)) == pytest.approx(0.0, abs=1e-4)


def test_a_stem_recorded_low_is_measured_like_any_other():
    stems = separate_stems(3, 0.4)
    low = [stems[0], stems[1] * np.float32(1e-3), stems[2]]
    # 60 dB up on the fader gives back the mix of the loud stems.
    assert levels_db(add_up(stems), low) == pytest.approx([0.0, 60.0, 0.0], abs=0.1)


def test_a_stem_that_is_not_in_the_mix_reads_minus_60():
    stems = separate_stems(3, 0.4)
    assert levels_db(add_up(stems, [1, 0, 1]), stems)[1] == pytest.approx(-60.0, abs=0.01)


def test_a_silent_stem_has_no_level_and_is_left_out():
    stems = separate_stems(3, 0.4)
    with_silent = [stems[0], np.zeros_like(stems[0]), *stems[1:]]
    reference_db_S, mix_db_S = (
        levels_db(add_up(stems, gains), with_silent) for gains in ([1, 1, 1], [2, 1, 1])
    )
    assert list(np.isnan(mix_db_S)) == [False, True, False, False]
    wanted_db = 2 * 20 * np.log10(2) * 2 / 9  # of three stems
    assert compare_levels(mix_db_S, reference_db_S) == pytest.approx(wanted_db, rel=1e-3)
    assert np.isnan(level_errors_db(mix_db_S, reference_db_S)[1])


def test_a_silent_mix_has_no_levels():
    stems = separate_stems(2, 0.4)
    found = levels_db(np.zeros_like(stems[0]), stems)
    assert np.isnan(found).all()
    assert np.isnan(compare_levels(found, levels_db(add_up(stems), stems)))


def test_silent_stems_have_no_levels():
    mix_TC = separate_stems(1, 0.4)[0]
    assert np.isnan(levels_db(mix_TC, [np.zeros_like(mix_TC)] * 2)).all()


def test_one_stem_alone_has_no_balance():
    stems = separate_stems(1, 0.4)
    found = levels_db(stems[0], stems)
    assert found == pytest.approx([0.0], abs=1e-3)
    assert np.isnan(compare_levels(found, found))


def test_mono_stems_and_stems_of_other_lengths_are_taken_over_the_common_frames():
    stems = separate_stems(3, 0.4)
    mono = [stem_TC.mean(axis=1, keepdims=True) for stem_TC in stems]
    mono[1] = np.pad(mono[1], ((0, 50_000), (0, 0)))
    assert levels_db(add_up(stems), mono) == pytest.approx([0.0, 0.0, 0.0], abs=1e-3)


@pytest.mark.parametrize("n_samples", [0, 1, 1000, 5000])
def test_signals_of_a_frame_or_less_have_a_level_or_none(n_samples, rng):
    stem_TC = (0.1 * rng.standard_normal((n_samples, 2))).astype(np.float32)
    found = levels_db(stem_TC, [stem_TC, np.zeros_like(stem_TC)])
    assert np.isnan(found[1])
    # A sample or two at the edge of the window is as good as silence, but for rounding.
    assert np.isnan(found[0]) if n_samples < 2 else found[0] == pytest.approx(0.0, abs=0.01)


def test_the_same_stem_twice_is_solved():
    stems = separate_stems(2, 0.4)
    found = levels_db(add_up(stems), [stems[0], stems[0], stems[1]])
    assert 10 * np.log10(np.sum(10 ** (found[:2] / 10))) == pytest.approx(0.0, abs=0.01)


def test_stems_at_another_rate_are_refused():
    stems = separate_stems(2, 0.4)
    with pytest.raises(ValueError, match="48000"):
        stem_levels_db(describe_profile(stems[0], 48_000), describe_stems(stems, RATE))
