"""`--fail-if`: what is read, what is refused, and what is judged met."""

import pytest

from mixcli.errors import UsageError
from mixcli.evaluation.requirements import Term, check_requirements, parse_requirement

KEYS = ("tone_db", "features", "true_peak_dbtp")


def evaluation(scores, *, kinds=(), index=(), keys=KEYS):
    """An evaluation of {system: {key: values per song}}; None is a value that does not exist."""
    kinds = dict(kinds)
    n_songs = max(len(values) for measures in scores.values() for values in measures.values())
    return {
        "systems": [{"name": name, "kind": kinds.get(name, "given")} for name in scores],
        "measures": [{"key": key, "family": "nearness"} for key in keys],
        "index": [{"system": name, "value": value} for name, value in dict(index).items()],
        "songs": [
            {
                "name": f"song-{j}",
                "scores": [
                    {
                        "system": name,
                        "status": "ok",
                        "values": {key: values[j] for key, values in measures.items()},
                    }
                    for name, measures in scores.items()
                ],
            }
            for j in range(n_songs)
        ],
    }


TWO = evaluation(
    {
        "mixcli": {"tone_db": [1.0, 2.0, 6.0]},
        "megami": {"tone_db": [3.0, 3.0, 3.0]},
        "console": {"tone_db": [9.0, 9.0, 9.0]},
    },
    kinds={"mixcli": "own", "console": "baseline"},
    index={"mixcli": 0.8, "megami": 0.9, "console": 1.1},
)


def judged(text, document=TWO):
    (result,) = check_requirements([text], document)
    assert result["text"] == text
    return result["met"], result["found"]


@pytest.mark.parametrize(
    ("text", "left", "operator", "right"),
    [
        ("tone_db>3", Term(key="tone_db"), ">", Term(number=3.0)),
        (" tone_db  <=  -1.5e1 ", Term(key="tone_db"), "<=", Term(number=-15.0)),
        ("−1 < true_peak_dbtp", Term(number=-1.0), "<", Term(key="true_peak_dbtp")),
        (
            "MEDIAN( mixcli:tone_db ) > mean(console:tone_db)",
            Term(key="tone_db", system="mixcli", function="median"),
            ">",
            Term(key="tone_db", system="console", function="mean"),
        ),
        ("a:b c:index >= 1", Term(key="index", system="a:b c"), ">=", Term(number=1.0)),
    ],
)
def test_an_expression_is_read_as_its_grammar_says(text, left, operator, right):
    read = parse_requirement(text, KEYS)
    assert (read.text, read.left, read.operator, read.right) == (text, left, operator, right)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tone_db", "no comparison where one of > < >= <= is needed"),
        ("", "no comparison"),
        ("tone_db = 3", '"=" where one of'),
        ("tone_db => 3", '"=>" where one of'),
        ("tone_db == 3", '"==" where one of'),
        ("1 < tone_db < 3", '"<<" where one of'),
        ("tone_db >", "one side is empty"),
        ("> 3", "one side is empty"),
        ("4 > 3", "compares two numbers"),
        (":tone_db > 3", "no system before the colon"),
        ("mixcli: > 3", "one side is empty"),
        ("median(tone_db > 3", "a bracket is not closed"),
        ("average(tone_db) > 3", '"average" is no function'),
        ("median() > 3", "one side is empty"),
        ("median(index) > 1", "without median()"),
        ("__import__('os') > 1", '"__import__" is no function'),
        ("tone_db > nan", 'no measure "nan"'),
        ("tone_db > inf", 'no measure "inf"'),
        ("tone_db > 3 dB", 'no measure "3 dB"'),
    ],
)
def test_what_is_no_expression_is_refused_with_its_fault(text, words):
    with pytest.raises(UsageError) as caught:
        parse_requirement(text, KEYS)
    assert (caught.value.code, caught.value.exit_code) == ("E212", 2)
    assert words in caught.value.message
    assert f'"{text}"' in caught.value.message
    assert "\n" not in caught.value.message


def test_an_unknown_measure_or_system_is_named_with_the_nearest():
    with pytest.raises(UsageError) as caught:
        parse_requirement("median(tonedb) > 3", KEYS)
    assert caught.value.message == '--fail-if "median(tonedb) > 3": there is no measure "tonedb".'
    assert (caught.value.code, caught.value.hint) == ("E212", "did you mean tone_db?")
    with pytest.raises(UsageError) as caught:
        check_requirements(["mixcly:tone_db > 3"], TWO)
    assert caught.value.message == '--fail-if "mixcly:tone_db > 3": there is no system "mixcly".'
    assert (caught.value.code, caught.value.hint) == ("E213", "did you mean mixcli?")


