"""Spatial information mining: from the basic feature map X^5 to the spatial feature X (section III-A, reading 5)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_HIDDEN = 8


class SpatialMining(nn.Module):
    """Channel-wise mean and max, two 3x3 convolutions, a sigmoid gate on the map.

    [B, C, h, w] -> [B, C, h, w]. The gate [B, 1, h, w] is one value a position, shared by all channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(2, _HIDDEN, 3, padding=1, bias=False),
            nn.BatchNorm2d(_HIDDEN),
            nn.ReLU(),
            nn.Conv2d(_HIDDEN, 1, 3, padding=1),
        )

    def gate(self, features: Tensor) -> Tensor:
        """The gate [B, 1, h, w] in (0, 1)."""
        pooled = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        return torch.sigmoid(self.convolutions(pooled))

    def forward(self, features: Tensor) -> Tensor:
        """X = gate(X^5) * X^5."""
        return features * self.gate(features)
