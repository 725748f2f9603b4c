"""Clicks: pulses in the mix that no stem has, or, without stems, that no music would have.

Legend: `T` samples, `C` channels, `M` frames, `R` candidates.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.pulses import (
    HOP,
    MARGIN,
    OWN_FRAMES,
    PEAK_MIN,
    Pulses,
    find_pulses,
    highest_between,
    part_of,
    salience,
)

LevelledStem = tuple[NDArray[np.float32], float]  # [T, 2], and its root mean square over the song

CHUNK_SAMPLES = 2048 * HOP  # bounds work memory
LONE_MIN = 2.5  # times higher than all else in its 12 ms: the noise of an attack has many peaks, a click one
STEMS_RATIO = 2.5  # the mix's pulse may be so many times a stem's own: equalisers, compressors, other stems
STEM_WINDOW_S = 0.002  # either side of the stems' time: delays of single stems, group delays of filters
EDGE_S = 0.005  # an excerpt's first and last samples are cut, not joined
UNSURE_WINDOW_S = (-0.005, 0.025)  # where the delay between mix and stems is not known
MAX_CANDIDATES = 4  # looked for in every single stem, per second, strongest first: bounds the work
# Without stems a pulse has to be a click beyond doubt: no note starts with it, it stands out of its 70 ms,
# and it is far stronger than the music, with nearly half of all bins in it; or it is weaker but all alone, as
# a break of slope beside a loud pure tone. These limits are set on made-up songs and half of the real ones.
BLIND_WAYS = ((2.0, 0.45, 4.0), (1.0, 0.38, 12.0))  # least height, coherence, and height over its 12 ms
BLIND_SALIENCE_MIN = 1.5
ATTACK_SAMPLES = 512  # before and after a pulse
ATTACK_BANDS_HZ = ((250.0, 1_000.0), (1_000.0, 4_000.0), (4_000.0, 16_000.0))
# A note's attack leaves this many times the energy in a band behind; a click does not.
ATTACK_RISE = 10 ** (8 / 10)
# Less is enough for one of a row: drums leave something behind every time, crackle mostly nothing.
ROW_RISE = 10 ** (3 / 10)
ROW_S, ROW_SHARE = 2.0, 0.5  # three others so near and so high in comparison make a row
ATTACK_SHARE = 0.05  # of all energy after it: a band with less says nothing
ATTACK_GAP_S = 0.001  # left out either side of the pulse


def find_clicks(
    mix_TC: NDArray[np.float32],
    sample_rate: int,
    mix_rms: float,
    stems: Sequence[LevelledStem] | None,
    delay: int | None,
) -> list[int]:
    """Places of clicks in samples, rising.

    `mix_rms` is the level of the whole mix, `delay` how many samples the mix [T, C] lags its stems
    (None: not known). A pulse that the stems' sum or one stem has at that time, at least 0.4 times as high by
    its own surroundings, is theirs. Without stems, a pulse counts where it is a click beyond doubt.
    """
    found: list[int] = []
    edge = round(EDGE_S * sample_rate)
    margin = MARGIN if stems is not None else MARGIN + HOP * math.ceil(ROW_S * sample_rate / HOP)
    for start, stop in _chunks(len(mix_TC)):
        origin = start - margin
        pulses = find_pulses(part_of(mix_TC, origin, stop + margin), mix_rms)
        place_M = pulses.place_M + origin
        chosen_M = (place_M >= max(start, edge)) & (place_M < min(stop, len(mix_TC) - edge))
        if stems is None:
            for m in map(int, np.flatnonzero(chosen_M & _stands_alone(pulses))):
                rise = _rise(mix_TC, int(place_M[m]), sample_rate)
                if rise <= ROW_RISE or (rise <= ATTACK_RISE and not _in_a_row(pulses, m, sample_rate)):
                    found.append(int(place_M[m]))
        else:
            chosen_M &= (pulses.peak_M >= PEAK_MIN) & (pulses.lone_M >= LONE_MIN)
            window = _window(sample_rate, delay)
            found += _without_stem(place_M[chosen_M], pulses.peak_M[chosen_M], sample_rate, stems, window)
    return sorted(found)


def _stands_alone(pulses: Pulses) -> NDArray[np.bool_]:
    """Which pulses are clicks by themselves, [M]."""
    found_M = np.zeros(len(pulses.peak_M), bool)
    for height, coherence, lone in BLIND_WAYS:
        found_M |= (pulses.peak_M >= height) & (pulses.coherence_M >= coherence) & (pulses.lone_M >= lone)
    return np.asarray(found_M & (salience(pulses.peak_M) >= BLIND_SALIENCE_MIN))


def _without_stem(
    place_R: NDArray[np.int64],
    peak_R: NDArray[np.float32],
    sample_rate: int,
    stems: Sequence[LevelledStem],
    window: tuple[int, int],
) -> list[int]:
    """Those candidates of a chunk that no stem explains, nor all stems together."""
    if not len(place_R):
        return []
    origin, stop = int(place_R[0]) - window[1] - MARGIN, int(place_R[-1]) - window[0] + MARGIN
    sum_TC = np.zeros((stop - origin, 2), np.float32)
    for stem_TC, _ in stems:
        sum_TC += part_of(stem_TC, origin, stop)
    of_sum = find_pulses(sum_TC, math.hypot(*(level for _, level in stems)))
    excess_R = peak_R / np.maximum(
        highest_between(of_sum, place_R - window[1] - origin, place_R - window[0] - origin), 1e-9
    )
    found = []
    for second in np.unique(place_R // sample_rate):
        here = np.flatnonzero((place_R // sample_rate == second) & (excess_R > STEMS_RATIO))
        for r in here[np.argsort(-excess_R[here])][:MAX_CANDIDATES]:
            if not _is_in_a_stem(stems, int(place_R[r]), float(peak_R[r]), window):
                found.append(int(place_R[r]))
    return found


def _is_in_a_stem(stems: Sequence[LevelledStem], place: int, peak: float, window: tuple[int, int]) -> bool:
    origin, stop = place - window[1] - MARGIN, place - window[0] + MARGIN
    first_R, last_R = np.array([MARGIN]), np.array([MARGIN + window[1] - window[0]])
    for stem_TC, level in stems:
        part_TC = part_of(stem_TC, origin, stop)
        if part_TC.any():
            of_stem = highest_between(find_pulses(part_TC, level), first_R, last_R)[0]
            if peak <= STEMS_RATIO * float(of_stem):
                return True
    return False


def _in_a_row(pulses: Pulses, m: int, sample_rate: int) -> bool:
    """Whether a pulse is one of a row: three others near it are about as high."""
    reach = round(ROW_S * sample_rate) // HOP
    before_M = pulses.peak_M[max(m - reach, 0) : max(m - OWN_FRAMES, 0)]
    after_M = pulses.peak_M[m + OWN_FRAMES + 1 : m + reach + 1]
    others_M = np.sort(np.concatenate([before_M, after_M]))
    return len(others_M) > 2 and bool(others_M[-3] > ROW_SHARE * pulses.peak_M[m])


def _rise(mix_TC: NDArray[np.float32], place: int, sample_rate: int) -> float:
    """How many times more energy follows a pulse than went before, in the band where that is most."""
    from scipy.fft import rfft

    gap = round(ATTACK_GAP_S * sample_rate)
    window_T1 = np.hanning(ATTACK_SAMPLES + 2)[1:-1, None]
    power = []
    for start in (place - gap - ATTACK_SAMPLES, place + gap):
        # Differences of second order, so that an offset that a click leaves behind is no energy.
        bent_TC = np.diff(part_of(mix_TC, start - 1, start + ATTACK_SAMPLES + 1), n=2, axis=0)
        spectrum_NC = rfft(bent_TC * window_T1, axis=0)
        power.append(np.square(np.abs(spectrum_NC)).sum(axis=1))
    rises = [0.0]
    for band in ATTACK_BANDS_HZ:
        low, high = (min(round(edge * ATTACK_SAMPLES / sample_rate), ATTACK_SAMPLES // 2) for edge in band)
        before, after = (float(each[low:high].sum()) for each in power)
        if after > ATTACK_SHARE * float(power[1].sum()):
            rises.append(after / max(before, 1e-20))
    return max(rises)


def _chunks(n_samples: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n_samples, CHUNK_SAMPLES):
        yield start, min(start + CHUNK_SAMPLES, n_samples)


def _window(sample_rate: int, delay: int | None) -> tuple[int, int]:
    """By how many samples at least and at most a sound in the mix may lag the stems."""
    if delay is None:
        return round(UNSURE_WINDOW_S[0] * sample_rate), round(UNSURE_WINDOW_S[1] * sample_rate)
    half = round(STEM_WINDOW_S * sample_rate)
    return delay - half, delay + half