def test_every_wrong_expression_is_refused_before_any_is_judged():
    with pytest.raises(UsageError):
        check_requirements(["tone_db > 3", "nonsense > 3"], TWO)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("tone_db > 5.9", False),  # one song is enough
        ("tone_db > 6", True),  # and a baseline is not asked
        ("tone_db >= 6", False),
        ("tone_db < 1", True),
        ("tone_db <= 1", False),
        ("6 < tone_db", True),
        ("megami:tone_db > 3", True),
        ("console:tone_db > 8", False),  # asked by name
        ("median(tone_db) > 2.9", False),  # megami's is 3
        ("median(mixcli:tone_db) > 2", True),
        ("median(mixcli:tone_db) >= 2", False),
        ("mean(mixcli:tone_db) > 2.9", False),
        ("max(mixcli:tone_db) >= 6", False),
        ("min(mixcli:tone_db) < 1", True),
        ("median(mixcli:tone_db) > median(console:tone_db)", True),
        ("median(console:tone_db) > median(mixcli:tone_db)", False),
        ("mixcli:tone_db > megami:tone_db", False),  # in song-2
        ("mixcli:tone_db > median(megami:tone_db)", False),
        ("tone_db > median(tone_db)", False),  # mixcli's song-2 above its own median
        ("tone_db >= console:tone_db", True),
        ("tone_db >= mixcli:tone_db", False),  # megami alone: mixcli is not set against itself
        ("median(tone_db) < median(mixcli:tone_db)", True),
        ("index >= 1", True),
        ("index > 0.85", False),
        ("mixcli:index > megami:index", True),
        ("console:index > 1", False),
    ],
)
def test_an_expression_that_holds_anywhere_is_not_met(text, met):
    assert judged(text)[0] is met


def test_failures_are_named_worst_first():
    assert judged("tone_db > 2.5") == (
        False,
        "6 (mixcli, song-2); 3 (megami, song-0); 3 (megami, song-1); 3 (megami, song-2)",
    )
    assert judged("tone_db > 0")[1].endswith("; 2 more")
    assert judged("mixcli:tone_db > megami:tone_db") == (False, "6 against 3 (mixcli, megami, song-2)")
    assert judged("median(tone_db) >= 2") == (False, "3 (megami); 2 (mixcli)")


def test_a_requirement_that_is_met_tells_how_nearly_it_was_not():
    assert judged("tone_db > 7") == (True, "nearest to it: 6 (mixcli, song-2)")
    assert judged("index > 1") == (True, "nearest to it: 0.9 (megami)")


def test_what_cannot_be_judged_is_not_met():
    silent = evaluation({"a": {"tone_db": [None, None]}})
    for text in ("tone_db > 3", "tone_db < 3", "median(tone_db) > 3", "a:tone_db > 3", "index > 1"):
        assert judged(text, silent) == (False, "no value")
    only_baselines = evaluation({"sum": {"tone_db": [1.0]}}, kinds={"sum": "baseline"})
    assert judged("tone_db > 3", only_baselines) == (False, "no value")
    assert judged("sum:tone_db > 3", only_baselines)[0] is True


def test_one_system_without_any_value_is_enough():
    document = evaluation({"a": {"tone_db": [1.0, 2.0]}, "b": {"tone_db": [None, None]}})
    assert judged("tone_db > 3", document) == (False, "b: no value")
    assert judged("a:tone_db > 3", document)[0] is True
    assert judged("a:tone_db > b:tone_db", document) == (False, "no value")


def test_songs_without_a_value_are_counted_and_pass():
    document = evaluation({"a": {"tone_db": [1.0, None, 2.0]}})
    assert judged("tone_db > 3", document) == (True, "nearest to it: 2 (a, song-2); 1 without a value")
    assert judged("tone_db > 1.5", document) == (False, "2 (a, song-2); 1 without a value")
    assert judged("max(tone_db) > 2", document) == (True, "nearest to it: 2 (a)")


def test_a_failed_mix_has_no_value():
    document = evaluation({"a": {"tone_db": [9.0, 2.0]}})
    document["songs"][0]["scores"][0]["status"] = "error"
    assert judged("tone_db > 3", document)[0] is True


def test_no_expressions_give_no_requirements():
    assert check_requirements([], TWO) == []
