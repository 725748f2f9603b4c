"""Truth: levels over time made so that the line is known, and a plain reading of the points."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_survey import made_up_survey

from mixcli.console.vocal_rides import ride_at, ride_lead
from mixcli.settings import RuleSettings

ON = RuleSettings(rides=1)
N_HOPS = 900
TIMES_H = np.arange(N_HOPS) * 0.1
ROLES = {"vox": "vox.lead", "keys": "keys.piano", "backing": "vox.backing"}


def made_survey(vox_db_H, keys_db_H):
    """Hop energies in dB; the backing voices are silent."""
    survey = made_up_survey(vox=np.zeros(30), keys=np.zeros(30), backing=np.zeros(30))
    levels = {"vox": vox_db_H, "keys": keys_db_H, "backing": np.full(N_HOPS, -np.inf)}
    stems = {
        name: replace(
            survey.stems[name], hop_energies=(10 ** (np.broadcast_to(level, N_HOPS) / 10)).astype(np.float32)
        )
        for name, level in levels.items()
    }
    return replace(survey, stems=stems)


def ride(survey, settings=ON, **gains_db):
    made = ride_lead("vox", ROLES, dict.fromkeys(ROLES, 0.0) | gains_db, survey, settings)
    return None if made is None else made[0]


def test_the_voice_rises_by_half_of_what_the_rest_does():
    keys_db_H = np.where((TIMES_H > 30) & (TIMES_H < 60), -20.0, -24.0)
    points = ride(made_survey(-20.0, keys_db_H))
    loud_db, soft_db = ride_at(points, np.array([45.0])), ride_at(points, np.array([15.0, 75.0]))
    np.testing.assert_allclose(loud_db - soft_db, 2.0, atol=0.15)


def test_within_three_db_and_nought_on_average_over_the_singing():
    rng = np.random.default_rng(5)
    slow_H = np.cumsum(rng.normal(0, 1.2, N_HOPS))
    sings_H = (TIMES_H % 12) < 8
    survey = made_survey(np.where(sings_H, -20.0, -70.0), -25 + slow_H - slow_H.mean())
    for strength in (1.0, 0.4):
        points = ride(survey, RuleSettings(rides=strength))
        gains_db = np.array([gain_db for _, gain_db in points])
        assert np.abs(gains_db).max() <= 3 * strength + 0.051
        assert abs(ride_at(points, TIMES_H)[sings_H].mean()) < 0.1


def test_in_a_pause_the_line_holds_until_a_second_before_the_voice_comes_back():
    sings_H = (TIMES_H < 30) | (TIMES_H >= 50)
    keys_db_H = np.where(TIMES_H < 40, -26.0, -18.0)
    points = ride(made_survey(np.where(sings_H, -20.0, -70.0), keys_db_H))
    held_db = ride_at(points, np.linspace(32, 48.9, 100))
    assert np.ptp(held_db) <= 0.2
    assert ride_at(points, np.array([55.0]))[0] - held_db[0] > 2


def test_the_points_stand_for_the_line_within_a_fifth_of_a_db():
    rng = np.random.default_rng(6)
    smooth_H = np.convolve(rng.normal(0, 1, N_HOPS + 99), np.hanning(100) / 5, "valid")
    survey = made_survey(-20.0, -24 + smooth_H)
    points = ride(survey)
    times_s, _ = zip(*points, strict=True)
    assert list(times_s) == sorted(set(times_s))
    assert all(time_s == round(time_s) for time_s in times_s)
    window = np.hanning(61)[1:-1]
    count_H = np.convolve(np.ones(N_HOPS), window, "same")
    rest_H = np.convolve(10 ** ((-24 + smooth_H) / 10), window, "same")
    over_H = -20 - 10 * np.log10(rest_H / count_H)
    line_H = np.clip(0.5 * (over_H.mean() - over_H), -3, 3)
    seconds = slice(0, N_HOPS, 10)
    errors = ride_at(points, TIMES_H[seconds]) - line_H[seconds]
    assert np.abs(errors).max() <= 0.25  # 0.2, and what the clipping moves the mean by
    assert len(points) < 0.8 * N_HOPS / 10


def test_a_line_that_hardly_moves_is_no_ride_and_other_roles_have_none():
    rng = np.random.default_rng(7)
    steady = made_survey(-20 + rng.normal(0, 1, N_HOPS), -25 + rng.normal(0, 1, N_HOPS))
    assert ride(steady) is None
    moving = made_survey(-20.0, np.where(TIMES_H < 45, -30.0, -20.0))
    assert ride(moving) is not None
    assert ride(moving, RuleSettings()) is None
    for name in ("keys", "backing"):
        assert ride_lead(name, ROLES, dict.fromkeys(ROLES, 0.0), moving, ON) is None


def test_a_common_gain_changes_nothing():
    survey = made_survey(-20.0, np.where(TIMES_H < 45, -30.0, -20.0))
    assert ride(survey) == ride(survey, vox=12.0, keys=12.0, backing=12.0)


def test_alone_or_silent_there_is_nothing_to_rise_over():
    assert ride(made_survey(-20.0, -np.inf)) is None
    assert ride(made_survey(-np.inf, -20.0)) is None
    short = made_survey(-20.0, -20.0)
    stems = {name: replace(stem, hop_energies=stem.hop_energies[:5]) for name, stem in short.stems.items()}
    assert ride(replace(short, stems=stems)) is None


@pytest.mark.parametrize("keys_hops", [100, 1500])
def test_stems_of_other_lengths_are_heard_as_long_as_they_last(keys_hops):
    survey = made_survey(-20.0, np.where(TIMES_H < 45, -30.0, -20.0))
    hops = np.resize(survey.stems["keys"].hop_energies, keys_hops)
    stems = dict(survey.stems) | {"keys": replace(survey.stems["keys"], hop_energies=hops)}
    points = ride(replace(survey, stems=stems))
    assert points is None or all(np.isfinite(gain_db) for _, gain_db in points)
