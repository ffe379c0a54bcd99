"""Pooling by maps: a vector for each of several maps laid over the features."""

from __future__ import annotations

import torch
from torch import Tensor

from svrn.parts.classes import one_of
from svrn.parts.grid import cell_index


def pool_by_maps(features: Tensor, maps: Tensor) -> Tensor:
    """The mean over positions of map times features: [B, C, h, w] x [B, M, h, w] -> [B, M, C] float32.

    With maps of ones every vector is the average pooling of the features.
    """
    positions = features.shape[-2] * features.shape[-1]
    with torch.autocast(features.device.type, enabled=False):
        return maps.float().flatten(2) @ features.float().flatten(2).transpose(1, 2) / positions


def stripe_maps(stripes: int, height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Maps [stripes, height, width] by which `pool_by_maps` gives the mean over each horizontal stripe.

    Rows are split as our grid's cells: row r lies in stripe floor(r * stripes / height).
    """
    inside = one_of(cell_index(height, stripes, device), stripes).T.float()  # [stripes, height]
    return (inside * (height / inside.sum(1, keepdim=True))).unsqueeze(2).expand(-1, -1, width)


def as_picture(maps: Tensor) -> Tensor:
    """Maps [B, h, w], not negative, scaled so that each image's greatest value is 1: to be looked at."""
    return (maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-12)).float()
