"""A listening test as listeners do it: in a browser, with mouse and keys, to the answers and their score."""

import json
import time

import numpy as np
import pytest
from chromium import Chromium, find_chromium
from listener import READY, Listener, tones_of_systems

from mixcli.evaluation.listening_plan import ANCHOR, REFERENCE, criterion_named, key_document, plan_listening


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    find_chromium()
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def tones():
    return tones_of_systems()


def wanted_value(stimulus, low=0, high=9):
    """A rating that hangs on the id alone."""
    return low + int(stimulus, 16) % (high - low)


def test_an_ape_test_from_welcome_to_scored_answers(browser, tones, tmp_path):
    criteria = [criterion_named("Clarity"), criterion_named("Excitement")]
    songs = [("rock", ("zebra-net", "quokka-mix", "ibex-console")), ("jazz", ("zebra-net", "quokka-mix"))]
    plan = plan_listening(songs, criteria=criteria, repeats=1, offered=ANCHOR)
    listener = Listener(browser, tmp_path, plan, tones)
    page = listener.page
    listener.begin("ann / 1")
    given = {}
    for number in range(1, 5):
        page.wait_for(READY)
        heading = listener.heading()
        assert heading.endswith(f"page {number} of 4")
        song, criterion = heading.split(" · ")[:2]
        for place, stimulus in enumerate(listener.stimuli()):
            assert not listener.next_is_open()
            value = wanted_value(stimulus, 0, 8)
            if place % 2:
                listener.keys(stimulus, value)
            else:
                listener.drag(stimulus, 10 * value + 10)
                assert listener.values()[stimulus] == pytest.approx(
                    10 * value + 10, abs=0.2
                )  # a pixel, in tenths
                value = listener.values()[stimulus]
            listener.hears(listener.systems[stimulus])
            given[song, criterion, stimulus] = value
        listener.waits_for_next()
        if number == 2:  # the tab is closed and opened again
            before = listener.stimuli(), listener.values()
            page.go(listener.file)
            assert page.evaluate("document.querySelector('h2').textContent") == "Welcome back, ann / 1"
            page.click("button.main")
            page.wait_for(READY)
            assert (listener.stimuli(), listener.values()) == before
            assert listener.heading() == heading
        if number == 3:
            page.click("summary")
            page.click("details textarea")
            page.call("Input.insertText", {"text": "B is <b>harsh</b>"})
            letters = listener.stimuli()
        page.click("nav button.main")
    page.click("#comment")
    page.call("Input.insertText", {"text": "done"})
    answers = listener.answers()
    songs_by_trial = {trial.id: trial.song for trial in plan.trials}
    found = {
        (songs_by_trial[r["trial"]], r["criterion"], r["stimulus"]): r["value"] for r in answers["ratings"]
    }
    assert found == given
    assert len(found) == 2 * (4 + 3)
    assert all(rating["plays"] >= 1 for rating in answers["ratings"])
    assert sum(rating["seconds"] for rating in answers["ratings"]) > 0
    assert all(
        sorted(r) == ["criterion", "plays", "seconds", "stimulus", "trial", "value"]
        for r in answers["ratings"]
    )
    general, note = answers.pop("comment").split("\n")
    assert general == "done"
    assert note.endswith("B is <b>harsh</b>")
    assert f"B={letters[1]}" in note
    assert {name: answers[name] for name in ("schema", "page", "listener", "style", "device")} == {
        "schema": "mixcli.listening-answers/1",
        "page": plan.id,
        "listener": "ann / 1",
        "style": "ape",
        "device": "headphones",
    }
    assert isinstance(answers["seed"], int)
    assert answers["started"] < answers["finished"]
    assert page.problems == []
    assert {url.split("/")[-1] for url in page.requests} == {"listening.html"}

    listening = pytest.importorskip("mixcli.evaluation.listening")
    score = listening.score_answers(key_document(plan), [("ann.json", listener.answers())], n_draws=10)
    heard = [stimulus for stimulus in plan.trials[0].stimuli if stimulus.system == "zebra-net"]
    mean = np.mean([given["rock", "Clarity", stimulus.id] for stimulus in heard])
    jazz = [stimulus for stimulus in plan.trials[1].stimuli if stimulus.system == "zebra-net"]
    mean = (mean + np.mean([given["jazz", "Clarity", stimulus.id] for stimulus in jazz])) / 2
    row = next(r for r in score["summary"] if (r["criterion"], r["system"]) == ("Clarity", "zebra-net"))
    assert row["mean"] == pytest.approx(mean)


@pytest.mark.slow
def test_a_mushra_test_by_keys_from_welcome_to_saved_answers(browser, tones, tmp_path):
    plan = plan_listening([("rock", ("zebra-net", "quokka-mix"))], style="mushra")
    listener = Listener(browser, tmp_path, plan, tones)
    page = listener.page
    listener.begin()
    stimuli = listener.stimuli()
    assert sorted(listener.systems[stimulus] for stimulus in stimuli) == sorted(
        ["zebra-net", "quokka-mix", REFERENCE, ANCHOR]
    )
    page.click(".transport button:nth-of-type(2)")
    listener.hears(REFERENCE)
    assert page.evaluate("document.querySelector('.transport [aria-pressed]').ariaPressed") == "true"
    words = page.evaluate("[...document.querySelectorAll('.words span')].map((word) => word.textContent)")
    assert words == ["Excellent", "Good", "Fair", "Poor", "Bad"]
    page.evaluate("document.querySelector('.transport input').focus()")
    for stimulus in stimuli:
        page.press("Tab")
        assert page.evaluate("document.activeElement.dataset.stimulus") == stimulus
        page.press(" ")
        listener.hears(listener.systems[stimulus])
        page.press("Home")
        for _ in range(wanted_value(stimulus)):
            page.press("ArrowUp")
    assert listener.values() == {stimulus: wanted_value(stimulus) for stimulus in stimuli}
    page.press(" ")  # stops what it started
    page.wait_for("probe.loudest_hz() === 0")
    page.click(".column:nth-child(2)")  # the middle of the second slider
    assert listener.values()[stimuli[1]] == pytest.approx(50, abs=0.5)
    page.click("nav button.main")

    browser.call(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path / "saved")}
    )
    answers = listener.answers()
    page.click("nav button.main")
    saved = tmp_path / "saved" / f"answers_L1_{plan.id}.json"
    deadline = time.monotonic() + 30
    while not saved.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads(saved.read_text("utf-8")) == answers
    values = {rating["stimulus"]: rating["value"] for rating in answers["ratings"]}
    assert {**values, stimuli[1]: 0} == {
        **dict(zip(stimuli, map(wanted_value, stimuli), strict=True)),
        stimuli[1]: 0,
    }
    assert page.problems == []
    listening = pytest.importorskip("mixcli.evaluation.listening")
    assert len(listening.score_answers(key_document(plan), [("a.json", answers)], n_draws=10)["summary"]) == 4
