"""The tone of a stem: its spectrum towards the average of its family, and the role's high-pass.

Legend: B third-octave bands.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.console.band_fit import Curve, fit_bands, smoothed_over_octaves
from mixcli.console.recipe import EqualiserBandRecipe
from mixcli.console.rule_table import rule_of
from mixcli.console.spectra_table import FAMILY_DB
from mixcli.settings import RuleSettings
from mixcli.songs.stem_survey import FAULTY_DC, StemSurvey
from mixcli.songs.third_octaves import CENTRES_HZ

MOST_BANDS = 5
MOST_DB = 6.0
DC_HIGH_PASS_HZ = 20.0  # below all music, yet gone within a few cycles
# A band this far under the average is not what the stem is made of, one this far under the average's own
# strongest is not what is heard of it: neither is cut or, above all, turned up.
HEARD_DB, FAINT_DB = -20.0, -40.0
AUDIBLE_DB, INAUDIBLE_DB = -40.0, -60.0
# One piece of a kit is nothing like the average of whole kits, an effect nothing like that of instruments.
WITH_AN_AVERAGE = frozenset({"vocals", "bass", "other"})
WITHOUT_AN_AVERAGE = frozenset({"fx.return", "fx.sfx", "room", "other"})
KITS = frozenset({"drums.kit"})


def choose_high_pass(role: str, dc: float) -> tuple[float, str] | None:
    """The high-pass of a stem in Hz and why: its role's, or one against an offset `dc`; None for none."""
    high_pass_hz = rule_of(role).high_pass_hz
    if high_pass_hz is not None:
        return high_pass_hz, f"{role}: nothing of it below {high_pass_hz:g} Hz"
    if dc > FAULTY_DC:
        return DC_HIGH_PASS_HZ, f"its DC offset of {dc:.1%} of full scale"
    return None


def choose_equaliser(
    role: str, stem: StemSurvey, sample_rate: int, settings: RuleSettings
) -> tuple[list[EqualiserBandRecipe], str] | None:
    """At most five bands that bring a stem nearer to its family's average spectrum, and why; None for none.

    The difference is smoothed over octaves and held to ±6 dB, times `settings.equaliser`; it leaves alone
    what lies below the role's high-pass and what the stem hardly has.
    """
    family = rule_of(role).family
    fits = (family in WITH_AN_AVERAGE and role not in WITHOUT_AN_AVERAGE) or role in KITS
    if not fits or settings.equaliser == 0 or sum(stem.third_octaves) <= 0:
        return None
    curve_B, weight_B = correction(
        stem.third_octaves, np.array(FAMILY_DB[family]), from_hz=rule_of(role).high_pass_hz
    )
    curve_B = np.clip(curve_B, -MOST_DB, MOST_DB) * settings.equaliser
    most_db = MOST_DB * settings.equaliser
    bands = fit_bands(curve_B, weight_B, sample_rate, n_bands=MOST_BANDS, most_db=most_db)
    if not bands:
        return None
    strongest = max(bands, key=lambda band: abs(band.gain_db))
    word = "more" if strongest.gain_db < 0 else "less"
    near = f"{strongest.frequency_hz:g} Hz"
    return (
        bands,
        f"it has {word} around {near} than {family} usually have: {settings.equaliser:.0%} of the way back",
    )


def correction(
    energies_B: tuple[float, ...], average_B: NDArray[np.float64], *, from_hz: float | None = None
) -> tuple[Curve, Curve]:
    """What turns a spectrum into the average, [B] dB smoothed over octaves, and the bands' weights, [B].

    A common gain is taken out. Bands fade out of it from 20 to 40 dB under the average, and where the average
    lies 40 to 60 dB under its strongest band; below `from_hz` nothing is asked for.
    """
    level_B = 10 * np.log10(np.maximum(np.array(energies_B, np.float64), max(energies_B) * 1e-12))
    average_B = average_B - average_B.max()
    weight_B = _between(average_B, INAUDIBLE_DB, AUDIBLE_DB)
    under_B = level_B - average_B
    under_B = under_B - under_B[weight_B > 0].max()
    usual = float(np.median(under_B[(weight_B > 0) & (under_B > 2 * FAINT_DB)]))
    weight_B = weight_B * _between(under_B - usual, FAINT_DB, HEARD_DB)
    if from_hz is not None:
        weight_B = np.where(np.array(CENTRES_HZ) < from_hz, 0.0, weight_B)
    if not weight_B.any():
        return np.zeros(len(level_B)), weight_B
    difference_B = average_B - level_B
    difference_B = difference_B - float(weight_B @ difference_B) / float(weight_B.sum())
    # Where the stem has nothing, nothing is asked for; the fit may not go astray there either.
    curve_B = smoothed_over_octaves(difference_B, weight_B) * weight_B
    return curve_B, np.maximum(weight_B, 0.1)


def _between(level_B: Curve, low_db: float, high_db: float) -> Curve:
    """0 up to the lower level, 1 from the higher on, a line between."""
    return np.clip((level_B - low_db) / (high_db - low_db), 0.0, 1.0)
