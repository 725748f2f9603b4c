"""How a session is set up: what differs from one recording of the same kit to the next, drawn by seed.

All levels are in dB; an equal number of draws is made whatever they are used for, so that one choice does
not shift the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from mixcli.audio.equaliser import EqualiserBand
from mixcli.synthesis.note_map import DRUM_INPUTS, OVERHEADS, ROOMS

SKINS, METAL = ("kick", "snare", "tom1", "tom2", "tom3"), ("hihat", "cymbals")
RETUNED_SHARE = 0.5  # of the sessions
SKIN_SEMITONES, METAL_SEMITONES = 3.0, 1.5
# The peak of the loudest snare hit in the overheads, and how far it goes either way for gains of ±6 dB.
OVERHEAD_SNARE_DBFS, OVERHEAD_SPREAD_DB, SPREAD_OF_DB = -11.0, 7.0, 6.0
BLEED_DB = (0.0, 9.0)  # more of the other pieces in a close microphone than was recorded
FLIPPED_SHARE = 0.05  # of the close microphones that are wired the other way round
TONE_DB, TONE_HZ, TONE_Q = 3.0, (150.0, 6000.0), (0.6, 1.2)
ROOM_DB = (-22.0, -10.0)  # of the room against the overheads
SNARE_CHOICES, SNARE_SHARES = ("own", "swap", "layer"), (0.5, 0.3, 0.2)
LAYER_DB = (-9.0, -3.0)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """One recording setup; all that goes by input is there for every input of a drum session."""

    semitones: Mapping[str, float]  # by family of pieces
    preamp_db: Mapping[str, float]  # of the overheads and rooms: after the line-up
    overhead_snare_dbfs: float
    bleed_db: Mapping[str, float]
    polarity: Mapping[str, int]
    tone: Mapping[str, EqualiserBand]
    mirrored: bool  # the kit seen from the other side: left and right exchanged
    room: float  # which of the rooms there are, from 0 to 1
    room_db: float
    snare: str  # "own", "swap", "layer"
    which_snare: float  # of those there are, from 0 to 1
    layer_db: float


def draw_setup(rng: np.random.Generator, preamp_db: float) -> Setup:
    """Draw the setup of a session; `preamp_db` is how far the gains of the microphones go either way."""
    inputs = (*DRUM_INPUTS, *ROOMS)
    # Matched pairs have one preamplifier setting, one polarity and one tone.
    singles = [name for name in inputs if name not in (OVERHEADS[1], ROOMS[1])]
    retuned = bool(rng.random() < RETUNED_SHARE)
    semitones = {
        **{family: float(rng.uniform(-SKIN_SEMITONES, SKIN_SEMITONES)) * retuned for family in SKINS},
        **{family: float(rng.uniform(-METAL_SEMITONES, METAL_SEMITONES)) * retuned for family in METAL},
    }
    preamps = {name: float(rng.uniform(-preamp_db, preamp_db)) for name in singles}
    preamps[OVERHEADS[0]] = 0.0  # the line-up draws it
    bleed = {name: float(rng.uniform(*BLEED_DB)) for name in singles}
    flipped = {name: bool(rng.random() < FLIPPED_SHARE) for name in singles}
    tone = {name: _band(rng) for name in singles}
    low, high = SNARE_SHARES[0], SNARE_SHARES[0] + SNARE_SHARES[1]
    chance = float(rng.random())
    spread_db = OVERHEAD_SPREAD_DB * preamp_db / SPREAD_OF_DB
    return Setup(
        semitones=semitones,
        preamp_db=_paired(preamps),
        overhead_snare_dbfs=OVERHEAD_SNARE_DBFS + spread_db * float(rng.uniform(-1, 1)),
        bleed_db={name: 0.0 if name in (*OVERHEADS, *ROOMS) else bleed[name] for name in inputs},
        polarity={name: -1 if name not in (*OVERHEADS, *ROOMS) and flipped[name] else 1 for name in inputs},
        tone=_paired(tone),
        mirrored=bool(rng.random() < 0.5),
        room=float(rng.random()),
        room_db=float(rng.uniform(*ROOM_DB)),
        snare=SNARE_CHOICES[(chance >= low) + (chance >= high)],
        which_snare=float(rng.random()),
        layer_db=float(rng.uniform(*LAYER_DB)),
    )


def one_of(choices: Sequence[T], place: float) -> T:
    """The choice at a place from 0 to below 1."""
    return choices[min(int(place * len(choices)), len(choices) - 1)]


def _band(rng: np.random.Generator) -> EqualiserBand:
    low, high = np.log(TONE_HZ)
    return EqualiserBand(
        "bell",
        float(np.exp(rng.uniform(low, high))),
        float(rng.uniform(-TONE_DB, TONE_DB)),
        float(rng.uniform(*TONE_Q)),
    )


def _paired(values: Mapping[str, T]) -> dict[str, T]:
    return {**values, OVERHEADS[1]: values[OVERHEADS[0]], ROOMS[1]: values[ROOMS[0]]}
