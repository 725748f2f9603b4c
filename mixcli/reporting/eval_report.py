"""The report of an evaluation: one HTML file with everything in it, from the document `mixcli.eval/1`."""

from collections.abc import Mapping, Sequence
from typing import Any

from mixcli.reporting.axes import number_text, time_text
from mixcli.reporting.evidence import comparisons, least_p
from mixcli.reporting.html import (
    asset,
    count,
    escape,
    facts,
    folded,
    head_cell,
    page,
    row,
    table,
    text_cell,
)
from mixcli.reporting.naming import ORACLE, shown_path
from mixcli.reporting.set_tables import groups, sets
from mixcli.reporting.song_section import failure, song_section
from mixcli.reporting.verdict import verdict

SCRIPTS = ("sound.js", "player.js", "charts.js")
FAMILIES = {
    "nearness": "Nearness: distances by what an engineer sets",
    "compatible": "Compatible: as the programs of the field compute them",
    "robust": "Robust: the same features as errors in natural units",
    "loudness": "Loudness",
    "waveform": "Waveform: sample by sample",
    "alone": "Of a mix alone",
    "artefacts": "Artefacts",
    "set": "Of a set of mixes",
}
KINDS = {"own": "Mixes made here", "given": "Mixes that were given", "baseline": "Baselines"}
FEW_SONGS = 6  # with fewer no two-sided signed-rank test can give p below 0.05
SHOWN_PROBLEMS = 12

Document = Mapping[str, Any]


def eval_report(document: Document, audio: Mapping[tuple[str, str], str], *, folder: str = "") -> str:
    """The whole report as the text of one HTML file, which works offline and asks for nothing.

    `document` is a `mixcli.eval/1`. `audio` holds excerpts at equal loudness as `data:` addresses, by song
    and system; the reference's is under the system "reference". A song without any has no player.
    Files in `folder`, where the report will lie, are shown by their paths from there.
    """
    songs = document.get("songs", [])
    title = f"How near are the mixes of {count(len(songs), 'song')} to their references?"
    parts = [
        f"<header><h1>{escape(title)}</h1>{_how(document, folder)}{_problems(document)}</header>",
        _contents(songs),
        f'<main><section id="verdict"><h2>Verdict</h2>{_verdict(document)}</section>',
        f'<section id="notes"><h2>What these numbers can say</h2>{_notes(document, audio)}</section>',
        groups(document),
    ]
    for place, song in enumerate(songs, 1):
        parts.append(song_section(song, document, audio, anchor=f"song-{place}", folder=folder))
    parts.append(f'<section id="measures"><h2>The measures</h2>{_measures(document)}</section></main>')
    script = "\n".join(asset(name) for name in SCRIPTS)
    return page(title, "\n".join(parts), style=asset("report.css"), script=script)


def _verdict(document: Document) -> str:
    return verdict(document) + comparisons(document) + sets(document)


def _how(document: Document, folder: str) -> str:
    """What was compared with what, and how."""
    settings = document.get("settings", {})
    songs = document.get("songs", [])
    pairs = []
    for kind, text in KINDS.items():
        names = [system["name"] for system in document.get("systems", []) if system.get("kind") == kind]
        if names:
            pairs.append((text, ", ".join(names)))
    length = time_text(sum(song.get("duration_s") or 0.0 for song in songs))
    n_compared = sum(song.get("reference") is not None for song in songs)
    beside = f"{n_compared} beside the mix of an engineer, the reference"
    pairs.append(("Songs", f"{len(songs)}, {length} min in all, {beside}"))
    pairs.append(("Time", "each mix moved to where it fits its reference best, its polarity checked"))
    if (level_lufs := settings.get("level_lufs")) is not None:
        level = number_text(level_lufs)
        pairs.append(
            ("Level", f"mixes and references at {level} LUFS (ITU-R BS.1770) before they are compared")
        )
    if n_draws := settings.get("bootstrap"):
        drawn = f"{n_draws} bootstrap draws of songs, seed {settings.get('seed', 0)}"
        pairs.append(("Intervals", f"95 % intervals of medians, by {drawn}"))
    pairs.append(("Made by", f"mixcli {document.get('mixcli', '')}"))
    rest = {str(key): _setting(value) for key, value in settings.items() if value not in (None, [], "")}
    shown = facts([(key, shown_path(text, folder)) for key, text in rest.items()], titles=rest)
    return facts(pairs) + (folded("All settings", shown) if rest else "")


