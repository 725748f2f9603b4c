"""A listening test as listeners do it: in a browser, with mouse and keys, to the answers and their score.

Every mix is a tone of its own, so what the loudspeaker gets tells which mix is heard.
"""

import json
import time

import numpy as np
import pytest
from chromium import Chromium, find_chromium

from mixcli.evaluation.listening_plan import (
    ANCHOR,
    REFERENCE,
    criterion_named,
    key_document,
    page_document,
    plan_listening,
    stimulus_sources,
)
from mixcli.reporting.excerpts import flac_data_uri
from mixcli.reporting.listening_page import listening_page

RATE = 8_000
EXCERPT_S = 20
FREQUENCIES = {"zebra-net": 400, "quokka-mix": 700, "ibex-console": 1000, REFERENCE: 1300, ANCHOR: 1600}
# Listens in front of the loudspeaker: the loudest frequency, and the gain of every mix that leads there.
PROBE = """
(() => {
  const connect = AudioNode.prototype.connect;
  window.probe = { gains: [] };
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      probe.tap ??= new AnalyserNode(this.context, { fftSize: 8192, smoothingTimeConstant: 0 });
      connect.call(this, probe.tap);
      probe.gains.push(this.gain);
    }
    return connect.call(this, to, ...rest);
  };
  probe.loudest_hz = () => {
    const levels = new Float32Array(probe.tap.frequencyBinCount);
    probe.tap.getFloatFrequencyData(levels);
    const top = Math.max(...levels);
    return top < -60 ? 0 : levels.indexOf(top) * probe.tap.context.sampleRate / probe.tap.fftSize;
  };
  probe.open = () => probe.gains.map((gain) => gain.value).filter((value) => value > 0);
})();
"""
NO_STORAGE = """
Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });
"""
READY = "document.querySelector('.panel')?.inert === false"
PLACE = "Number(document.querySelector('.transport input').value)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    find_chromium()
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def tones():
    time_s = np.arange(EXCERPT_S * RATE) / RATE
    found = {}
    for system, frequency_hz in FREQUENCIES.items():
        tone_T = (0.1 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)
        found[system] = flac_data_uri(np.stack([tone_T, tone_T], axis=1), RATE)
    return found


