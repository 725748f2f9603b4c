"""Few bands of the equaliser for a curve in third octaves.

Legend: B third-octave bands, N bands of the equaliser.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.equaliser import HIGHEST_SHARE, BandKind, EqualiserBand, response_db
from mixcli.audio.loudness import k_weighting_sos
from mixcli.console.recipe import EqualiserBandRecipe
from mixcli.songs.third_octaves import CENTRES_HZ

LEAST_DB = 0.5  # a band that does less is left out
SHELVES: tuple[tuple[BandKind, tuple[float, ...]], ...] = (
    ("low_shelf", (80.0, 160.0, 320.0, 640.0)),
    ("high_shelf", (1600.0, 3200.0, 6400.0)),
)
BELL_Q = 1.0  # 1.4 octaves wide
LOWEST_BELL = 3  # the first band that may be a bell's middle: 49.6 Hz
REFITS = 2
TINY = 1e-12
SMOOTHING = np.array([1.0, 2.0, 3.0, 2.0, 1.0])  # an octave wide at half its height
HIGHEST_HZ = 16_000.0

Curve = NDArray[np.float64]


def smoothed_over_octaves(curve_B: Curve, weight_B: Curve) -> Curve:
    """The weighted mean of each band and its neighbours within an octave, [B]; 0 where none has a weight."""
    total_B = np.convolve(curve_B * weight_B, SMOOTHING, mode="same")
    weights_B = np.convolve(weight_B, SMOOTHING, mode="same")
    return np.asarray(total_B / np.where(weights_B > 0, weights_B, np.inf))


def fit_bands(
    curve_B: Curve, weight_B: Curve, sample_rate: int, *, n_bands: int, most_db: float
) -> list[EqualiserBandRecipe]:
    """At most `n_bands` bands whose response comes near a curve, [B] dB at `CENTRES_HZ`, by frequency.

    Shelves and bells, each where it takes most of what is left; all gains are then found together by weighted
    least squares, held to ±`most_db` and rounded to 0.1 dB. No band where no band is needed.
    """
    known_B = np.array(CENTRES_HZ) < min(HIGHEST_HZ, HIGHEST_SHARE * sample_rate)
    centres_B, curve_B, weight_B = np.array(CENTRES_HZ)[known_B], curve_B[known_B], weight_B[known_B]
    candidates = [EqualiserBand(kind, hertz, 1.0) for kind, middles_hz in SHELVES for hertz in middles_hz]
    candidates += [EqualiserBand("bell", float(hertz), 1.0, BELL_Q) for hertz in centres_B[LOWEST_BELL:]]
    candidates = [band for band in candidates if band.frequency_hz < HIGHEST_SHARE * sample_rate]
    shapes_BN = np.stack([response_db([band], sample_rate, centres_B) for band in candidates], axis=1)
    places: list[int] = []
    left_B = curve_B
    for _ in range(n_bands):
        gained_N = (weight_B * left_B) @ shapes_BN
        gained_N = gained_N**2 / np.maximum(weight_B @ shapes_BN**2, TINY)
        gained_N[places] = -1.0
        places.append(int(np.argmax(gained_N)))
        left_B = curve_B - shapes_BN[:, places] @ _solve(shapes_BN[:, places], curve_B, weight_B, most_db)
    chosen = [candidates[place] for place in places]
    gains_N = _solve(shapes_BN[:, places], curve_B, weight_B, most_db)
    for _ in range(REFITS):
        # A band's response in dB is nearly its gain times a fixed shape; here, the shape at the gain found.
        at_N = np.where(np.abs(gains_N) < 0.1, 0.1, gains_N).tolist()
        bands = [replace(band, gain_db=gain_db) for band, gain_db in zip(chosen, at_N, strict=True)]
        exact_BN = np.stack(
            [response_db([band], sample_rate, centres_B) / band.gain_db for band in bands], axis=1
        )
        gains_N = _solve(exact_BN, curve_B, weight_B, most_db)
    recipes = [
        EqualiserBandRecipe(
            kind=band.kind,
            frequency_hz=float(f"{band.frequency_hz:.3g}"),
            gain_db=round(float(gain_db), 1),
            q=round(band.q, 4),
        )
        for band, gain_db in zip(chosen, gains_N, strict=True)
        if abs(gain_db) >= LEAST_DB
    ]
    return sorted(recipes, key=lambda band: (band.frequency_hz, band.kind))


def fitted_response(bands: Sequence[EqualiserBandRecipe], sample_rate: int) -> Curve:
    """What bands of a recipe do at `CENTRES_HZ`, [B] dB; 0 above half the sample rate."""
    centres_B = np.array(CENTRES_HZ)
    known_B = centres_B <= sample_rate / 2
    made = [EqualiserBand(band.kind, band.frequency_hz, band.gain_db, band.q) for band in bands]
    response_B = np.zeros(len(centres_B))
    response_B[known_B] = response_db(made, sample_rate, centres_B[known_B])
    return response_B


def loudness_change_lu(
    energies_B: Sequence[float], bands: Sequence[EqualiserBandRecipe], sample_rate: int
) -> float:
    """By how much bands raise the loudness of a sound with these energies in third octaves; 0 for silence.

    The energies are K-weighted at the middle of each band; the gates of the loudness are left out.
    """
    weighted_B = np.asarray(energies_B, np.float64) * _k_weights(sample_rate)
    total = float(weighted_B.sum())
    if total <= 0:
        return 0.0
    return 10 * float(np.log10(weighted_B @ 10 ** (fitted_response(bands, sample_rate) / 10) / total))


def _k_weights(sample_rate: int) -> Curve:
    """Power of the K filter at `CENTRES_HZ`, [B]; 0 above half the sample rate."""
    centres_B = np.array(CENTRES_HZ)
    delay_B = np.exp(-2j * np.pi * centres_B / sample_rate)
    power_B = (centres_B <= sample_rate / 2).astype(np.float64)
    for section in k_weighting_sos(sample_rate):
        above_B, below_B = (np.polyval(section[part][::-1], delay_B) for part in (slice(3), slice(3, 6)))
        power_B = power_B * np.abs(above_B / below_B) ** 2
    return power_B


def _solve(shapes_BN: Curve, curve_B: Curve, weight_B: Curve, most_db: float) -> Curve:
    """Gains of bands with these shapes per dB, [N], within their bounds: weighted least squares."""
    root_B = np.sqrt(weight_B)
    gains_N = np.linalg.lstsq(shapes_BN * root_B[:, None], curve_B * root_B, rcond=None)[0]
    return np.asarray(np.clip(gains_N, -most_db, most_db))
