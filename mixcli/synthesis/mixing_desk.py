"""The desk of the scripted engineer: his decisions carried out on the microphones of a session.

Legend: T samples, C = 2 channels.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.compressor import Compressor, CompressorSettings
from mixcli.audio.convolution import LONGEST_HOP, StreamConvolver
from mixcli.audio.decibels import db_to_gain
from mixcli.audio.dynamics import LevelDetector
from mixcli.audio.equaliser import EqualiserBand, settling_samples
from mixcli.audio.expander import Expander
from mixcli.audio.reverb import reverb_impulse_response
from mixcli.synthesis.decisions import Decisions, Plate, Strip
from mixcli.synthesis.setup import one_of
from mixcli.synthesis.sound_bank import SAMPLE_RATE, SoundBank
from mixcli.synthesis.tone import BLOCK, Tone, peak_of, toned

PLATE_MOST_S = 1.6  # of a plate's response: no mix of drums lets it ring longer
PLATE_FADE_S = 0.3
PLATE_BLOCK = 4 * LONGEST_HOP  # samples: four transforms are made in little more than the time of one
OWN_PLATE_SEED = 140
BUS_LOUD = 90.0  # percentile of the levels of the sum that the threshold of the bus is counted from

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class FinishedMix:
    """A mix, float32 [T, 2], and the gain that the whole of it was normalised with."""

    mix_TC: Samples
    gain: float


def pan_gains(pan: float) -> tuple[float, float]:
    """Gains of left and right for a pan from -1 to 1: constant power, both 1 in the centre."""
    angle = (pan + 1) * math.pi / 4
    return math.sqrt(2) * math.cos(angle), math.sqrt(2) * math.sin(angle)


def mix_dry(stems: Mapping[str, Samples], decisions: Decisions) -> FinishedMix:
    """Levels, polarity and panning alone: a sum of the microphones with one gain each per channel."""
    sum_CT = _silence(stems, 2)
    for name, strip in decisions.strips.items():
        gain = np.float32(strip.polarity * db_to_gain(strip.gain_db))
        for part in _parts(sum_CT):
            _add_panned(sum_CT[:, part], stems[name][part] * gain, strip.pan)
    return normalised(sum_CT.T, decisions.peak_dbfs)


def mix_wet(
    stems: Mapping[str, Samples], decisions: Decisions, plates: Sequence[Path], bank: SoundBank
) -> FinishedMix:
    """The whole mix: equaliser, expander and compressor of each microphone, plate, bus compressor."""
    sum_CT, send_T = _silence(stems, 2), _silence(stems, 1)[0]
    for name, strip in decisions.strips.items():
        send_gain = 0.0 if strip.send_db is None else db_to_gain(strip.send_db)
        for part, processed_T in _processed(stems[name], strip):
            _add_panned(sum_CT[:, part], processed_T, strip.pan)
            if send_gain:
                send_T[part] += processed_T * np.float32(send_gain)
    if send_T.any():
        sum_CT += plate_return(send_T, decisions.plate, plates, bank).T
    return normalised(glued(sum_CT.T, decisions.bus), decisions.peak_dbfs)


def glued(sum_TC: Samples, settings: CompressorSettings) -> Samples:
    """The sum through the compressor of the bus."""
    detector = LevelDetector("rms", SAMPLE_RATE, 2)
    levels_M = np.concatenate([detector.push(sum_TC[part]) for part in _parts(sum_TC.T)])
    if not len(levels_M):
        return sum_TC
    loud_db = float(np.percentile(levels_M, BUS_LOUD))
    compressor = Compressor(replace(settings, threshold_db=loud_db + settings.threshold_db), SAMPLE_RATE, 2)
    glued_TC = np.empty_like(sum_TC)
    for part in _parts(sum_TC.T):
        glued_TC[part] = compressor.push(sum_TC[part])
    return glued_TC


def _silence(stems: Mapping[str, Samples], n_channels: int) -> Samples:
    """Silence as long as the microphones; channels that lie in one piece are summed in half of the time."""
    return np.zeros((n_channels, len(next(iter(stems.values())))), np.float32)


def _parts(signal_CT: Samples) -> list[slice]:
    """Blocks of a signal."""
    return [slice(start, start + BLOCK) for start in range(0, signal_CT.shape[1], BLOCK)]


def _processed(stem_T: Samples, strip: Strip) -> Iterator[tuple[slice, Samples]]:
    """What a strip makes of its microphone before the pan, in blocks and where they lie."""
    tone = Tone(strip.bands, SAMPLE_RATE, 1)
    expander = Expander(strip.expander, SAMPLE_RATE, 1) if strip.expander else None
    compressor = Compressor(strip.compressor, SAMPLE_RATE, 1) if strip.compressor else None
    gain = np.float32(strip.polarity * db_to_gain(strip.gain_db))
    for part in _parts(stem_T[None]):
        block_TC = stem_T[part, None]
        if expander is not None:
            block_TC = expander.push(block_TC)
        if compressor is not None:
            block_TC = compressor.push(block_TC)
        yield part, tone.push(np.ascontiguousarray(block_TC.T))[0] * gain


def _add_panned(sum_CT: Samples, signal_T: Samples, pan: float) -> None:
    for channel, gain in enumerate(pan_gains(pan)):
        sum_CT[channel] += signal_T * np.float32(gain)


def plate_return(send_T: Samples, plate: Plate, plates: Sequence[Path], bank: SoundBank) -> Samples:
    """The return of the plate: each channel of its response has unit energy, so sends are its levels."""
    if plates:
        response_TC = bank.sound(one_of(plates, plate.which)).T[: round(PLATE_MOST_S * SAMPLE_RATE)].copy()
        n_fade = min(len(response_TC), round(PLATE_FADE_S * SAMPLE_RATE))
        response_TC[-n_fade:] *= np.linspace(1, 0, n_fade, dtype=np.float32)[:, None]
        if response_TC.shape[1] == 1:
            response_TC = np.repeat(response_TC, 2, axis=1)
        response_TC = response_TC[:, :2] / np.sqrt(np.square(response_TC[:, :2]).sum(axis=0))
        n_before = round(plate.pre_delay_ms * 1e-3 * SAMPLE_RATE)
        response_TC = np.concatenate([np.zeros((n_before, 2), np.float32), response_TC])
    else:
        response_TC = reverb_impulse_response(
            SAMPLE_RATE, kind="plate", decay_s=plate.decay_s, pre_delay_ms=plate.pre_delay_ms,
            low_cut_hz=100.0, high_cut_hz=12_000.0, seed=OWN_PLATE_SEED,
        )  # fmt: skip
    # The low cut is made part of the response: that is the shorter of both sounds.
    low_cut = [EqualiserBand("high_pass", plate.low_cut_hz)]
    response_CT = np.pad(response_TC.T, ((0, 0), (0, settling_samples(low_cut, SAMPLE_RATE))))
    convolver = StreamConvolver(toned(response_CT, low_cut, SAMPLE_RATE).T, 1)
    return_CT = np.empty((2, len(send_T)), np.float32)
    for start in range(
        0, len(send_T), PLATE_BLOCK
    ):  # what is transformed at once stays nearer to the processor
        part = slice(start, start + PLATE_BLOCK)
        return_CT[:, part] = convolver.push(send_T[part, None]).T
    return return_CT.T


def normalised(sum_TC: Samples, peak_dbfs: float) -> FinishedMix:
    """A mix brought to a peak; silence stays."""
    peak = peak_of(sum_TC)
    gain = db_to_gain(peak_dbfs) / peak if peak else 1.0
    return FinishedMix(np.multiply(sum_TC, np.float32(gain), order="C"), gain)
