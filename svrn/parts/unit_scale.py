"""Features on a sphere whose radius is trained, for the classifier of an L2-softmax."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UnitScale(nn.Module):
    """alpha x / |x| with a trained alpha (Ranjan, Castillo and Chellappa, "L2-constrained Softmax Loss for
    Discriminative Face Verification", 2017): [B, R] -> [B, R] float32.

    start: alpha before training.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(start))

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.alpha * F.normalize(features.float(), dim=1)
