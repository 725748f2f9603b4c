"""A plucked string: a delay loop that loses a little at every turn, solved in the frequency domain."""

from dataclasses import dataclass

import numpy as np

from mixcli.synthesis.signals import (
    SAMPLE_RATE,
    Signal,
    bin_frequencies,
    fade_edges,
    fast_length,
    white_noise,
)

_LEAD_IN = 64  # samples before the pluck, room for what the loss curve spreads to earlier times
_WRAP = 9.2  # nepers (80 dB) by which whatever wraps round the end of the transform is pressed down


@dataclass(frozen=True, kw_only=True)
class StringTone:
    """How a string is built and plucked.

    `decay_s` is the time of the lowest partials to fall by 60 dB; partials at `loss_hz` last half as long.
    `pluck_position` is the plucked point as a share of the string, `bright_hz` where the pluck's spectrum
    begins to fall at full velocity, `noise` the share of fingernail or plectrum noise.
    """

    decay_s: float
    loss_hz: float
    pluck_position: float
    bright_hz: float
    noise: float


def pluck(
    frequency_hz: float, duration_s: float, velocity: float, tone: StringTone, rng: np.random.Generator
) -> Signal:
    """Return one plucked note [T] of exactly that pitch, with ramps at both ends; its peak is the velocity.

    The loop of Karplus and Strong (1983), y = x + loss · y delayed by one period, has the closed form
    Y = X / (1 − loss · exp(−jωD)); taken at the bins of a transform it allows a period D that is no whole
    number of samples. A tail longer than the transform would wrap, so it is the transform of y · exp(−αn),
    which has faded by then.
    """
    n_samples = round(duration_s * SAMPLE_RATE)
    n_fft = fast_length(n_samples + _LEAD_IN + 256)
    alpha = _WRAP / n_fft
    period = SAMPLE_RATE / frequency_hz
    frequencies_hz = bin_frequencies(n_fft)

    n_burst = min(round(0.004 * SAMPLE_RATE), n_samples)
    excitation = np.zeros(n_fft)
    excitation[_LEAD_IN] = 1.0
    excitation[_LEAD_IN : _LEAD_IN + n_burst] += tone.noise * white_noise(n_burst, rng) * np.hanning(n_burst)
    # The string is drawn aside at one point: the pulse that the near end sends back is the same, inverted.
    n_echo = round(period * tone.pluck_position)
    excitation[n_echo:] -= excitation[: n_fft - n_echo].copy()
    n_excited = _LEAD_IN + n_burst + n_echo
    excitation[:n_excited] *= np.exp(-alpha * np.arange(n_excited))

    # A harder pluck is a brighter one.
    cut_hz = tone.bright_hz * (0.35 + 0.65 * velocity)
    colour = 1.0 / (1.0 + (frequencies_hz / cut_hz) ** 2) / (1.0 + ((frequencies_hz / 14_000.0) ** 2) ** 2)
    colour /= np.sqrt(
        1.0 + (frequencies_hz / frequency_hz) ** 2
    )  # partials of a string drawn aside fall as 1/k
    complex_hz = 2j * np.pi * frequencies_hz / SAMPLE_RATE + alpha
    decay_s = tone.decay_s / (1.0 + frequencies_hz / tone.loss_hz)
    loss = np.exp(-3.0 * np.log(10.0) * period / SAMPLE_RATE / decay_s)
    spectrum = np.fft.rfft(excitation) * colour / (1.0 - loss * np.exp(-complex_hz * period))
    string = np.fft.irfft(spectrum, n_fft)[:n_samples] * np.exp(alpha * np.arange(n_samples))
    string = fade_edges(string, 0.001, min(0.03, duration_s / 3))
    return string * (velocity / float(np.max(np.abs(string))))
