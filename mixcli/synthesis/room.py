"""Nine microphones on one drum kit in a room: distance sets level and time of arrival; all bleed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mixcli.synthesis.signals import (
    SAMPLE_RATE,
    Signal,
    add_at,
    band,
    convolve,
    db,
    generator,
    high_pass,
    reshape_spectrum,
    seconds,
    white_noise,
)

SPEED_OF_SOUND = 343.0  # m/s, air at 20 °C
_NEAREST_M = 0.05  # level 0 dB at this distance
_CRITICAL_M = 1.0  # where the room is as loud as the drum, for a microphone with `room_db` 0
Point = tuple[float, float, float]  # m: to the drummer's right, forwards, up

# Where each piece of the kit stands.
PIECE_AT: Mapping[str, Point] = {
    "kick": (0.00, 0.55, 0.28),
    "snare_head": (-0.22, 0.10, 0.66),
    "snare_wires": (-0.22, 0.10, 0.52),
    "hihat": (-0.62, 0.20, 0.88),
    "tom_1": (-0.14, 0.50, 0.84),
    "tom_2": (0.48, 0.18, 0.62),
    "crash": (-0.58, 0.70, 1.25),
}
# How loud it plays at the nearest distance, in dB.
PIECE_DB: Mapping[str, float] = {
    "kick": -7.0,
    "snare_head": 0.0,
    "snare_wires": -3.0,
    "hihat": -5.0,
    "tom_1": -1.0,
    "tom_2": 0.0,
    "crash": -3.0,
}


@dataclass(frozen=True, kw_only=True)
class Microphone:
    """One microphone: its place, where it looks, how deaf it is behind, and the room it hears.

    `rear_db` is the level of sound from behind against sound from the front (0: omnidirectional).
    `shielded_db` is lost by everything but its own piece: the shell of the drum it is in or under.
    `low_cut_hz` is the switch on the microphone.
    """

    at: Point
    towards: Point
    rear_db: float
    shielded_db: float = 0.0
    room_db: float | None = None
    low_cut_hz: float | None = None
    own: tuple[str, ...] = ()
    inverted: tuple[str, ...] = ()


def _close(
    piece: str, at: Point, rear_db: float, *, shielded_db: float = 0.0, low_cut_hz: float | None = None
) -> Microphone:
    own = ("snare_head", "snare_wires") if piece.startswith("snare") else (piece,)
    # What moves towards the microphone above the snare moves away from the one below: opposite polarity.
    inverted = ("snare_head",) if piece == "snare_wires" else ()
    return Microphone(
        at=at,
        towards=PIECE_AT[piece],
        rear_db=rear_db,
        shielded_db=shielded_db,
        low_cut_hz=low_cut_hz,
        own=own,
        inverted=inverted,
    )


MICROPHONES: Mapping[str, Microphone] = {
    "01_KickIn.wav": _close("kick", (0.00, 0.66, 0.30), -20.0, shielded_db=-18.0),
    "02_SnrTop.wav": _close("snare_head", (-0.22, 0.20, 0.70), -20.0),
    "03_SnrBtm.wav": _close("snare_wires", (-0.22, 0.18, 0.45), -16.0, shielded_db=-4.0),
    "04_HH.wav": _close("hihat", (-0.68, 0.24, 0.98), -22.0, shielded_db=-8.0, low_cut_hz=300.0),
    "05_Tom1.wav": _close("tom_1", (-0.10, 0.57, 0.90), -20.0, shielded_db=-12.0),
    "06_Tom2.wav": _close("tom_2", (0.54, 0.24, 0.69), -20.0, shielded_db=-8.0),
    "OH.L.wav": Microphone(at=(-0.80, 0.30, 1.75), towards=(-0.30, 0.30, 0.7), rear_db=-16.0, room_db=-20.0),
    "OH.R.wav": Microphone(at=(0.80, 0.30, 1.75), towards=(0.30, 0.30, 0.7), rear_db=-16.0, room_db=-20.0),
    "DrumRoom.wav": Microphone(at=(0.30, 3.60, 1.40), towards=(0.0, 0.3, 0.6), rear_db=0.0, room_db=-6.0),
}


def path_of(microphone: Microphone, piece: str) -> tuple[float, float]:
    """Return how a piece reaches a microphone: factor (6 dB less per doubled distance) and delay in s."""
    source, at, towards = (np.array(p) for p in (PIECE_AT[piece], microphone.at, microphone.towards))
    distance_m = max(float(np.linalg.norm(source - at)), _NEAREST_M)
    looking = (towards - at) / np.linalg.norm(towards - at)
    cosine = float(np.dot(looking, (source - at) / distance_m))
    rear = db(microphone.rear_db)
    gain = db(PIECE_DB[piece]) * _NEAREST_M / distance_m * (rear + (1.0 - rear) * 0.5 * (1.0 + cosine))
    if microphone.own and piece not in microphone.own:
        gain *= db(microphone.shielded_db)
    return (-gain if piece in microphone.inverted else gain), distance_m / SPEED_OF_SOUND


def _reverberation(seed: int) -> Signal:
    """A live room: noise that fades by 60 dB in 0.45 s, first reflection after 9 ms; energy 1."""
    t_s = seconds(round(0.5 * SAMPLE_RATE))
    tail = white_noise(len(t_s), generator(seed)) * 10.0 ** (-3.0 * t_s / 0.45)
    tail[: round(0.009 * SAMPLE_RATE)] = 0.0
    tail = reshape_spectrum(tail, band(90.0, 5500.0, order=1))
    return tail / float(np.sqrt(np.sum(tail**2)))


def record(lines: Mapping[str, Signal]) -> Iterator[tuple[str, Signal]]:
    """Yield every microphone's file name and recording, [T], of what the pieces of the kit play.

    The nine recordings are of one performance and share one scale: the level of a sound in two microphones
    differs as their distances do.
    """
    everything = sum(
        (db(PIECE_DB[piece]) * line for piece, line in lines.items()), np.zeros(len(lines["kick"]))
    )
    in_the_room = [name for name, microphone in MICROPHONES.items() if microphone.room_db is not None]
    tails = convolve(everything, [_reverberation(seed) for seed in range(201, 201 + len(in_the_room))])
    for name, microphone in MICROPHONES.items():
        recording = np.zeros_like(everything)
        for piece, line in lines.items():
            gain, delay_s = path_of(microphone, piece)
            add_at(recording, line, delay_s, gain)
        if microphone.room_db is not None:
            recording += _NEAREST_M / _CRITICAL_M * db(microphone.room_db) * tails[in_the_room.index(name)]
        if microphone.low_cut_hz is not None:
            recording = reshape_spectrum(recording, high_pass(microphone.low_cut_hz))
        yield name, recording
