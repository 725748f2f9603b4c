"""The bound on residuals, as mixing applies it, for gradients to run through.

Letters: B batch, K buses, C = 2 channels, M hops, T samples, J samples of a hop.
"""

import torch
from torch import Tensor
from torch.nn import functional

from mixcli.audio.decibels import db_to_gain
from mixcli.engine.bound import DEFAULT_BOUND_DB, HOP_S, WINDOW_HOPS


def bound_residual(
    residual_BKCT: Tensor, buses_BKCT: Tensor, sample_rate: int, *, bound_db: float = DEFAULT_BOUND_DB
) -> Tensor:
    """Scale residuals `[B, K, C, T]` so that in every 50 ms they stay `bound_db` below their bus.

    The same as `mixcli.engine.bound.ResidualBound` gives for a song that is this piece: outside of it is
    silence. Gradients run through the gain too.
    """
    n_samples = residual_BKCT.shape[-1]
    hop = max(1, round(HOP_S * sample_rate))
    after = -n_samples % hop
    bus_BKM = _hop_energies(functional.pad(buses_BKCT, (0, after)), hop)
    residual_BKM = _hop_energies(functional.pad(residual_BKCT, (0, after)), hop)
    # windows at every hop, also those that begin before the piece and end after it
    bus_window_BKM = _window_sums(functional.pad(bus_BKM, (WINDOW_HOPS, WINDOW_HOPS)))
    residual_window_BKM = _window_sums(functional.pad(residual_BKM, (WINDOW_HOPS, WINDOW_HOPS)))
    is_there_BKM = residual_window_BKM > 0
    one_BKM = torch.ones_like(residual_window_BKM)
    ratio_BKM = bus_window_BKM / torch.where(is_there_BKM, residual_window_BKM, one_BKM)
    is_limited_BKM = is_there_BKM & (db_to_gain(bound_db) ** 2 * ratio_BKM < 1)
    # a root has no slope at zero: where the bus is silent the gain is 0, and so is its gradient
    has_root_BKM = is_limited_BKM & (ratio_BKM > 0)
    root_BKM = torch.where(has_root_BKM, ratio_BKM, one_BKM).sqrt() * db_to_gain(bound_db)
    limited_BKM = torch.where(has_root_BKM, root_BKM, torch.zeros_like(root_BKM))
    allowed_BKM = torch.where(is_limited_BKM, limited_BKM, one_BKM)
    hop_BKM = -functional.max_pool1d(-allowed_BKM, WINDOW_HOPS, stride=1)
    boundaries_BKM = torch.minimum(hop_BKM[..., :-1], hop_BKM[..., 1:])
    share_J = (torch.arange(hop, device=residual_BKCT.device, dtype=residual_BKCT.dtype) + 0.5) / hop
    rise_BKM = boundaries_BKM[..., 1:] - boundaries_BKM[..., :-1]
    gains_BKMJ = boundaries_BKM[..., :-1, None] + rise_BKM[..., None] * share_J
    gains_BKT = gains_BKMJ.flatten(2)[..., :n_samples]
    return residual_BKCT * gains_BKT[:, :, None]


def _hop_energies(signal_BKCT: Tensor, hop: int) -> Tensor:
    energy_BKT = signal_BKCT.square().sum(dim=2)
    return energy_BKT.reshape(*energy_BKT.shape[:2], -1, hop).sum(dim=-1)


def _window_sums(energies_BKM: Tensor) -> Tensor:
    return energies_BKM.unfold(-1, WINDOW_HOPS, 1).sum(dim=-1)
