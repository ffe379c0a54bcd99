"""Triplets whose anchors are not images of the batch: centres of vehicles or of groups."""

from __future__ import annotations

import torch
from torch import Tensor

from svrn.parts.losses.pairs import FLOOR


def anchored_hinge(anchors: Tensor, features: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean over an anchor's positives, then over anchors, of max(D(positive) - D(nearest negative) + margin, 0).

    As the coupled clusters loss (Liu et al., CVPR 2016) has it. anchors: [A, R], without a gradient; features: [B, R];
    positive, negative: [A, B] bool, which of the features count. Distances are Euclidean. Anchors without a partner of
    either kind do not count; with none left the result is 0.
    """
    features = features.float()
    differences = anchors.detach().float().unsqueeze(1) - features.unsqueeze(0)
    distances = differences.square().sum(2).clamp(min=FLOOR).sqrt()
    whole = positive.any(1) & negative.any(1)
    nearest = distances.masked_fill(~negative, torch.inf).amin(1).masked_fill(~whole, 0.0)
    gaps = torch.relu(distances - nearest.unsqueeze(1) + margin)
    counted = positive & whole.unsqueeze(1)
    means = (gaps * counted).sum(1) / counted.sum(1).clamp(min=1)
    return means.sum() / whole.sum().clamp(min=1)