class Listener:
    """Somebody at the page of a plan."""

    def __init__(self, browser, folder, plan, tones, *, script=""):
        self.plan = plan
        self.systems = {stimulus: system for stimulus, (_, system) in stimulus_sources(plan).items()}
        self.file = folder / "listening.html"
        audio = {stimulus: tones[system] for stimulus, system in self.systems.items()}
        self.file.write_text(listening_page(page_document(plan), audio), "utf-8")
        self.page = browser.open("data:text/html,", width=1000, height=900)
        self.page.call("Page.addScriptToEvaluateOnNewDocument", {"source": PROBE + script})
        self.page.go(self.file)

    def begin(self, code="L1"):
        """Welcome, volume, practice."""
        self.page.evaluate(f"document.querySelector('#code').value = {json.dumps(code)}")
        self.page.click("input[value=headphones]")
        self.page.click("button.main")
        self.page.wait_for("document.querySelector('.transport button:enabled') !== null")
        assert not self.page.evaluate("document.querySelector('button.main:enabled') !== null")
        self.page.click(".transport button")
        self.page.wait_for("probe.loudest_hz() > 0")
        self.page.click("button.main")
        self.page.wait_for(READY)
        assert self.heading().startswith("Practice")
        self.page.click("button.main")
        self.page.wait_for(READY)

    def heading(self):
        return self.page.evaluate("document.querySelector('main p').textContent")

    def stimuli(self):
        """Ids on this page, by their letters."""
        return self.page.evaluate("[...document.querySelectorAll('.marker')].map((m) => m.dataset.stimulus)")

    def hears(self, system):
        """Wait until this system's tone, and it alone, comes out at its full gain."""
        bins_hz = f"Math.abs(probe.loudest_hz() - {FREQUENCIES[system]})"
        self.page.wait_for(f"{bins_hz} < 12 && probe.open().length === 1 && probe.open()[0] === 1")

    def next_is_open(self):
        return self.page.evaluate("!document.querySelector('nav button.main').disabled")

    def values(self):
        return self.page.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.marker')]"
            ".map((m) => [m.dataset.stimulus, Number(m.getAttribute('aria-valuenow'))]))"
        )

    def drag(self, stimulus, value):
        """Take a marker of the line with the mouse, a little off its middle, and move it."""
        box = "const b = document.querySelector('.line').getBoundingClientRect();"
        left, width = self.page.evaluate(f"(() => {{ {box} return [b.left, b.width]; }})()")
        x, y = self.page.evaluate(
            f"(() => {{ const marker = document.querySelector('[data-stimulus=\"{stimulus}\"]');"
            "const b = marker.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        target = left + width * value / 100
        for kind, at in (("mousePressed", x), ("mouseMoved", (x + target) / 2), ("mouseMoved", target)):
            self._mouse(kind, at + 5, y + 3)
        self._mouse("mouseReleased", target + 5, y + 3)

    def keys(self, stimulus, value):
        """Play a marker with Enter and move it with keys, from its foot up."""
        self.page.evaluate(f"document.querySelector('[data-stimulus=\"{stimulus}\"]').focus()")
        self.page.press("Enter")
        self.page.press("Home")
        for _ in range(value):
            self.page.press("ArrowRight")

    def answers(self):
        return json.loads(self.page.evaluate("document.querySelector('textarea[readonly]').value"))

    def _mouse(self, kind, x, y):
        mouse = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        self.page.call("Input.dispatchMouseEvent", mouse)


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
                assert listener.values()[stimulus] == pytest.approx(10 * value + 10, abs=0.1)  # whole pixels
                value = listener.values()[stimulus]
            listener.hears(listener.systems[stimulus])
            given[song, criterion, stimulus] = value
        assert listener.next_is_open()
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


def test_switching_keeps_the_place_and_the_excerpt_can_be_sought(browser, tones, tmp_path):
    plan = plan_listening([("rock", ("zebra-net", "quokka-mix"))], criteria=[criterion_named("Clarity")])
    listener = Listener(browser, tmp_path, plan, tones)
    page = listener.page
    listener.begin()
    first, second = listener.stimuli()
    page.click(f'[data-stimulus="{first}"]')
    listener.hears(listener.systems[first])
    page.wait_for(f"{PLACE} > 0.3")
    page.evaluate("const p = document.querySelector('.transport input'); p.value = 9; p.onchange();")
    listener.hears(listener.systems[first])
    page.click(f'[data-stimulus="{second}"]')
    listener.hears(listener.systems[second])
    at = page.wait_for(f"{PLACE} > 9 && {PLACE}")
    page.wait_for(f"{PLACE} > {at} && {PLACE} < 19")
    page.click(".transport button")
    page.wait_for("probe.open().length === 0")
    at = page.evaluate(PLACE)
    page.click(".transport button")
    listener.hears(listener.systems[second])
    assert page.wait_for(f"{PLACE} >= {at} && {PLACE}") < 19
    assert not listener.next_is_open()  # clicks alone move nothing
    assert "Not moved yet: A, B." in page.evaluate("document.querySelector('.hint').textContent")
    assert page.problems == []


def test_where_nothing_can_be_stored_the_test_goes_on_and_says_so(browser, tones, tmp_path):
    plan = plan_listening([("rock", ("zebra-net", "quokka-mix"))], criteria=[criterion_named("Clarity")])
    listener = Listener(browser, tmp_path, plan, tones, script=NO_STORAGE)
    listener.begin()
    assert "keeps nothing" in listener.page.evaluate("document.querySelector('.notice').textContent")
    for stimulus in listener.stimuli():
        listener.keys(stimulus, 5)
    listener.page.click("nav button.main")
    assert [rating["value"] for rating in listener.answers()["ratings"]] == [5, 5]
    assert listener.page.problems == []


def test_two_listeners_hear_the_same_mixes_in_orders_of_their_own(browser, tones, tmp_path):
    """Of 5! orders of one page, 3 listeners do not all draw the same."""
    plan = plan_listening([("rock", tuple(FREQUENCIES))], criteria=[criterion_named("Clarity")])
    listener = Listener(browser, tmp_path, plan, tones)
    orders = set()
    for _ in range(3):
        listener.page.evaluate(
            "localStorage.clear(); window.addEventListener('pagehide', () => localStorage.clear())"
        )
        listener.page.go(listener.file)
        listener.begin()
        orders.add(tuple(listener.stimuli()))
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(s.id for s in plan.trials[0].stimuli)}


@pytest.mark.parametrize("style", ["ape", "mushra"])
def test_many_mixes_fit_on_a_phone_and_none_covers_another(browser, tones, tmp_path, style):
    plan = plan_listening([("rock", tuple(FREQUENCIES))], style=style, repeats=5)
    listener = Listener(browser, tmp_path, plan, tones)
    listener.begin()
    for width in (360, 1280):
        listener.page.look(width=width, height=780)
        listener.page.wait_for(f"innerWidth === {width}")
        listener.page.evaluate("new Promise((done) => setTimeout(done, 50))")
        boxes = listener.page.evaluate(
            "[...document.querySelectorAll('.marker')].map((m) => {"
            "const b = m.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
        )
        assert len(boxes) == 10
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert right <= width
            for other in boxes[:i]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
        assert listener.page.evaluate("document.documentElement.scrollWidth") <= width
