"""A feature and a classifier for each part of a vehicle, beside the baseline's branch."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.config.parts import PartParameters
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.output import Output, Seen, Sizes
from svrn.parts.regions import PartRegions, part_means, seen_parts, to_map


class PartHeads(nn.Module):
    """1x1 convolution and BN that all parts share; the mean over each part; a classifier a part.

    channels: C; length: R, of each part's feature; parts: K; identities: N. There is nothing between the mean and the
    classifier: the features of a part that an image does not show are zeros, and nothing of the others depends on them.
    """

    def __init__(self, channels: int, length: int, parts: int, identities: int) -> None:
        super().__init__()
        self.reduction = nn.Conv2d(channels, length, 1, bias=False)
        self.reduction_bn = nn.BatchNorm2d(length)
        self.classifiers = nn.ModuleList(nn.Linear(length, identities) for _ in range(parts))
        nn.init.kaiming_normal_(self.reduction.weight, mode="fan_out", nonlinearity="relu")
        for classifier in self.classifiers:
            nn.init.normal_(cast(Tensor, classifier.weight), std=0.001)
            nn.init.zeros_(cast(Tensor, classifier.bias))

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        """Features [B, K, R] float32 of a map [B, C, h, w] by masks [B, K, h, w]."""
        return part_means(self.reduction_bn(self.reduction(features)), masks)

    def classify(self, parts: Tensor) -> Tensor:
        """Logits [B, K, N] float32 of features [B, K, R]."""
        with torch.autocast(parts.device.type, enabled=False):
            return torch.stack([one(parts[:, number]) for number, one in enumerate(self.classifiers)], 1)


class PartHeadsNetwork(MainBranchNetwork):
    """The baseline with part heads on its map. length: of a part's feature.

    Where labels are given the output holds `part_logits` [B, K, N] and `part_seen` [B, K] of 0 and 1.
    """

    def __init__(self, run: RunParameters, sizes: Sizes, length: int) -> None:
        super().__init__(run, sizes)
        self.regions = PartRegions(cast(PartParameters, run.method))
        self.part_heads = PartHeads(self.channels[-1], length, len(self.regions.names), sizes.identities)

    def chance(self, images: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return self.regions.chance(images, generator)

    def forward(self, seen: Seen) -> Output:
        features = self.mined(seen)
        branch = self.main_branch(features, seen)
        if seen.labels is None and seen.side is None:
            return Output((branch,))
        masks = self.regions.of(seen)
        pictures = self.regions.pictures(masks) if seen.maps else {}
        if seen.labels is None:
            return Output((branch,), pictures=pictures)
        logits = self.part_heads.classify(self.part_features(features, masks))
        return Output((branch,), {"part_logits": logits, "part_seen": seen_parts(masks)}, pictures)

    def part_features(self, features: Tensor, masks: Tensor) -> Tensor:
        """[B, K, R] of a map [B, C, h, w] by masks [B, K, 32, 32]; zeros for a part that an image does not show."""
        made: Tensor = self.part_heads(features, to_map(masks, *features.shape[-2:]))
        return made * seen_parts(masks).unsqueeze(2)
