"""Which piece of a kit a MIDI key plays, and which microphone of a kit is which input.

The keys are those of General MIDI and of the electronic kits that performances are recorded on (rims, edges
and the half-open pedal have keys of their own there). SOURCE: General MIDI Level 1 percussion map; Gillick et
al., "Learning to Groove with Inverse Sequence Transformations", ICML 2019, appendix (the keys of the Roland
TD-11).
"""

from collections.abc import Collection

HATS = ("hihat_closed", "hihat_half", "hihat_open", "hihat_foot")

# For each key the pieces that may play it: the first one that the kit has.
_CLOSED = ("hihat_closed", "hihat_ht", "hihat")
_OPEN = ("hihat_open", "hihat_half", "hihat")
_CRASH_L = ("crash_l", "crash", "crash_r", "china")
_CRASH_R = ("crash_r", "crash", "crash_l", "china")
_RIDE = ("ride", "hihat_half", "hihat_open")  # a drummer without a ride keeps time on the hi-hat
PIECES_OF_KEY: dict[int, tuple[str, ...]] = {
    35: ("kick",),
    36: ("kick",),
    37: ("snare_rest", "snare_side", "snare"),
    38: ("snare",),
    40: ("snare_edge", "snare"),
    41: ("tom3",),
    43: ("tom3",),
    58: ("tom3",),
    45: ("tom2", "tom3"),
    47: ("tom2", "tom1"),
    48: ("tom1",),
    50: ("tom1",),
    22: _CLOSED,
    42: _CLOSED,
    44: ("hihat_foot", *_CLOSED),
    26: _OPEN,
    46: _OPEN,
    49: _CRASH_L,
    55: ("splash", *_CRASH_L),
    57: _CRASH_R,
    52: ("china", *_CRASH_R),
    51: _RIDE,
    59: _RIDE,
    53: ("ride_bell", *_RIDE),
}

# Other names of pieces and microphones.
PIECE_ALIASES = {
    "tom_high": "tom1",
    "tom_mid": "tom2",
    "tom_low": "tom3",
    "tom_1": "tom1",
    "tom_2": "tom2",
    "tom_3": "tom3",
    "bass_drum": "kick",
}

OVERHEADS = ("drums.overhead:L", "drums.overhead:R")
ROOMS = ("drums.room:L", "drums.room:R")
DRUM_INPUTS = (
    "drums.hihat", "drums.kick", *OVERHEADS, "drums.snare", "drums.tom:1", "drums.tom:2", "drums.tom:3",
)  # fmt: skip
INPUTS_OF_MICROPHONE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("kick", "kick_in", "bass_drum"), ("drums.kick",)),
    **dict.fromkeys(("snare", "snare_top"), ("drums.snare",)),
    # A microphone beside the kit hears the hi-hat nearest of all pieces without one of their own.
    **dict.fromkeys(("hihat", "hi_hat", "hh", "hat", "side"), ("drums.hihat",)),
    **{name: (f"drums.tom:{n}",) for n in (1, 2, 3) for name in (f"tom{n}", f"tom_{n}")},
    **dict.fromkeys(("ohl", "oh_l", "overhead_l"), OVERHEADS[:1]),
    **dict.fromkeys(("ohr", "oh_r", "overhead_r"), OVERHEADS[1:]),
    **dict.fromkeys(("oh", "overhead"), OVERHEADS),
    **dict.fromkeys(("room_l", "front"), ROOMS[:1]),
    **dict.fromkeys(("room_r", "wndw", "window"), ROOMS[1:]),
    "room": ROOMS,
}


def piece_of(key: int, pieces: Collection[str]) -> str | None:
    """The piece of a kit that a MIDI key plays; None where the kit has nothing for it."""
    return next((piece for piece in PIECES_OF_KEY.get(key, ()) if piece in pieces), None)


def own_input(piece: str) -> str | None:
    """The input whose microphone stands at a piece; None for cymbals, which the overheads are for."""
    family = piece.split("_")[0]
    if family in ("kick", "snare", "hihat"):
        return f"drums.{family}"
    return f"drums.tom:{family[3:]}" if family in ("tom1", "tom2", "tom3") else None
