"""What a mix loses in mono, how it leans, and how wide it is in five bands.

Legend: `T` samples, `C` channels (left, right), `M` frames, `N` frequency bins, `B` bands, `H` hops of
100 ms.

Mono loss, lean and correlation are taken from the K-weighted signal: they are about what a listener on one
loudspeaker hears, and without the weighting the deep bass, which carries most of the energy and is nearly
always in the middle, would hide the loss of everything above it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log10, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.filters import SosFilter
from mixcli.audio.loudness import (
    ABSOLUTE_GATE_LUFS,
    RANGE_GATE_LU,
    SHORT_TERM_HOPS,
    hop_length,
    k_weighting_sos,
    lufs_to_energy,
)
from mixcli.measures.frames import bin_frequencies, spectrum_blocks, sum_bands
from mixcli.measures.measure import Measure

N_FFT, HOP = 4096, 1024
WIDTH_BANDS = ((100.0, 200.0), (200.0, 500.0), (500.0, 2000.0), (2000.0, 6000.0), (6000.0, 12000.0))
LEVEL_LIMIT_DB = 60.0  # a channel, or a fold-down, that is gone
WIDTH_LIMIT_DB = 40.0  # a band without side, or without mid
HOPS_PER_BLOCK = 64
BAND_NAMES = tuple(f"{low:.0f}_{high:.0f}" for low, high in WIDTH_BANDS)
WIDTH_KEYS = tuple(f"width_{name}_db" for name in BAND_NAMES)
ERROR_KEYS = tuple(f"width_error_{name}_db" for name in BAND_NAMES)

MEASURES = (
    Measure(
        key="mono_loss_db",
        unit="dB",
        family="alone",
        better="lower",
        text="K-weighted level lost in mono, (L+R)/2 against the mean of both channels: 0 for dual mono, 3.01"
        " for unrelated channels; at most 60",
        source="energies K-weighted as in ITU-R BS.1770-5",
    ),
    Measure(
        key="imbalance_db",
        unit="dB",
        family="alone",
        better="lower",
        text="K-weighted level of the louder channel over the other's; at most 60",
        source="energies K-weighted as in ITU-R BS.1770-5",
    ),
    Measure(
        key="correlation_min",
        unit="",
        family="alone",
        better="higher",
        text="lowest correlation of left and right (K-weighted) in any 3 s that are not far below the rest",
        source="windows and gates of EBU Tech 3342; the mean is not removed, as in phase meters",
    ),
    *(
        Measure(
            key=key,
            unit="dB",
            family="alone",
            better="neither",
            text=f"side to mid energy from {low:.0f} to {high:.0f} Hz, within -40 and 40",
            source="mid and side spectra, Hann 4096/1024",
        )
        for key, (low, high) in zip(WIDTH_KEYS, WIDTH_BANDS, strict=True)
    ),
    *(
        Measure(
            key=key,
            unit="dB",
            family="robust",
            better="lower",
            text=f"difference of the side to mid ratio from {low:.0f} to {high:.0f} Hz",
            source="mid and side spectra, Hann 4096/1024",
        )
        for key, (low, high) in zip(ERROR_KEYS, WIDTH_BANDS, strict=True)
    ),
)

Energies = NDArray[np.float64]


@dataclass(frozen=True)
class MonoDescription:
    """Energies of a stereo signal: per 100 ms [H, 3] (left, right, left times right), per width band [B].

    The first are of the K-weighted signal; bands are `WIDTH_BANDS`, nan where the sample rate has none.
    """

    products_H3: Energies
    hop_samples: int
    mid_B: Energies
    side_B: Energies


def describe_mono(signal_TC: NDArray[np.float32], sample_rate: int) -> MonoDescription:
    """Measure a stereo signal [T, 2] once, for `mono_values` and `compare_mono`."""
    products_H3 = np.array(list(_hop_products(signal_TC, sample_rate))).reshape(-1, 3)
    mid_B, side_B = width_energies(signal_TC, sample_rate)
    return MonoDescription(products_H3, hop_length(sample_rate), mid_B, side_B)


def mono_values(description: MonoDescription) -> dict[str, float]:
    """What needs no reference: mono loss, lean, lowest correlation, width of five bands; nan in silence."""
    left, right, both = (float(value) for value in description.products_H3.sum(axis=0))
    mono = (left + right + 2 * both) / 4
    values = {
        "mono_loss_db": _level_db((left + right) / 2, mono, LEVEL_LIMIT_DB),
        "imbalance_db": abs(_level_db(left, right, LEVEL_LIMIT_DB)),
        "correlation_min": _lowest_correlation(description),
    }
    # A dual mono signal in float32 may gain a rounding's worth.
    values["mono_loss_db"] = max(values["mono_loss_db"], 0.0) if mono > 0 else values["mono_loss_db"]
    return values | dict(zip(WIDTH_KEYS, _widths_db(description), strict=True))


def compare_mono(mix: MonoDescription, reference: MonoDescription) -> dict[str, float]:
    """How far the width of a mix is from a reference's in five bands, dB; nan where one has no signal."""
    pairs = zip(_widths_db(mix), _widths_db(reference), strict=True)
    return {key: abs(ours - theirs) for key, (ours, theirs) in zip(ERROR_KEYS, pairs, strict=True)}


