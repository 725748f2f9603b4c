"""The HTML report of an evaluation, with excerpts of every mix to listen to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixcli.audio.output import atomic_output
from mixcli.evaluation.stretches import cut_stretches
from mixcli.reporting.eval_report import eval_report

EXCERPT_S = 10.0
MOST_AUDIO_BYTES = 80_000_000  # a page beyond this takes long to open; songs after it have no player


def write_report(document: Mapping[str, Any], out: Path) -> Path:
    """Write `report.html` into the folder of an evaluation. Raises SongError, OutputError."""
    audio: dict[tuple[str, str], str] = {}
    room = MOST_AUDIO_BYTES
    for song in document["songs"]:
        if song["status"] != "ok" or room <= 0:
            continue
        cuts = cut_stretches(song, EXCERPT_S)
        room -= sum(map(len, cuts.values()))
        audio |= {(song["name"], system): uri for system, uri in cuts.items()}
    path = out / "report.html"
    with atomic_output(path) as part:
        part.write_text(eval_report(document, audio, folder=str(out)), encoding="utf-8")
    return path