def _setting(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _problems(document: Document) -> str:
    """What was required, what failed, what was odd."""
    found = []
    for one in document.get("requirements", []):
        kind, said = ("good", "passed") if one["met"] else ("bad", "failed")
        found.append((kind, f"Requirement {said}: must not be {one['text']} ({one['found']})"))
    for song in document.get("songs", []):
        if song.get("status") == "error" or song.get("error"):
            found.append(("bad", f"The song {song['name']} failed: {failure(song)}"))
        for score in song["scores"]:
            if score["status"] != "ok":
                found.append(("bad", f"{score['system']} has no score for {song['name']}: {failure(score)}"))
        found += [("", _notice("Warning", one, song["name"])) for one in song.get("warnings", [])]
    found += [("bad", _notice("Error", one)) for one in document.get("errors", [])]
    found += [("", _notice("Warning", one)) for one in document.get("warnings", [])]
    items = [f'<li class="{kind}">{escape(text)}</li>' for kind, text in found]
    if not items:
        return ""
    shown = f'<ul class="notes">{"".join(items[:SHOWN_PROBLEMS])}</ul>'
    if rest := items[SHOWN_PROBLEMS:]:
        shown += folded(f"{len(rest)} more", f'<ul class="notes">{"".join(rest)}</ul>')
    return shown


def _notice(name: str, one: Document, song: str = "") -> str:
    where = one.get("file") or song
    return f"{name} {one.get('code') or ''}: {one.get('message', '')}" + (f" ({where})" if where else "")


def _contents(songs: Sequence[Document]) -> str:
    links = [("verdict", "Verdict"), ("notes", "What these numbers can say")]
    for place, song in enumerate(songs, 1):
        links.append((f"song-{place}", song["name"] + (" (failed)" if song.get("status") == "error" else "")))
    links.append(("measures", "The measures"))
    items = "".join(f'<li><a href="#{anchor}">{escape(text)}</a></li>' for anchor, text in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _notes(document: Document, audio: Mapping[tuple[str, str], str]) -> str:
    """What a reader must know before believing a number."""
    songs = document.get("songs", [])
    n_songs, n_systems = len(songs), len(document.get("systems", []))
    notes = []
    if n_songs < FEW_SONGS:
        notes.append(
            f"There {'is' if n_songs == 1 else 'are'} only {count(n_songs, 'song')}. A two-sided test of "
            f"paired differences cannot give less than p = {least_p(n_songs):.2g} then, however clear the "
            "difference, and an interval covers little more than these songs. Read them one by one."
        )
    notes += [
        "A distance says how far a mix is from one engineer's mix of the same song. Another good mix can be "
        "far from it: a small distance is evidence, not a judgement of taste.",
        "Medians and intervals are taken over songs; each song counts once, whatever its length.",
    ]
    scored = [sum(score["status"] == "ok" for score in song["scores"]) for song in songs]
    if any(n < n_systems for n in scored):
        notes.append("Not every system has a score for every song; n says how many songs a median rests on.")
    if any(system.get("name") == ORACLE for system in document.get("systems", [])):
        notes.append("The oracle was fitted to the reference itself. It is a bound, no competitor.")
    if audio:
        notes.append(
            "The excerpts are short and set to equal loudness by what they hold themselves, since of two "
            "mixes the louder seems the better. The numbers are those of the whole songs."
        )
    return f'<ul class="notes">{"".join(f"<li>{escape(note)}</li>" for note in notes)}</ul>'


def _measures(document: Document) -> str:
    """Every measure explained, by family."""
    heads = [head_cell(name) for name in ("key", "unit", "what it says", "better", "source")]
    measures = document.get("measures", [])
    parts = []
    for family in dict.fromkeys([*FAMILIES, *(measure["family"] for measure in measures)]):
        rows = [
            row(one["key"], [text_cell(one.get(name) or "") for name in ("unit", "text", "better", "source")])
            for one in measures
            if one["family"] == family
        ]
        if rows:
            parts.append(folded(FAMILIES.get(family, str(family)), table(heads, rows)))
    return "".join(parts)
