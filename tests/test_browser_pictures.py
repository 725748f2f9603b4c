"""The report of an evaluation in a real browser: pictures, their legend and the verdict at several widths."""

import pytest
from chromium import Chromium
from made_up_evaluation import made_up_document, with_more_baselines

from mixcli.reporting.eval_report import eval_report


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(eval_report(made_up_document(), {}), "utf-8")
    return path


@pytest.fixture(scope="module")
def tab(report, tmp_path_factory):
    """One page for all tests; each loads the report anew, which is quicker than a new page."""
    with Chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser.open(report)


@pytest.fixture
def page(tab, report):
    tab.look()
    tab.go(report)
    yield tab
    assert tab.problems == []


def test_the_legend_hides_a_system_in_the_pictures_of_its_song(page):
    seen = "[...document.querySelectorAll('{} .lines .n3')]"
    seen += ".filter(e => getComputedStyle(e).visibility === 'visible').length"
    before = page.evaluate(seen.format("#song-1"))
    assert before > 5
    page.click("#song-1 .legend [data-number='3']")
    assert page.evaluate(seen.format("#song-1")) == 0
    assert page.evaluate(seen.format("#song-2")) > 5
    page.click("#song-1 .legend [data-number='3']")
    assert page.evaluate(seen.format("#song-1")) == before


def test_with_many_systems_baselines_begin_hidden_and_come_by_keyboard(page, tmp_path):
    path = tmp_path / "many.html"
    path.write_text(eval_report(with_more_baselines(made_up_document()), {}), "utf-8")
    page.go(path)
    shown = "[...new Set([...document.querySelectorAll('#song-1 .lines .line')]"
    shown += ".filter(e => getComputedStyle(e).visibility === 'visible')"
    shown += ".map(e => Number(e.getAttribute('class').match(/n(\\d+)/)[1])))].sort().join('')"
    assert page.evaluate(shown) == "12345"
    page.evaluate("document.querySelector('#song-1 .legend [data-number=\"5\"]').focus()")
    page.press("Tab")
    page.press(" ")
    assert page.evaluate("document.activeElement.dataset.number") == "6"
    assert page.evaluate("document.activeElement.ariaPressed") == "true"
    assert page.evaluate(shown) == "123456"
    all_pressed = "document.querySelector('#song-1 [data-all]').ariaPressed"
    assert page.evaluate(all_pressed) == "false"
    for pressed, expected in (("true", "123456789"), ("false", "12345")):
        page.click("#song-1 [data-all]")
        assert page.evaluate(all_pressed) == pressed
        assert page.evaluate(shown) == expected


def test_the_verdict_scrolls_in_its_own_box_and_on_narrow_screens_only(page):
    wide = "(() => { const box = document.querySelector('#verdict .scroll');"
    wide += "return box.scrollWidth > box.clientWidth; })()"
    assert not page.evaluate(wide)
    page.look(width=400)
    assert page.evaluate(wide)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (400, False)])
def test_no_picture_has_writing_on_writing_or_outside_itself(page, tmp_path, width, dark):
    page.look(width=width, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    clashes = page.evaluate(
        """[...document.querySelectorAll('svg.chart')].flatMap((svg) => {
          const frame = svg.getBoundingClientRect();
          const texts = [...svg.querySelectorAll('text')]
            .map((t) => [t.lastChild.textContent, t.getBoundingClientRect()]);
          const bad = texts.filter(([, b]) => b.left < frame.left - 1 || b.right > frame.right + 1
            || b.top < frame.top - 3 || b.bottom > frame.bottom + 3).map(([t]) => `outside: ${t}`);
          for (const [i, [t, a]] of texts.entries()) for (const [u, b] of texts.slice(i + 1)) {
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            // Boxes of lines are higher than their letters: a third may overlap.
            if (wide > 1 && high > Math.min(a.height, b.height) / 3) bad.push(`${t} on ${u}`);
          }
          return bad.map((text) => `${svg.querySelector('title').textContent}: ${text}`);
        })"""
    )
    assert clashes == []
    picture = page.screenshot(tmp_path / "page.png", selector="#song-1 .charts")
    assert picture.read_bytes().startswith(b"\x89PNG")
