"""Distances of two waveforms: multi-resolution spectra and signal-to-distortion.

They compare sample by sample, or nearly so. Between an automatic mix and an engineer's they say little more
than that these are two mixes of one song; they are given because papers give them.

Legend: `T` samples, `C` channels, `M` frames, `N` frequency bins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixcli.measures.measure import Measure

MAGNITUDE_FLOOR = np.float32(1e-4)  # auraloss raises squared magnitudes to 1e-8, so that no logarithm fails
SI_SDR_LIMIT_DB = 100.0
BLOCK = 1 << 16
VALUES_PER_BLOCK = 1 << 15  # complex values per channel at a time: about the processor's second cache

Signal = NDArray[np.float32]
Spectrum = NDArray[np.complex64]


@dataclass(frozen=True)
class Resolution:
    """One short-time spectrum: FFT length, hop and length of the periodic Hann window, in samples."""

    n_fft: int
    hop: int
    window: int


DEFAULT_RESOLUTIONS = (Resolution(1024, 120, 600), Resolution(2048, 240, 1200), Resolution(512, 50, 240))
AUTOMIX_RESOLUTIONS = (Resolution(512, 256, 512), Resolution(2048, 1024, 2048), Resolution(8192, 4096, 8192))

MEASURES = (
    Measure(
        key="mrstft",
        unit="",
        family="waveform",
        better="lower",
        text="multi-resolution STFT distance of left and right: spectral convergence plus log-magnitude "
        "difference, hops of 1 to 5 ms; reads the alignment too, so only sample-aligned mixes compare",
        source="Yamamoto et al. 2020, arXiv 1910.11480; defaults of auraloss 0.4, both channels in one batch",
    ),
    Measure(
        key="mrstft_sum_difference",
        unit="",
        family="waveform",
        better="lower",
        text="the same of L+R and of L-R, their mean; grows without bound where the reference is nearly mono",
        source="Steinmetz et al. 2021, arXiv 2010.10291; auraloss 0.4",
    ),
    Measure(
        key="mrstft_automix",
        unit="",
        family="waveform",
        better="lower",
        text="multi-resolution STFT distance of left and right with windows of 512, 2048 and 8192 samples: "
        "log-magnitude plus magnitude difference; hangs on the level of both",
        source="the validation metric of automix-toolkit, by auraloss 0.4",
    ),
    Measure(
        key="si_sdr_db",
        unit="dB",
        family="waveform",
        better="higher",
        text="scale-invariant signal-to-distortion ratio over both channels as one signal, held within "
        "±100 dB; only meaningful between sample-aligned versions of the same performance and processing",
        source="Le Roux et al. 2019, arXiv 1811.02508 (means not removed)",
    ),
)


@dataclass
class _Sums:
    """What one resolution adds up over all frames of a view, between magnitudes of mix and reference."""

    squared_error: float = 0.0
    squared_reference: float = 0.0
    error: float = 0.0
    log_error: float = 0.0
    n_values: int = 0

    def default_distance(self) -> float:
        """Spectral convergence (Frobenius norms) plus mean difference of the natural logarithms."""
        return float(np.sqrt(self.squared_error / self.squared_reference)) + self.log_error / self.n_values

    def automix_distance(self) -> float:
        """Mean difference of the logarithms plus mean difference of the magnitudes."""
        return (self.log_error + self.error) / self.n_values


def compare_waveforms(mix_TC: Signal, reference_TC: Signal) -> dict[str, float]:
    """Every measure of this file between two aligned stereo signals, [T, 2], over the samples both have.

    nan: a multi-resolution distance of signals no longer than half its longest FFT (their ends are mirrored),
    an SI-SDR where either is silent.
    """
    n_samples = min(len(mix_TC), len(reference_TC))
    mix_TC, reference_TC = mix_TC[:n_samples], reference_TC[:n_samples]
    values = dict.fromkeys((measure.key for measure in MEASURES), float("nan"))
    values["si_sdr_db"] = si_sdr_db(mix_TC, reference_TC)
    if n_samples > _longest_mirror(DEFAULT_RESOLUTIONS):
        views = [_add_up(mix_TC, reference_TC, each, n_views=3) for each in DEFAULT_RESOLUTIONS]
        distances = np.array([[view.default_distance() for view in row] for row in views])
        values["mrstft"] = float(distances[:, 0].mean())
        values["mrstft_sum_difference"] = float(distances[:, 1:].mean())
    if n_samples > _longest_mirror(AUTOMIX_RESOLUTIONS):
        views = [_add_up(mix_TC, reference_TC, each, n_views=1) for each in AUTOMIX_RESOLUTIONS]
        values["mrstft_automix"] = float(np.mean([row[0].automix_distance() for row in views]))
    return values


def si_sdr_db(mix_TC: Signal, reference_TC: Signal) -> float:
    """Energy of the mix's part along the reference over the rest, in dB within ±100; nan if either is silent.

    Both channels are taken as one long signal, so a balance of left and right that differs is distortion.
    """
    cross = mix_energy = reference_energy = 0.0
    for start in range(0, min(len(mix_TC), len(reference_TC)), BLOCK):
        mix_T = mix_TC[start : start + BLOCK].astype(np.float64).ravel()
        reference_T = reference_TC[start : start + BLOCK].astype(np.float64).ravel()
        cross += float(mix_T @ reference_T)
        mix_energy += float(mix_T @ mix_T)
        reference_energy += float(reference_T @ reference_T)
    if mix_energy <= 0.0 or reference_energy <= 0.0:
        return float("nan")
    # The rest's energy is what Pythagoras leaves: sums in float64 are exact to 1e-16, 60 dB below the limit.
    along = cross * cross / reference_energy
    rest = mix_energy - along
    edge = 10 ** (SI_SDR_LIMIT_DB / 10)
    if along >= edge * rest:
        return SI_SDR_LIMIT_DB
    return float(10 * np.log10(max(along / rest, 1 / edge)))


def _add_up(mix_TC: Signal, reference_TC: Signal, resolution: Resolution, n_views: int) -> list[_Sums]:
    """Compare one resolution over the song: left and right together, then, with 3 views, sum and difference.

    The spectra of sum and difference are sums and differences of spectra: they need no transforms.
    """
    views = [_Sums() for _ in range(n_views)]
    pairs = zip(_spectra(mix_TC, resolution), _spectra(reference_TC, resolution), strict=True)
    for mix_CMN, reference_CMN in pairs:
        _compare(views[0], mix_CMN, reference_CMN)
        if n_views == 3:
            _compare(views[1], mix_CMN[0] + mix_CMN[1], reference_CMN[0] + reference_CMN[1])
            _compare(views[2], mix_CMN[0] - mix_CMN[1], reference_CMN[0] - reference_CMN[1])
    return views


def _compare(sums: _Sums, mix: Spectrum, reference: Spectrum) -> None:
    """Add one block of spectra of the same shape; in place and in single passes, for most time goes here."""
    from scipy.linalg.blas import sasum

    mix_size, reference_size = np.abs(mix).ravel(), np.abs(reference).ravel()
    np.maximum(mix_size, MAGNITUDE_FLOOR, out=mix_size)
    np.maximum(reference_size, MAGNITUDE_FLOOR, out=reference_size)
    sums.n_values += len(mix_size)
    sums.squared_reference += float(reference_size @ reference_size)
    error = mix_size - reference_size
    sums.squared_error += float(error @ error)
    sums.error += float(sasum(error))
    ratio = np.divide(mix_size, reference_size, out=mix_size)
    sums.log_error += float(sasum(np.log(ratio, out=ratio)))


def _spectra(signal_TC: Signal, resolution: Resolution) -> Iterator[Spectrum]:
    """Spectra of frames centred on every hop from the first sample on, ends mirrored, in blocks [C, M, N].

    The magnitudes are those of torch.stft, which centres a short window in its frame: phases alone differ.
    """
    from scipy.fft import rfft

    n_fft, hop, window = resolution.n_fft, resolution.hop, resolution.window
    hann_N = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)
    n_frames = len(signal_TC) // hop + 1
    per_block = max(VALUES_PER_BLOCK // (n_fft // 2 + 1), 1)
    for first in range(0, n_frames, per_block):
        last = min(first + per_block, n_frames) - 1
        part_CT = _mirrored(signal_TC, first * hop - window // 2, last * hop - window // 2 + window)
        frames_CMN = np.lib.stride_tricks.sliding_window_view(part_CT, window, axis=1)[:, ::hop] * hann_N
        yield rfft(frames_CMN, n_fft, axis=2)


def _mirrored(signal_TC: Signal, start: int, stop: int) -> Signal:
    """Samples of a signal that goes on as its mirror image before the first and after the last, [C, T]."""
    if start >= 0 and stop <= len(signal_TC):
        part_TC = signal_TC[start:stop]
    else:
        places_T = np.abs(np.arange(start, stop))
        places_T = len(signal_TC) - 1 - np.abs(len(signal_TC) - 1 - places_T)
        part_TC = signal_TC[places_T]
    return np.ascontiguousarray(part_TC.T, np.float32)


def _longest_mirror(resolutions: Sequence[Resolution]) -> int:
    return max(resolution.n_fft for resolution in resolutions) // 2
