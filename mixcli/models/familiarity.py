"""What a network has heard in training, and how much of a song is like it.

A network on unfamiliar input makes artefacts with the same confidence as music. So a model carries the mean
and the covariance of what its inputs sounded like, and two distances of held-out songs: what is nearer than
the first is familiar, what is farther than the second is not.

Letters: K inputs, D = K·N_VALUES numbers of a stretch, N stretches.
SOURCE: Mahalanobis, "On the generalised distance in statistics", 1936; Lee, Lee, Lee, Shin, "A simple unified
framework for detecting out-of-distribution samples", NeurIPS 2018, for the use of it.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

N_VALUES = 9  # numbers of a stretch and an input: levels of eight bands, and how peaky it is, dB
NEAR, FAR = 95.0, 99.5  # percentiles of held-out stretches
LITTLE_DB = 1.0  # differences that mean nothing
FEWEST_LEARNT, FEWEST_HELD_OUT = 50, 20  # stretches: with fewer nothing is known

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Familiarity:
    """Mean `[D]` and covariance `[D, D]` of the stretches learnt from, and the two distances."""

    mean_D: Values
    covariance_DD: Values
    near: float
    far: float

    @classmethod
    def learn(cls, learnt_ND: Values, held_out_ND: Values) -> Self | None:
        """Learn from stretches; NaN is an input that is silent. None where there are too few of them."""
        if len(learnt_ND) < FEWEST_LEARNT or len(held_out_ND) < FEWEST_HELD_OUT:
            return None
        heard_ND = np.isfinite(learnt_ND)
        n_heard_D = np.maximum(heard_ND.sum(axis=0), 1)
        mean_D = np.where(heard_ND, learnt_ND, 0.0).sum(axis=0) / n_heard_D
        apart_ND = np.where(heard_ND, learnt_ND - mean_D, 0.0)
        covariance_DD = apart_ND.T @ apart_ND / len(learnt_ND) + LITTLE_DB**2 * np.eye(len(mean_D))
        covariance_DD = (covariance_DD + covariance_DD.T) / 2  # to the last bit
        # Rounded as they will be stored, so that a loaded model judges as this one does.
        learnt = cls(_stored(mean_D), _stored(covariance_DD), 0.0, 0.0)
        near, far = np.percentile(learnt.distances(held_out_ND), [NEAR, FAR])
        return cls(learnt.mean_D, learnt.covariance_DD, float(near), max(float(far), float(near) + 1e-6))

    def distances(self, stretches_ND: Values) -> Values:
        """How far stretches are from what was learnt, `[N]`: about 1 for the like.

        The root of the mean Mahalanobis square, over the inputs that sound: a microphone that a kit has not
        is nothing unfamiliar.
        """
        found_N = np.zeros(len(stretches_ND))
        sounds_ND = np.isfinite(stretches_ND)
        for sounds_D in np.unique(sounds_ND, axis=0):
            alike_N = (sounds_ND == sounds_D).all(axis=1)
            if not sounds_D.any():
                continue
            apart_ND = stretches_ND[alike_N][:, sounds_D] - self.mean_D[sounds_D]
            covariance_DD = self.covariance_DD[np.ix_(sounds_D, sounds_D)]
            squares_N = np.einsum("nd,dn->n", apart_ND, np.linalg.solve(covariance_DD, apart_ND.T))
            found_N[alike_N] = np.sqrt(squares_N / sounds_D.sum())
        return found_N

    def share(self, stretches_ND: Values) -> float:
        """How much of a song is familiar, 0 to 1; 1 for silence, in which nothing can go wrong."""
        if not len(stretches_ND):
            return 1.0
        known_N = (self.far - self.distances(stretches_ND)) / (self.far - self.near)
        return float(np.clip(known_N, 0.0, 1.0).mean())


def _stored(values: Values) -> Values:
    return values.astype(np.float32).astype(np.float64)
