"""Turning images by quarters, and telling how far they were turned: self-supervision by rotation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

QUARTERS = 4


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Square images [B, 3, H, H], each turned to the left by its number of quarters, [B] of 0 to 3."""
    result = images
    for quarters in range(1, QUARTERS):
        chosen = (turns == quarters).view(-1, 1, 1, 1)
        result = torch.where(chosen, torch.rot90(images, quarters, (2, 3)), result)
    return result


@contextmanager
def running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Within it, batch normalisations in `module` use the batch's statistics but leave their running ones alone."""
    norms = [one for one in module.modules() if isinstance(one, nn.modules.batchnorm._BatchNorm)]
    momenta = [one.momentum for one in norms]
    try:
        for one in norms:
            one.momentum = 0.0
        yield
    finally:
        for one, momentum in zip(norms, momenta, strict=True):
            one.momentum = momentum


class TurnHead(nn.Module):
    """Two small residual blocks of stride 2, average pooling, a cosine classifier: [B, C, h, w] -> [B, 4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(_Residual(channels), _Residual(channels))
        self.directions = nn.Parameter(torch.empty(QUARTERS, channels))
        self.scale = nn.Parameter(torch.tensor(10.0))
        nn.init.normal_(self.directions, std=0.01)

    def forward(self, features: Tensor) -> Tensor:
        pooled = self.blocks(features).mean((2, 3), dtype=torch.float32)
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * F.normalize(pooled, dim=1) @ F.normalize(self.directions, dim=1).T


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(_convolution(channels, 2), nn.ReLU(), _convolution(channels, 1))
        self.skip = nn.Sequential(nn.Conv2d(channels, channels, 1, stride=2, bias=False), nn.BatchNorm2d(channels))

    def forward(self, features: Tensor) -> Tensor:
        return F.relu(self.inner(features) + self.skip(features))


def _convolution(channels: int, stride: int) -> nn.Sequential:
    made = nn.Conv2d(channels, channels, 3, stride=stride, padding=1, bias=False)
    nn.init.kaiming_normal_(made.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(made, nn.BatchNorm2d(channels))
