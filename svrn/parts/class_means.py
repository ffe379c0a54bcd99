"""The mean feature of each class over the training images, kept while they are trained on."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from svrn.parts.classes import one_of

_MOMENTUM = 0.02
_LEAST = 1e-30  # a share below it counts as none: what a class had has faded out of float32


class ClassMeans(nn.Module):
    """Running means of features by class, that belong to the network: a trained model has them.

    classes: V; length: A. A batch normalisation keeps running means of two things: 1 where the image is of the class,
    and its feature there. Their quotient is the class's mean over the last hundred batches or so. The statistics are
    so those of the whole batch on any number of processes, and a class that does not come keeps its mean.
    """

    def __init__(self, classes: int, length: int) -> None:
        super().__init__()
        self.classes, self.length = classes, length
        self.statistics = nn.BatchNorm1d(classes * (1 + length), momentum=_MOMENTUM, affine=False)

    @torch.no_grad()
    def update(self, features: Tensor, labels: Tensor) -> None:
        """Take in features [B, A] of classes `labels` [B]; -1 is none of them. In training mode alone."""
        if not self.training:
            return
        member = one_of(labels, self.classes).float()  # [B, V]
        whose = member.unsqueeze(2) * features.float().unsqueeze(1)
        with torch.autocast(features.device.type, enabled=False):
            self.statistics(torch.cat([member, whose.flatten(1)], 1))

    def means(self) -> Tensor:
        """[V, A] float32, without a gradient; zeros for a class that has not come."""
        found = self.statistics.running_mean
        assert found is not None
        share, sums = found[: self.classes], found[self.classes :].view(self.classes, self.length)
        there = (share > _LEAST).unsqueeze(1)
        return torch.where(there, sums / share.clamp(min=_LEAST).unsqueeze(1), torch.zeros_like(sums)).detach().clone()
