"""The mix of a General MIDI song as its arranger set it: faders, pans and sends over the whole song.

Legend: T samples, C = 2 channels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.compressor import CompressorSettings
from mixcli.audio.decibels import db_to_gain
from mixcli.synthesis.decisions import Plate
from mixcli.synthesis.general_midi import PAN, REVERB, VOLUME, Curve
from mixcli.synthesis.mixing_desk import FinishedMix, glued, normalised, pan_gains, plate_return
from mixcli.synthesis.sound_bank import SAMPLE_RATE, SoundBank

USUAL_VOLUME = 100
HIGHEST_SEND = 0.35  # of a controller at 127
GLIDE_S = 0.02  # from one value of a controller to the next
PEAK_DBFS = -1.0
PLATE = Plate(which=0.0, decay_s=1.4, pre_delay_ms=15.0, low_cut_hz=200.0)
BUS = CompressorSettings(threshold_db=-2.0, ratio=1.8, attack_ms=25.0, release_ms=200.0)

Samples = NDArray[np.float32]
Mixer = Mapping[int, Curve]


def volume_gains(curve: Curve, n_samples: int) -> Samples:
    """The fader over time, [T]: 40 log10(value / 100) dB. SOURCE: General MIDI 2, the volume controller."""
    return _glide([(time_s, (value / USUAL_VOLUME) ** 2) for time_s, value in curve], n_samples)


def mix_parts(
    parts: Sequence[tuple[Samples, Mixer]], n_samples: int, *, wet: bool, plates: Sequence[Path],
    which_plate: float, bank: SoundBank,
) -> FinishedMix:  # fmt: skip
    """The sum of parts, [T] or [T, 2] each, at their own faders and pans; `wet` adds sends and bus.

    A part of two channels is left where it stands.
    """
    sum_TC, send_T = np.zeros((n_samples, 2), np.float32), np.zeros(n_samples, np.float32)
    for part, mixer in parts:
        faded = part * volume_gains(mixer[VOLUME], n_samples)[(..., *([None] * (part.ndim - 1)))]
        send_gains_T = _glide([(t, HIGHEST_SEND * value / 127) for t, value in mixer[REVERB]], n_samples)
        if part.ndim == 2:
            sum_TC += faded
            continue  # a kit has its own plate in it
        for channel in range(2):
            sides = [(t, pan_gains(_pan(value))[channel]) for t, value in mixer[PAN]]
            sum_TC[:, channel] += faded * _glide(sides, n_samples)
        send_T += faded * send_gains_T
    if not wet:
        return normalised(sum_TC, PEAK_DBFS)
    if send_T.any():
        plate = Plate(
            which=which_plate, decay_s=PLATE.decay_s, pre_delay_ms=PLATE.pre_delay_ms,
            low_cut_hz=PLATE.low_cut_hz,
        )  # fmt: skip
        sum_TC += plate_return(send_T, plate, plates, bank)
    return normalised(glued(sum_TC, BUS), PEAK_DBFS)


def loudness_db(signal: Samples) -> float:
    """The level of a part where it plays: the loud tenth of blocks of 0.1 s, in dB of full scale."""
    mono_T = signal if signal.ndim == 1 else np.sqrt(np.square(signal).mean(axis=1))
    n_block = SAMPLE_RATE // 10
    n_blocks = len(mono_T) // n_block
    if not n_blocks:
        return -120.0
    blocks_BT = mono_T[: n_blocks * n_block].reshape(n_blocks, n_block)
    return float(np.percentile(10 * np.log10(np.square(blocks_BT).mean(axis=1) + 1e-12), 90))


def to_level(signal_T: Samples, level_db: float, highest_dbfs: float) -> Samples:
    """A part brought to a level, but to no higher peak."""
    gain = db_to_gain(level_db - loudness_db(signal_T))
    peak = float(np.abs(signal_T).max(initial=0.0)) * gain
    gain *= min(1.0, db_to_gain(highest_dbfs) / peak) if peak else 1.0
    return np.asarray(signal_T * np.float32(gain), np.float32)


def _pan(value: int) -> float:
    """A pan controller from 1 (left) over 64 to 127 as -1 to 1; 0 is left as well, as General MIDI says."""
    return (max(value, 1) - 64) / 63


def _glide(steps: Sequence[tuple[float, float]], n_samples: int) -> Samples:
    """Values over time, [T], each reached GLIDE_S after it is set."""
    times: list[float] = []
    values: list[float] = []
    for time_s, value in steps:
        if values:
            times.append(max(time_s, times[-1]))
            values.append(values[-1])
            time_s = times[-1] + GLIDE_S
        times.append(time_s)
        values.append(value)
    if len(steps) == 1:
        return np.full(n_samples, values[0], np.float32)
    return np.interp(np.arange(n_samples) / SAMPLE_RATE, times, values).astype(np.float32)
