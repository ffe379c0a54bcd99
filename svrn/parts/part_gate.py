"""Attention over the parts of a vehicle, and refining a map before it is pooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from svrn.parts.regions import part_means, seen_parts, to_map


class PartGate(nn.Module):
    """A weight for each part that an image shows, from the mean feature of its cells (part attention of PGAN).

    Two weight-normalised linear layers C -> C / reduction -> C, layer normalisation and ReLU between them; the mean of
    the result over channels is a part's score, and a softmax over the scores times `temperature` its weight. A part
    that the image does not show has weight 0.
    """

    def __init__(self, channels: int, reduction: int = 4, temperature: float = 10.0) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.temperature = temperature
        self.first = weight_norm(nn.Linear(channels, hidden, bias=False), dim=None)  # type: ignore[arg-type]  # one length for the whole matrix
        self.norm = nn.LayerNorm(hidden)
        self.second = weight_norm(nn.Linear(hidden, channels, bias=False), dim=None)  # type: ignore[arg-type]

    def weights(self, features: Tensor, masks: Tensor, seen: Tensor) -> Tensor:
        """[B, K] float32, of a map [B, C, h, w] by masks [B, K, h, w]; seen: [B, K] of 0 and 1."""
        means = part_means(features, masks)
        with torch.autocast(features.device.type, enabled=False):
            hidden = torch.relu(self.norm(self.first(means)))
            scores = self.temperature * self.second(hidden).mean(2)
            there = seen > 0
            lowest = torch.finfo(scores.dtype).min
            weights: Tensor = scores.masked_fill(~there, lowest).softmax(1) * there
            return weights

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        """The attention [B, 1, h, w] over a map [B, C, h, w], 0 where there is no part: sum_k a_k M_k.

        masks: [B, K, 32, 32]. M_k is a part's share of each cell of the map over the greatest of these shares, so that
        a part smaller than a cell counts as a whole one.
        """
        cells = to_map(masks, *features.shape[-2:])
        weights = self.weights(features, cells, seen_parts(masks))
        full = cells / cells.amax((2, 3), keepdim=True).clamp(min=torch.finfo(cells.dtype).tiny)
        return (weights[:, :, None, None] * full).sum(1, keepdim=True)


class Refinement(nn.Module):
    """Squeeze and excitation (ratio 8), a pre-activation bottleneck, average pooling; as PGAN refines its maps.

    channels: C of the map; length: R. [B, C, h, w] to [B, R] float32.
    """

    def __init__(self, channels: int, length: int) -> None:
        super().__init__()
        squeezed, middle = max(1, channels // 8), max(1, length // 4)
        self.excite = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )
        self.enter = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.bottleneck = nn.Sequential(
            nn.Conv2d(channels, middle, 1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Conv2d(middle, length, 1, bias=False),
        )
        self.shortcut = nn.Conv2d(channels, length, 1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")

    def forward(self, features: Tensor) -> Tensor:
        gate = self.excite(features.mean((2, 3)))
        entered = self.enter(features * gate[:, :, None, None])
        refined: Tensor = self.bottleneck(entered) + self.shortcut(entered)
        return refined.mean((2, 3), dtype=torch.float32)
