"""What is left in the pauses of a stem: hum, and a floor of noise; a second look at those that have any.

Legend: T samples, H hops of 100 ms, C channels, F frequency bins,
S second-order sections.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.audio.loudness import hop_length, k_weighting_sos, lufs_to_energy
from mixcli.songs.cross_spectra import segment_length
from mixcli.songs.song import Song
from mixcli.songs.stem_reader import StemReader
from mixcli.songs.survey import Survey

WINDOW_S = 0.75  # resolves 1.4 Hz: 50 Hz and a G of 49 Hz are two
PAUSE_LU = -15.0  # re the stem's loudness: softer hops are pauses
AUDIBLE_LU = -60.0  # re the stem's loudness: what lies below is not heard, however far it is turned up
FEWEST_WINDOWS = 4
MOST_WINDOWS = 48
MAINS_HZ = (50.0, 60.0)
MAINS_TOLERANCE = 0.004  # of the grid and the recorder's clock together
HARMONICS = 10
FEWEST_LINES = 4  # of the first ten
LINE_DB = 12.0  # above what lies around it
LINE_BINS = 2  # either side of its middle: the main lobe of the window
AROUND_BINS = 10
STEADY_DB = 4.0  # between the softest and the loudest tenth of the pauses
NOISE_BAND_HZ = (500.0, 6000.0)
NOISE_FLATNESS = 0.15  # median over mean of the spectrum: that of tones is far lower


@dataclass(frozen=True)
class Pauses:
    """What sounds in the pauses of a stem, in LU below its own sound (None: nothing steady).

    `mains_hz` is 50 or 60, where `hum_below_lu` is not None.
    """

    hum_below_lu: float | None = None
    mains_hz: float | None = None
    noise_below_lu: float | None = None


def listen_to_pauses(song: Song, survey: Survey, name: str) -> Pauses:
    """Read the pauses of a stem once more, at most 36 s of them, and tell hum from noise.

    What sounds in all pauses alike counts, not what dies away in them. Stems without pauses, with digital
    silence in them or with next to nothing are not read. Raises SongError where a file has changed.
    """
    numbers, levels_H = _pauses(survey, name)
    if len(numbers) < FEWEST_WINDOWS:
        return Pauses()
    loudness = lufs_to_energy(survey.stems[name].loudness_lufs)
    if np.median(levels_H) < loudness * 10 ** (AUDIBLE_LU / 10):
        return Pauses()
    frequencies_F, power_F = _spectrum_of_pauses(song, survey, name, numbers)
    mains_hz, energy = _hum(frequencies_F, power_F, survey.sample_rate)
    if mains_hz is not None and energy > loudness * 10 ** (AUDIBLE_LU / 10):
        return Pauses(hum_below_lu=float(10 * np.log10(loudness / energy)), mains_hz=mains_hz)
    low, middle, high = np.percentile(levels_H, (10, 50, 90))
    if high > low * 10 ** (STEADY_DB / 10) or not _is_noise(frequencies_F, power_F):
        return Pauses()
    return Pauses(noise_below_lu=float(10 * np.log10(loudness / middle)))


def _pauses(survey: Survey, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The windows that hold nothing but pause, by their numbers (every half window), and all their hops."""
    stem = survey.stems[name]
    window, hop = segment_length(survey.sample_rate, WINDOW_S), hop_length(survey.sample_rate)
    step = window // 2
    threshold = lufs_to_energy(stem.loudness_lufs + PAUSE_LU) if np.isfinite(stem.loudness_lufs) else 0.0
    quiet_H = (stem.hop_energies < threshold) & (stem.hop_peaks > 0)
    before_H = np.concatenate([[0], np.cumsum(~quiet_H)])
    starts = np.arange(max(0, (len(quiet_H) * hop - window) // step + 1)) * step
    first, last = starts // hop, np.minimum(-(-(starts + window) // hop), len(quiet_H))
    numbers = np.flatnonzero(before_H[last] == before_H[first])
    if len(numbers) > MOST_WINDOWS:
        numbers = numbers[np.arange(MOST_WINDOWS) * len(numbers) // MOST_WINDOWS]
    inside = np.zeros(len(quiet_H), bool)
    for number in numbers:
        inside[first[number] : last[number]] = True
    return numbers, stem.hop_energies[inside].astype(np.float64)


def _spectrum_of_pauses(
    song: Song, survey: Survey, name: str, numbers: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies, and the median over the windows of the K-weighted mean square per bin, [F]."""
    from scipy.fft import rfft

    stem = next(stem for stem in song.stems if stem.name == name)
    window = segment_length(survey.sample_rate, WINDOW_S)
    step = window // 2
    fade_T = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    powers = []
    with StemReader(stem, survey.sample_rate, start=int(numbers[0]) * step, repair=True) as reader:
        last_TC = np.zeros((0, stem.n_channels), np.float32)  # the half window before the reader's place
        for number in numbers.tolist():
            start = number * step
            if start < reader.position:
                window_TC = np.concatenate([last_TC, reader.read(step)])
            else:
                reader.skip(start - reader.position)
                window_TC = reader.read(window)
            last_TC = window_TC[step:]
            spectrum_CF = rfft(window_TC.T * fade_T)
            power_CF = spectrum_CF.real**2 + spectrum_CF.imag**2
            # As loudness has it, a mono stem sounds in both channels.
            powers.append(power_CF.sum(axis=0) * (2 if stem.n_channels == 1 else 1))
    frequencies_F = np.arange(window // 2 + 1, dtype=np.float64) * (survey.sample_rate / window)
    weights_F = _squared_response(k_weighting_sos(survey.sample_rate), frequencies_F / survey.sample_rate)
    scale = 2 / (window * float(np.square(fade_T).sum()))  # Parseval, one-sided
    median_F: NDArray[np.float64] = np.median(powers, axis=0) * weights_F * scale
    return frequencies_F, median_F


def _squared_response(sos_S6: NDArray[np.float64], turns_F: NDArray[np.float64]) -> NDArray[np.float64]:
    """|H|² of second-order sections at frequencies in turns per sample, [F]."""
    delays_F3 = np.exp(-2j * np.pi * np.outer(turns_F, np.arange(3)))
    sections_FS = (delays_F3 @ sos_S6[:, :3].T) / (delays_F3 @ sos_S6[:, 3:].T)
    squared_F: NDArray[np.float64] = np.square(np.abs(sections_FS)).prod(axis=1)
    return squared_F


def _hum(
    frequencies_F: NDArray[np.float64], power_F: NDArray[np.float64], sample_rate: int
) -> tuple[float | None, float]:
    """The frequency of the mains whose multiples stand out, and their energy; None, 0 without any."""
    best: tuple[float | None, float] = (None, 0.0)
    for mains_hz in MAINS_HZ:
        for stretch in np.linspace(-MAINS_TOLERANCE, MAINS_TOLERANCE, 9):
            n_lines, energy = 0, 0.0
            for harmonic in range(1, HARMONICS + 1):
                found = _line(frequencies_F, power_F, mains_hz * (1 + stretch) * harmonic)
                n_lines, energy = n_lines + (found > 0), energy + found
            if n_lines >= FEWEST_LINES and energy > best[1]:
                best = mains_hz, energy
    return best


def _line(frequencies_F: NDArray[np.float64], power_F: NDArray[np.float64], frequency_hz: float) -> float:
    """The energy of a line at a frequency, if one stands out there, else 0."""
    place = frequency_hz / (frequencies_F[1] - frequencies_F[0])
    middle = round(place)
    if middle + AROUND_BINS >= len(power_F) or middle <= LINE_BINS:
        return 0.0
    # No bin beside the two next to the frequency may be higher, or the line is another's.
    part_F = power_F[middle - LINE_BINS : middle + LINE_BINS + 1]
    if abs(int(np.argmax(part_F)) - LINE_BINS - (place - middle)) > 1:
        return 0.0
    around_F = np.concatenate(
        [
            power_F[max(1, middle - AROUND_BINS) : middle - LINE_BINS],
            power_F[middle + LINE_BINS + 1 : middle + AROUND_BINS + 1],
        ]
    )
    floor = float(np.median(around_F))
    stands_out = float(part_F.max()) > floor * 10 ** (LINE_DB / 10)
    return float(part_F.sum()) if stands_out else 0.0


def _is_noise(frequencies_F: NDArray[np.float64], power_F: NDArray[np.float64]) -> bool:
    band_F = power_F[(frequencies_F >= NOISE_BAND_HZ[0]) & (frequencies_F <= NOISE_BAND_HZ[1])]
    return bool(len(band_F) and np.median(band_F) >= NOISE_FLATNESS * band_F.mean() > 0)
