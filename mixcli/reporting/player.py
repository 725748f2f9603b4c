"""The player of one song in a page: what `player.js` and `sound.js` bring to life."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

TRIALS = 10  # of an ABX test, unless the listener says otherwise
MOST_KEYS = 10  # 1 to 9, and 0 for 10


@dataclass(frozen=True)
class Voice:
    """One excerpt: what it is called, its number in pictures, and the `data:` address of its sound."""

    name: str
    number: int
    uri: str


def player(song: str, voices: Sequence[Voice]) -> str:
    """A player that switches between excerpts of one song at the same place; the excerpts start together.

    Its controls are hidden until the script runs; without it, each excerpt has the browser's own player.
    """
    options = "".join(f'<option value="{i}">{escape(voice.name)}</option>' for i, voice in enumerate(voices))
    second = options.replace('value="1"', 'value="1" selected', 1)
    return f"""<section class="player" tabindex="-1" aria-label="{escape(f"Player for {song}")}"
 data-state="idle" data-playing="false" data-position="0" data-mode="open">
<div class="controls" hidden>
<div class="row"><button type="button" data-do="play">Play</button>
<span class="seek"><span class="region" hidden></span><input type="range" data-do="seek" min="0" max="1" step="0.01" value="0" aria-label="Position"></span>
<output data-is="time">0:00.0</output></div>
<div class="row voices" role="group" aria-label="Listen to">{_buttons(voices)}</div>
<div class="row abx" role="group" aria-label="ABX test" hidden>
<button type="button" data-abx="0"><kbd>1</kbd> A</button><button type="button" data-abx="1"><kbd>2</kbd> B</button>
<button type="button" data-abx="2"><kbd>3</kbd> X</button>
<button type="button" data-answer="0">X is A</button><button type="button" data-answer="1">X is B</button>
<button type="button" data-do="leave">Leave the test</button></div>
<div class="row"><button type="button" data-do="from">Loop from here</button><button type="button" data-do="to">Loop to here</button>
<button type="button" data-do="whole" disabled>Loop all</button>
<button type="button" data-do="blind">Blind: hide the names</button><button type="button" data-do="reveal" disabled>Reveal</button></div>
<p class="row" role="status" data-is="told"></p>
<details data-is="setup"><summary>ABX test: can you hear the difference?</summary>
<p>X is A or B, drawn anew in each trial. Decide as often as agreed beforehand; then the score is shown.</p>
<div class="row"><label>A <select data-is="a">{options}</select></label> <label>B <select data-is="b">{second}</select></label>
<label>Trials <input type="number" data-is="trials" min="1" max="100" value="{TRIALS}"></label>
<button type="button" data-do="abx">Start</button></div></details>
<p class="soft"><small>Keys: space plays and pauses; the numbers switch (0 is 10); ← → move by a second;
I and O set the loop, L takes it away. In a test Shift+A and Shift+B answer.</small></p>
</div>
<details><summary>Each excerpt by itself</summary>{"".join(_alone(voice) for voice in voices)}</details>
</section>"""  # noqa: E501 (HTML reads better in whole elements)


def _buttons(voices: Sequence[Voice]) -> str:
    return "".join(
        f'<button type="button" data-voice="{index}" data-key="{voice.number}"'
        f' aria-pressed="{"false" if index else "true"}">'
        + (f"<kbd>{voice.number}</kbd> " if voice.number <= MOST_KEYS else f"{voice.number} ")
        + f"<span>{escape(voice.name)}</span></button>"
        for index, voice in enumerate(voices)
    )


def _alone(voice: Voice) -> str:
    name = escape(voice.name)
    return (
        f'<p>{name}<audio controls preload="none" aria-label="{name}" src="{escape(voice.uri)}"></audio></p>'
    )
