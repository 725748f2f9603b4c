"""The report of an evaluation in a real browser: nothing breaks, the player plays what it says."""

import json
import re
from itertools import pairwise

import pytest
from chromium import Chromium
from made_up_evaluation import SYSTEMS, made_up_audio, made_up_document, tone_hz

from mixcli.reporting.eval_report import eval_report

SECONDS = 2.0
RATE = 8_000
PLAYER = "#song-1 .player"
# Everything that reaches the loudspeakers passes an analyser, so that a test can hear what sounds.
LISTEN = """
window.AudioContext = class extends AudioContext {
  constructor(...options) {
    super(...options);
    window.ear = new AnalyserNode(this, {fftSize: 4096, smoothingTimeConstant: 0});
    window.ear.connect(super.destination);
  }
  get destination() { return window.ear ?? super.destination; }
};
window.heardHz = () => {
  const levels = new Float32Array(ear.frequencyBinCount);
  ear.getFloatFrequencyData(levels);
  const loudest = levels.indexOf(Math.max(...levels));
  return levels[loudest] > -60 ? loudest * ear.context.sampleRate / ear.fftSize : 0;
};
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    document = made_up_document()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(eval_report(document, made_up_audio(document, SECONDS, RATE)), "utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Chromium(tmp_path_factory.mktemp("browser") / "profile") as chromium:
        yield chromium


@pytest.fixture(scope="module")
def tab(browser, report):
    """One page for all tests; each loads the report anew, which is quicker than a new page."""
    return browser.open(report)


@pytest.fixture
def page(tab, report):
    tab.look()
    tab.go(report)
    tab.evaluate(LISTEN)
    yield tab
    assert tab.problems == []


def state(page, name, player=PLAYER):
    return page.evaluate(f"document.querySelector({json.dumps(player)}).dataset.{name}")


def told(page):
    return page.evaluate(f"document.querySelector('{PLAYER} [data-is=told]').textContent")


def wait_for_tone(page, place):
    """Wait until the tone of the reference (0) or of a system (from 1) sounds."""
    page.wait_for(f"Math.abs(heardHz() - {tone_hz(place)}) < 15")


def play(page):
    page.click(f"{PLAYER} [data-do=play]")
    page.wait_for(f"document.querySelector('{PLAYER}').dataset.playing === 'true'")


def test_a_report_opens_alone_and_asks_for_nothing(page, report):
    assert set(page.requests) == {report.as_uri()}
    assert page.evaluate("document.querySelectorAll('.player').length") == 3
    assert page.evaluate("document.querySelectorAll('svg.chart').length") > 20


def test_a_name_that_looks_like_a_script_is_shown_as_it_is(page):
    assert page.evaluate("document.querySelector('#song-2 h2').textContent") == "<script>alert(1)</script>"
    assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_play_moves_on_and_pause_stays(page):
    assert state(page, "playing") == "false"
    play(page)
    page.wait_for(f"Number(document.querySelector('{PLAYER}').dataset.position) > 0.3")
    wait_for_tone(page, 0)
    page.press(" ")
    assert state(page, "playing") == "false"
    place = state(page, "position")
    page.wait_for("heardHz() === 0")
    assert state(page, "position") == place


def test_switching_sounds_the_other_system_at_the_same_place(page):
    play(page)
    page.wait_for(f"Number(document.querySelector('{PLAYER}').dataset.position) > 0.2")
    before, after, passed = page.evaluate(
        f"""(async () => {{
          const player = document.querySelector('{PLAYER}');
          const at = () => [Number(player.dataset.position), ear.context.currentTime];
          const frame = () => new Promise(requestAnimationFrame);
          await frame();
          const [first, then] = at();
          player.querySelector('[data-voice="2"]').click();
          await frame(); await frame();
          const [last, now] = at();
          return [first, last, now - then];
        }})()"""
    )
    # The place has moved by the time that passed on the sound's own clock, and no more.
    assert (after - before) % SECONDS == pytest.approx(passed, abs=0.1)
    wait_for_tone(page, 2)
    for key in "417":  # by number, as in the pictures
        page.press(key)
        wait_for_tone(page, int(key) - 1)
    pressed = (
        f"[...document.querySelectorAll('{PLAYER} [data-voice][aria-pressed=true]')].map(b => b.dataset.key)"
    )
    assert page.evaluate(pressed) == ["7"]


def test_a_system_without_a_score_leaves_the_others_numbers_and_only_one_player_sounds(page):
    keys = "[...document.querySelectorAll('#song-3 [data-voice]')].map(b => b.dataset.key).join('')"
    assert page.evaluate(keys) == "123467"
    page.click("#song-3 [data-do=play]")
    page.wait_for("document.querySelector('#song-3 .player').dataset.playing === 'true'")
    page.press("6")
    wait_for_tone(page, 5)
    play(page)  # the first song's: only one player sounds
    assert state(page, "playing", "#song-3 .player") == "false"
    wait_for_tone(page, 0)


@pytest.mark.slow
def test_a_loop_keeps_to_its_stretch(page):
    play(page)
    page.press(" ")
    for place, end in ((0.5, "from"), (1.0, "to")):
        page.evaluate(
            f"(() => {{ const seek = document.querySelector('{PLAYER} [data-do=seek]');"
            f"seek.value = {place}; seek.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
        )
        page.click(f"{PLAYER} [data-do={end}]")
    play(page)
    places = page.evaluate(
        f"""(async () => {{
          const player = document.querySelector('{PLAYER}'), found = [];
          const end = ear.context.currentTime + 1.3;
          while (ear.context.currentTime < end) {{
            await new Promise(requestAnimationFrame);
            found.push(Number(player.dataset.position));
          }}
          return found;
        }})()"""
    )
    assert min(places) >= 0.49
    assert max(places) <= 1.01
    assert sum(b < a for a, b in pairwise(places)) >= 2  # it went round
    page.press("l")
    assert page.evaluate(f"document.querySelector('{PLAYER} [data-do=whole]').disabled")


def test_blind_mode_hides_and_shuffles_and_reveal_tells_the_truth(page):
    page.evaluate(PREDICTABLE.format(values="[3, 0, 2, 1, 1, 0]"))
    page.click(f"{PLAYER} [data-do=blind]")
    names = f"[...document.querySelectorAll('{PLAYER} [data-voice]')].map(b => b.textContent.trim())"
    shown = page.evaluate(names)
    assert not [name for name in shown if any(system["name"] in name for system in SYSTEMS)]
    play(page)
    heard = [-1]
    for key in "1234567":  # each sounds as none before it, so what sounded last is waited out
        page.press(key)
        step = page.wait_for(
            f"(() => {{ const hz = heardHz(), step = Math.round(hz / 200);"
            f"return hz && Math.abs(hz - 200 * step) < 15 && step !== {heard[-1] + 2} && step; }})()"
        )
        heard.append(step - 2)
    heard = heard[1:]
    assert sorted(heard) == list(range(7))
    assert heard != list(range(7))
    page.click(f"{PLAYER} [data-do=reveal]")
    order = ["reference", *(system["name"] for system in SYSTEMS)]
    for place, text in zip(heard, page.evaluate(names), strict=True):
        assert text.endswith(f"was {order[place]}")


PREDICTABLE = """(() => {{ const values = {values}; let next = 0;
  crypto.getRandomValues = (list) => list.fill(values[next++ % values.length]); }})()"""


def start_test(page, draws, trials):
    page.evaluate(PREDICTABLE.format(values=draws))
    page.evaluate(f"document.querySelector('{PLAYER} [data-is=setup]').open = true")
    page.evaluate(f"document.querySelector('{PLAYER} [data-is=trials]').value = {trials}")
    page.click(f"{PLAYER} [data-do=abx]")
    page.wait_for(f"document.querySelector('{PLAYER}').dataset.playing === 'true'")


def test_abx_counts_right_answers_and_says_what_guessing_would_do(page):
    for answers, score, p in (("01101", 5, 1 / 32), ("01100", 4, 6 / 32), ("10010", 0, 1.0)):
        start_test(page, [0, 1, 1, 0, 1], len(answers))
        for answer in answers:
            assert state(page, "mode") == "abx"
            page.evaluate(f"document.querySelector(\"{PLAYER} [data-answer='{answer}']\").click()")
        assert int(state(page, "score")) == score
        assert float(state(page, "p")) == pytest.approx(p, rel=1e-12)
        assert f"{score} of 5 right" in told(page)
        assert state(page, "mode") == "open"


def test_the_p_of_abx_is_the_binomial_one(page):
    stats = pytest.importorskip("scipy.stats")
    start_test(page, [1], 16)
    for answer in "b" * 12 + "a" * 4:
        page.evaluate("document.activeElement.blur()")
        page.press(answer.upper(), shift=True)
    assert state(page, "score") == "12"
    expected = stats.binomtest(12, 16, alternative="greater").pvalue
    assert float(state(page, "p")) == pytest.approx(expected, rel=1e-12)
    assert re.search(r"p = 0\.038", told(page))


def test_x_sounds_as_what_was_drawn(page):
    start_test(page, [1, 0], 2)
    for drawn in (1, 0):
        for key, place in (("a", 0), ("b", 1), ("x", drawn)):
            page.press(key)
            wait_for_tone(page, place)
        page.click(f"{PLAYER} [data-answer='{drawn}']")
    assert state(page, "score") == "2"


def test_a_score_is_not_shown_before_the_test_is_over(page):
    start_test(page, [1], 2)
    page.click(f"{PLAYER} [data-answer='1']")
    assert state(page, "score") is None
    assert "right" not in told(page)
    page.click(f"{PLAYER} [data-do=leave]")
    assert state(page, "score") is None
    assert state(page, "mode") == "open"


def test_everything_can_be_reached_by_keyboard(page):
    page.evaluate(f"document.querySelector('{PLAYER} [data-do=play]').focus()")
    page.press("Enter")
    page.wait_for(f"document.querySelector('{PLAYER}').dataset.playing === 'true'")
    for _ in range(3):  # past the position to the second system's button
        page.press("Tab")
    page.press(" ")  # on a button, space presses it
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
    wait_for_tone(page, 1)
    named = "[...document.querySelectorAll('.player button, .player input, .player select, .player audio')]"
    named += ".every(e => e.textContent.trim() || e.ariaLabel || e.labels?.length)"
    assert page.evaluate(named)
