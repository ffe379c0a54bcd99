"""Network and loss as one module, so that DistributedDataParallel sees which parameters the loss reaches."""

from __future__ import annotations

from dataclasses import fields

import torch
from torch import Tensor, nn

from svrn.config.parameters import Losses
from svrn.losses import LossParts, total_loss
from svrn.training.distributed import Group, gather, gather_output

#: The parts of the loss, `total` first.
PARTS = tuple(field.name for field in fields(LossParts))


class LossStep(nn.Module):
    """From this process's images to the loss of the whole batch."""

    def __init__(self, network: nn.Module, losses: Losses, group: Group, autocast: torch.dtype | None) -> None:
        super().__init__()
        self.network = network
        self.parts, self.group, self.autocast = losses, group, autocast

    def forward(self, images: Tensor, labels: Tensor, chances: Tensor | None) -> tuple[Tensor, Tensor]:
        """images [b, 3, H, W] and labels [b] of this process's part; chances: those of its random masks.

        Returns: the total loss, and the value of every part in the order of `PARTS` [parts], without a gradient.
        """
        with torch.autocast(images.device.type, dtype=self.autocast, enabled=self.autocast is not None):
            output = self.network(images, labels, chances)
        everyone = labels if self.group.world == 1 else gather(labels)
        parts = total_loss(gather_output(output, self.group), everyone, self.parts)
        return parts.total, torch.stack([getattr(parts, name).detach() for name in PARTS])
