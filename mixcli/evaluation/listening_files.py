"""Making a listening test from an evaluation that was kept, and reading what came back."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixcli.audio.files import display_name
from mixcli.audio.output import atomic_output, output_folder
from mixcli.errors import SongError, UsageError
from mixcli.evaluation.document import SCHEMA
from mixcli.evaluation.listening_plan import (
    ANCHOR,
    REFERENCE,
    Style,
    criterion_named,
    key_document,
    page_document,
    plan_listening,
    stimulus_sources,
)
from mixcli.evaluation.stretches import cut_stretches, stretch_sources
from mixcli.mixing.result import to_json
from mixcli.reporting.listening_page import listening_page

LISTENING_LUFS = -23.0  # EBU R128, what listening tests of mixes are matched to
MAX_ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ListeningRequest:
    """Which mixes of an evaluation are heard, and how they are asked about.

    `systems` are heard in this choice (empty: own and given systems and the reference); `seconds` is the
    length of an excerpt.
    """

    evaluation: Path
    out: Path
    systems: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    style: Style = "ape"
    seconds: float = 30.0
    seed: int = 0
    repeats: int = 0
    title: str = "Listening test"


def make_listening_test(request: ListeningRequest) -> tuple[Path, Path]:
    """Write the page for listeners and the key that opens its answers; returns both paths.

    Raises SongError (E363 files that have gone, E364 no evaluation, or nothing to hear in it), UsageError
    E213 and E214, OutputError.
    """
    document = read_evaluation(request.evaluation)
    known = [*(system["name"] for system in document["systems"]), REFERENCE]
    for name in request.systems:
        if name not in known:
            hint = f"there are {', '.join(known)}."
            raise UsageError(f'--systems: no system "{name}" in this evaluation.', code="E213", hint=hint)
    wanted = request.systems or (
        REFERENCE,
        *(system["name"] for system in document["systems"] if system["kind"] != "baseline"),
    )
    needed = {REFERENCE, ANCHOR} if request.style == "mushra" else set()
    songs = {song["name"]: song for song in document["songs"] if song["status"] == "ok"}
    kept = {name: stretch_sources(song) for name, song in songs.items()}
    heard = {name: [each for each in wanted if each in files] for name, files in kept.items()}
    heard = {
        name: systems for name, systems in heard.items() if len(systems) > 1 and needed <= kept[name].keys()
    }
    if not heard:
        wording = f"two of: {', '.join(wanted)}" if not needed else f"the reference, {ANCHOR} and a mix"
        message = f'"{display_name(request.evaluation)}" keeps no song with {wording}.'
        raise SongError(message, code="E364", hint="run eval with --out, and see --systems.")
    plan = plan_listening(
        list(heard.items()),
        criteria=[criterion_named(name) for name in request.criteria],
        style=request.style,
        seed=request.seed,
        repeats=request.repeats,
        fingerprint=hashlib.sha256(json.dumps(document["songs"]).encode()).hexdigest(),
    )
    sources = stimulus_sources(plan)
    audio: dict[str, str] = {}
    for name, song in songs.items():
        of_song = {system: key for key, (where, system) in sources.items() if where == name}
        if of_song:
            cuts = cut_stretches(song, request.seconds, level_lufs=LISTENING_LUFS, systems=of_song.keys())
            audio |= {key: cuts[system] for key, (where, system) in sources.items() if where == name}
    page = listening_page(page_document(plan), audio, title=request.title)
    with output_folder(request.out) as folder:
        page_path, key_path = folder / "listening.html", folder / "listening.key.json"
        for path, text in ((page_path, page), (key_path, to_json(key_document(plan)))):
            with atomic_output(path) as part:
                part.write_text(text, encoding="utf-8")
    return page_path, key_path


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The document that `eval --out` kept in a folder, or a file of it. Raises SongError E364."""
    path = folder / "eval.json" if folder.is_dir() else folder
    document = _read_json(path, "an evaluation", "run: mixcli eval LIBRARY --out DIR")
    if document.get("schema") != SCHEMA:
        message = f'"{display_name(path)}" is no evaluation ({SCHEMA}).'
        raise SongError(message, code="E364", hint="run: mixcli eval LIBRARY --out DIR")
    return document


def read_answers(paths: Sequence[Path]) -> list[tuple[str, dict[str, Any]]]:
    """Answers of listeners, each with its file's name; folders are searched for .json. Raises SongError."""
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.json")) if path.is_dir() else [path]
    answers = []
    for path in files:
        document = _read_json(path, "answers", "give the files that the page saved.")
        if path.name.endswith(".key.json"):
            continue
        answers.append((path.name, document))
    if not answers:
        raise SongError("there are no answers.", code="E364", hint="give the files that the page saved.")
    return answers


def read_key(path: Path) -> dict[str, Any]:
    """The key of a listening test. Raises SongError E364."""
    return _read_json(path, "a key", "it was written beside the page: listening.key.json")


def _read_json(path: Path, what: str, hint: str) -> dict[str, Any]:
    name = display_name(path)
    try:
        if path.stat().st_size > MAX_ANSWER_BYTES and what != "an evaluation":
            raise SongError(f'"{name}" is too long for {what}.', code="E364", hint=hint)
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not JSON"
        raise SongError(f'"{name}" cannot be read as {what}: {reason}.', code="E364", hint=hint) from error
    if not isinstance(document, dict):
        raise SongError(
            f'"{name}" is no {what.removeprefix("an ").removeprefix("a ")}.', code="E364", hint=hint
        )
    return document
