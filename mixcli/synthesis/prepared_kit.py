"""A kit as a session hears it: its hits at the inputs of a drum mix, with the snare that was chosen.

Legend: M inputs, T samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.resample import resampled
from mixcli.synthesis.kit import Kit
from mixcli.synthesis.material import Material
from mixcli.synthesis.note_map import OVERHEADS, own_input
from mixcli.synthesis.setup import METAL, SKINS, Setup, one_of
from mixcli.synthesis.sound_bank import LOUDNESS_S, SAMPLE_RATE, Hit, SoundBank

SNARE = "snare"
ONSET_SHARE = 0.1  # of a hit's peak: where it begins
BEYOND = 4096  # samples of a hit after the last that is heard: more than a resampler hears at once
LOUDEST_OVER_SNARE_DB = 6.0  # in the overheads; samples of cymbals are often recorded hotter than they are

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class PreparedKit:
    """The pieces of a kit, the hits [M, T] of each from soft to loud, in the order of `inputs`."""

    inputs: tuple[str, ...]
    pieces: Mapping[str, Sequence[Hit]]


def prepare_kit(
    kit: Kit, inputs: Sequence[str], setup: Setup, material: Material, bank: SoundBank
) -> PreparedKit:
    """The hits of a kit at those of the inputs that it has a microphone for, its snare swapped or layered."""
    known = tuple(name for name in inputs if name in kit.channel_of_input)
    channels = tuple(kit.channel_of_input[name] for name in known)
    pieces: dict[str, list[Hit]] = {piece: bank.hits(files, channels) for piece, files in kit.pieces.items()}
    snares = [
        files
        for folder in material.snare_packs
        for name, files in bank.snare_pack(folder).snares.items()
        if "rim" not in name
    ]
    can_change = snares and SNARE in pieces and own_input(SNARE) in known
    if setup.snare != "own" and can_change:
        other = [hit.samples_MT for hit in bank.hits(one_of(snares, setup.which_snare), (0, -2, -1))]
        layer_db = setup.layer_db if setup.snare == "layer" else None
        pieces[SNARE] = _changed_snare(pieces[SNARE], other, known, layer_db)
        pieces.pop("snare_edge", None)  # of the drum that was taken away
    return PreparedKit(inputs=known, pieces=pieces)


def balance_gains(prepared: PreparedKit, setup: Setup) -> dict[str, NDArray[np.float32]]:
    """A gain for each input and piece, [M]: bleed turned up, and no piece far louder than the snare."""
    pairs = [place for place, name in enumerate(prepared.inputs) if name in OVERHEADS]
    loudest = {
        piece: float(np.abs(hits[-1].samples_MT[pairs]).max(initial=0.0))
        for piece, hits in prepared.pieces.items()
    }
    most = loudest.get(SNARE, 0.0) * 10 ** (LOUDEST_OVER_SNARE_DB / 20)
    gains = {}
    for piece in prepared.pieces:
        trim = min(1.0, most / loudest[piece]) if most and loudest[piece] else 1.0
        own = own_input(piece)
        gains[piece] = np.array(
            [trim * (1.0 if name == own else 10 ** (setup.bleed_db[name] / 20)) for name in prepared.inputs],
            np.float32,
        )
    return gains


def retuned(samples_MT: Samples, piece: str, setup: Setup, n_heard: int) -> Samples:
    """A hit played back faster or slower, as its family of pieces is tuned in this setup.

    Of a hit that is cut off after `n_heard` samples there are a few thousand more.
    """
    family = piece.split("_")[0]
    semitones = setup.semitones[family if family in (*SKINS, *METAL) else "cymbals"]
    if semitones == 0:
        return samples_MT
    recorded_at = round(SAMPLE_RATE * 2 ** (semitones / 12))
    n_needed = -(-n_heard * recorded_at // SAMPLE_RATE) + BEYOND
    return resampled(samples_MT[:, :n_needed], recorded_at, SAMPLE_RATE)


def _changed_snare(
    kept: Sequence[Hit], other: Sequence[Samples], inputs: Sequence[str], layer_db: float | None
) -> list[Hit]:
    """Another drum's hits in the snare's own microphone and the overheads; what else hears it stays.

    The loudest hits of both drums have one energy in the snare's microphone, and one in the overheads.
    `layer_db` is the level of the other drum beside the kept one; None takes the kept one away there.
    """
    own = inputs.index(own_input(SNARE) or "")
    overheads = [place for place, name in enumerate(inputs) if name in OVERHEADS]
    loudest = kept[-1].samples_MT
    onset = _onset(loudest[own])
    place_of = {own: 0, **{each: 1 + side for side, each in enumerate(overheads)}}
    gains = {own: _match(loudest[[own]], other[-1][[0]])}
    if overheads:
        pair = _match(loudest[overheads], other[-1][[place_of[each] for each in overheads]])
        gains |= dict.fromkeys(overheads, pair)
    layer = 1.0 if layer_db is None else 10 ** (layer_db / 20)
    made = []
    for number, samples_CT in enumerate(other):
        beside = kept[round(number * (len(kept) - 1) / max(1, len(other) - 1))]
        shift = onset - _onset(samples_CT[0])
        n_samples = max(beside.samples_MT.shape[1], samples_CT.shape[1] + max(0, shift))
        made_MT = np.zeros((len(inputs), n_samples), np.float32)
        made_MT[:, : beside.samples_MT.shape[1]] = beside.samples_MT
        if layer_db is None:
            made_MT[[own, *overheads]] = 0.0
        for place, channel in place_of.items():
            added_T = samples_CT[channel][max(0, -shift) :]
            first = max(0, shift)
            made_MT[place, first : first + len(added_T)] += added_T * np.float32(gains[place] * layer)
        level_db = 10 * np.log10(_energy(made_MT) + 1e-12)
        made.append(Hit(made_MT, float(level_db)))
    return sorted(made, key=lambda hit: hit.level_db)


def _onset(samples_T: Samples) -> int:
    heard_T = np.abs(samples_T)
    return int(np.argmax(heard_T >= ONSET_SHARE * heard_T.max(initial=0.0)))


def _energy(samples_MT: Samples) -> float:
    start_MT = samples_MT[:, : round(LOUDNESS_S * SAMPLE_RATE)].astype(np.float64)
    return float(np.square(start_MT).sum())


def _match(wanted_MT: Samples, found_MT: Samples) -> float:
    found = _energy(found_MT)
    return float(np.sqrt(_energy(wanted_MT) / found)) if found else 0.0
