"""What is concluded from a listening test: planted preferences are found, planted nothing mostly not."""

import numpy as np
import pytest

from mixcli.errors import SongError
from mixcli.evaluation.listening import listening_table, score_answers
from mixcli.evaluation.statistics import friedman

SYSTEMS = ("good", "fair", "poor")


def make_key(systems=SYSTEMS, songs=4, criteria=("overall",), repeats=(), style="ape"):
    """A key with opaque ids; `repeats` names systems that are heard twice in each song."""
    trials = []
    for j in range(songs):
        heard = [*systems, *repeats]
        stimuli = [{"id": f"{j}-{number:02x}", "system": system} for number, system in enumerate(heard)]
        trials.append({"id": f"t{j}", "song": f"song-{j}", "stimuli": stimuli})
    return {
        "schema": "mixcli.listening-key/1",
        "page": "abc",
        "style": style,
        "criteria": [{"name": criterion} for criterion in criteria],
        "trials": trials,
    }


def answer(key, listener, rate):
    """The answers of one listener who rates by `rate(song, criterion, system)`."""
    ratings = [
        {
            "trial": trial["id"],
            "criterion": criterion["name"],
            "stimulus": stimulus["id"],
            "value": float(np.clip(rate(trial["song"], criterion["name"], stimulus["system"]), 0, 100)),
        }
        for trial in key["trials"]
        for criterion in key["criteria"]
        for stimulus in trial["stimuli"]
    ]
    document = {"schema": "mixcli.listening-answers/1", "page": "abc", "listener": listener}
    return f"{listener}.json", {**document, "ratings": ratings}


def panel(key, rng, liking, *, n=12, noise=10.0, taste=0.0):
    """Listeners who use the scale each in their way; `taste` spreads what single listeners like."""
    answers = []
    for number in range(n):
        offset = rng.normal(0, 8)
        own = {system: rng.normal(0, taste) for system in liking}

        def rate(song, criterion, system, offset=offset, own=own):
            return liking[system] + own[system] + offset + rng.normal(0, noise)

        answers.append(answer(key, f"listener-{number}", rate))
    return answers


def row(part, **wanted):
    (found,) = [one for one in part if all(one[name] == value for name, value in wanted.items())]
    return found


def test_a_panel_of_twelve_finds_the_planted_order(rng):
    key = make_key()
    scores = score_answers(key, panel(key, rng, {"good": 70, "fair": 55, "poor": 40}))
    assert scores["schema"] == "mixcli.listening/1"
    by_median = sorted(scores["summary"], key=lambda one: -one["median"])
    assert [one["system"] for one in by_median] == list(SYSTEMS)
    assert [one["n"] for one in by_median] == [48, 48, 48]
    assert all(one["low"] <= one["median"] <= one["high"] for one in by_median)
    assert all(one["p_holm"] < 0.001 for one in scores["comparisons"])
    assert all(one["p_listeners_holm"] < 0.01 for one in scores["comparisons"])
    against = row(scores["comparisons"], system="good", other="poor")
    assert against["low"] < against["median_difference"] < against["high"]
    assert against["median_difference"] == pytest.approx(30, abs=8)
    assert scores["friedman"][0]["p"] < 1e-6
    assert scores["friedman"][0]["kendall_w"] > 0.5


def test_numbers_are_those_of_the_ratings_by_hand():
    key = make_key(("a", "b"), songs=2)
    values = {("song-0", "a"): 10, ("song-0", "b"): 30, ("song-1", "a"): 20, ("song-1", "b"): 60}
    answers = [
        answer(key, name, lambda song, _c, system, shift=shift: values[song, system] + shift)
        for name, shift in (("x", 0), ("y", 4))
    ]
    scores = score_answers(key, answers)
    first = row(scores["summary"], system="a")
    assert (first["n"], first["mean"], first["median"]) == (4, 17.0, 17.0)  # of 10 20 14 24
    pair = scores["comparisons"][0]
    assert (pair["system"], pair["other"], pair["n"]) == ("a", "b", 4)
    assert pair["median_difference"] == -30.0  # of -20 -40 -20 -40
    assert pair["p"] == pytest.approx(2 / 2**4)
    assert pair["p_listeners"] == pytest.approx(2 / 2**2)
    assert (scores["friedman"][0]["p"], scores["friedman"][0]["kendall_w"]) == (None, None)  # two systems


def test_friedman_is_over_ratings_and_w_its_share_of_the_most(rng):
    key = make_key(songs=1)
    answers = [answer(key, f"l{i}", lambda _s, _c, system: 90 - 10 * SYSTEMS.index(system)) for i in range(5)]
    found = score_answers(key, answers)["friedman"][0]
    assert (found["n"], found["kendall_w"]) == (5, pytest.approx(1.0))  # full agreement
    assert found["statistic"] == pytest.approx(friedman([[3, 2, 1]] * 5)[0])


