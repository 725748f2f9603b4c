"""A running mean of a network's weights: steadier than the weights of any one step."""

import copy

import torch

from mixcli.models.network import Network


class RunningMean:
    """A second network whose weights follow those of the first; it is never trained itself.

    After n updates the share that is kept is min(`decay`, (1 + n) / (10 + n)), so that the first weights are
    soon forgotten.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.n_updates = 0
        self._decay = decay

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take in the weights after a step; what is no parameter (a count, a running statistic) is copied."""
        self.n_updates += 1
        kept = min(self._decay, (1 + self.n_updates) / (10 + self.n_updates))
        for weight, now in zip(self.network.parameters(), network.parameters(), strict=True):
            weight.lerp_(now, 1 - kept)
        for count, counted in zip(self.network.buffers(), network.buffers(), strict=True):
            count.copy_(counted)
