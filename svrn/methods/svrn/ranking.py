"""The salience ranking layer: S_t, how salient each cell of the grid is (section III-A, reading 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from svrn.parts.grid import cell_means


class SalienceRanking(nn.Module):
    """Average pooling to the grid, a 1x1 convolution block to one channel, a sigmoid.

    X_t [B, C, h, w] -> S_t [B, g, g] float32 in (0, 1). Unless `to_features`, the reward's gradient stops at X_t, so
    that learning to rank does not change what is ranked. Computed in float32, also under autocast: rounded scores tie.
    """

    def __init__(self, channels: int, grid: int, to_features: bool) -> None:
        super().__init__()
        self.grid = grid
        self.to_features = to_features
        self.convolution = nn.Conv2d(channels, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(1)

    def forward(self, features: Tensor) -> Tensor:
        if not self.to_features:
            features = features.detach()
        with torch.autocast(features.device.type, enabled=False):
            pooled = cell_means(features, self.grid).float()
            return torch.sigmoid(self.norm(self.convolution(pooled))).squeeze(1)
