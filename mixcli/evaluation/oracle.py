"""The best that a static console can do where the reference is known: an upper bound, not a system.

Each stem gets, in each of 27 third octaves, four gains: its middle into the middle of the mix (EQ and fader),
its middle into the side (pan), a decorrelated copy of its middle into the side (width), its own side into the
side. They are fitted to energies of the reference, not to its waveform, so that delays, polarity and
compression of the reference do no harm.

Legend: `T` samples, `C` channels (left, right), `S` stems, `K` sources (stems' middles, then their sides),
`M` frames, `B` bands.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixcli.evaluation.oracle_console import (
    BLOCK,
    Gains,
    Signal,
    StaticConsole,
    console_bands,
    cut_block,
    frame_length,
    render_console,
)
from mixcli.evaluation.oracle_energies import (
    HOPS_PER_FRAME,
    frame_count,
    frame_samples,
    mean_energies,
    source_energies,
    target_energies,
)
from mixcli.measures.frames import FRAMES_PER_BLOCK, Bands

# Frames weigh with the inverse root of their reference's level: between letting loud frames rule (the faders
# come out best) and giving all frames the same say (changes over time come out best).
WEIGHT_EXPONENT = -0.25
WEIGHT_FLOOR = 0.05  # of a band's mean energy
LAG_LIMIT_S = 0.07  # the reference may lie this far from the stems
PRIOR_WEIGHT = 0.003  # of the target; holds a stem's gain where it has next to nothing in a band
LEAST_FADER = 0.003  # of the largest, in energy
NEGLIGIBLE = 1e-12  # of the largest eigenvalue: rounding
CORRECTIONS = 2
CORRECTION_LIMIT = 4.0  # 12 dB


def render_oracle(
    stems: Sequence[Signal], reference_TC: Signal, sample_rate: int, *, seed: int
) -> Iterator[Signal]:
    """The mix of a static console fitted to a reference, in blocks of at most 65,536 samples, [T, 2].

    As long as the longest stem, on the stems' time. The reference, [T, 2], may lie within 50 ms of the stems.
    The console is fitted; then, twice, its mix is measured and its tone, width and lean are set right.
    """
    console = fit_console(stems, reference_TC, sample_rate)
    wanted_3B = mean_energies(_blocks_of(reference_TC), sample_rate)
    for _ in range(CORRECTIONS):
        mix_3B = mean_energies(render_console(stems, console, sample_rate, seed=seed), sample_rate)
        console = correct_console(console, mix_3B, wanted_3B)
    yield from render_console(stems, console, sample_rate, seed=seed)


def fit_console(stems: Sequence[Signal], reference_TC: Signal, sample_rate: int) -> StaticConsole:
    """Fit every gain by non-negative least squares on band energies per frame.

    Middle and side of the reference give the gains to the middle and the energy that each stem sends to the
    side; the difference between left and right gives how much of that is pan. With middle p and pan q, left
    less right has the energy 4pq of the stem's middle; what pan leaves of the side's energy is blind side.
    """
    bands = console_bands(sample_rate)
    n_fft = frame_length(sample_rate)
    n_frames = frame_count(reference_TC, n_fft)
    target_4MB = target_energies(reference_TC, 0, n_frames, bands, sample_rate)
    floor_4B = WEIGHT_FLOOR * target_4MB.mean(axis=1) + np.finfo(np.float64).tiny
    lag = _find_lag(stems, target_4MB[0], bands, sample_rate)
    reference_TC = reference_TC[max(lag, 0) :]
    stems = [stem_TC[max(-lag, 0) :] for stem_TC in stems]
    n_sources = (len(stems), 2 * len(stems), len(stems), len(stems))
    grams = [np.zeros((len(bands), n + 1, n + 1)) for n in n_sources]
    n_frames = min(frame_count(reference_TC, n_fft), max(frame_count(stem_TC, n_fft) for stem_TC in stems))
    for first in range(0, n_frames, FRAMES_PER_BLOCK):
        count = min(FRAMES_PER_BLOCK, n_frames - first)
        source_KMB = source_energies(stems, first, count, bands, sample_rate)
        target_4MB = target_energies(reference_TC, first, count, bands, sample_rate)
        for gram_BKK, n, wanted_MB, floor_B in zip(grams, n_sources, target_4MB, floor_4B, strict=True):
            columns_KMB = np.concatenate([source_KMB[:n], wanted_MB[None]])
            columns_BMK = (columns_KMB * (wanted_MB + floor_B) ** WEIGHT_EXPONENT).transpose(2, 1, 0)
            gram_BKK += columns_BMK.transpose(0, 2, 1) @ columns_BMK
    middle_SB, side_KB, left_SB, right_SB = (_solve(gram_BKK) for gram_BKK in grams)
    middle_SB = np.sqrt(middle_SB)
    to_side_SB, own_SB = np.split(side_KB, 2)
    pan_SB = np.divide(left_SB - right_SB, 4 * middle_SB, out=np.zeros_like(middle_SB), where=middle_SB > 0)
    pan_SB = np.clip(pan_SB, -np.sqrt(to_side_SB), np.sqrt(to_side_SB))
    blind_SB = np.sqrt(np.maximum(to_side_SB - pan_SB**2, 0.0))
    centres_hz = tuple(float(np.sqrt(low * high)) for low, high in bands)
    return StaticConsole(centres_hz, middle_SB, pan_SB, blind_SB, np.sqrt(own_SB))


def correct_console(console: StaticConsole, mix_3B: Gains, wanted_3B: Gains) -> StaticConsole:
    """Change the gains of all stems alike, per band, so that middle, side and lean of the mix are as wanted.

    Both from `mean_energies`. Energies of stems that have something in common do not add up; this makes up
    for it. The side is taken apart into what follows the middle (lean) and the rest (width): each gets its
    own energy.
    """
    (mid_B, side_B, both_B), (mid_wanted_B, side_wanted_B, both_wanted_B) = mix_3B, wanted_3B
    mid_gain_B = _ratio_gain(mid_wanted_B, mid_B)
    lean_B, lean_wanted_B = _divide(both_B, mid_B), _divide(both_wanted_B, mid_wanted_B)
    width_gain_B = _ratio_gain(side_wanted_B - lean_wanted_B * both_wanted_B, side_B - lean_B * both_B)
    added_B = lean_wanted_B * mid_gain_B - width_gain_B * lean_B
    return replace(
        console,
        middle_SB=console.middle_SB * mid_gain_B,
        pan_SB=console.pan_SB * width_gain_B + console.middle_SB * added_B,
        blind_SB=console.blind_SB * width_gain_B,
        side_SB=console.side_SB * width_gain_B,
    )


def _blocks_of(signal_TC: Signal) -> Iterator[Signal]:
    for start in range(0, len(signal_TC), BLOCK):
        yield cut_block(signal_TC, start, min(start + BLOCK, len(signal_TC)))


def _divide(values_B: Gains, by_B: Gains) -> Gains:
    return np.divide(values_B, by_B, out=np.zeros_like(values_B), where=by_B > 0)


def _ratio_gain(wanted_B: Gains, found_B: Gains) -> Gains:
    """The amplitude gain from one energy to another, within limits; 1 where there is nothing to scale."""
    there_B = (found_B > 0) & (wanted_B > 0)
    gain_B = np.sqrt(np.divide(wanted_B, found_B, out=np.ones_like(found_B), where=there_B))
    return np.clip(gain_B, 1 / CORRECTION_LIMIT, CORRECTION_LIMIT)


def _find_lag(stems: Sequence[Signal], target_MB: NDArray[np.float32], bands: Bands, sample_rate: int) -> int:
    """By how many samples the reference lies after the stems: where the bands' levels over time agree best.

    The stems are added at equal power; levels are fourth roots of energies, so that loud frames do not rule.
    Frames give the agreement at steps of a hop; a parabola through its highest three values gives the rest.
    """
    n_fft = frame_length(sample_rate)
    limit = int(LAG_LIMIT_S * sample_rate * HOPS_PER_FRAME / n_fft)
    n_frames = min(max(frame_count(stem_TC, n_fft) for stem_TC in stems), len(target_MB))
    gains = [_gain_to_one(stem_TC) for stem_TC in stems]
    level_MB = np.zeros((n_frames, len(bands)))
    for first in range(0, n_frames, FRAMES_PER_BLOCK):
        count = min(FRAMES_PER_BLOCK, n_frames - first)
        start, stop = frame_samples(first, count, n_fft)
        sum_TC = np.zeros((stop - start, 2), np.float32)
        for gain, stem_TC in zip(gains, stems, strict=True):
            sum_TC += gain * cut_block(stem_TC, start, stop)
        level_MB[first : first + count] = source_energies([sum_TC], 0, count, bands, sample_rate)[0]
    if n_frames <= 4 * limit:
        return 0
    level_MB, wanted_MB = level_MB**0.25, target_MB[:n_frames].astype(np.float64) ** 0.25
    inner_MB = level_MB[limit:-limit] - level_MB[limit:-limit].mean(axis=0)
    agreement = []
    for lag in range(-limit, limit + 1):
        shifted_MB = wanted_MB[limit + lag : n_frames - limit + lag]
        spread_B = np.sqrt(np.square(inner_MB).sum(axis=0)) * shifted_MB.std(axis=0)
        products_B = (inner_MB * shifted_MB).sum(axis=0)
        agreement.append(np.divide(products_B, spread_B, out=np.zeros(len(bands)), where=spread_B > 0).sum())
    # Steady sounds agree at any lag: they are taken to lie where they are.
    best = int(np.argmax(agreement)) if max(agreement) > agreement[limit] else limit
    between = 0.0
    if 0 < best < 2 * limit:
        before, at, after = agreement[best - 1 : best + 2]
        between = 0.5 * (before - after) / min(before - 2 * at + after, -1e-9)
    return round((best - limit + between) * n_fft / HOPS_PER_FRAME)


def _gain_to_one(stem_TC: Signal) -> np.float32:
    """The gain that gives a stem a mean square of one; zero for silence."""
    energy = 0.0
    for start in range(0, len(stem_TC), BLOCK):
        energy += float(np.square(stem_TC[start : start + BLOCK], dtype=np.float64).sum())
    return np.float32(np.sqrt(len(stem_TC) / energy) if energy > 0 else 0.0)


def _solve(gram_BKK: Gains) -> Gains:
    """Energy gains from the products of sources and target (last row and column), [K, B].

    First one gain per source for all bands, where every band has the same say; then one per band, which pays
    for leaving it as if it made an error of `PRIOR_WEIGHT` of the target. So a stem that has next to nothing
    in a band keeps its fader there, and is not turned up until its noise fits.
    """
    energy_B = gram_BKK[:, -1, -1]
    there_B = energy_B > 0
    gains_BK = np.zeros((len(gram_BKK), gram_BKK.shape[1] - 1))
    if not there_B.any() or not gains_BK.shape[1]:
        return gains_BK.T
    even_BKK = gram_BKK[there_B] / energy_B[there_B, None, None]
    fader_K = _nnls(even_BKK.mean(axis=0))
    fader_K = np.maximum(fader_K, LEAST_FADER * fader_K.max())
    for band, gram_KK in zip(np.flatnonzero(there_B), even_BKK, strict=True):
        scale_K = np.append(fader_K, 1.0)
        scaled_KK = gram_KK * np.outer(scale_K, scale_K)
        scaled_KK[:-1, :-1] += PRIOR_WEIGHT**2 * np.eye(len(fader_K))
        scaled_KK[:-1, -1] += PRIOR_WEIGHT**2
        gains_BK[band] = fader_K * _nnls(scaled_KK)
    return gains_BK.T


def _nnls(gram_KK: Gains) -> Gains:
    """Non-negative least squares from the products of the sources and, in the last row, the target, [K]."""
    from scipy.optimize import nnls

    scale_K = np.sqrt(np.diag(gram_KK)[:-1])
    gains_K = np.zeros(len(scale_K))
    there_K = scale_K > 0
    if not there_K.any():
        return gains_K
    scale_K = scale_K[there_K]
    values_K, vectors_KK = np.linalg.eigh(
        gram_KK[:-1, :-1][np.ix_(there_K, there_K)] / np.outer(scale_K, scale_K)
    )
    # Any root of the products stands in for the sources; what is left out is rounding.
    kept_K = values_K > NEGLIGIBLE * values_K[-1]
    roots_K, vectors_KK = np.sqrt(values_K[kept_K]), vectors_KK[:, kept_K]
    wanted_K = vectors_KK.T @ (gram_KK[:-1, -1][there_K] / scale_K) / roots_K
    gains_K[there_K] = nnls(roots_K[:, None] * vectors_KK.T, wanted_K)[0] / scale_K
    return gains_K
