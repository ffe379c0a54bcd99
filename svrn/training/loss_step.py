"""From a batch to its loss, and to the gradients.

Network and loss are one module, so that DistributedDataParallel sees which parameters the loss reaches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from svrn.parts.losses import MethodLosses
from svrn.parts.output import Seen, Targets
from svrn.training.distributed import Group, gathered
from svrn.training.passes import Passes


class LossStep(nn.Module):
    """From this process's part of a batch to the loss of the whole batch."""

    def __init__(self, network: nn.Module, losses: MethodLosses, group: Group, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.network, self.losses = network, losses
        self.group, self.autocast = group, autocast
        #: The parts of the loss, `total` first.
        self.names = ("total", *losses.names)

    def forward(self, seen: Seen, rows: Tensor) -> tuple[Tensor, Tensor]:
        """seen: this process's part of the batch, with labels; rows [b]: its images' numbers among the training images.

        Returns: the total loss, and the value of every part in the order of `names` [parts], without a gradient.
        """
        with torch.autocast(seen.images.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            output = self.network(seen)
        assert seen.labels is not None
        targets = Targets(seen.labels, rows, seen.side, seen.pretraining)
        parts = self.losses(gathered(output, self.group), gathered(targets, self.group))
        return parts.total, torch.stack([parts[name].detach() for name in self.names])


class Gradients:
    """Forward, loss and backward of a batch: the gradients are added to the parameters'.

    step: a `LossStep`, or what wraps it. batches: how many make a step; the loss is divided by them. Nothing in a call
    needs a value from the device, so that it can be captured (`svrn.training.captured`).
    """

    def __init__(self, step: nn.Module, scaler: torch.amp.GradScaler, passes: Passes, batches: int) -> None:
        self.step, self.scaler, self.passes, self.batches = step, scaler, passes, batches

    def __call__(self, seen: Seen, rows: Tensor) -> Tensor:
        """The value of every part of the loss [parts], without a gradient. As `LossStep` takes them."""
        total, parts = self.step(seen, rows)
        self.scaler.scale(total if self.batches == 1 else total / self.batches).backward()
        self.passes.settle()
        return parts  # type: ignore[no-any-return]
