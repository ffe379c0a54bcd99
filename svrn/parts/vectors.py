"""A head for what was pooled already: from a vector of channels to a branch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.parts.output import Branch


class VectorHead(nn.Module):
    """Fully connected layer, BN, ReLU; BN; classifier: the classification block on a pooled vector. In float32.

    channels: C; length: R, of the feature; identities: N.
    """

    def __init__(self, channels: int, length: int, identities: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(channels, length, bias=False)
        self.reduction_bn = nn.BatchNorm1d(length)
        self.neck = nn.BatchNorm1d(length)
        self.classifier = nn.Linear(length, identities)
        nn.init.kaiming_normal_(self.reduction.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.001)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, pooled: Tensor, classify: bool = True) -> Branch:
        """pooled: [B, C]; classify: whether logits are wanted."""
        with torch.autocast(pooled.device.type, enabled=False):
            feature = F.relu(self.reduction_bn(self.reduction(pooled.float())))
            normed = self.neck(feature)
            return Branch(feature, normed, self.classifier(normed) if classify else None)
