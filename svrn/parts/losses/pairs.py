"""Hard pairs: found on cheap distances without a gradient, measured exactly with one.

Distances are Euclidean. The pairwise matrix comes from one matrix product of centred vectors (centring changes no
distance, and keeps the digits when all vectors lie in a narrow cone); only the pairs that are chosen are measured
again, by their difference, and carry the gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

FLOOR = 1e-12
"""Of squared distances: the root has no gradient at 0."""


def pairwise_distances(features: Tensor) -> Tensor:
    """Euclidean distances [M, M] between the rows of features [M, R], without a gradient."""
    with torch.no_grad():
        centred = features.float() - features.float().mean(0)
        squares = centred.square().sum(1)
        squared = squares.unsqueeze(0) + squares.unsqueeze(1) - 2 * centred @ centred.T
        return squared.clamp(min=FLOOR).sqrt()


def hardest(distances: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For every anchor that has both kinds of partner: (anchor, farthest positive, nearest negative), each [A] int64.

    distances, positive, negative: [M, M]; the latter two say which pairs count.
    """
    farthest = distances.masked_fill(~positive, -math.inf).argmax(1)
    nearest = distances.masked_fill(~negative, math.inf).argmin(1)
    anchors = (positive.any(1) & negative.any(1)).nonzero().squeeze(1)
    return anchors, farthest[anchors], nearest[anchors]


def distance(features: Tensor, one: Tensor, other: Tensor) -> Tensor:
    """Euclidean distances [A] between rows `one` and rows `other` of features [M, R], with a gradient."""
    differences = features[one] - features[other]
    return differences.square().sum(1).clamp(min=FLOOR).sqrt()


def hinge(features: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Mean over anchors of max(D(farthest positive) - D(nearest negative) + margin, 0): scalar float32.

    features: [M, R]; positive, negative: [M, M] bool. Anchors without a partner of either kind do not count; with no
    anchor left the result is 0, with a gradient of 0.
    """
    gaps = _hard_gaps(features, positive, negative)
    return features.float().sum() * 0.0 if gaps is None else torch.relu(gaps + margin).mean()


def soft_hinge(features: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """`hinge` with a soft margin: mean over anchors of log(1 + exp(D(farthest positive) - D(nearest negative)))."""
    gaps = _hard_gaps(features, positive, negative)
    return features.float().sum() * 0.0 if gaps is None else F.softplus(gaps).mean()


def _hard_gaps(features: Tensor, positive: Tensor, negative: Tensor) -> Tensor | None:
    """D(farthest positive) - D(nearest negative) of every anchor that has both, [A]; None without any."""
    features = features.float()
    anchors, farthest, nearest = hardest(pairwise_distances(features), positive, negative)
    if len(anchors) == 0:
        return None
    return distance(features, anchors, farthest) - distance(features, anchors, nearest)
