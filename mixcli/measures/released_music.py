"""The spectral balance of a mix against the average of released music.

Legend: `B` third-octave bands.
"""

from math import nan

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.frames import fractional_octaves
from mixcli.measures.measure import Measure

# Average level of released music in third octaves from 50 Hz to 16 kHz, dB about its own mean, [26]. Derived
# from the average spectra of vocals, drums, bass and other in the 100 songs of the MUSDB18 training set that
# FxNorm-automix publishes (trainings/features/features_MUSDB18.npy, MIT licence, Copyright (c) 2022 Sony
# Group Corporation):
# 1. those are mean magnitudes, summed over each band; 10 log10 of a band's width in bins is taken off, which
#    gives the band's power if magnitudes are even within a band and spread over time alike in all bands;
# 2. each of the four is brought to the same K-weighted level, the vocals 3 dB above it (a choice: 3 dB more
#    on any of the four moves the curve by 0.8 dB at most in the mean over bands);
# 3. the four are added in power.
# The first step makes it approximate, its tilt by some 1 dB per octave, and that data set's coding leaves out
# what is above 16 kHz, half of the last band. It says how usual a balance is, not how good.
LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0
RELEASED_DB = (
    *(9.1, 10.4, 11.3, 11.5, 10.9, 10.1, 9.6, 9.5, 9.5, 9.1, 8.8, 7.7, 5.9),
    *(4.3, 2.2, 0.5, -2.0, -3.0, -5.0, -8.0, -12.8, -14.2, -15.5, -17.9, -22.5, -29.5),
)
FEWEST_BANDS = 10

MEASURES = (
    Measure(
        key="average_spectrum_db",
        unit="dB",
        family="alone",
        better="lower",
        text="mean difference of the spectrum in third octaves, 50 Hz to 16 kHz, from the average of released"
        " music, levels taken out",
        source="derived from the features of FxNorm-automix (Sony 2022), MUSDB18 training set",
    ),
)


def released_centres_hz() -> list[float]:
    """Centres of the bands of `RELEASED_DB`, [B]."""
    return [float((low * high) ** 0.5) for low, high in fractional_octaves(LOWEST_HZ, HIGHEST_HZ, 3)]


def average_spectrum(spectrum_db_B: NDArray[np.float64]) -> dict[str, float]:
    """Distance of a spectrum in third octaves, [26] levels in dB, from the average of released music.

    Levels of the bands of `released_centres_hz`; a constant added to all makes no difference. Bands that have
    no level (above half the sample rate, silent) are left out; nan with fewer than ten.
    """
    difference_B = np.asarray(spectrum_db_B, np.float64) - np.array(RELEASED_DB)
    difference_B = difference_B[np.isfinite(difference_B)]
    if len(difference_B) < FEWEST_BANDS:
        return {"average_spectrum_db": nan}
    return {"average_spectrum_db": float(np.abs(difference_B - difference_B.mean()).mean())}
