"""Chromium for tests of pages: opens a file, runs JavaScript in it, presses keys, takes pictures.

Speaks the DevTools protocol over `--remote-debugging-pipe`: JSON ended by NUL on file descriptors 3 (to the
browser) and 4 (from it). No port, no extra package.

    with Chromium(tmp_path / "profile") as browser:
        page = browser.open(report, width=1200)
        page.click("#play")
        page.wait_for("document.body.dataset.playing === 'true'")
        page.screenshot(tmp_path / "page.png")
        assert page.problems == []
"""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--disable-gpu",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)
# Python itself may hold 3 and 4, so a small second process puts the pipes there and becomes the browser.
PUT_PIPES_THERE = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"  # noqa: E501
PATIENCE_S = 60.0  # the browser may share a busy core; nothing here is timed
KEYS = {
    " ": ("Space", 32),
    "Enter": ("Enter", 13),
    "Tab": ("Tab", 9),
    "Escape": ("Escape", 27),
    "End": ("End", 35),
    "Home": ("Home", 36),
    "ArrowLeft": ("ArrowLeft", 37),
    "ArrowUp": ("ArrowUp", 38),
    "ArrowRight": ("ArrowRight", 39),
    "ArrowDown": ("ArrowDown", 40),
}


def find_chromium():
    """Path of the browser; skips the test where there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    return pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on the PATH")


class Chromium:
    """A browser of its own with an empty profile; ends with the `with` block."""

    def __init__(self, profile: Path):
        self.program = find_chromium()
        self.profile = profile
        self._last_id = 0
        self._buffer = b""
        self._events = []

    def __enter__(self):
        (child_reads, self._to), (self._from, child_writes) = _high_pipe(), _high_pipe()
        command = [sys.executable, "-c", PUT_PIPES_THERE, str(child_reads), str(child_writes), self.program]
        command += [*FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "about:blank"]
        self._process = subprocess.Popen(
            command,
            pass_fds=(child_reads, child_writes),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(child_reads)
        os.close(child_writes)
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self._process.wait(timeout=10)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)  # the session this object started, nothing else
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, address, *, width=1200, height=900, dark=False):
        """A new page showing a file or an address, loaded."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.look(width=width, height=height, dark=dark)
        page.go(address)
        return page

    def call(self, method, parameters=None, session=None):
        """One command of the protocol and its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._events.append(answer)

    def events(self, session):
        """Everything this page has reported so far."""
        return [event for event in self._events if event.get("sessionId") == session]

    def _read(self, deadline):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser gave no answer in {PATIENCE_S:.0f} s")
            data = os.read(self._from, 1 << 20)
            if not data:
                raise OSError("the browser ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """One open page."""

    def __init__(self, browser, session):
        self._browser = browser
        self._session = session

    def call(self, method, parameters=None):
        return self._browser.call(method, parameters, self._session)

    def go(self, address):
        """Open a file or an address here, and wait until it is loaded."""
        url = address.resolve().as_uri() if isinstance(address, Path) else address
        self.evaluate("window.leaving = true")
        self.call("Page.navigate", {"url": url})
        self.wait_for(
            "!window.leaving && document.readyState === 'complete' && location.href !== 'about:blank'"
        )

    def look(self, *, width=1200, height=900, dark=False):
        """Size of the window and colour scheme."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", {"features": [scheme]})

    def evaluate(self, script):
        """Value of an expression in the page; waits for a promise. Raises what the script raises."""
        options = {"expression": script, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", options)
        if details := answer.get("exceptionDetails"):
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait_for(self, script):
        """Wait until an expression is true; the value it had."""
        deadline = time.monotonic() + PATIENCE_S
        while not (value := self.evaluate(script)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never became true: {script}")
            time.sleep(0.02)
        return value

    def click(self, selector):
        """Click the middle of an element with the mouse, as a user does."""
        find = f"document.querySelector({json.dumps(selector)})"
        x, y = self.evaluate(
            f"(() => {{ const e = {find}; e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", {"type": kind, **mouse})

    def close(self):
        """Close the page."""
        self.call("Page.close")

    def press(self, key, *, shift=False):
        """Press a key: one character, or a name such as Enter, Tab, ArrowLeft."""
        code, number = KEYS.get(key) or (
            f"Digit{key}" if key.isdigit() else f"Key{key.upper()}",
            ord(key.upper()),
        )
        keys = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", {"type": "keyDown" if text else "rawKeyDown", **keys, **text})
        self.call("Input.dispatchKeyEvent", {"type": "keyUp", **keys})

    def screenshot(self, path, *, selector=None, whole=False):
        """Write a PNG of the window, of one element, or of the whole page; its path."""
        options = {"format": "png"}
        if selector or whole:
            of = f"document.querySelector({json.dumps(selector or 'html')})"
            box = f"(() => {{ const b = {of}.getBoundingClientRect();"
            box += "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
            clip = dict(zip(("x", "y", "width", "height"), self.evaluate(box), strict=True))
            options |= {"clip": clip | {"scale": 1}, "captureBeyondViewport": True}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", options)["data"]))
        return path

    @property
    def problems(self):
        """Errors and warnings of the console, and exceptions nobody caught, as texts."""
        self.evaluate("0")  # takes in what is waiting
        found = []
        for event in self._browser.events(self._session):
            values = event.get("params", {})
            match event["method"]:
                case "Runtime.exceptionThrown":
                    details = values["exceptionDetails"]
                    found.append(details.get("exception", {}).get("description", details["text"]))
                case "Runtime.consoleAPICalled" if values["type"] in ("error", "warning", "assert"):
                    found.append(" ".join(str(part.get("value", part)) for part in values["args"]))
                case "Log.entryAdded" if values["entry"]["level"] in ("error", "warning"):
                    found.append(values["entry"]["text"])
        return found

    @property
    def requests(self):
        """Addresses the page has asked for, without those of data inside it."""
        self.evaluate("0")
        events = self._browser.events(self._session)
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("data:", "blob:"))]


def _high_pipe():
    """A pipe whose ends are far from 3 and 4."""
    ends = []
    for end in os.pipe():
        ends.append(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20))
        os.close(end)
    return ends
