"""Truth: spectra made so that it is known who covers whom, and by how much."""

import numpy as np
import pytest
from made_up_survey import CENTRES_B, made_up_survey

from mixcli.console.masking import make_room
from mixcli.settings import RuleSettings

ON = RuleSettings(masking=1)
NOTHING_DB = -80.0


def around(hertz, level_db, octaves=0.5):
    """A level in a region, next to nothing elsewhere."""
    return np.where(np.abs(np.log2(CENTRES_B / hertz)) <= octaves, level_db, NOTHING_DB)


def test_who_covers_the_lead_where_words_are_understood_makes_room_and_nobody_else():
    survey = made_up_survey(
        vox=np.full(30, -20.0),
        guitar=np.where((CENTRES_B > 1800) & (CENTRES_B < 3200), -16.0, NOTHING_DB),
        pad=around(200, 0),
        tops=around(12_000, 0),
    )
    roles = {"vox": "vox.lead", "guitar": "gtr.electric", "pad": "synth.pad", "tops": "drums.hihat"}
    dips = make_room(roles, dict.fromkeys(roles, 0.0), survey, ON)
    assert set(dips) == {"guitar"}
    (band,) = dips["guitar"].bands
    assert band.kind == "bell"
    assert 1800 < band.frequency_hz < 3200
    assert band.gain_db == pytest.approx(-2.0)  # 4 dB over the voice: half of it
    assert "4 dB" in dips["guitar"].reason
    assert "lead" in dips["guitar"].reason


@pytest.mark.parametrize("excess_db", [-6, 0, 2, 4, 6, 20])
def test_half_of_what_covers_it_is_taken_but_three_db_at_most(excess_db):
    survey = made_up_survey(vox=np.full(30, -20.0), keys=np.full(30, -20.0))
    roles = {"vox": "vox.lead", "keys": "keys.piano"}
    dips = make_room(roles, {"vox": 0.0, "keys": float(excess_db)}, survey, ON)
    taken = [-band.gain_db for band in dips["keys"].bands] if dips else [0.0] * 3
    assert taken == pytest.approx([min(max(excess_db / 2, 0), 3)] * 3, abs=0.051)


def test_the_gains_decide_and_strength_scales():
    survey = made_up_survey(vox=np.full(30, -20.0), keys=np.full(30, -10.0))
    roles = {"vox": "vox.lead", "keys": "keys.piano"}
    assert make_room(roles, {"vox": 10.0, "keys": 0.0}, survey, ON) == {}
    full, half = (
        make_room(roles, {"vox": 0.0, "keys": 0.0}, survey, RuleSettings(masking=strength))["keys"].bands
        for strength in (1, 0.5)
    )
    assert [band.gain_db for band in full] == [-3.0] * 3
    assert [band.gain_db for band in half] == [-1.5] * 3
    assert make_room(roles, {"vox": 0.0, "keys": 0.0}, survey, RuleSettings()) == {}


def test_backing_voices_and_who_adds_little_are_left_alone():
    survey = made_up_survey(
        vox=np.full(30, -20.0), backing=np.full(30, 0.0), keys=np.full(30, -10.0), bells=np.full(30, -25.0)
    )
    roles = {"vox": "vox.lead", "backing": "vox.backing", "keys": "keys.piano", "bells": "perc.pitched"}
    assert set(make_room(roles, dict.fromkeys(roles, 0.0), survey, ON)) == {"keys"}
    del roles["vox"]
    assert make_room(roles, dict.fromkeys(roles, 0.0), survey, ON) == {}


def test_a_voice_that_sings_half_of_the_time_is_as_loud_while_it_sings():
    survey = made_up_survey(vox=np.full(30, -20.0), keys=np.full(30, -18.0))
    stems = dict(survey.stems)
    object.__setattr__(stems["vox"], "active_fraction", 0.5)  # the same energy in half of the time
    roles = {"vox": "vox.lead", "keys": "keys.piano"}
    assert make_room(roles, dict.fromkeys(roles, 0.0), survey, ON) == {}  # 2 - 3 dB


@pytest.mark.parametrize(
    ("kick_hz", "bass_hz", "dipped", "at_hz"),
    [(50, 99, "bass", 50), (99, 50, "kick", 50), (62.5, 62.5, "bass", 62.5)],
)
def test_the_lower_of_kick_and_bass_keeps_its_fundamental(kick_hz, bass_hz, dipped, at_hz):
    def with_fundamental(hertz):
        return np.where(CENTRES_B < 150, -12.0, -50.0) + 8.0 * (np.abs(np.log2(CENTRES_B / hertz)) < 0.1)

    survey = made_up_survey(kick=with_fundamental(kick_hz), bass=with_fundamental(bass_hz))
    roles = {"kick": "drums.kick", "bass": "bass.electric"}
    gains = {"kick": 0.0, "bass": 6.0} if dipped == "bass" else {"kick": 6.0, "bass": 0.0}
    dips = make_room(roles, gains, survey, ON)
    assert set(dips) == {dipped}
    (band,) = dips[dipped].bands
    assert band.frequency_hz == pytest.approx(at_hz, rel=0.06)
    assert -3 <= band.gain_db < 0


def test_kick_and_bass_that_do_not_meet_are_left_alone():
    survey = made_up_survey(kick=around(50, -10, 0.2), bass=around(110, -10, 0.2))
    roles = {"kick": "drums.kick", "bass": "bass.synth"}
    assert make_room(roles, dict.fromkeys(roles, 0.0), survey, ON) == {}


def test_silence_covers_nothing():
    silent = np.full(30, -np.inf)
    survey = made_up_survey(vox=silent, keys=np.full(30, -10.0), kick=silent, bass=silent)
    roles = {"vox": "vox.lead", "keys": "keys.piano", "kick": "drums.kick", "bass": "bass.synth"}
    assert make_room(roles, dict.fromkeys(roles, 0.0), survey, ON) == {}
