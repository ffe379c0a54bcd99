"""The unified layer g: the stages' features in one space (equation 6, reading 13)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UnifiedLayer(nn.Module):
    """1x1 convolutions with BN and ReLU between them, shared by all stages: F [T, B, R] -> G [T, B, R] float32.

    A 1x1 convolution on the pooled 1x1 map is a linear layer, and is written as one. All stages pass together, so BN
    sees one population: the common space that g is to make. residual: G = F + g(F), starting at G = F.
    """

    def __init__(self, length: int, layers: int, residual: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(layers - 1):
            parts += [nn.Linear(length, length, bias=False), nn.BatchNorm1d(length), nn.ReLU()]
        last = nn.Linear(length, length)
        if residual:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*parts, last)
        self.residual = residual

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            unified = self.layers(features.flatten(0, 1)).view_as(features)
            return features + unified if self.residual else unified
