"""What the inputs of a network sound like, a stretch of a song at a time: numbers to know them again by.

Letters: K inputs, T samples, N stretches, D = K·N_VALUES, F bins.
"""

import numpy as np
from numpy.typing import NDArray

from mixcli.models.familiarity import N_VALUES

STRETCH_S = 4.0
EDGES_HZ = (125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0)
N_WINDOW = 2_048  # samples
QUIET = 1e-9  # mean square: an input below is silent

Block = NDArray[np.float32]
Values = NDArray[np.float64]


class Stretches:
    """Gathers stretches of inputs at the level that the network hears; the rest of a stretch is left out."""

    def __init__(self, n_inputs: int, sample_rate: int) -> None:
        self._rate = sample_rate
        self._n_stretch = round(STRETCH_S * sample_rate)
        self._begun_KT = np.zeros((n_inputs, 0), np.float32)
        self._found: list[Values] = []

    def push(self, inputs_KT: Block) -> None:
        """Take the next samples."""
        self._begun_KT = np.concatenate([self._begun_KT, inputs_KT], axis=1)
        while self._begun_KT.shape[1] >= self._n_stretch:
            values_D = stretch_values(self._begun_KT[:, : self._n_stretch], self._rate)
            if np.isfinite(values_D).any():
                self._found.append(values_D)
            self._begun_KT = self._begun_KT[:, self._n_stretch :]

    def values(self) -> Values:
        """All stretches so far that are not silent, `[N, D]`; a song shorter than one is one."""
        found = self._found
        if not found and self._begun_KT.shape[1]:
            found = [stretch_values(self._begun_KT, self._rate)]
            found = [values_D for values_D in found if np.isfinite(values_D).any()]
        return np.array(found).reshape(len(found), self._begun_KT.shape[0] * N_VALUES)


def stretch_values(inputs_KT: Block, sample_rate: int) -> Values:
    """The numbers of one stretch, `[D]`, input by input, in dB; NaN for silence.

    Band levels (mean squares, between EDGES_HZ), and the peak factor: the loudest window over the mean.
    """
    window_T = np.hanning(N_WINDOW + 2)[1:-1].astype(np.float32)
    n_windows = -(-inputs_KT.shape[1] // N_WINDOW)
    missing = n_windows * N_WINDOW - inputs_KT.shape[1]
    windows_KNT = np.pad(inputs_KT, ((0, 0), (0, missing))).reshape(len(inputs_KT), n_windows, N_WINDOW)
    spectra_KNF = np.fft.rfft(windows_KNT * window_T, axis=2)
    power_KNF = (np.square(spectra_KNF.real) + np.square(spectra_KNF.imag)).astype(np.float64)
    power_KNF *= 2 / (N_WINDOW * float(np.square(window_T).sum()))
    edges = np.searchsorted(np.fft.rfftfreq(N_WINDOW, 1 / sample_rate), EDGES_HZ)
    bands_KB = np.stack([part.sum(axis=(1, 2)) for part in np.split(power_KNF, edges, axis=2)], axis=1)
    energy_KN = np.einsum("knt,knt->kn", windows_KNT, windows_KNT) / N_WINDOW
    mean_K = energy_KN.mean(axis=1).astype(np.float64)
    peak_K = energy_KN.max(axis=1) / np.maximum(mean_K, QUIET)
    values_KV = 10 * np.log10(np.concatenate([bands_KB / n_windows, peak_K[:, None]], axis=1) + QUIET)
    values_KV[mean_K < QUIET] = np.nan
    return values_KV.ravel()
