"""Building blocks of made-up sound: ramps, coloured noise, spectra reshaped, sounds placed in time."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 44_100  # Hz, of everything that is synthesised
Signal = NDArray[np.float64]
GainCurve = Callable[[Signal], Signal]  # frequencies in Hz -> factors
Response = Callable[[Signal], NDArray[np.complex128]]  # frequencies in Hz -> complex factors


def db(level_db: float) -> float:
    """Turn a level in dB into a factor."""
    return float(10.0 ** (level_db / 20.0))


def seconds(n_samples: int) -> Signal:
    """Return the times of `n_samples` samples, in s from 0."""
    return np.arange(n_samples) / SAMPLE_RATE


def generator(seed: int) -> np.random.Generator:
    """Return a random generator; only `random()` is used of it, plain bits of PCG64, the same everywhere."""
    return np.random.Generator(np.random.PCG64(seed))


def white_noise(n_samples: int, rng: np.random.Generator) -> Signal:
    """Return evenly distributed noise between −1 and 1, [T]."""
    return 2.0 * rng.random(n_samples) - 1.0


def fast_length(n_samples: int) -> int:
    """Return the smallest 2^a·3^b that is at least `n_samples`: lengths the FFT is quick at."""
    best = 1 << max(n_samples - 1, 1).bit_length()
    three = 1
    while three < best:
        quotient = -(-n_samples // three)
        best = min(best, three << max(quotient - 1, 0).bit_length())
        three *= 3
    return best


def bin_frequencies(n_fft: int) -> Signal:
    """Return the frequencies in Hz of the bins of a real transform of even length."""
    return np.arange(n_fft // 2 + 1, dtype=np.float64) * (SAMPLE_RATE / n_fft)


def reshape_spectrum(sound: Signal, *curves: GainCurve | Response) -> Signal:
    """Multiply the spectrum of a sound [T] by smooth curves over Hz; real ones shift nothing in time."""
    n_fft = fast_length(len(sound) + SAMPLE_RATE // 20)  # room, so that what the filter smears does not wrap
    frequencies_hz = bin_frequencies(n_fft)
    spectrum = np.fft.rfft(sound, n_fft)
    for curve in curves:
        spectrum *= curve(frequencies_hz)
    return np.fft.irfft(spectrum, n_fft)[: len(sound)]


def convolve(sound: Signal, impulse_responses: Sequence[Signal]) -> list[Signal]:
    """Convolve one sound [T] with several impulse responses; tails past the end of the sound are cut."""
    n_fft = fast_length(len(sound) + max(len(response) for response in impulse_responses) - 1)
    spectrum = np.fft.rfft(sound, n_fft)
    return [
        np.fft.irfft(spectrum * np.fft.rfft(response, n_fft), n_fft)[: len(sound)]
        for response in impulse_responses
    ]


def band(low_hz: float, high_hz: float, *, order: int = 2) -> GainCurve:
    """Return the magnitude curve of Butterworth slopes around a pass band (6 · order dB per octave)."""

    def curve(frequencies_hz: Signal) -> Signal:
        below = np.square(low_hz / np.maximum(frequencies_hz, 1e-3))
        above = np.square(frequencies_hz / high_hz)
        below_n, above_n = below, above
        for _ in range(order - 1):
            below_n, above_n = below_n * below, above_n * above
        return np.asarray(1.0 / np.sqrt((1.0 + below_n) * (1.0 + above_n)))

    return curve


def high_pass(low_hz: float) -> Response:
    """Return the response of an analogue Butterworth high-pass of 12 dB per octave; nothing comes early."""

    def curve(frequencies_hz: Signal) -> NDArray[np.complex128]:
        s = 1j * frequencies_hz / low_hz
        return np.asarray(s * s / (s * s + np.sqrt(2.0) * s + 1.0))

    return curve


def bumps(*peaks: tuple[float, float, float]) -> GainCurve:
    """Return a curve of peaks over a flat line: (centre in Hz, width in octaves, gain in dB) each."""

    def curve(frequencies_hz: Signal) -> Signal:
        octaves = np.log2(np.maximum(frequencies_hz, 1.0))
        total_db = np.zeros_like(octaves)
        for centre_hz, width_octaves, gain_db in peaks:
            total_db += gain_db * np.exp(-0.5 * ((octaves - np.log2(centre_hz)) / (0.5 * width_octaves)) ** 2)
        return np.asarray(10.0 ** (total_db / 20.0))

    return curve


def coloured_noise(n_samples: int, low_hz: float, high_hz: float, rng: np.random.Generator) -> Signal:
    """Return noise of a band, [T], with a root mean square of 1."""
    noise = reshape_spectrum(white_noise(n_samples, rng), band(low_hz, high_hz))
    return noise / float(np.sqrt(np.mean(noise**2)))


def fade_edges(sound: Signal, fade_in_s: float, fade_out_s: float) -> Signal:
    """Return a sound whose first and last samples are ramps of half a cosine, so that nothing clicks."""
    faded = sound.copy()
    n_in = min(round(fade_in_s * SAMPLE_RATE), len(sound))
    n_out = min(round(fade_out_s * SAMPLE_RATE), len(sound))
    faded[:n_in] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(n_in) / max(n_in, 1))
    faded[len(sound) - n_out :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, n_out + 1) / max(n_out, 1))
    return faded


def add_at(line: Signal, sound: Signal, start_s: float, gain: float = 1.0) -> None:
    """Add a sound to a line [T] in place, from a time in s; what would lie outside the line is left out."""
    start = round(start_s * SAMPLE_RATE)
    first = max(-start, 0)
    stop = min(len(sound), len(line) - start)
    if stop > first:
        line[start + first : start + stop] += gain * sound[first:stop]


def smooth(values: Signal, window_s: float, rate_hz: float) -> Signal:
    """Smooth a curve sampled at `rate_hz` with a Hann window: steps become glides of that length."""
    n_window = max(round(window_s * rate_hz), 1)
    window = np.hanning(n_window + 2)[1:-1]
    padded = np.pad(values, (n_window // 2, n_window - 1 - n_window // 2), mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")
