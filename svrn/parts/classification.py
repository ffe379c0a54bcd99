"""The classification block of a stage: reduction layer, pooling, batch normalisation, classifier (section III-A).

Everything after the reduction is computed in float32, also under autocast: the vectors are short and the critic, the
mining of hard pairs and the ranking of embeddings all compare small differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Head

_GEM_FLOOR = 1e-6


@dataclass(frozen=True)
class Classified:
    """What the block made of a map, kept whole because the critic needs the intermediate results.

    convolved: [B, R, h, w] after the 1x1 convolution; reduced: [B, R, h, w] after BN and ReLU; feature: F [B, R];
    normed: [B, R] after the block's BN; logits: [B, N], or None where no classification was asked for.
    """

    convolved: Tensor
    reduced: Tensor
    feature: Tensor
    normed: Tensor
    logits: Tensor | None


class Pooling(nn.Module):
    """Global average, or generalised-mean (GeM) pooling: [B, R, h, w] -> [B, R] float32.

    Both are a function of a sum over positions, which is what makes the one-pass critic exact:
    `pool = root(sum(power(x)) / (h * w))`.
    """

    def __init__(self, kind: Literal["average", "gem"]) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(3.0)) if kind == "gem" else None

    def power(self, values: Tensor) -> Tensor:
        """What is summed over positions."""
        return values if self.exponent is None else values.clamp(min=_GEM_FLOOR).pow(self.exponent)

    def root(self, mean: Tensor) -> Tensor:
        """From the mean of `power` to the pooled value."""
        return mean if self.exponent is None else mean.clamp(min=_GEM_FLOOR**3).pow(1.0 / self.exponent)

    def forward(self, maps: Tensor) -> Tensor:
        if self.exponent is None:
            return maps.mean((2, 3), dtype=torch.float32)
        return self.root(self.power(maps.float()).mean((2, 3)))


class ClassificationBlock(nn.Module):
    """1x1 convolution, BN, ReLU (reading 6); pooling; BN; fully connected layer.

    channels: C of the map it reads; reduction: R, the length of F; identities: N; hidden: width of one more 1x1
    convolution, BN and ReLU before the reduction (the control of equal parameters), 0 for none.
    bn_neck: beyond the paper, the BN's bias stays 0 and the classifier has none.
    """

    def __init__(
        self,
        channels: int,
        reduction: int,
        identities: int,
        pooling: Literal["average", "gem"],
        bn_neck: bool,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.widening = _widening(channels, hidden) if hidden else None
        self.reduction = nn.Conv2d(hidden or channels, reduction, 1, bias=False)
        self.reduction_bn = nn.BatchNorm2d(reduction)
        self.pooling = Pooling(pooling)
        self.neck = nn.BatchNorm1d(reduction)
        self.neck.bias.requires_grad_(not bn_neck)
        self.classifier = nn.Linear(reduction, identities, bias=not bn_neck)
        nn.init.kaiming_normal_(self.reduction.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.classifier.weight, std=0.001)
        if not bn_neck:
            nn.init.zeros_(self.classifier.bias)

    @classmethod
    def of(cls, head: Head, channels: int, identities: int) -> ClassificationBlock:
        """The block that `model.head` describes, on a map of `channels`."""
        return cls(channels, head.reduction, identities, head.pooling, head.bn_neck, head.hidden)

    def forward(self, features: Tensor, classify: bool = True) -> Classified:
        """features: X_t [B, C, h, w]."""
        convolved = self.reduction(features if self.widening is None else self.widening(features))
        reduced = F.relu(self.reduction_bn(convolved))
        with torch.autocast(features.device.type, enabled=False):
            feature = self.pooling(reduced)
            normed = self.neck(feature)
            logits = self.classifier(normed) if classify else None
        return Classified(convolved, reduced, feature, normed, logits)


def _widening(channels: int, hidden: int) -> nn.Sequential:
    convolution = nn.Conv2d(channels, hidden, 1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(hidden), nn.ReLU(inplace=True))
