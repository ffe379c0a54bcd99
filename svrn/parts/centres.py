"""The centre of each training vehicle's features, and the centre loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from svrn.parts.classes import counts_of


class ClassCentres(nn.Module):
    """Centre loss (Wen et al., ECCV 2016): half the squared distance to the vehicle's centre, mean over the batch.

    After the loss each centre of the batch moves by `rate` times sum(f - c) / (1 + n) over its n images (their equation
    4). The centres [N, R] have no gradient; they are part of a checkpoint.
    """

    centres: Tensor

    def __init__(self, identities: int, length: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.register_buffer("centres", torch.zeros(identities, length))

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The loss, scalar, of features [B, R] with labels [B]; then the centres move."""
        features = features.float()
        loss = (features - self.centres[labels].clone()).square().sum(1).mean() / 2
        if self.training:
            self._move(features.detach(), labels)
        return loss

    @torch.no_grad()
    def _move(self, features: Tensor, labels: Tensor) -> None:
        pull = torch.zeros_like(self.centres).index_add_(0, labels, features - self.centres[labels])
        number = counts_of(labels, len(self.centres))
        self.centres += self.rate * pull / (1 + number).unsqueeze(1)
