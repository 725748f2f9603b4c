"""Plans of listening tests: what is heard, under which ids, and that the ids tell nothing."""

import json
from collections import Counter

import pytest

from mixcli.errors import UsageError
from mixcli.evaluation.listening_plan import (
    ANCHOR,
    REFERENCE,
    Criterion,
    criterion_named,
    key_document,
    page_document,
    plan_listening,
    stimulus_sources,
)

SYSTEMS = ("zebra-net", "quokka-mix", "ibex-console")
SONGS = [("rock", SYSTEMS), ("jazz", SYSTEMS[:2])]


def ids_of(plan):
    return [stimulus.id for trial in plan.trials for stimulus in trial.stimuli]


def systems_by_song(plan):
    return {trial.song: Counter(stimulus.system for stimulus in trial.stimuli) for trial in plan.trials}


def test_every_system_of_a_song_is_heard_once_and_every_id_is_its_own():
    plan = plan_listening(SONGS)
    assert systems_by_song(plan) == {song: Counter(systems) for song, systems in SONGS}
    assert len(set(ids_of(plan))) == 5


def test_the_same_arguments_give_the_same_plan():
    assert plan_listening(SONGS, seed=3, repeats=1) == plan_listening(SONGS, seed=3, repeats=1)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"fingerprint": "other audio"},
        {"repeats": 1},
        {"style": "mushra"},
        {"criteria": [criterion_named("Clarity")]},
        {"songs": [("rock", SYSTEMS), ("jazz", (SYSTEMS[0], "other"))]},
    ],
)
def test_another_seed_or_content_gives_another_page_and_other_ids(change):
    one, other = plan_listening(SONGS), plan_listening(**{"songs": SONGS, **change})
    assert one.id != other.id
    assert not set(ids_of(one)) & set(ids_of(other))


def test_the_place_of_a_system_on_the_page_does_not_follow_its_place_in_the_list():
    """Over 600 seeds each system has each of 3 places a third of the time (chi-squared, p 0.001)."""
    places = Counter()
    for seed in range(600):
        trial = plan_listening([("rock", SYSTEMS)], seed=seed).trials[0]
        places.update((stimulus.system, place) for place, stimulus in enumerate(trial.stimuli))
    assert len(places) == 9
    assert sum((count - 200) ** 2 / 200 for count in places.values()) < 18.47


def test_ids_do_not_come_from_the_name_of_the_system():
    """The same system in another song, or with the list turned round, has another id."""
    one = plan_listening([("rock", SYSTEMS)])
    turned = plan_listening([("rock", SYSTEMS[::-1])])
    assert not set(ids_of(one)) & set(ids_of(turned))
    by_system = {s.system: s.id for s in plan_listening(SONGS).trials[0].stimuli}
    assert all(by_system[s.system] != s.id for s in plan_listening(SONGS).trials[1].stimuli)


def test_repeats_are_heard_twice_under_two_ids():
    plan = plan_listening(SONGS, repeats=2)
    for song, systems in SONGS:
        assert sorted(systems_by_song(plan)[song].values(), reverse=True) == [2, 2, 1][: len(systems)]
    assert len(set(ids_of(plan))) == 9


def test_mushra_has_a_hidden_reference_and_an_anchor_and_offers_the_reference_under_an_id_of_its_own():
    plan = plan_listening([("rock", (*SYSTEMS, ANCHOR))], style="mushra")
    assert systems_by_song(plan)["rock"] == Counter({*SYSTEMS, ANCHOR, REFERENCE})
    offered = plan.trials[0].offered
    assert offered.system == REFERENCE
    assert offered.id not in ids_of(plan)
    assert stimulus_sources(plan)[offered.id] == ("rock", REFERENCE)


def test_ape_can_offer_the_plain_sum_openly_without_rating_it():
    plan = plan_listening(SONGS, offered="sum")
    assert "sum" not in systems_by_song(plan)["rock"]
    assert len(stimulus_sources(plan)) == 5 + 2
    assert plan_listening(SONGS).trials[0].offered is None


def test_the_key_has_the_form_that_is_scored():
    plan = plan_listening(SONGS, criteria=[criterion_named("clarity")], repeats=1)
    key = key_document(plan)
    assert {name: key[name] for name in ("schema", "page", "style")} == {
        "schema": "mixcli.listening-key/1",
        "page": plan.id,
        "style": "ape",
    }
    assert [sorted(criterion) for criterion in key["criteria"]] == [["high", "low", "name", "question"]]
    sources = stimulus_sources(plan)
    for trial in key["trials"]:
        assert sorted(trial) == ["id", "song", "stimuli"]
        for stimulus in trial["stimuli"]:
            assert sources[stimulus["id"]] == (trial["song"], stimulus["system"])
    assert json.loads(json.dumps(key)) == key


@pytest.mark.parametrize("style", ["ape", "mushra"])
def test_what_the_page_may_know_has_every_id_and_no_system(style):
    plan = plan_listening(SONGS, style=style, repeats=1)
    text = json.dumps(page_document(plan))
    assert all(id in text for id in stimulus_sources(plan))
    assert not [name for name in (*SYSTEMS, ANCHOR) if name in text]


def test_eleven_mixes_are_the_most_a_page_takes():
    names = [f"system {number}" for number in range(11)]
    assert len(plan_listening([("rock", names)]).trials[0].stimuli) == 11
    with pytest.raises(UsageError, match="12 mixes on one page") as caught:
        plan_listening([("rock", names)], repeats=1)
    assert caught.value.code == "E214"
    assert caught.value.hint == "name fewer systems, or take fewer repeats."
    with pytest.raises(UsageError, match="13 mixes"):
        plan_listening([("rock", names)], style="mushra")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"songs": [("rock", ("only",))]}, "too few"),
        ({"songs": [("rock", ("a", "a"))]}, "named twice"),
        ({"songs": [("rock", SYSTEMS), ("rock", SYSTEMS)]}, "its own name"),
        ({"songs": []}, "needs songs"),
        ({"songs": SONGS, "repeats": 3}, "repeats"),
        ({"songs": SONGS, "repeats": -1}, "repeats"),
        ({"songs": SONGS, "criteria": [criterion_named("x"), criterion_named("x")]}, "named twice"),
    ],
)
def test_a_plan_nobody_could_answer_is_refused(arguments, words):
    with pytest.raises(UsageError, match=words) as caught:
        plan_listening(**arguments)
    assert caught.value.code == "E214"


def test_known_criteria_are_found_in_any_case_and_others_are_asked_plainly():
    assert criterion_named(" production value ").name == "Production Value"
    assert criterion_named("Punch") == Criterion(
        "Punch", "How do you rate the mixes for Punch?", "low", "high"
    )
