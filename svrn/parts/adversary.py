"""An adversary by gradient reversal: one backward pass trains it and what it judges, against each other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2  # of leaky ReLUs


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return -gradient


def reversed_gradient(values: Tensor) -> Tensor:
    """The values as they are; their gradient with its sign changed (Ganin and Lempitsky, ICML 2015)."""
    return _Reversal.apply(values)  # type: ignore[no-any-return]


def generator(inputs: int, length: int) -> nn.Sequential:
    """Linear layer, BN, leaky ReLU, linear layer: [B, inputs] -> [B, length]."""
    return nn.Sequential(
        nn.Linear(inputs, length, bias=False), nn.BatchNorm1d(length), nn.LeakyReLU(_SLOPE), nn.Linear(length, length)
    )


class Discriminator(nn.Module):
    """Linear layer and leaky ReLU, then two linear layers: whether a feature is real, and whose it is.

    length: R, of a feature; identities: N.
    """

    def __init__(self, length: int, identities: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(length, length)
        self.real = nn.Linear(length, 1)
        self.identity = nn.Linear(length, identities)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features: [B, R]. Returns: logits of being real [B], and of the vehicles [B, N]."""
        hidden = F.leaky_relu(self.hidden(features), _SLOPE)
        return self.real(hidden).squeeze(1), self.identity(hidden)


def adversarial_loss(real: Tensor, inferred: Tensor) -> Tensor:
    """Cross entropy of telling real from inferred features, mean over both kinds: scalar.

    real, inferred: [B] logits of being real. The adversary lowers it; what infers, behind `reversed_gradient`, raises
    it.
    """
    told = F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
    return (told + F.binary_cross_entropy_with_logits(inferred, torch.zeros_like(inferred))) / 2
