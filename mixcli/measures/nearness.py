"""How near a mix is to a reference, by what an engineer sets: tone, width, image, dynamics, the whole sound.

Balance, which needs the stems, is in `balance.py`. Legend: `M` frames, `B` bands, `F` frames in time.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mixcli.measures import running_features
from mixcli.measures.frames import Bands
from mixcli.measures.measure import Measure
from mixcli.measures.profile import OCTAVES, SIXTHS, THIRDS, Energies, Profile, filled_bands
from mixcli.measures.running_features import Series, compare_features

WITH_WIDTH = slice(4, 24)  # of THIRDS, 125 Hz to 10 kHz: below and above, a mix hardly has a side
TINY_ENERGY = 1e-9  # -90 dB: what a band without a signal reads
TINY_RATIO = 1e-4  # -40 dB of side to mid: narrower is mono
WIDTH_CAP_DB = 12.0
GATE_DBFS = -50.0  # quieter frames say nothing about dynamics
QUANTILES = np.linspace(5.0, 95.0, 19)
BAND_FLOOR = 1e-6  # -60 dB under the loudest frame of a band of the reference
LEAST_BAND = 1e-3  # where a band counts as at least -30 dB under the loudest band
NO_CHANNEL = 1e-6  # a mid or side that peaks this far (-60 dB) under the other is none


def _centres_hz(bands: Bands) -> tuple[float, ...]:
    return tuple(round(float(np.sqrt(low * high)), 2) for low, high in bands)


SPECTRUM_BANDS = _centres_hz(THIRDS)  # centres in Hz of the values of `curves`
WIDTH_BANDS = SPECTRUM_BANDS[WITH_WIDTH]
IMAGE_BANDS = _centres_hz(OCTAVES)


def _in_db(key: str, text: str, source: str) -> Measure:
    return Measure(key=key, unit="dB", family="nearness", better="lower", text=text, source=source)


MEASURES = (
    _in_db(
        "tone_db",
        "mean difference of the mid's long-term spectra in third octaves, 50 Hz to 16 kHz",
        "mixcli; long-term average spectra as in Pestana et al., Spectral characteristics of popular "
        "commercial recordings, AES convention 135, 2013",
    ),
    _in_db(
        "width_db",
        "mean difference of side over mid in third octaves, 125 Hz to 10 kHz, at most 12 dB a band, weighted "
        "by the fourth root of the reference's energy",
        "mixcli",
    ),
    _in_db(
        "image_db",
        "mean difference of left over right per octave, 125 Hz to 8 kHz; the mirrored mix counts as the same",
        "mixcli",
    ),
    _in_db(
        "dynamics_db",
        "mean difference of the distributions (5 to 95 %) of level and of crest factor in frames of 0.4 s",
        "mixcli",
    ),
    _in_db(
        "spectra_db",
        "mean difference of the spectra frame by frame in sixths of an octave to 15 kHz, of mid and of side; "
        "60 dB under a band's loudest frame is silence",
        "mixcli; log-spectral distance as in Gray and Markel, Distance measures for speech processing, "
        "IEEE ASSP 24(5), 1976",
    ),
    *running_features.MEASURES,
)


def compare_profiles(mix: Profile, reference: Profile) -> dict[str, float]:
    """All of MEASURES of a mix that is aligned with its reference and equally loud.

    Frames that only one of both has are left out, bands that hold no bin at the sample rate too. All nan
    where either is silent (no third octave of mid or side over -90 dB on average); dynamics nan under 0.4 s
    or where nothing is over -50 dBFS, features nan under 0.1 s. Side over mid counts as at least -40 dB; a
    reference without side (60 dB under the mid) is compared over the mid's floor. ValueError where the
    sample rates differ.
    """
    if mix.sample_rate != reference.sample_rate:
        raise ValueError(f"a mix at {mix.sample_rate} Hz, a reference at {reference.sample_rate} Hz")
    mix, reference = _over_common_frames(mix, reference)
    if is_silent(mix) or is_silent(reference):
        return {measure.key: float("nan") for measure in MEASURES}
    return {
        "tone_db": _mean(np.abs(_spectrum_db(mix) - _spectrum_db(reference)), THIRDS, mix.sample_rate),
        "width_db": _width_difference_db(mix, reference),
        "image_db": _image_difference_db(mix, reference),
        "dynamics_db": _dynamics_difference_db(mix, reference),
        "spectra_db": _spectra_difference_db(mix, reference),
        "features": compare_features(mix.features, reference.features),
    }


def curves(profile: Profile) -> dict[str, list[float]]:
    """What tone, width and image compare, in dB, at SPECTRUM_BANDS, WIDTH_BANDS and IMAGE_BANDS.

    "image_db" is left over right. A band that holds no bin at this sample rate is nan; all are for silence.
    """
    drawn = (
        ("spectrum_db", _spectrum_db(profile), THIRDS),
        ("width_db", _width_db(profile), THIRDS[WITH_WIDTH]),
        ("image_db", _image_db(profile), OCTAVES),
    )
    silent = is_silent(profile)
    return {
        name: np.where(filled_bands(profile.sample_rate, bands) & (not silent), curve_B, np.nan).tolist()
        for name, curve_B, bands in drawn
    }


def is_silent(profile: Profile) -> bool:
    """Whether no third octave of mid or side is over -90 dB on average."""
    series = (profile.mid_thirds_MB, profile.side_thirds_MB)
    return all(float(_long_term(energies_MB).max()) <= TINY_ENERGY for energies_MB in series)


def _over_common_frames(mix: Profile, reference: Profile) -> tuple[Profile, Profile]:
    def cut(profile: Profile, other: Profile) -> Profile:
        n_frames = min(len(profile.mid_thirds_MB), len(other.mid_thirds_MB))
        n_even = min(len(profile.mid_sixths_MB), len(other.mid_sixths_MB))
        n_levels = min(len(profile.level_db_F), len(other.level_db_F))
        return replace(  # the features' frames are cut where they are compared
            profile,
            mid_thirds_MB=profile.mid_thirds_MB[:n_frames],
            side_thirds_MB=profile.side_thirds_MB[:n_frames],
            left_octaves_MB=profile.left_octaves_MB[:n_frames],
            right_octaves_MB=profile.right_octaves_MB[:n_frames],
            mid_balance_MB=profile.mid_balance_MB[:n_frames],
            mid_sixths_MB=profile.mid_sixths_MB[:n_even],
            side_sixths_MB=profile.side_sixths_MB[:n_even],
            level_db_F=profile.level_db_F[:n_levels],
            crest_db_F=profile.crest_db_F[:n_levels],
        )

    return cut(mix, reference), cut(reference, mix)


def _long_term(energies_MB: Energies) -> Series:
    return np.asarray(energies_MB.mean(axis=0, dtype=np.float64))


def _spectrum_db(profile: Profile) -> Series:
    return np.asarray(10 * np.log10(_long_term(profile.mid_thirds_MB) + TINY_ENERGY))


def _width_db(profile: Profile) -> Series:
    mid_B = _long_term(profile.mid_thirds_MB)[WITH_WIDTH]
    side_B = _long_term(profile.side_thirds_MB)[WITH_WIDTH]
    return np.asarray(10 * np.log10(side_B / (mid_B + TINY_ENERGY) + TINY_RATIO))


def _image_db(profile: Profile) -> Series:
    left_B, right_B = _long_term(profile.left_octaves_MB), _long_term(profile.right_octaves_MB)
    return np.asarray(10 * np.log10((left_B + TINY_ENERGY) / (right_B + TINY_ENERGY)))


def _mean(difference_B: Series, bands: Bands, sample_rate: int) -> float:
    return float(difference_B[filled_bands(sample_rate, bands)].mean())


def _width_difference_db(mix: Profile, reference: Profile) -> float:
    difference_B = np.minimum(np.abs(_width_db(mix) - _width_db(reference)), WIDTH_CAP_DB)
    weight_B = _long_term(reference.mid_thirds_MB)[WITH_WIDTH] ** 0.25
    # A reference that is all side has no mid to weigh by.
    return float((difference_B * weight_B).sum() / weight_B.sum()) if weight_B.any() else float("nan")


def _image_difference_db(mix: Profile, reference: Profile) -> float:
    mix_B, reference_B = _image_db(mix), _image_db(reference)
    same, mirrored = np.abs(mix_B - reference_B), np.abs(mix_B + reference_B)
    return min(_mean(difference_B, OCTAVES, mix.sample_rate) for difference_B in (same, mirrored))


def _dynamics_difference_db(mix: Profile, reference: Profile) -> float:
    quantiles = []
    for profile in (mix, reference):
        heard_F = profile.level_db_F > GATE_DBFS
        if not heard_F.any():
            return float("nan")
        both = np.stack([profile.level_db_F[heard_F], profile.crest_db_F[heard_F]])
        quantiles.append(np.percentile(both, QUANTILES, axis=1))
    return float(np.abs(quantiles[0] - quantiles[1]).mean())


def _spectra_difference_db(mix: Profile, reference: Profile) -> float:
    filled_B = filled_bands(mix.sample_rate, SIXTHS)
    found = (mix.mid_sixths_MB[:, filled_B], mix.side_sixths_MB[:, filled_B])
    wanted = (reference.mid_sixths_MB[:, filled_B], reference.side_sixths_MB[:, filled_B])
    differences = (
        _log_distance_db(found[0], wanted[0], _floor(wanted[0], wanted[1])),
        _log_distance_db(found[1], wanted[1], _floor(wanted[1], wanted[0])),
    )
    return float(np.mean(differences))


def _floor(energies_MB: Energies, other_MB: Energies) -> Series:
    """What counts as silence in each band, [B]; a channel that is none takes the floor of the other."""
    heard_MB = energies_MB if energies_MB.max() > NO_CHANNEL * other_MB.max() else other_MB
    peak_B = heard_MB.max(axis=0).astype(np.float64)
    return np.asarray(BAND_FLOOR * np.maximum(peak_B, LEAST_BAND * peak_B.max()))


def _log_distance_db(found_MB: Energies, wanted_MB: Energies, floor_B: Series) -> float:
    ratio_MB: NDArray[np.float64] = (found_MB + floor_B) / (wanted_MB + floor_B)
    return float(np.abs(10 * np.log10(ratio_MB)).mean())
