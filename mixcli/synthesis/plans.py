"""What a source of sessions is asked for, the plan of each session, and what a session is.

Legend: T samples, C = 2 channels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mixcli.songs.dataset_song import Part
from mixcli.synthesis.decisions import Decisions

Kind = Literal["drums", "band"]
Samples = NDArray[np.float32]

MAKE = "1"  # of what a plan renders to: counted up when the same plan would give more than other rounding


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """What sessions are made of, and how many.

    `folder` holds kits, performances and impulse responses, at any depth. `kits` are names of folders of kits
    (empty: all that are found but `held_out_kits`); the performances of `held_out_drummers` are all of the
    part "test"; `parts` takes performances of these parts alone. A session is the performance, or a stretch
    of `longest_s` out of it. `preamp_db` is how far the gains of the microphones go either way. `taste`
    scales how far the engineer's choices vary, 0 not at all; `follows` is how much of an unusual level he
    takes back. `rooms` adds the inputs drums.room:L and :R.
    """

    folder: Path
    kind: Kind = "drums"
    wet: bool = True
    seed: int = 0
    sessions: int | None = None  # None: every performance once
    kits: tuple[str, ...] = ()
    held_out_kits: tuple[str, ...] = ()
    held_out_drummers: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()  # () are all
    shortest_s: float = 5.0
    longest_s: float = 30.0
    preamp_db: float = 6.0
    taste: float = 1.0
    follows: float = 0.9
    rooms: bool = False

    def __post_init__(self) -> None:
        if self.sessions is not None and self.sessions < 1:
            raise ValueError(f"sessions must be at least 1, not {self.sessions}")
        if not 0 < self.shortest_s <= self.longest_s:
            raise ValueError("shortest_s must be above 0 and not above longest_s")
        if not (self.preamp_db >= 0 and self.taste >= 0 and self.seed >= 0):
            raise ValueError("preamp_db, taste and seed must be 0 or more")
        if not 0 <= self.follows <= 1:
            raise ValueError(f"follows must be from 0 to 1, not {self.follows:g}")
        for part in self.parts:
            if part not in get_args(Part):
                raise ValueError(f'"{part}" is none of the parts {", ".join(get_args(Part))}')


@dataclass(frozen=True, kw_only=True)
class SessionPlan:
    """One session that can be rendered; `key` identifies its content: the same key, the same samples.

    `source` is the MIDI file, of which the session begins at `start_s`; `kit` the folder of the kit, None
    where no kit is needed.
    """

    name: str
    group: str
    part: Part
    n_samples: int
    sample_rate: int
    key: str
    number: int
    source: Path
    start_s: float
    kit: Path | None
    options: SessionOptions


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session: its stems by input ("drums.kick", "drums.overhead:L"), [T] each, and its mix, [T, 2].

    `decisions` are the engineer's, `gain` that of the whole mix after them; `unplayed` counts the strokes on
    MIDI keys that the kit has no piece for.
    """

    stems: Mapping[str, Samples]
    mix_TC: Samples
    decisions: Decisions | None
    gain: float
    unplayed: Mapping[int, int]
