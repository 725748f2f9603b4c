"""The throat of a singer: vowels and consonants as numbers, and a voice made of harmonics shaped by them."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mixcli.synthesis.signals import SAMPLE_RATE, Signal

Number = TypeVar("Number", np.float64, np.complex128)

CONTROL = 128  # samples from one point of the curves of pitch, level and formants to the next
CONTROL_HZ = SAMPLE_RATE / CONTROL
_BLOCK = 64  # points that are worked on at once, so that the arrays stay in the cache

# Formants in Hz of sung vowels, near the averages of Peterson and Barney (1952), with two fixed upper ones.
VOWELS = {
    "a": (780.0, 1180.0, 2700.0, 3500.0, 4500.0),
    "e": (540.0, 1850.0, 2550.0, 3500.0, 4500.0),
    "o": (480.0, 860.0, 2600.0, 3500.0, 4500.0),
    "u": (350.0, 760.0, 2500.0, 3400.0, 4500.0),
}
_BANDWIDTHS_HZ = (80.0, 95.0, 130.0, 160.0, 200.0)


@dataclass(frozen=True)
class Consonant:
    """How a syllable begins: for `length_s` the voice has `voiced_db` and is drawn to `formants`.

    A burst of noise of that level (dB re the voice), band and length lies before the vowel. A very low
    `voiced_db` is a closed mouth; without `formants` the vowel's are there already.
    """

    length_s: float
    voiced_db: float
    formants: tuple[float, float, float] | None
    noise_db: float = -120.0
    noise_hz: tuple[float, float] = (500.0, 3000.0)
    noise_s: float = 0.02


CONSONANTS = {
    "d": Consonant(0.045, -30.0, (260.0, 1750.0, 2700.0), 0.0, (2200.0, 6000.0), 0.014),
    "n": Consonant(0.06, -9.0, (250.0, 1500.0, 2500.0)),
    "l": Consonant(0.055, -6.0, (340.0, 1150.0, 2750.0)),
    "h": Consonant(0.07, -22.0, None, -14.0, (700.0, 4500.0), 0.09),
    "s": Consonant(0.1, -60.0, (280.0, 1650.0, 2600.0), -6.0, (4800.0, 9500.0), 0.11),
}


def _vocal_tract(frequencies_hz: Signal, formants_FM: Signal) -> NDArray[np.complex128]:
    """Return the complex response of five resonances in a row, at one frequency per point, [M]."""
    response = np.ones(len(frequencies_hz), dtype=np.complex128)
    for formant_hz, bandwidth_hz in zip(formants_FM, _BANDWIDTHS_HZ, strict=True):
        response *= formant_hz**2 / (formant_hz**2 - frequencies_hz**2 + 1j * frequencies_hz * bandwidth_hz)
    return response


def between_points(values_M: NDArray[Number], n_samples: int) -> NDArray[Number]:
    """Draw straight lines between the points of a control curve [M], one value per sample, [T]."""
    ramp = np.arange(CONTROL) / CONTROL
    lines = values_M[:-1, None] + np.diff(values_M)[:, None] * ramp
    return lines.astype(values_M.dtype, copy=False).ravel()[:n_samples]


def phonate(
    pitch_M: Signal, level_M: Signal, formants_FM: Signal, n_samples: int, highest_hz: float
) -> tuple[Signal, Signal]:
    """Return a voice [T] and the phase of its vocal folds in radians [T].

    The curves have a point every `CONTROL` samples: pitch in Hz, level as a factor, five formants in Hz.
    Every harmonic is a sine of its own, silent from `highest_hz` on, so nothing folds back.
    """
    phase = 2 * np.pi * np.cumsum(between_points(pitch_M, n_samples)) / SAMPLE_RATE
    voice = np.zeros(n_samples)
    for first in range(0, len(pitch_M) - 1, _BLOCK):
        points = slice(first, first + _BLOCK + 1)
        samples = slice(first * CONTROL, min((first + _BLOCK) * CONTROL, n_samples))
        turn = np.exp(1j * phase[samples])
        harmonic = np.ones_like(turn)
        pitch_hz = pitch_M[points]
        for number in range(1, int(highest_hz / pitch_hz.min()) + 1):
            harmonic *= turn
            frequencies_hz = number * pitch_hz
            # A pressed glottis falls by 10 dB an octave, the mouth gives 6 back; the next factor is what the
            # resonances above the fifth, which are not here, add below themselves.
            gain = level_M[points] * _vocal_tract(frequencies_hz, formants_FM[:, points]) / number**0.65
            gain *= (1.0 + (frequencies_hz / 2200.0) ** 2) ** 0.75
            gain *= np.clip((highest_hz - frequencies_hz) / 1500.0, 0.0, 1.0)
            voice[samples] += (between_points(gain, len(turn)) * harmonic).imag
    return voice, phase
