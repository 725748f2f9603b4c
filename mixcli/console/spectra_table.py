"""Average spectra of released music and of its four groups of stems, in third octaves, as plain data.

Derived from the average spectra of vocals, drums, bass and other in the 100 songs of the MUSDB18 training set
that FxNorm-automix publishes (trainings/features/features_MUSDB18.npy, MIT licence, Copyright (c) 2022 Sony
Group Corporation). Those are mean magnitudes, summed over each band; 10 log10 of a band's width is taken off,
which gives its power if magnitudes are even within a band and spread over time alike in all bands. So they
are approximate, their tilt by some 1 dB per octave; and that data set's coding leaves out what is above 16
kHz. They say how usual a spectrum is, not how good.
"""

from collections.abc import Mapping

# dB re the strongest band, by family of `rule_table.BalanceFamily`.
FAMILY_DB: Mapping[str, tuple[float, ...]] = {
    "vocals": (
        *(-15.5, -15.0, -14.7, -13.6, -12.1, -10.5, -8.6, -6.5, -4.7, -2.9),
        *(-1.2, -0.1, 0.0, -0.0, -1.0, -2.8, -4.3, -6.6, -8.5, -11.8),
        *(-13.0, -14.4, -17.5, -23.0, -23.4, -24.2, -26.8, -31.8, -40.0, -50.3),
    ),
    "drums": (
        *(-4.4, -3.7, -3.1, -2.0, -0.7, 0.0, -0.5, -2.2, -3.9, -6.0),
        *(-9.4, -12.7, -14.5, -16.5, -19.0, -21.3, -23.6, -24.8, -25.8, -26.8),
        *(-26.9, -26.8, -27.0, -27.9, -29.0, -31.1, -33.0, -36.1, -41.1, -48.5),
    ),
    "bass": (
        *(-7.5, -6.2, -5.1, -3.2, -1.6, -0.5, 0.0, -0.7, -3.0, -6.2),
        *(-10.9, -16.2, -20.9, -25.0, -28.8, -31.0, -33.0, -35.6, -37.2, -37.1),
        *(-39.1, -41.7, -48.6, -54.5, -60.8, -66.3, -69.7, -72.6, -72.0, -70.5),
    ),
    "other": (
        *(-6.2, -6.2, -6.4, -6.1, -5.2, -4.5, -3.6, -2.4, -1.3, -0.2),
        *(0.0, -0.7, -2.1, -3.6, -5.0, -6.7, -8.6, -9.9, -10.9, -11.5),
        *(-12.3, -15.7, -19.2, -24.1, -30.5, -35.6, -38.8, -42.9, -48.1, -53.2),
    ),
}

# The four at the same K-weighted level, the vocals 3 dB above it, added in power; dB re the mean of 50 Hz to
# 16 kHz.
RELEASED_DB: tuple[float, ...] = (
    *(6.4, 7.1, 7.7, 9.1, 10.4, 11.3, 11.5, 10.9, 10.1, 9.6),
    *(9.5, 9.5, 9.1, 8.8, 7.7, 5.9, 4.3, 2.2, 0.5, -2.0),
    *(-3.0, -5.0, -8.0, -12.8, -14.2, -15.5, -17.9, -22.5, -29.5, -37.9),
)
