"""The page of a blind listening test: one HTML file that needs no server and asks nothing of the network."""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mixcli.reporting import html
from mixcli.reporting.html import asset

DATA_URI = re.compile(r"data:audio/[\w.+-]+;base64,[A-Za-z0-9+/]+={0,2}")
STIMULUS_ID = re.compile(r"[A-Za-z0-9_-]+")
SCRIPTS = ("listening_player.js", "listening_scale.js", "listening.js")
INSTRUCTIONS = {
    "ape": (
        "You will hear several mixes of the same song, several songs in turn. You do not learn which mix is "
        "whose; the letters are drawn anew for every page.",
        "Each page asks one question. Place all mixes of the page on one line by what you hear: those that "
        "sound alike near each other, those that differ far apart. Go back and forth as often as you like.",
        "Use good headphones or speakers in a quiet place, take breaks, and trust your ears.",
    ),
    "mushra": (
        "You will hear several mixes of the same song, several songs in turn, and beside them a reference. "
        "You do not learn which mix is whose; the letters are drawn anew for every page.",
        "Rate how near each mix is to the reference, from 0 (bad) to 100 (excellent). One of the mixes is "
        "the reference itself: please find it and rate it 100. Another is a plain sum of the recordings.",
        "Use good headphones or speakers in a quiet place, take breaks, and trust your ears.",
    ),
}


def listening_page(
    page: Mapping[str, Any],
    audio: Mapping[str, str],
    *,
    title: str = "Listening test",
    instructions: Sequence[str] | None = None,
) -> str:
    """The HTML of a listening test, complete in itself: it works from a file and sends nothing anywhere.

    `page` is what `evaluation.listening_plan.page_document` gives (ids, no systems); `audio` gives the data
    URI of every stimulus id in it. Excerpts of one song are to be equally loud and long, with faded ends, as
    those of `reporting.excerpts` are. `instructions` are paragraphs of plain text for the first page; those
    of the style if not given. The audio stands in the order of the ids, so the order tells nothing.

    Answers are kept in the listener's browser and saved by them as JSON, `mixcli.listening-answers/1`.
    ValueError for audio that is missing or is no data URI.
    """
    ids = _ids(page)
    shown = {**page, "title": title, "instructions": list(instructions or INSTRUCTIONS[page["style"]])}
    body = [
        f"<header><h1>{escape(title)}</h1></header>",
        '<main id="app"><noscript>This listening test needs JavaScript.</noscript></main>',
        f'<script type="application/json" id="page">{_json(shown)}</script>',
        *(_audio(stimulus, audio) for stimulus in sorted(ids)),
    ]
    script = "".join(asset(name) for name in SCRIPTS)
    return html.page(title, "\n".join(body), style=asset("listening.css"), script=script)


def _ids(page: Mapping[str, Any]) -> list[str]:
    """Every id of the page, offered ones too."""
    return [
        stimulus
        for trial in page["trials"]
        for stimulus in (*trial["stimuli"], trial["offered"])
        if stimulus is not None
    ]


def _audio(stimulus: str, audio: Mapping[str, str]) -> str:
    # A data block is only text to the browser until the page decodes it, song by song.
    uri = audio.get(stimulus)
    if uri is None or not DATA_URI.fullmatch(uri) or not STIMULUS_ID.fullmatch(stimulus):
        raise ValueError(f'stimulus "{stimulus}" has no audio as a base64 data URI')
    return f'<script type="text/plain" id="audio-{stimulus}">{uri}</script>'


def _json(document: Mapping[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(document).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
