"""The page of a listening test in a browser: hearing, seeking, storage, orders, small screens."""

import pytest
from chromium import Chromium, find_chromium
from listener import FREQUENCIES, NO_STORAGE, Listener, tones_of_systems

from mixcli.evaluation.listening_plan import criterion_named, plan_listening

PLACE = "Number(document.querySelector('.transport input').value)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    find_chromium()
    with Chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def tones():
    return tones_of_systems()


@pytest.mark.slow
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


@pytest.mark.slow
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
@pytest.mark.slow
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
