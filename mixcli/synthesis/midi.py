"""Reading performances from MIDI files, with `mido`, which is installed only for this."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import Any

from mixcli.audio.wording import display_name
from mixcli.errors import SongError, UsageError

DRUM_CHANNEL = 9  # counted from 0; General MIDI's drums
USUAL_BEAT_US = 500_000


@dataclass(frozen=True, order=True)
class Stroke:
    """One hit of a performance: when, which MIDI key, how hard (velocity, 1 to 127)."""

    time_s: float
    key: int
    velocity: int


def require_mido() -> Any:
    """The package that reads MIDI files; raises UsageError E241 where it is not installed."""
    try:
        return import_module("mido")  # it has no types, and may be missing where types are checked
    except ImportError as error:
        raise UsageError(
            "sessions are played from MIDI files, which need the package mido; it is not installed.",
            code="E241",
            hint='pip install "mixcli[synth]", or pip install mido.',
        ) from error


def read_midi(path: Path) -> Any:
    """A MIDI file as mido reads it; raises SongError E376 for one that is missing or damaged."""
    mido = require_mido()
    try:
        file = mido.MidiFile(path, clip=True)
    # What mido raises for files that are cut short or no MIDI at all; it has no error class of its own there.
    except (OSError, EOFError, ValueError, KeyError, IndexError, mido.KeySignatureError) as error:
        raise _unreadable(path, str(error).strip() or "it is cut short") from error
    if not 0 < file.ticks_per_beat < 2**15:  # the highest bit says frames of film, not beats
        raise _unreadable(path, "its times are not in parts of a beat")
    return file


def _unreadable(path: Path, reason: str) -> SongError:
    return SongError(
        f'cannot read "{display_name(path)}" as MIDI: {reason.rstrip(".")}.',
        code="E376",
        hint="remove the file, or replace it by a whole one.",
    )


def drum_strokes(path: Path) -> list[Stroke]:
    """The hits of a performance in order of time.

    Where the file has notes on General MIDI's drum channel, those; else all notes. Raises SongError E376.
    """
    on_channel: list[Stroke] = []
    elsewhere: list[Stroke] = []
    for time_s, message in timed_messages(read_midi(path)):
        if message.type == "note_on" and message.velocity:
            strokes = on_channel if message.channel == DRUM_CHANNEL else elsewhere
            strokes.append(Stroke(time_s, message.note, message.velocity))
    return sorted(on_channel or elsewhere)


def timed_messages(file: Any) -> Iterator[tuple[float, Any]]:
    """All messages of a file's tracks with their times in seconds, in order.

    What mido does itself, but without a copy of every message. SOURCE: Standard MIDI Files 1.0: times are
    ticks, the tempo is that of all tracks, 120 beats a minute until it is said.
    """
    timed: list[tuple[int, Any]] = []
    for track in file.tracks:
        ticks = 0
        for message in track:
            ticks += message.time
            timed.append((ticks, message))
    timed.sort(key=itemgetter(0))
    now_s, last_ticks, beat_us = 0.0, 0, USUAL_BEAT_US
    for ticks, message in timed:
        now_s += (ticks - last_ticks) * beat_us * 1e-6 / file.ticks_per_beat
        last_ticks = ticks
        if message.type == "set_tempo":
            beat_us = message.tempo
        yield now_s, message
