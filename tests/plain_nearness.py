"""The nearness measures a second time: plain and slow, whole spectrograms of scipy, one loop per band."""

from itertools import pairwise

import numpy as np
from scipy.optimize import lsq_linear
from scipy.signal import stft

THIRDS = [1000 * 2 ** (step / 3) for step in range(-13, 13)]
WIDTHS = THIRDS[4:24]
OCTAVES = [125, 250, 500, 1000, 2000, 4000, 8000]
SIXTHS = [1000 * 2 ** (step / 6) for step in range(-21, 24)]
BALANCE_EDGES = [30, 80, 160, 320, 640, 1280, 2560, 5120, 10_240, 18_000]


def spectrogram(signal_T, rate, length=4096, hop=1024):
    frequencies, _, found = stft(
        np.asarray(signal_T, float), rate, "hann", length, length - hop, padded=False, boundary=None
    )
    return frequencies, found


def energies(spectra, low_hz, high_hz):
    frequencies, found = spectra
    inside = (frequencies >= low_hz) & (frequencies < high_hz)
    return np.sum(np.abs(found[inside]) ** 2, axis=0)


def around(spectra, centre_hz, per_octave):
    return energies(spectra, centre_hz * 2 ** (-0.5 / per_octave), centre_hz * 2 ** (0.5 / per_octave))


def db(power):
    return 10 * np.log10(power)


def plain_nearness(mix_TC, reference_TC, rate):
    """Every measure but balance, of equally long signals."""
    pair = [np.asarray(signal_TC, float) for signal_TC in (mix_TC, reference_TC)]
    lefts, rights = ([spectrogram(signal_TC[:, side], rate) for signal_TC in pair] for side in (0, 1))
    mids = [spectrogram((signal_TC[:, 0] + signal_TC[:, 1]) / 2, rate) for signal_TC in pair]
    sides = [spectrogram((signal_TC[:, 0] - signal_TC[:, 1]) / 2, rate) for signal_TC in pair]

    tone = [[db(around(mid, centre, 3).mean() + 1e-9) for centre in THIRDS] for mid in mids]
    widths, weights = [], []
    for centre in WIDTHS:
        ratio = [
            around(side, centre, 3).mean() / (around(mid, centre, 3).mean() + 1e-9)
            for mid, side in zip(mids, sides, strict=True)
        ]
        widths.append(min(12, abs(db(ratio[0] + 1e-4) - db(ratio[1] + 1e-4))))
        weights.append(around(mids[1], centre, 3).mean() ** 0.25)
    image = [
        [
            db((around(left, centre, 1).mean() + 1e-9) / (around(right, centre, 1).mean() + 1e-9))
            for centre in OCTAVES
        ]
        for left, right in zip(lefts, rights, strict=True)
    ]
    distances = []
    for mix_spectra, reference_spectra in (mids, sides):
        # Of every second frame.
        mix_bands = np.array([around(mix_spectra, centre, 6)[::2] for centre in SIXTHS])
        bands = np.array([around(reference_spectra, centre, 6)[::2] for centre in SIXTHS])
        for mix_band, band in zip(mix_bands, bands, strict=True):
            floor = 1e-6 * max(band.max(), 1e-3 * bands.max())
            distances.append(np.abs(db(mix_band + floor) - db(band + floor)).mean())
    return {
        "tone_db": np.mean(np.abs(np.subtract(*tone))),
        "width_db": np.average(widths, weights=weights),
        "image_db": min(np.mean(np.abs(np.subtract(*image))), np.mean(np.abs(np.add(*image)))),
        "dynamics_db": plain_dynamics(*pair, rate),
        "spectra_db": np.mean(distances),
        "features": plain_features(*pair, rate),
    }


def plain_dynamics(mix_TC, reference_TC, rate):
    length = int(0.4 * rate)
    quantiles = []
    for signal_TC in (mix_TC, reference_TC):
        levels, crests = [], []
        for start in range(0, len(signal_TC) - length + 1, length):
            frame = signal_TC[start : start + length]
            level = 20 * np.log10(np.sqrt(np.mean(frame**2)) + 1e-6)
            if level > -50:
                levels.append(level)
                crests.append(20 * np.log10(np.abs(frame).max() + 1e-6) - level)
        quantiles.append([np.percentile(values, range(5, 100, 5)) for values in (levels, crests)])
    return np.mean(np.abs(np.subtract(*quantiles)))


def plain_features(mix_TC, reference_TC, rate):
    found, wanted = feature_series(mix_TC, rate), feature_series(reference_TC, rate)
    errors = []
    for mix_series, series in zip(found, wanted, strict=True):
        means = [
            [np.mean(values[i : i + 20]) for i in range(len(values) - 19)] for values in (mix_series, series)
        ]
        errors.append(np.mean(np.abs(np.subtract(*means)) / (np.abs(means[1]) + 1e-3)))
    return np.mean(errors)


def feature_series(signal_TC, rate):
    frequencies, left = spectrogram(signal_TC[:, 0], rate, 2048)
    _, right = spectrogram(signal_TC[:, 1], rate, 2048)
    rows = []
    for left_N, right_N in zip(left.T, right.T, strict=True):
        magnitude = np.abs(left_N + right_N) / 2 + 1e-9
        power = (magnitude - 1e-9) ** 2
        centroid = np.average(frequencies, weights=magnitude)
        bandwidth = np.sqrt(np.average((frequencies - centroid) ** 2, weights=magnitude))
        rolloff = frequencies[np.searchsorted(np.cumsum(magnitude), 0.85 * magnitude.sum())]
        flatness = np.exp(np.mean(np.log(power + 1e-10))) / (power.mean() + 1e-10)
        sum_power = np.abs(left_N) ** 2 + np.abs(right_N) ** 2
        panning = 1 - 2 * np.abs(left_N * right_N) / (sum_power + 1e-9)
        panning[np.abs(left_N) == np.abs(right_N)] = 0
        row = [centroid, bandwidth, rolloff, flatness]
        for low, high in ((0, 22_050), (0, 250), (250, 2800), (2800, 22_050)):
            inside = (frequencies >= low) & (frequencies < high)
            row.append(np.sqrt(np.mean(panning[inside] ** 2)))
        rows.append(row)
    mid_T, length, levels, crests = signal_TC.mean(1), int(0.1 * rate), [], []
    for start in range(0, len(mid_T) - length + 1, length):
        frame = mid_T[start : start + length]
        rms = np.sqrt(np.mean(frame**2)) + 1e-6
        levels.append(20 * np.log10(rms))
        crests.append(np.abs(frame).max() / rms)
    return [*np.array(rows).T, levels, crests]


def plain_levels_db(mix_TC, stems, rate):
    """The levels of stems in a mix, by another solver."""
    of_mix = spectrogram(mix_TC.mean(1), rate)
    of_stems = [spectrogram(stem_TC.mean(1), rate) for stem_TC in stems]
    given, found = np.zeros(len(stems)), np.zeros(len(stems))
    for low, high in pairwise(BALANCE_EDGES):
        wanted = energies(of_mix, low, high)
        sources = np.stack([energies(spectra, low, high) for spectra in of_stems], axis=1)
        weight = 1 / np.sqrt(wanted + 0.05 * wanted.mean())
        gains = lsq_linear(sources * weight[:, None], wanted * weight, (0, np.inf), "bvls").x
        given += sources.sum(0)
        found += gains * sources.sum(0)
    return db((found + 1e-6 * given) / (given + 1e-9))