def width_energies(signal_TC: NDArray[np.float32], sample_rate: int) -> tuple[Energies, Energies]:
    """Mean energy per frame of mid and side in `WIDTH_BANDS`, [B] each; nan for bands above half the rate."""
    frequencies_N = bin_frequencies(sample_rate, N_FFT)
    sums = np.zeros((2, len(WIDTH_BANDS)))
    n_frames = 0
    channels = [spectrum_blocks(signal_TC[:, channel], N_FFT, HOP) for channel in (0, 1)]
    for left_MN, right_MN in zip(*channels, strict=True):
        for row, spectrum_MN in enumerate((left_MN + right_MN, left_MN - right_MN)):
            power_N = np.square(np.abs(spectrum_MN)).sum(axis=0, keepdims=True, dtype=np.float64)
            sums[row] += sum_bands(power_N, frequencies_N, WIDTH_BANDS)[0] / 4
        n_frames += len(left_MN)
    sums[:, [high > sample_rate / 2 for _, high in WIDTH_BANDS]] = nan
    return sums[0] / n_frames, sums[1] / n_frames


def _hop_products(signal_TC: NDArray[np.float32], sample_rate: int) -> Iterator[Energies]:
    """Sums of squares and of products per 100 ms of the K-weighted signal; the last hop may be shorter."""
    hop = hop_length(sample_rate)
    weighting = SosFilter(k_weighting_sos(sample_rate), 2)
    for start in range(0, len(signal_TC), HOPS_PER_BLOCK * hop):
        block_TC = np.asarray(signal_TC[start : start + HOPS_PER_BLOCK * hop], np.float32)
        left_T, right_T = weighting.push(block_TC).T.astype(np.float64)
        products_3T = np.stack([left_T * left_T, right_T * right_T, left_T * right_T])
        yield from np.add.reduceat(products_3T, np.arange(0, len(block_TC), hop), axis=1).T


def _lowest_correlation(description: MonoDescription) -> float:
    """Lowest correlation of 3 s windows, ten a second; one window where the signal is shorter.

    Windows below -70 LUFS or 20 LU below the mean of the rest say nothing about the mix (Tech 3342). A window
    with one silent channel counts as uncorrelated.
    """
    if not len(description.products_H3):
        return nan
    width = min(SHORT_TERM_HOPS, len(description.products_H3))
    windows_H3 = np.lib.stride_tricks.sliding_window_view(description.products_H3, width, axis=0).sum(axis=2)
    energy_H = (windows_H3[:, 0] + windows_H3[:, 1]) / (width * description.hop_samples)
    kept_H = energy_H > lufs_to_energy(ABSOLUTE_GATE_LUFS)
    if not kept_H.any():
        return nan
    kept_H &= energy_H >= energy_H[kept_H].mean() * 10 ** (RANGE_GATE_LU / 10)
    return min(
        float(both) / sqrt(left * right) if left * right > 0 else 0.0
        for left, right, both in windows_H3[kept_H]
    )


def _widths_db(description: MonoDescription) -> list[float]:
    pairs = zip(description.side_B, description.mid_B, strict=True)
    return [_level_db(float(side), float(mid), WIDTH_LIMIT_DB) for side, mid in pairs]


def _level_db(energy: float, other: float, limit_db: float) -> float:
    """Ratio of two energies in dB, held within a limit; nan where there is neither."""
    if not energy + other > 0:
        return nan
    if energy <= 0 or other <= 0:
        return limit_db if energy > 0 else -limit_db
    return min(max(10 * log10(energy / other), -limit_db), limit_db)