def test_a_panel_without_preferences_finds_some_as_rarely_as_the_level_says():
    rng = np.random.default_rng(3)
    key = make_key(songs=3)
    likes_nothing = dict.fromkeys(SYSTEMS, 50)
    p, family = [], []
    for _ in range(100):
        scores = score_answers(key, panel(key, rng, likes_nothing), n_draws=10)
        p += [one["p"] for one in scores["comparisons"]]
        family.append(min(one["p_holm"] for one in scores["comparisons"]) < 0.05)
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(family) <= 0.1  # 0.05 and two binomial deviations


@pytest.mark.slow
def test_listeners_with_tastes_of_their_own_mislead_the_test_over_ratings_but_not_over_listeners():
    rng = np.random.default_rng(4)
    key = make_key(("good", "fair"), songs=6)
    likes_nothing = dict.fromkeys(("good", "fair"), 50)
    ratings, listeners = [], []
    for _ in range(100):
        panel_answers = panel(key, rng, likes_nothing, noise=8.0, taste=10.0)
        pair = score_answers(key, panel_answers, n_draws=10)["comparisons"][0]
        ratings.append(pair["p"] < 0.05)
        listeners.append(pair["p_listeners"] < 0.05)
    assert np.mean(listeners) == pytest.approx(0.05, abs=0.04)
    assert np.mean(ratings) > 0.2


def test_the_interval_comes_from_drawing_listeners_not_ratings():
    # Two camps, each of one mind over twenty songs: ratings are many, listeners are six.
    key = make_key(("a", "b"), songs=20)
    answers = [answer(key, f"l{i}", lambda _s, _c, _y, i=i: 20.0 if i < 3 else 80.0) for i in range(6)]
    found = row(score_answers(key, answers)["summary"], system="a")
    assert (found["low"], found["high"]) == (20.0, 80.0)


def test_criteria_are_kept_apart_and_corrected_together(rng):
    key = make_key(("a", "b"), songs=5, criteria=("clarity", "excitement"))

    def rate(_song, criterion, system):
        likes = {"clarity": {"a": 70, "b": 40}, "excitement": {"a": 50, "b": 50}}[criterion]
        return likes[system] + rng.normal(0, 5)

    scores = score_answers(key, [answer(key, f"l{i}", rate) for i in range(8)])
    clear = row(scores["comparisons"], criterion="clarity")
    exciting = row(scores["comparisons"], criterion="excitement")
    assert clear["p_holm"] == pytest.approx(2 * clear["p"])
    assert clear["p_holm"] < 0.001 < exciting["p_holm"]


def test_hidden_repeats_are_averaged_and_tell_how_steady_a_listener_is(rng):
    key = make_key(songs=4, repeats=("good",))
    likes = {"good": 80, "fair": 55, "poor": 30}
    steady = answer(key, "steady", lambda _s, _c, system: likes[system] + rng.normal(0, 3))
    guessing = answer(key, "guessing", lambda _s, _c, _y: rng.uniform(0, 100))
    flat = answer(key, "flat", lambda _s, _c, _y: 50.0)
    # The repeat of the guessing listener's favourite is as far off as can be.
    for rating in guessing[1]["ratings"]:
        number = rating["stimulus"][-2:]
        rating["value"] = {"00": 0.0, "03": 100.0}.get(number, rating["value"])
    scores = score_answers(key, [steady, guessing, flat])
    told = {one["listener"]: one for one in scores["listeners"]}
    assert [told[name]["flags"] for name in ("steady", "guessing", "flat")] == [[], ["unsteady"], ["flat"]]
    assert told["steady"]["repeats"] == 4
    assert told["steady"]["repeat_difference"] < 10 < told["steady"]["other_difference"]
    assert told["guessing"]["repeat_difference"] == 100.0
    assert (
        row(scores["summary"], system="good")["n"] == 12
    )  # three listeners, four songs: repeats are no more


def test_a_listener_without_repeats_is_not_judged_by_them():
    key = make_key()
    scores = score_answers(key, [answer(key, "x", lambda _s, _c, system: 10 * SYSTEMS.index(system))])
    (told,) = scores["listeners"]
    assert (told["repeats"], told["repeat_difference"], told["flags"]) == (0, None, [])
    assert told["spread"] == pytest.approx(np.std([0, 10, 20]))


def test_a_missed_hidden_reference_is_flagged_where_the_test_has_one():
    key = make_key(("reference", "a", "b"), style="mushra")
    hears = answer(key, "hears", lambda _s, _c, system: {"reference": 98, "a": 50, "b": 20}[system])
    misses = answer(key, "misses", lambda _s, _c, system: {"reference": 60, "a": 90, "b": 20}[system])
    flags = [one["flags"] for one in score_answers(key, [hears, misses])["listeners"]]
    assert flags == [[], ["misses-reference"]]
    key["style"] = "ape"
    assert score_answers(key, [misses])["listeners"][0]["flags"] == []


