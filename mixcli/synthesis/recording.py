"""Recording a performance: the microphones of a kit through a setup, as an engineer would receive them.

Legend: M inputs, T samples, C channels.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.synthesis.kit import Kit
from mixcli.synthesis.material import Material
from mixcli.synthesis.midi import Stroke
from mixcli.synthesis.note_map import DRUM_INPUTS, OVERHEADS, ROOMS, own_input
from mixcli.synthesis.player import PlacedHit, heard_of, place, sound
from mixcli.synthesis.prepared_kit import SNARE, balance_gains, prepare_kit, retuned
from mixcli.synthesis.setup import Setup, one_of
from mixcli.synthesis.sound_bank import SAMPLE_RATE, Hit, SoundBank
from mixcli.synthesis.tone import peak_of, toned

HIGHEST_DBFS = -1.0  # no preamplifier is turned up further: the take would have clipped
OWN_ROOM_S = 0.4  # the decay of a room of our own, where none is given

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The microphones of a session by input, [T] each; silence for an input the kit has no microphone for.

    `onsets` are the samples on which the hits of an input's own pieces land, those of the overheads being all
    there are; `polarity` is how an input was wired; `unplayed` counts strokes without a piece, by MIDI key.
    """

    stems: Mapping[str, Samples]
    onsets: Mapping[str, NDArray[np.int64]]
    polarity: Mapping[str, int]
    unplayed: Mapping[int, int]


def record(
    strokes: Sequence[Stroke],
    kit: Kit,
    setup: Setup,
    material: Material,
    bank: SoundBank,
    *,
    start_s: float,
    n_samples: int,
    rooms: bool,
    rng: np.random.Generator,
) -> Recording:
    """Play strokes on a kit and record them, from `start_s` of the performance on."""
    wanted = (*DRUM_INPUTS, *(ROOMS if rooms else ()))
    prepared = prepare_kit(kit, wanted, setup, material, bank)
    played = place(strokes, prepared.pieces, start_s=start_s, n_samples=n_samples, rng=rng)
    samples = {
        (piece, number): retuned(prepared.pieces[piece][number].samples_MT, piece, setup, n_heard)
        for (piece, number), n_heard in heard_of(played.hits, n_samples).items()
    }
    lines_MT = sound(played.hits, samples, balance_gains(prepared, setup), n_samples)
    loudest_snare = _loudest(prepared.pieces, prepared.inputs)
    stems = _through_setup(lines_MT, prepared.inputs, setup, material, bank, loudest_snare)
    stems = {name: stems.get(name, np.zeros(n_samples, np.float32)) for name in wanted}
    if setup.mirrored:
        for left, right in (OVERHEADS, ROOMS):
            if left in stems:
                stems[left], stems[right] = stems[right], stems[left]
    return Recording(
        stems=stems,
        onsets=_onsets(played.hits),
        polarity={name: setup.polarity[name] for name in wanted},
        unplayed=played.unplayed,
    )


def _loudest(pieces: Mapping[str, Sequence[Hit]], inputs: Sequence[str]) -> float:
    """The peak of the loudest snare hit in the overheads; where there is no snare, of any piece."""
    places = [number for number, name in enumerate(inputs) if name in OVERHEADS]
    hits = pieces.get(SNARE) or [each[-1] for each in pieces.values()]
    return max((float(np.abs(hit.samples_MT[places]).max(initial=0.0)) for hit in hits), default=0.0)


def _through_setup(
    lines_MT: Samples,
    inputs: Sequence[str],
    setup: Setup,
    material: Material,
    bank: SoundBank,
    loudest_snare: float,
) -> dict[str, Samples]:
    """Tone, room, polarity and preamplifier of every microphone; a matched pair is set as one."""
    made: dict[str, Samples] = {}
    singles = [(name,) for name in inputs if name not in (*OVERHEADS, *ROOMS)]
    for names in (OVERHEADS, ROOMS, *singles):
        if names[0] not in inputs:
            continue
        first = inputs.index(names[0])  # the sides of a pair are neighbours
        signal_CT = toned(lines_MT[first : first + len(names)], [setup.tone[names[0]]], SAMPLE_RATE)
        gain = setup.polarity[names[0]] * db_to_gain(setup.preamp_db[names[0]])
        if names[0] in OVERHEADS:
            signal_CT += _room(signal_CT.T, setup, material, bank).T
            gain = db_to_gain(setup.overhead_snare_dbfs) / loudest_snare if loudest_snare else 1.0
        peak = peak_of(signal_CT) * abs(gain)
        gain *= min(1.0, db_to_gain(HIGHEST_DBFS) / peak) if peak else 1.0
        signal_CT *= np.float32(gain)
        made |= dict(zip(names, signal_CT, strict=True))
    return made


def _room(signal_TC: Samples, setup: Setup, material: Material, bank: SoundBank) -> Samples:
    """What a little room adds to the overheads."""
    if material.rooms:
        response_TC = bank.sound(one_of(material.rooms, setup.room)).T
    else:
        response_TC = reverb_impulse_response(
            SAMPLE_RATE, kind="room", decay_s=OWN_ROOM_S, pre_delay_ms=0.0, low_cut_hz=60.0,
            high_cut_hz=16_000.0, seed=int(setup.room * 1_000),
        )  # fmt: skip
    response_TC = response_TC[:, : signal_TC.shape[1]]
    response_TC = response_TC / np.sqrt(np.square(response_TC).sum(axis=0, keepdims=True))
    response_TC = response_TC * db_to_gain(setup.room_db)
    return StreamConvolver(response_TC, signal_TC.shape[1]).push(signal_TC)


def _onsets(hits: Sequence[PlacedHit]) -> dict[str, NDArray[np.int64]]:
    onsets: dict[str, list[int]] = defaultdict(list)
    for hit in hits:
        if hit.start < 0:
            continue
        own = own_input(hit.piece)
        for name in (*((own,) if own else ()), *OVERHEADS):
            onsets[name].append(hit.start)
    return {name: np.array(sorted(starts), np.int64) for name, starts in onsets.items()}
