"""The parts of a General MIDI song: what each channel plays, and what its arranger did at the mixer.

SOURCE: General MIDI Level 1 (programs, the drum channel), General MIDI 2 (what controllers mean and the
values they have until they are set).
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixcli.synthesis.midi import DRUM_CHANNEL, Stroke, read_midi, timed_messages

VOLUME, PAN, REVERB, CHORUS = 7, 10, 91, 93
MIXER = {VOLUME: 100, PAN: 64, REVERB: 40, CHORUS: 0}  # the mixer's controllers and their values at first

# The last program of each group of instruments, and its role.
_ROLES_UP_TO: tuple[tuple[int, str], ...] = (
    (3, "keys.piano"), (5, "keys.epiano"), (7, "keys.other"), (14, "perc.pitched"), (15, "plucked"),
    (23, "keys.organ"), (25, "gtr.acoustic"), (31, "gtr.electric"), (32, "bass.upright"),
    (37, "bass.electric"), (39, "bass.synth"), (45, "strings"), (46, "plucked"), (47, "perc.orch"),
    (51, "strings"), (54, "vox.choir"), (55, "fx.sfx"), (63, "winds.brass"), (71, "winds.reed"),
    (79, "winds.flute"), (87, "synth.lead"), (95, "synth.pad"), (103, "synth.other"), (107, "plucked"),
    (108, "perc.pitched"), (109, "winds.reed"), (110, "strings"), (111, "winds.reed"), (119, "perc.hand"),
    (127, "fx.sfx"),
)  # fmt: skip

Curve = tuple[tuple[float, int], ...]  # (seconds, value), the first at 0


@dataclass(frozen=True, kw_only=True)
class Part:
    """One channel within a stretch of a song, times from its start.

    `messages` are all but the mixer's controllers, those from before the stretch at 0 s, its notes left out;
    `mixer` holds a curve for each of the mixer's controllers; `program` is that of the first note.
    """

    channel: int
    program: int
    messages: tuple[tuple[float, Any], ...]
    mixer: Mapping[int, Curve]

    @property
    def role(self) -> str:
        """What the part is, by its program."""
        return "drums.kit" if self.channel == DRUM_CHANNEL else role_of(self.program)

    @property
    def strokes(self) -> list[Stroke]:
        """Its notes as hits of a drum kit."""
        return [
            Stroke(time_s, message.note, message.velocity)
            for time_s, message in self.messages
            if message.type == "note_on" and message.velocity
        ]


def role_of(program: int) -> str:
    """The role of a General MIDI program, 0 to 127."""
    return next(role for last, role in _ROLES_UP_TO if program <= last)


def song_seconds(path: Path) -> float:
    """The time of the last note that begins; 0 for a song without any. Raises SongError E376."""
    return max(
        (
            time_s
            for time_s, message in timed_messages(read_midi(path))
            if message.type == "note_on" and message.velocity
        ),
        default=0.0,
    )


def song_parts(path: Path, start_s: float, seconds: float) -> list[Part]:
    """The parts that play in a stretch of a song, by channel. Raises SongError E376."""
    messages: dict[int, list[tuple[float, Any]]] = defaultdict(list)
    mixer: dict[int, dict[int, list[tuple[float, int]]]] = defaultdict(dict)
    programs: dict[int, int] = defaultdict(int)
    first: dict[int, int] = {}
    for time_s, message in timed_messages(read_midi(path)):
        if message.is_meta or not hasattr(message, "channel") or time_s >= start_s + seconds:
            continue
        channel, at_s = message.channel, max(0.0, time_s - start_s)
        if message.type == "program_change":
            programs[channel] = message.program
        if message.type == "control_change" and message.control in MIXER:
            curve = mixer[channel].setdefault(message.control, [])
            if at_s == 0:
                curve.clear()
            curve.append((at_s, message.value))
            continue
        is_note = message.type in ("note_on", "note_off")
        if is_note and time_s < start_s:
            continue
        if message.type == "note_on" and message.velocity:
            first.setdefault(channel, programs[channel])
        messages[channel].append((at_s, message))
    return [
        Part(
            channel=channel,
            program=first[channel],
            messages=tuple(messages[channel]),
            mixer={
                control: _from_zero(mixer[channel].get(control, []), usual)
                for control, usual in MIXER.items()
            },
        )
        for channel in sorted(first)
    ]


def _from_zero(curve: list[tuple[float, int]], usual: int) -> Curve:
    return tuple(curve) if curve and curve[0][0] == 0 else ((0.0, usual), *curve)