def test_songs_may_have_different_systems():
    key = make_key(("a", "b"), songs=2)
    key["trials"][1]["stimuli"][1]["system"] = "c"
    scores = score_answers(key, [answer(key, f"l{i}", lambda *_: 50.0) for i in range(2)])
    assert {one["system"]: one["n"] for one in scores["summary"]} == {"a": 4, "b": 2, "c": 2}
    assert row(scores["comparisons"], system="b", other="c")["n"] == 0
    assert scores["friedman"][0]["n"] == 0


def test_one_listener_has_medians_and_no_intervals():
    key = make_key()
    scores = score_answers(key, [answer(key, "x", lambda _s, _c, system: 10 * SYSTEMS.index(system))])
    assert {(one["low"], one["high"]) for one in scores["summary"]} == {(None, None)}
    assert {one["p_listeners"] for one in scores["comparisons"]} == {None}


def broken(change):
    """Answers of two listeners, the second changed; what score_answers says to them."""
    key = make_key(songs=2)
    answers = [answer(key, name, lambda *_: 50.0) for name in ("anna", "bert")]
    change(key, answers[1][1])
    with pytest.raises(SongError) as caught:
        score_answers(key, answers)
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.message
    return caught.value.code, caught.value.message


def test_answers_of_another_page_are_refused():
    code, message = broken(lambda _key, document: document.update(page="xyz"))
    assert (code, message) == ("E330", '"bert.json" answers page "xyz", and the key is of page "abc".')


@pytest.mark.parametrize("content", [[], "text", {"schema": "mixcli.eval/1"}])
def test_a_file_that_holds_no_answers_is_refused(content):
    with pytest.raises(SongError, match=r'"x\.json" holds no answers') as caught:
        score_answers(make_key(), [("x.json", content)])
    assert caught.value.code == "E330"


def test_a_wrong_key_no_listeners_and_no_name_are_refused():
    with pytest.raises(SongError, match="no key of a listening test"):
        score_answers({"schema": "mixcli.listening-answers/1"}, [])
    with pytest.raises(SongError, match="no answers of listeners"):
        score_answers(make_key(), [])
    code, message = broken(lambda _key, document: document.update(listener=" "))
    assert (code, message) == ("E330", '"bert.json" does not say who listened.')


def test_a_listener_who_answers_twice_is_refused_with_both_files():
    key = make_key()
    first, second = (answer(key, "anna", lambda *_: 50.0) for _ in range(2))
    with pytest.raises(SongError) as caught:
        score_answers(key, [first, ("again.json", second[1])])
    assert caught.value.message == 'listener "anna" answers twice: "anna.json", "again.json".'
    assert caught.value.code == "E330"


def test_missing_ratings_are_counted_and_the_first_is_named():
    def change(_key, document):
        del document["ratings"][2], document["ratings"][3]

    code, message = broken(change)
    assert code == "E331"
    assert message == '"bert.json": 2 of 6 ratings are missing (first: t0, overall, 0-02).'


@pytest.mark.parametrize("value", [-1, 100.5, float("nan"), None, "80", True])
def test_a_rating_that_is_none_is_refused(value):
    code, message = broken(lambda _key, document: document["ratings"][0].update(value=value))
    assert code == "E331"
    assert message == f'"bert.json": the rating {value!r} of t0, overall, 0-00 is not from 0 to 100.'


def test_double_and_unknown_ratings_are_refused():
    code, message = broken(lambda _key, document: document["ratings"].append(document["ratings"][0]))
    assert (code, message) == ("E331", '"bert.json" rates the same twice: t0, overall, 0-00.')
    code, message = broken(lambda _key, document: document["ratings"][0].update(stimulus="zz"))
    assert (code, message) == ("E331", '"bert.json" rates what the page does not have: t0, overall, zz.')
    code, _ = broken(lambda _key, document: document["ratings"].append(7))
    assert code == "E331"


def test_the_screen_shows_systems_best_first_and_sure_differences():
    key = make_key(songs=2)
    likes = {"good": 80.0, "fair": 55.0, "poor": 30.0}
    answers = [answer(key, f"l{i}", lambda _s, _c, system: likes[system]) for i in range(9)]
    answers.append(answer(key, "asleep", lambda *_: 50.0))
    lines = listening_table(score_answers(key, answers))
    assert lines[0] == "overall: 10 listeners, 2 songs"
    assert [one.split()[0] for one in lines[2:5]] == ["good", "fair", "poor"]
    assert lines[2].split() == ["good", "20", "80.0", "77.0", "80.0", "to", "80.0"]
    # Nine of ten agree on every pair: Pratt's p is 2 / 2^9, three pairs.
    assert "good above fair by 25.0 (p = 0.012)" in lines
    assert "good above poor by 50.0 (p = 0.012)" in lines
    assert lines[-1] == "asleep: flat"


def test_the_screen_says_so_where_nothing_is_sure():
    key = make_key(("a", "b"))
    rate = {"a": 60.0, "b": 40.0}
    lines = listening_table(score_answers(key, [answer(key, "x", lambda _s, _c, system: rate[system])]))
    assert lines[2].endswith("-")
    assert lines[4] == "no difference beyond chance between any two"
