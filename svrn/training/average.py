"""A moving average of a network's weights, which is the model that a training leaves."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class MovingAverage:
    """The exponential moving average of every floating tensor of a network: parameters and running statistics.

    It starts at the network's first weights. decay: how much of it stays at a step; at the first ones less, n / (9 + n)
    at step n, so that a short training is not an average of its start. Tensors of whole numbers follow the network as
    they are. It is the same in every process, because their networks are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network, self.decay = network, decay
        self.values = {name: one.detach().clone() for name, one in network.state_dict().items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Take the network in after its `steps`th step (from 1)."""
        weight = 1 - min(self.decay, steps / (9 + steps))
        now = self.network.state_dict()
        averaged = [name for name, one in self.values.items() if one.is_floating_point()]
        torch._foreach_lerp_([self.values[name] for name in averaged], [now[name] for name in averaged], weight)
        for name in self.values.keys() - set(averaged):
            self.values[name].copy_(now[name])

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to `values` that were kept."""
        for name, one in self.values.items():
            one.copy_(tensors[name])
