"""The levels of a stem over time, as the detectors of compressor and expander will read them.

The survey keeps one energy (K-weighted) and one peak per hop of 100 ms. A compressor looks at the mean square
of 10 ms of the recording itself. Here the one is turned into the other: the weighting by the ratio of the
stem's whole energy to its weighted one, the finer time by a decay inside each hop that has the hop's energy
and, at its start, as much of its peak as a wave without a transient would have.

Legend: H hops of 100 ms, P parts of a hop, S = H · P.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length
from mixcli.songs.stem_survey import StemSurvey
from mixcli.songs.survey import Survey

PARTS = 20  # of a hop, 5 ms each
ACTIVE_BELOW_DB = 20.0
TINY_ENERGY = 1e-20  # silence reads -200 dB
# What a wave's peak lies above its mean square where it is steady: a sine 3 dB, voices and noise about 9 dB.
# Each stem's own is taken from its hops without a transient; the peak of 100 ms is the higher by some 2 dB.
STEADY_CREST_DB = (3.0, 9.0)
STEADY_PERCENTILE, LONGER_PEAK_DB = 20.0, 2.0
BISECTIONS = 25

Levels = NDArray[np.float64]


def active_hops(stem: StemSurvey) -> NDArray[np.bool_]:
    """The hops within 20 dB of where most of the stem's energy is, [H]; none of what has no loudness.

    That level is the mean of the hops' energies, each weighted by itself. Unlike loudness it has no gate at
    an absolute level, so a stem in another gain has the same active hops, nor do pauses lower it.
    """
    hops_H = np.asarray(stem.hop_energies, np.float64)
    total = float(hops_H.sum())
    if not np.isfinite(stem.loudness_lufs) or total <= 0:
        return np.zeros(len(hops_H), bool)
    usual = float(np.square(hops_H).sum()) / total
    return np.asarray(hops_H > usual * 10 ** (-ACTIVE_BELOW_DB / 10))


def mean_squares(name: str, survey: Survey) -> Levels:
    """Mean square of each hop of a stem's loudest channel, [H], not weighted: an RMS meter of 100 ms.

    All hops are taken to have the spectrum of the whole stem.
    """
    stem = survey.stems[name]
    weighted_H = np.asarray(stem.hop_energies, np.float64)
    whole_weighted = float(weighted_H.sum()) * hop_length(survey.sample_rate)
    if whole_weighted <= 0:
        return np.zeros(len(weighted_H))
    energies_C = np.diag(survey.gram_NN)[survey.channels[name]]
    # A mono stem counts as two equal channels in its hops, but a detector hears the one there is.
    loudest = 0.5 if len(energies_C) == 1 else float(energies_C.max() / max(energies_C.sum(), TINY_ENERGY))
    whole = 2.0 * sum(stem.third_octaves)  # of left and right, from mid and side
    return weighted_H * (loudest * whole / whole_weighted)


def crests_db(name: str, survey: Survey) -> Levels:
    """What the peak of each hop lies above its mean square, [H] dB."""
    energy_H = np.maximum(mean_squares(name, survey), TINY_ENERGY)
    peaks_H = np.asarray(survey.stems[name].hop_peaks, np.float64)[: len(energy_H)]
    return np.asarray(10 * np.log10(np.maximum(np.square(peaks_H), TINY_ENERGY) / energy_H))


def fine_mean_squares(name: str, survey: Survey) -> Levels:
    """Mean squares of the parts of all hops, [H, P]: in each a decay that has the hop's energy and peak."""
    energy_H = np.maximum(mean_squares(name, survey), TINY_ENERGY)
    crest_H = crests_db(name, survey)
    active_H = active_hops(survey.stems[name])
    steady_db = float(np.percentile(crest_H[active_H], STEADY_PERCENTILE)) if active_H.any() else 0.0
    steady_db = float(np.clip(steady_db - LONGER_PEAK_DB, *STEADY_CREST_DB))
    first_H = np.clip(10 ** ((crest_H - steady_db) / 10), 1.0, PARTS)  # of the first part, re the hop's mean
    parts_P = np.arange(PARTS)
    low_H, high_H = np.zeros(len(energy_H)), np.ones(len(energy_H))
    for _ in range(BISECTIONS):  # for the factor from part to part with which the mean is 1
        factor_H = (low_H + high_H) / 2
        sums_H = np.ones(len(factor_H))  # of the factor's powers, by Horner's rule
        for _ in parts_P[1:]:
            sums_H = sums_H * factor_H + 1
        too_loud_H = first_H * (sums_H / PARTS) > 1
        high_H = np.where(too_loud_H, factor_H, high_H)
        low_H = np.where(too_loud_H, low_H, factor_H)
    return np.asarray(energy_H[:, None] * first_H[:, None] * factor_H[:, None] ** parts_P)
