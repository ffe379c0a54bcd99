"""The contrastive loss on all pairs of a batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.parts.losses.pairs import FLOOR


def contrastive_loss(features: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean over pairs of one vehicle of D^2, plus mean over pairs of two, nearer than `margin`, of (margin - D)^2.

    features: [B, R], taken at unit length, so D lies in 0..2; labels: [B]. Each mean has its own number of pairs, so
    that the many pairs of two vehicles do not drown the few of one; one without pairs is 0.
    """
    unit = F.normalize(features.float(), dim=1)
    distances = (2 - 2 * unit @ unit.T).clamp(min=FLOOR).sqrt()
    same = labels.unsqueeze(0) == labels.unsqueeze(1)
    pairs = torch.ones_like(same).triu(1)
    positive, near = same & pairs, ~same & pairs & (distances < margin)
    pull = (distances.square() * positive).sum() / positive.sum().clamp(min=1)
    push = ((margin - distances).square() * near).sum() / near.sum().clamp(min=1)
    return pull + push
