"""Somebody who takes a listening test in a browser: mouse, keys, and an ear at the loudspeaker.

Every mix is a tone of its own, so what the loudspeaker gets tells which mix is heard.
"""

import json

import numpy as np

from mixcli.evaluation.listening_plan import ANCHOR, REFERENCE, page_document, stimulus_sources
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


def tones_of_systems():
    """An excerpt for each system, as the page takes it."""
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

    def waits_for_next(self):
        """Wait until all is heard and placed: the page books what was heard when the sound says so."""
        self.page.wait_for("!document.querySelector('nav button.main').disabled")

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
