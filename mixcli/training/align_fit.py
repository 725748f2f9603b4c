"""The delay at which a mix is best explained by its stems, each with a gain of its own.

A sum of stems cannot tell it to the sample: where the mix is mostly the overheads and the sum mostly the
close microphones, their lag is that of the sound on its way from drum to ceiling. At the true delay the mix
lies in the span of its stems, at others it does not.

Letters: N stems, L lags, T samples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPHASIS = 0.95  # the bass, which is of one phase over many samples, must not speak for all
RIDGE = 1e-4  # of each stem's energy: microphones that hear the same share what they explain
AS_GOOD = 0.995  # of what the best delay explains: a mix that was exported with its stems lies at 0

Signals = NDArray[np.float32]


@dataclass(frozen=True)
class FittedDelay:
    """The mix is so many samples later than its stems, and upside down; `explained` is a share of energy."""

    later_samples: int
    inverted: bool
    explained: float


class StemFit:
    """Sums up what the least-squares fit of a mix by its stems takes, at all lags of a window.

    The lags are `centre` ± `reach` samples by which the mix is later. Blocks are pushed in order from sample
    0 on, each with the mix from `reach` samples before to `reach` samples after it, taken at `centre`.
    """

    def __init__(self, n_stems: int, centre: int, reach: int) -> None:
        self.centre, self.reach = centre, reach
        self._gram_NN = np.zeros((n_stems, n_stems))
        self._products_NL = np.zeros((n_stems, 2 * reach + 1))
        self._mix_energy = 0.0
        self._last_N1 = np.zeros((n_stems, 1), np.float32)

    def push(self, stems_NT: Signals, mix_T: Signals) -> None:
        """Take the next block of all stems (mono), [N, T], and the mix around it, [1 + reach + T + reach].

        The mix has one sample more in front, for the emphasis.
        """
        from scipy.fft import irfft, next_fast_len, rfft

        n_samples = stems_NT.shape[1]
        before_NT = np.concatenate([self._last_N1, stems_NT], axis=1)
        sharp_NT = before_NT[:, 1:] - np.float32(EMPHASIS) * before_NT[:, :-1]
        sharp_T = mix_T[1:] - np.float32(EMPHASIS) * mix_T[:-1]
        self._last_N1 = stems_NT[:, -1:]
        self._gram_NN += (sharp_NT @ sharp_NT.T).astype(np.float64)
        inside_T = sharp_T[self.reach : self.reach + n_samples]
        self._mix_energy += float(inside_T @ inside_T)
        n_fft = next_fast_len(n_samples + 2 * self.reach, real=True)
        mix_F = rfft(sharp_T, n_fft)
        for row, sharp in enumerate(sharp_NT):  # one after the other: a block of spectra of all is large
            if sharp.any():
                lags_L = irfft(np.conj(rfft(sharp, n_fft)) * mix_F, n_fft)
                self._products_NL[row] += lags_L[: 2 * self.reach + 1]

    def best(self) -> FittedDelay:
        """The lag that explains most of the mix; 0 where it explains as much."""
        energies_N = np.diag(self._gram_NN)
        sounding_N = energies_N > 0
        if not sounding_N.any() or self._mix_energy <= 0:
            return FittedDelay(self.centre, False, 0.0)
        gram_NN = self._gram_NN[np.ix_(sounding_N, sounding_N)]
        products_NL = self._products_NL[sounding_N]
        gains_NL = np.linalg.solve(gram_NN + RIDGE * np.diag(np.diag(gram_NN)), products_NL)
        explained_L = (gains_NL * products_NL).sum(axis=0)
        place = int(np.argmax(explained_L))
        at_zero = self.reach - self.centre
        if 0 <= at_zero < len(explained_L) and explained_L[at_zero] >= AS_GOOD * explained_L[place]:
            place = at_zero
        parts_N = gains_NL[:, place] * products_NL[:, place]
        inverted = float(parts_N[gains_NL[:, place] < 0].sum()) > float(parts_N[gains_NL[:, place] > 0].sum())
        share = float(explained_L[place]) / self._mix_energy
        return FittedDelay(self.centre + place - self.reach, inverted, min(max(share, 0.0), 1.0))
