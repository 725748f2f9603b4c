"""How a song's mix lies to its stems: delay, polarity and level, and whether the two belong together at all.

Letters: T samples, N bins of a spectrum.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.alignment import Alignment, estimate_alignment
from mixcli.training.align_fit import FittedDelay
from mixcli.training.align_stretches import part_ways

LIMIT_S = 2.0  # the mix is looked for so far before and after its stems
# Of the correlation's peak over its median: songs of one tempo reach 19, hard mixes of the stems 300.
LEAST_STRENGTH = 20.0
LEAST_COHERENCE = 0.05
CLEAR_COHERENCE = 0.5  # where nothing else speaks for it
BAND_HZ = (60.0, 8000.0)
SEGMENT_S = 0.2

Signal = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MixAlignment:
    """What brings a mix onto its stems.

    The mix is moved by `delay_samples` (later, if positive) and turned over if `inverted`; it then is as loud
    as the plain sum of the stems times `gain_db`. `coherence`, 0 to 1: how much of its sound the stems have.
    `strength`: how far the lag stands out of all others. `sum_used` says which sum of the stems was compared.
    """

    delay_samples: int
    inverted: bool
    gain_db: float
    coherence: float
    strength: float
    sum_used: str


@dataclass(frozen=True, kw_only=True)
class NoAlignment:
    """Why stems and mix cannot be brought together, in a sentence."""

    reason: str
    coherence: float
    strength: float


def align_mix(
    sums: Mapping[str, Signal],
    mix_T: Signal,
    sample_rate: int,
    *,
    refine: Callable[[int], FittedDelay] | None = None,
    limit_s: float = LIMIT_S,
) -> MixAlignment | NoAlignment:
    """Find how a mix lies to its stems, from sums of the stems (mono), the plain one first; all from 0 on.

    The sum counts that has most in common with the mix at its lag. `refine` is then given by how many samples
    the mix is later, and says it exactly. Where no lag stands out (steady tones, a few hits) stems and mix
    must agree as they lie. Without that, where too little of the mix is found in the stems, or where the two
    do not stay together, there is none. The level is that of the least-squares fit of the plain sum.
    """
    best: tuple[float, str, Alignment] | None = None
    strongest = 0.0
    for name, sum_T in sums.items():
        found = estimate_alignment(mix_T[:, None], sum_T[:, None], sample_rate, limit_s=limit_s)
        strongest = max(strongest, found.strength)
        if found.certain and found.strength >= LEAST_STRENGTH:
            near = coherence(*_common_part(sum_T, mix_T, found.delay_samples), sample_rate)
            best = max(best or (-1.0, "", found), (near, name, found), key=lambda each: each[0])
    if best is None:
        best = _as_they_lie(sums, mix_T, sample_rate)
    if best is None:
        reason = f"no common time of stems and mix within {limit_s:g} s: not one song, or edited."
        return NoAlignment(reason=reason, coherence=0.0, strength=strongest)
    near, name, rough = best
    if near < LEAST_COHERENCE:
        reason = f"stems and mix have too little in common (coherence {near:.2f})."
        return NoAlignment(reason=reason, coherence=near, strength=rough.strength)
    delay, inverted = rough.delay_samples, rough.inverted
    if refine is not None:
        fitted = refine(-delay)
        delay, inverted = -fitted.later_samples, fitted.inverted
        near = coherence(*_common_part(sums[name], mix_T, delay), sample_rate)
    apart = part_ways(*_common_part(sums[name], mix_T, delay), sample_rate, coherence)
    if apart is not None:
        return NoAlignment(reason=apart, coherence=near, strength=rough.strength)
    return MixAlignment(
        delay_samples=delay,
        inverted=inverted,
        gain_db=level_db(*_common_part(next(iter(sums.values())), mix_T, delay)),
        coherence=near,
        strength=rough.strength,
        sum_used=name,
    )


def _as_they_lie(
    sums: Mapping[str, Signal], mix_T: Signal, sample_rate: int
) -> tuple[float, str, Alignment] | None:
    """The sum that agrees with the mix without any delay, clearly; None if there is none."""
    found = []
    for name, sum_T in sums.items():
        first_T, second_T = _common_part(sum_T, mix_T, 0)
        inverted = float(np.dot(first_T.astype(np.float64), second_T)) < 0
        near = coherence(first_T, second_T, sample_rate)
        if near >= CLEAR_COHERENCE:
            found.append((near, name, Alignment(0, inverted, False, 0.0)))
    return max(found, key=lambda each: each[0], default=None)


def coherence(first_T: Signal, second_T: Signal, sample_rate: int) -> float:
    """How much of two signals is one and the same but for a filter, 0 to 1.

    Magnitude-squared coherence over half-overlapping segments of 0.2 s, freed of what chance gives (1 / n for
    n segments), averaged over 60 Hz – 8 kHz with the square root of the second's power as the weight, so that
    the bass does not speak alone.
    """
    from scipy.signal import csd, welch

    length = min(1 << round(np.log2(SEGMENT_S * sample_rate)), min(len(first_T), len(second_T)))
    n_samples = min(len(first_T), len(second_T))
    n_segments = 2 * n_samples // max(length, 1) - 1
    if n_segments < 3:
        return 0.0
    settings = {"fs": sample_rate, "nperseg": length, "noverlap": length // 2, "detrend": False}
    frequencies_N, cross_N = csd(first_T[:n_samples], second_T[:n_samples], **settings)
    powers = [
        welch(signal_T[:n_samples], **settings)[1].astype(np.float64) for signal_T in (first_T, second_T)
    ]
    product_N = powers[0] * powers[1]
    # Overlapping Hann segments count as about two thirds of their number.
    chance = 1.5 / n_segments
    squared_N = np.abs(cross_N.astype(np.complex128)) ** 2
    ratio_N = np.divide(squared_N, product_N, out=np.zeros_like(product_N), where=product_N > 0)
    shared_N = np.clip((ratio_N - chance) / (1 - chance), 0.0, 1.0)
    weight_N = np.sqrt(powers[1]) * ((frequencies_N >= BAND_HZ[0]) & (frequencies_N <= BAND_HZ[1]))
    total = float(weight_N.sum())
    return float((shared_N * weight_N).sum()) / total if total > 0 else 0.0


def _common_part(sum_T: Signal, mix_T: Signal, delay_samples: int) -> tuple[Signal, Signal]:
    """The part of both in which both have sound: what lies beyond the other's ends does not count."""
    sum_T, mix_T = sum_T[max(delay_samples, 0) :], mix_T[max(-delay_samples, 0) :]
    n_samples = min(len(sum_T), len(mix_T))
    return sum_T[:n_samples], mix_T[:n_samples]


def level_db(sum_T: Signal, mix_T: Signal) -> float:
    """The least-squares gain from one signal to the other, in dB, whatever the polarity; -120 for silence."""
    n_samples = min(len(sum_T), len(mix_T))
    energy = float(np.square(sum_T[:n_samples], dtype=np.float64).sum())
    product = abs(float(np.dot(sum_T[:n_samples].astype(np.float64), mix_T[:n_samples].astype(np.float64))))
    return max(-120.0, float(20 * np.log10(product / energy))) if energy > 0 and product > 0 else -120.0
