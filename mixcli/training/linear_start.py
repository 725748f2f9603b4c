"""The linear start: before it learns anything, a network gives the best mix that fixed gains can make.

Trained from random weights a network spends most of a small budget on finding the faders. Here they are
computed: the weights by which the output layer sees the raw inputs are set by least squares over the training
songs, those on features are zero, so that the first step begins at that mix.

Letters: K inputs, C outputs, T samples.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mixcli.models.mix_demucs import MixDemucs
from mixcli.models.network import Network
from mixcli.models.settings import ModelSettings
from mixcli.settings import TrainSettings
from mixcli.training.losses import GAIN_RANGE
from mixcli.training.prepared_song import PreparedSong

BLOCK_S = 10.0  # what is read at once

Matrix = NDArray[np.float64]


def set_linear_start(
    network: Network, songs: Sequence[PreparedSong], model: ModelSettings, settings: TrainSettings
) -> bool:
    """Set a network's output layer to the best fixed gains; returns whether it has such a layer.

    What else reaches the output (features, a bias) begins at zero.
    """
    view_CK = network.output_layer_on_inputs()
    if view_CK is None:
        return False
    gains_CK = fit_gains(songs, model, longest_s=settings.linear_start_s, ridge=settings.ridge)
    last = network.up[-1] if isinstance(network, MixDemucs) else network.output
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.zero_()
        view_CK.copy_(torch.from_numpy(gains_CK))
    return True


def fit_gains(
    songs: Sequence[PreparedSong], model: ModelSettings, *, longest_s: float, ridge: float
) -> Matrix:
    """Return the gains `[C, K]` with the least squared error over all songs, at most `longest_s` of them.

    For a network behind the console they are those of its residuals: a 2 x 2 matrix for each bus, fitted to
    what the target, at the console's level, has beyond the console's mix. `ridge` pulls each gain to zero by
    so much of its input's own power; an input that is always silent gets zeros.
    """
    share = min(1.0, longest_s * model.sample_rate / max(1, sum(song.n_samples for song in songs)))
    if model.outputs == "mix":
        power_KK, product_CK = np.zeros((model.n_inputs, model.n_inputs)), np.zeros((2, model.n_inputs))
        for song in songs:
            for inputs_KT, target_CT in _blocks(song, share):
                power_KK += inputs_KT @ inputs_KT.T
                product_CK += target_CT @ inputs_KT.T
        return solve_ridge(power_KK, product_CK, ridge)
    n_buses = model.n_inputs - 2
    power_KK, product_CK = np.zeros((n_buses, n_buses)), np.zeros((2, n_buses))
    for song in songs:
        gain = console_gain(song, share)
        for inputs_KT, target_CT in _blocks(song, share):
            buses_KT, console_CT = inputs_KT[:-2], inputs_KT[-2:]
            power_KK += buses_KT @ buses_KT.T
            product_CK += (target_CT / gain - console_CT) @ buses_KT.T
    return _per_bus(solve_ridge(power_KK, product_CK, ridge))


def solve_ridge(power_KK: Matrix, product_CK: Matrix, ridge: float) -> Matrix:
    """Solve the normal equations with a pull to zero of `ridge` times each input's own power, `[C, K]`."""
    diagonal_K = np.diag(power_KK)
    scale_K: NDArray[np.float64] = np.where(diagonal_K > 0, diagonal_K, np.inf) ** -0.5
    scaled_KK = power_KK * scale_K[:, None] * scale_K + np.eye(len(scale_K)) * max(ridge, 1e-12)
    solved_KC = np.linalg.solve(scaled_KK, (product_CK * scale_K).T)
    gains_CK: Matrix = solved_KC.T * scale_K
    return gains_CK


def console_gain(song: PreparedSong, share: float = 1.0) -> float:
    """The gain on the console's mix (the last two inputs) that comes nearest to the target."""
    product, energy = 0.0, 0.0
    for inputs_KT, target_CT in _blocks(song, share):
        product += float((inputs_KT[-2:] * target_CT).sum())
        energy += float(np.square(inputs_KT[-2:]).sum())
    return float(np.clip(product / energy, *GAIN_RANGE)) if energy > 0 else 1.0


def _per_bus(gains_CK: Matrix) -> Matrix:
    """Gains from all buses to the mix, as gains from each bus to its own residual, `[K, K + 2]`."""
    n_buses = gains_CK.shape[1]
    residual_KK = np.zeros((n_buses, n_buses + 2))
    for first in range(0, n_buses, 2):
        residual_KK[first : first + 2, first : first + 2] = gains_CK[:, first : first + 2]
    return residual_KK


def _blocks(song: PreparedSong, share: float) -> Iterator[tuple[Matrix, Matrix]]:
    """Blocks of inputs and target in 64-bit floats, evenly spread over `share` of a song."""
    size = max(1, round(BLOCK_S * song.sample_rate))
    n_blocks = -(-song.n_samples // size)
    wanted = np.unique(np.linspace(0, n_blocks - 1, max(1, round(n_blocks * share))).round().astype(int))
    for number in wanted if n_blocks else ():
        start = int(number) * size
        inputs_KT = np.asarray(song.inputs_KT[:, start : start + size], np.float64)
        yield inputs_KT, np.asarray(song.target_CT[:, start : start + size], np.float64)
