"""How loud a mix was made, and how far that is from the reference: before any level matching.

Legend: `T` samples, `C` channels, `S` seconds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import (
    ABSOLUTE_GATE_LUFS,
    SHORT_TERM_HOPS,
    LoudnessMeter,
    energy_to_lufs,
)
from mixcli.audio.true_peak import TruePeakMeter
from mixcli.measures.measure import Measure

BLOCK = 1 << 16
HOPS_PER_SECOND = 10

MEASURES = (
    Measure(
        key="integrated_lufs",
        unit="LUFS",
        family="loudness",
        better="neither",
        text="integrated loudness of the mix as it was made",
        source="ITU-R BS.1770-5",
    ),
    Measure(
        key="loudness_range_lu",
        unit="LU",
        family="loudness",
        better="neither",
        text="loudness range: how far loud and soft passages lie apart",
        source="EBU Tech 3342",
    ),
    Measure(
        key="true_peak_dbtp",
        unit="dBTP",
        family="loudness",
        better="neither",
        text="highest peak between the samples",
        source="ITU-R BS.1770-5, annex 2",
    ),
    Measure(
        key="plr_lu",
        unit="LU",
        family="loudness",
        better="neither",
        text="peak-to-loudness ratio: true peak over integrated loudness",
        source="AES TD1004; true peak and loudness by ITU-R BS.1770-5",
    ),
    Measure(
        key="max_short_term_lufs",
        unit="LUFS",
        family="loudness",
        better="neither",
        text="loudness of the loudest 3 s",
        source="EBU Tech 3341",
    ),
    Measure(
        key="integrated_lufs_error",
        unit="LU",
        family="loudness",
        better="lower",
        text="difference of the integrated loudness from the reference's, both as they were made",
        source="ITU-R BS.1770-5",
    ),
    Measure(
        key="loudness_range_error_lu",
        unit="LU",
        family="loudness",
        better="lower",
        text="difference of the loudness range from the reference's",
        source="EBU Tech 3342",
    ),
    Measure(
        key="true_peak_error_db",
        unit="dB",
        family="loudness",
        better="lower",
        text="difference of the true peak from the reference's, both as they were made",
        source="ITU-R BS.1770-5, annex 2",
    ),
    Measure(
        key="plr_error_lu",
        unit="LU",
        family="loudness",
        better="lower",
        text="difference of the peak-to-loudness ratio from the reference's: more or less limited",
        source="AES TD1004; true peak and loudness by ITU-R BS.1770-5",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Loudness and peaks of one signal; nan for what it is too short or too silent to have.

    `loudness_lufs_S` is the short-term loudness at the end of every whole second, [S]: of the last 3 s, in
    the first two seconds of what there was, nan below the gate of -70 LUFS.
    """

    integrated_lufs: float
    loudness_range_lu: float
    true_peak_dbtp: float
    plr_lu: float
    max_short_term_lufs: float
    loudness_lufs_S: NDArray[np.float64]


def describe_delivery(signal_TC: NDArray[np.float32], sample_rate: int) -> Delivery:
    """Measure a signal, [T, C], by BS.1770-5, EBU Tech 3341 and 3342, in one pass of blocks."""
    loudness = LoudnessMeter(sample_rate, signal_TC.shape[1])
    true_peak = TruePeakMeter(sample_rate, signal_TC.shape[1])
    for start in range(0, len(signal_TC), BLOCK):
        block_TC = np.asarray(signal_TC[start : start + BLOCK], np.float32)
        loudness.push(block_TC)
        true_peak.push(block_TC)
    integrated_lufs = _finite(loudness.integrated_lufs())
    true_peak_dbtp = _finite(true_peak.finish())
    return Delivery(
        integrated_lufs=integrated_lufs,
        loudness_range_lu=_finite(loudness.loudness_range_lu()),
        true_peak_dbtp=true_peak_dbtp,
        plr_lu=true_peak_dbtp - integrated_lufs,
        max_short_term_lufs=_finite(loudness.max_short_term_lufs()),
        loudness_lufs_S=_short_term_curve(loudness.hop_energies()),
    )


def delivery_values(delivery: Delivery) -> dict[str, float]:
    """What one signal reads itself: the measures of this file that need no reference."""
    return {
        "integrated_lufs": delivery.integrated_lufs,
        "loudness_range_lu": delivery.loudness_range_lu,
        "true_peak_dbtp": delivery.true_peak_dbtp,
        "plr_lu": delivery.plr_lu,
        "max_short_term_lufs": delivery.max_short_term_lufs,
    }


def compare_delivery(mix: Delivery, reference: Delivery) -> dict[str, float]:
    """Every measure of this file: what the mix reads, and its absolute differences from the reference."""
    return {
        **delivery_values(mix),
        "integrated_lufs_error": abs(mix.integrated_lufs - reference.integrated_lufs),
        "loudness_range_error_lu": abs(mix.loudness_range_lu - reference.loudness_range_lu),
        "true_peak_error_db": abs(mix.true_peak_dbtp - reference.true_peak_dbtp),
        "plr_error_lu": abs(mix.plr_lu - reference.plr_lu),
    }


def _short_term_curve(hop_energies: NDArray[np.float64]) -> NDArray[np.float64]:
    stops = range(HOPS_PER_SECOND, len(hop_energies) + 1, HOPS_PER_SECOND)
    curve = [
        energy_to_lufs(float(hop_energies[max(stop - SHORT_TERM_HOPS, 0) : stop].mean())) for stop in stops
    ]
    curve_S = np.array(curve, np.float64)
    curve_S[curve_S < ABSOLUTE_GATE_LUFS] = np.nan
    return curve_S


def _finite(value: float | None) -> float:
    return float("nan") if value is None or not np.isfinite(value) else value
