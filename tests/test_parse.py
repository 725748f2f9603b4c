"""The words of the command line."""

import pytest

from mixcli.cli.parse import parse_choice, parse_levels, parse_pairs, parse_time
from mixcli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1:30", 90), ("1:02:03.5", 3723.5), ("0", 0), ("0:00.25", 0.25)],
)
def test_times_are_read_as_people_write_them(text, seconds):
    assert parse_time("--start", text) == seconds


@pytest.mark.parametrize("text", ["", "a", "-1", "1:2:3:4", "nan", "inf", "1:-2"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="is not a time"):
        parse_time("--start", text)


def test_levels_take_signs_units_and_patterns_with_an_equals_sign():
    words = ["vox.lead=+1.5", "drums=−2 dB", "a=b.wav=3"]
    assert parse_levels("--gain", words) == {"vox.lead": 1.5, "drums": -2.0, "a=b.wav": 3.0}


@pytest.mark.parametrize("word", ["vox.lead", "=3", "vox.lead=", "vox.lead=x", "vox.lead=nan"])
def test_a_level_that_is_none_is_refused(word):
    with pytest.raises(UsageError):
        parse_levels("--gain", [word])


def test_pairs_keep_their_order():
    assert parse_pairs("--role", ["b*=vox.lead", "a*=bass.synth"]) == [
        ("b*", "vox.lead"),
        ("a*", "bass.synth"),
    ]


def test_a_wrong_choice_is_answered_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        parse_choice("--if-exists", "overwite", ("error", "skip", "overwrite", "number"))
    assert caught.value.hint == "did you mean overwrite?"
