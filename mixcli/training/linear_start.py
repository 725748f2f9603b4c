"""The linear start: before it learns anything, a network gives the best mix that fixed gains can make.

Trained from random weights a network spends most of a small budget on finding the faders. Here they are
computed: the weights by which the output layer sees the raw inputs are set by least squares over the training
songs, those on features are zero, so that the first step begins at that mix.

Letters: S songs, K inputs, C outputs, T samples.
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
MATCHING_ROUNDS = 10  # of the songs' own gains and the gains from inputs to outputs, in turn

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
    gains_CK = fit_gains(
        songs,
        model,
        longest_s=settings.linear_start_s,
        ridge=settings.ridge,
        gain_match=settings.gain_match,
    )
    last = network.up[-1] if isinstance(network, MixDemucs) else network.output
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.zero_()
        view_CK.copy_(torch.from_numpy(gains_CK))
    return True


def fit_gains(
    songs: Sequence[PreparedSong],
    model: ModelSettings,
    *,
    longest_s: float,
    ridge: float,
    gain_match: bool = False,
) -> Matrix:
    """Return the gains `[C, K]` with the least squared error over all songs, at most `longest_s` of them.

    With `gain_match` every song has a gain of its own that is not looked for (the level of its mastering),
    and its error counts against its target's energy, so that a quiet song weighs what a loud one does.

    For a network behind the console they are those of its residuals: a 2 x 2 matrix for each bus, fitted to
    what the target, at the console's level, has beyond the console's mix. `ridge` pulls each gain to zero by
    so much of its input's own power; an input that is always silent gets zeros.
    """
    share = min(1.0, longest_s * model.sample_rate / max(1, sum(song.n_samples for song in songs)))
    if model.outputs == "mix":
        powers, products, energies = zip(*(_moments(song, share) for song in songs), strict=True)
        powers_SKK, products_SCK = np.array(powers), np.array(products)
        if gain_match:
            return _match_gains(powers_SKK, products_SCK, np.array(energies), ridge)
        return solve_ridge(powers_SKK.sum(axis=0), products_SCK.sum(axis=0), ridge)
    n_buses = model.n_inputs - 2
    power_KK, product_CK = np.zeros((n_buses, n_buses)), np.zeros((2, n_buses))
    for song in songs:
        gain = console_gain(song, share)
        for inputs_KT, target_CT in _blocks(song, share):
            buses_KT, console_CT = inputs_KT[:-2], inputs_KT[-2:]
            power_KK += buses_KT @ buses_KT.T
            product_CK += (target_CT / gain - console_CT) @ buses_KT.T
    return _per_bus(solve_ridge(power_KK, product_CK, ridge))


def _match_gains(powers_SKK: Matrix, products_SCK: Matrix, energies_S: Matrix, ridge: float) -> Matrix:
    """Gains and the songs' own gains in turn, each the best for the other; the latter have a mean of 0 dB."""
    sounding_S = energies_S > 0
    weights_S = np.divide(1.0, energies_S, out=np.zeros_like(energies_S), where=sounding_S)
    inputs_S = np.trace(powers_SKK, axis1=1, axis2=2)
    own_S = np.sqrt(np.divide(energies_S, inputs_S, out=np.ones_like(energies_S), where=inputs_S > 0))
    for _ in range(MATCHING_ROUNDS):
        gains_CK = solve_ridge(
            np.tensordot(weights_S * own_S**2, powers_SKK, 1),
            np.tensordot(weights_S * own_S, products_SCK, 1),
            ridge,
        )
        product_S = np.einsum("ck,sck->s", gains_CK, products_SCK)
        energy_S = np.einsum("ck,skj,cj->s", gains_CK, powers_SKK, gains_CK)
        own_S = np.divide(product_S, energy_S, out=np.ones_like(energy_S), where=energy_S > 0)
        own_S = np.clip(own_S, *GAIN_RANGE)
    usual = np.exp(np.log(own_S[sounding_S]).mean()) if sounding_S.any() else 1.0
    matched_CK: Matrix = gains_CK * usual
    return matched_CK


def _moments(song: PreparedSong, share: float) -> tuple[Matrix, Matrix, float]:
    """The inputs' powers and products, those with the target, and the energy of the target."""
    n_inputs = song.inputs_KT.shape[0]
    power_KK, product_CK, energy = np.zeros((n_inputs, n_inputs)), np.zeros((2, n_inputs)), 0.0
    for inputs_KT, target_CT in _blocks(song, share):
        power_KK += inputs_KT @ inputs_KT.T
        product_CK += target_CT @ inputs_KT.T
        energy += float(np.square(target_CT).sum())
    return power_KK, product_CK, energy


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
