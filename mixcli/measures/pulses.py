"""Pulses of a few samples in the spectrum around them: what clicks, and the attacks of notes, look like.

Every frame is divided by the mean magnitude spectrum of the frames around it (in effect the residual of
a linear prediction, of zero phase): steady sound turns into noise of one level, a pulse stays a pulse.

Legend: `T` samples, `C` channels, `M` frames, `N` frequency bins.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import spectrum_blocks

N_FFT, HOP = 512, 256  # samples; 12 ms at 44.1 kHz, about as long as the ear takes a click and noise together
CONTEXT_FRAMES = 12  # 70 ms either side: two periods of the lowest train of pulses that is music (30 Hz)
OWN_FRAMES = 2  # frames either side that hold the same pulse
OWN_SAMPLES = (
    64  # either side of a pulse that are its own: the other end of a dropout, an equaliser's ringing
)
MARGIN = (CONTEXT_FRAMES + 4) * HOP  # samples around a place that its context needs
PEAK_MIN = (
    0.5  # smaller peaks are not looked into; noise stays below 0.4, 1 is as strong as the music in every bin
)
LOCAL_FLOOR = 10 ** (-60 / 20)  # a spike 60 dB below the level around it is masked by it
SONG_FLOOR = 10 ** (-70 / 20)  # ... and one 70 dB below the song's level is not heard at all
_SILENCE = 1e-20


@dataclass(frozen=True)
class Pulses:
    """The strongest pulse of each frame, all [M].

    `peak_M`: its height, 1 where it is as strong as the sound around it in every bin; `place_M`: its sample;
    `lone_M`: how many times higher it is than anything else in its frame; `coherence_M`: the share of the
    frame's bins that speak in it. The last two are 0 where the peak is below `PEAK_MIN`.
    """

    peak_M: NDArray[np.float32]
    place_M: NDArray[np.int64]
    lone_M: NDArray[np.float32]
    coherence_M: NDArray[np.float32]


def find_pulses(signal_TC: NDArray[np.float32], song_rms: float) -> Pulses:
    """The pulses of a part of a song, frame by frame of the channel where they are higher."""
    channels = [_pulses_of(np.ascontiguousarray(signal_TC[:, 0]), song_rms)]
    for channel in range(1, signal_TC.shape[1]):
        if not np.array_equal(signal_TC[:, 0], signal_TC[:, channel]):
            channels.append(_pulses_of(np.ascontiguousarray(signal_TC[:, channel]), song_rms))
    best = channels[0]
    for other in channels[1:]:
        higher_M = other.peak_M > best.peak_M
        best = Pulses(
            np.where(higher_M, other.peak_M, best.peak_M),
            np.where(higher_M, other.place_M, best.place_M),
            np.where(higher_M, other.lone_M, best.lone_M),
            np.where(higher_M, other.coherence_M, best.coherence_M),
        )
    return best


def highest_between(
    pulses: Pulses, first_R: NDArray[np.int64], last_R: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Height of the highest pulse in the frames that reach from one place to another, for each pair, [R].

    A frame tells only the place of its highest pulse, so that a frame answers as a whole.
    """
    n_frames = len(pulses.peak_M)
    first_frame_R = np.clip((first_R - HOP // 2) // HOP, 0, n_frames - 1)
    last_frame_R = np.clip((last_R - HOP // 2) // HOP, 0, n_frames - 1)
    highest_R = pulses.peak_M[first_frame_R]
    for step in range(1, int((last_frame_R - first_frame_R).max(initial=0)) + 1):
        highest_R = np.maximum(highest_R, pulses.peak_M[np.minimum(first_frame_R + step, last_frame_R)])
    return highest_R


def salience(peak_M: NDArray[np.float32]) -> NDArray[np.float32]:
    """How many times higher each peak is than the third highest of its context without its own frames, [M].

    The third, because a join has two ends; a train of pulses that is music has at least four in the context.
    """
    padded = np.pad(peak_M, CONTEXT_FRAMES + OWN_FRAMES)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * (CONTEXT_FRAMES + OWN_FRAMES) + 1)
    context_MW = np.delete(windows, np.s_[CONTEXT_FRAMES : CONTEXT_FRAMES + 2 * OWN_FRAMES + 1], axis=1)
    third_M = np.partition(context_MW, -3, axis=1)[:, -3]
    return np.asarray(peak_M / np.maximum(third_M, 1e-9), np.float32)


def part_of(signal_TC: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Samples of a range, [T, C]; silence where it leaves the signal."""
    inside_TC = np.asarray(signal_TC[max(start, 0) : max(stop, 0)], np.float32)
    before = min(max(-start, 0), stop - start)
    return np.pad(inside_TC, ((before, stop - start - before - len(inside_TC)), (0, 0)))


def _pulses_of(signal_T: NDArray[np.float32], song_rms: float) -> Pulses:
    from scipy.fft import irfft
    from scipy.ndimage import uniform_filter1d

    spectrum_MN = np.concatenate(list(spectrum_blocks(signal_T, N_FFT, HOP)))
    size_MN = np.abs(spectrum_MN)
    n_around = 2 * CONTEXT_FRAMES + 1
    around_MN = uniform_filter1d(size_MN, n_around, axis=0, mode="nearest")
    # Parseval: a periodic Hann window has a mean square of 3/8 and a mean of 1/2; two sides of a spectrum.
    power_M = np.einsum("mn,mn->m", size_MN, size_MN) * (2 * 0.25 / 0.375)
    level_M = np.sqrt(np.maximum(uniform_filter1d(power_M, n_around, mode="nearest"), 0))
    # A spike of amplitude a in the middle of the window has a magnitude of a / (n_fft / 2) in every bin.
    floor_M = np.maximum(LOCAL_FLOOR * level_M, SONG_FLOOR * song_rms) / (N_FFT / 2) + _SILENCE
    floor_M1 = floor_M.astype(np.float32)[:, None]
    around_MN += floor_M1
    pulse_MT = np.abs(irfft(spectrum_MN / around_MN, axis=1))
    middle = slice(HOP // 2, HOP // 2 + HOP)  # each sample is in the middle half of one frame
    in_frame_M = pulse_MT[:, middle].argmax(axis=1) + HOP // 2
    peak_M = np.take_along_axis(pulse_MT, in_frame_M[:, None], 1)[:, 0]
    lone_M, coherence_M = np.zeros_like(peak_M), np.zeros_like(peak_M)
    for m in np.flatnonzero(peak_M >= PEAK_MIN):
        # The first and last samples count for nothing: what zero phase wraps round lands there.
        others = pulse_MT[m].copy()
        others[max(in_frame_M[m] - OWN_SAMPLES, 0) : in_frame_M[m] + OWN_SAMPLES + 1] = 0
        lone_M[m] = peak_M[m] / max(float(others[16:-16].max()), 1e-9)
        phases_T = np.abs(irfft(spectrum_MN[m] / (size_MN[m] + floor_M1[m])))
        coherence_M[m] = phases_T[max(in_frame_M[m] - 2, 0) : in_frame_M[m] + 3].max()
    return Pulses(peak_M, in_frame_M + HOP * np.arange(len(peak_M)), lone_M, coherence_M)
