"""How well a stem is explained by others, from their inner products alone.

Legend: N channels of all stems, S channels of the stem in question, P channels of the stems that may explain
it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEGLIGIBLE = 1e-12  # of the largest eigenvalue: rounding in the inner products

Gram = NDArray[np.float64]


@dataclass(frozen=True)
class Explanation:
    """The best sum of other stems with gains of zero or more: what is left over, and what each stem gives.

    Both are shares of the energy of the stem that is explained. `gains` are each stem's, [its channels, S].
    """

    residual: float
    shares: Mapping[str, float]
    gains: Mapping[str, Gram]


def smallest_residuals(gram_NN: Gram, channels: Mapping[str, slice]) -> dict[str, float]:
    """What any gains, also negative ones, would leave of each stem: a lower bound, as a share.

    The inverse of the inner products holds it for all stems at once: the channels of a stem that the others
    cannot give have the inner products inv(inv(G)_SS), a Schur complement.
    """
    scale_N = np.sqrt(np.maximum(np.diag(gram_NN), 0.0))
    scale_N[scale_N == 0] = 1.0
    normal_NN = gram_NN / np.outer(scale_N, scale_N)
    # Stems that are sums of others make the matrix singular; this share of each channel makes it invertible.
    inverse_NN = np.linalg.inv(normal_NN + 1e-8 * np.eye(len(normal_NN)))
    residuals = {}
    for name, part in channels.items():
        energy = float(np.trace(gram_NN[part, part]))
        left_SS = np.linalg.inv(inverse_NN[part, part]) * np.outer(scale_N[part], scale_N[part])
        residuals[name] = max(0.0, float(np.trace(left_SS))) / energy if energy > 0 else 1.0
    return residuals


def explain(gram_NN: Gram, channels: Mapping[str, slice], name: str, others: Sequence[str]) -> Explanation:
    """The non-negative least squares fit of a stem by others; every channel of it may take any of theirs.

    Where the search for it does not end, nothing is explained.
    """
    from scipy.optimize import nnls

    target = channels[name]
    energy = float(np.trace(gram_NN[target, target]))
    if energy <= 0 or not others:
        return Explanation(1.0, {}, {})
    rows = np.concatenate([np.arange(channels[other].start, channels[other].stop) for other in others])
    gram_PP = gram_NN[np.ix_(rows, rows)]
    # ‖Ax − b‖² needs only A'A: any root of it stands in for the signals.
    values, vectors = np.linalg.eigh(gram_PP)
    kept = values > NEGLIGIBLE * max(values[-1], 0.0)
    roots = np.sqrt(values[kept])
    root_PP = roots[:, None] * vectors[:, kept].T
    left, given = 0.0, dict.fromkeys(others, 0.0)
    gains_PS = np.zeros((len(rows), target.stop - target.start))
    for channel in range(target.start, target.stop):
        products_P = gram_NN[rows, channel]
        try:
            gains_P, _ = nnls(root_PP, (vectors[:, kept].T @ products_P) / roots, maxiter=30 * len(rows))
        except RuntimeError:
            return Explanation(1.0, {}, {})
        gains_PS[:, channel - target.start] = gains_P
        left += gram_NN[channel, channel] - 2 * gains_P @ products_P + gains_P @ gram_PP @ gains_P
        start = 0
        for other in others:
            stop = start + channels[other].stop - channels[other].start
            part = gains_P[start:stop]
            given[other] += float(part @ gram_PP[start:stop, start:stop] @ part)
            start = stop
    ends = np.cumsum([channels[other].stop - channels[other].start for other in others])
    return Explanation(
        max(0.0, float(left)) / energy,
        {other: share / energy for other, share in given.items()},
        dict(zip(others, np.split(gains_PS, ends[:-1]), strict=True)),
    )
