"""A console whose settings stand still: every stem through four linear-phase filters.

Each stem has, in each of 27 bands, four gains: its middle into the middle of the mix (EQ and fader), its
middle into the side (pan), a decorrelated copy of its middle into the side (width), its own side into the
side.

Legend: `T` samples, `C` channels, `S` stems, `N` taps or frequency bins, `B` bands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.convolution import StreamConvolver
from mixcli.audio.width import decorrelation_fir
from mixcli.measures.frames import bin_frequencies, fractional_octaves

BLOCK = 65_536  # samples per block of a mix
FRAME_S = 0.093  # 4096 samples at 44.1 kHz
TAPS_PER_FRAME = 2  # the filters' length in frames
LOWEST_BAND_HZ = (20.0, 1000 * 2 ** (-13.5 / 3))  # below the third octave about 50 Hz
HIGHEST_CENTRE_HZ = 16_000.0

Signal = NDArray[np.float32]
Gains = NDArray[np.float64]


@dataclass(frozen=True)
class StaticConsole:
    """Amplitude gains per stem and band, [S, B]: middle, pan (signed, to the left), blind side, own side."""

    centres_hz: tuple[float, ...]
    middle_SB: Gains
    pan_SB: Gains
    blind_SB: Gains
    side_SB: Gains


def render_console(
    stems: Sequence[Signal], console: StaticConsole, sample_rate: int, *, seed: int
) -> Iterator[Signal]:
    """Play stems [T, 2] through linear-phase filters with these gains, in blocks [T, 2], without delay."""
    delay = TAPS_PER_FRAME * frame_length(sample_rate) // 2
    middles = [
        StreamConvolver(_stem_filter(console, stem, sample_rate, seed), 1) for stem in range(len(stems))
    ]
    sides = [
        StreamConvolver(linear_phase_fir(gains_B, console.centres_hz, sample_rate), 1)
        for gains_B in console.side_SB
    ]
    length = max(len(stem_TC) for stem_TC in stems)
    for start in range(0, length + delay, BLOCK):
        stop = min(start + BLOCK, length + delay)
        mid_side_TC = np.zeros((stop - start, 2), np.float32)
        for stem_TC, middle, side in zip(stems, middles, sides, strict=True):
            block_TC = cut_block(stem_TC, start, stop) * np.float32(0.5)
            mid_side_TC += middle.push(block_TC[:, :1] + block_TC[:, 1:])
            mid_side_TC[:, 1:] += side.push(block_TC[:, :1] - block_TC[:, 1:])
        mid_side_TC = mid_side_TC[max(delay - start, 0) :]
        if len(mid_side_TC):
            mid_T, side_T = mid_side_TC.T
            yield np.stack([mid_T + side_T, mid_T - side_T], axis=1)


def linear_phase_fir(gains_B: Gains, centres_hz: Sequence[float], sample_rate: int) -> Gains:
    """A filter with given amplitude gains at given frequencies, about 0.2 s long, symmetric, [N]."""
    from scipy.fft import irfft

    n_taps = TAPS_PER_FRAME * frame_length(sample_rate)
    response_N = _response(gains_B, centres_hz, bin_frequencies(sample_rate, n_taps))
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_taps) / n_taps)
    taps: Gains = np.roll(irfft(response_N, n_taps), n_taps // 2) * window
    return taps


def _response(gains_B: Gains, centres_hz: Sequence[float], frequencies_N: Gains) -> Gains:
    """Gains at any frequency, linear over log frequency between the bands' centres, the ends held, [N]."""
    log_hz_N = np.log(np.maximum(frequencies_N, centres_hz[0]))
    response_N: Gains = np.interp(log_hz_N, np.log(centres_hz), gains_B)
    return response_N


def console_bands(sample_rate: int) -> list[tuple[float, float]]:
    """Edges of the bands in Hz: one below 45 Hz, then third octaves up to 16 kHz or what the rate holds."""
    bands = [LOWEST_BAND_HZ, *fractional_octaves(40.0, HIGHEST_CENTRE_HZ, 3)]
    return [band for band in bands if band[1] <= sample_rate / 2]


def frame_length(sample_rate: int) -> int:
    """Samples of a frame: the power of two nearest to 93 ms."""
    return int(2 ** round(np.log2(FRAME_S * sample_rate)))


def cut_block(signal_TC: Signal, start: int, stop: int) -> Signal:
    """Samples from `start` to `stop` of a signal [T, 2], with silence after its end; a copy."""
    block_TC = np.zeros((stop - start, 2), np.float32)
    part_TC = signal_TC[start:stop]
    block_TC[: len(part_TC)] = part_TC
    return block_TC


def _stem_filter(console: StaticConsole, stem: int, sample_rate: int, seed: int) -> Gains:
    """From a stem's middle to the mix's middle and side, [N, 2]; another decorrelation for each stem."""
    from scipy.signal import fftconvolve

    middle, pan, blind = (
        linear_phase_fir(gains_SB[stem], console.centres_hz, sample_rate)
        for gains_SB in (console.middle_SB, console.pan_SB, console.blind_SB)
    )
    decorrelation = decorrelation_fir(seed + stem, sample_rate)
    half = len(decorrelation) // 2
    side = pan + fftconvolve(blind, decorrelation)[half : half + len(pan)]
    return np.stack([middle, side], axis=1)
