"""CAL's network: attention maps on the last block's map, and a head on what they pool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.methods.cal.parameters import Parameters
from svrn.parts.maps import as_picture, pool_by_maps
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes

_FLOOR = 1e-12  # under the square root, which has no gradient at 0
_MOST = 2.0  # maps drawn by chance lie in [0, 2): learned ones rarely exceed it


class Network(MethodNetwork):
    """One branch, F of M attention maps. `Output.extras["effect"]` [B, N], in training with labels and an effect loss:
    the logits less those of maps drawn by chance."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        head, channels, maps = run.model.head, self.channels[-1], self.own.maps
        self.side = -(-run.training.input.size // self.strides[-1])
        self.mining = SpatialMining() if head.spatial_mining else nn.Identity()
        self.attention = nn.Sequential()
        if self.own.attention == "learned":
            self.attention = nn.Sequential(nn.Conv2d(channels, maps, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU())
        self.reduction = nn.Linear(maps * channels, head.reduction, bias=False)
        self.neck = nn.BatchNorm1d(head.reduction)
        self.neck.bias.requires_grad_(not head.bn_neck)
        self.classifier = nn.Linear(head.reduction, sizes.identities, bias=not head.bn_neck)
        nn.init.kaiming_normal_(self.reduction.weight, mode="fan_out", nonlinearity="linear")
        nn.init.normal_(self.classifier.weight, std=0.001)
        if not head.bn_neck:
            nn.init.zeros_(self.classifier.bias)

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """The counterfactual's maps, `maps` [images, M, side, side] in [0, 2); in training alone."""
        if not self.training or self.own.effect_weight == 0:
            return {}
        shape = (images, self.own.maps, self.side, self.side)
        return {"maps": _MOST * torch.rand(shape, generator=generator)}

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        features = self.mining(self.run_blocks(seen.images))
        maps = self.attention_maps(features)
        effect: dict[str, Tensor] = {}
        counterfactual: Tensor | None = None
        if self.training and seen.labels is not None and self.own.effect_weight > 0:
            drawn = (seen.chance or self.chance(len(seen.images)))["maps"].to(features.device)
            counterfactual = self.branch(features, drawn[..., : maps.shape[-2], : maps.shape[-1]]).logits
        branch = self.branch(features, maps, classify=seen.labels is not None)
        if counterfactual is not None and branch.logits is not None:
            effect["effect"] = branch.logits - counterfactual
        pictures = {f"attention map {m + 1}": as_picture(maps[:, m]) for m in range(maps.shape[1]) if seen.maps}
        return Output((branch,), effect, pictures)

    def attention_maps(self, features: Tensor) -> Tensor:
        """[B, M, h, w], not negative."""
        if self.own.attention == "uniform":
            return torch.ones_like(features[:, :1]).expand(-1, self.own.maps, -1, -1)
        maps: Tensor = self.attention(features)
        return maps

    def branch(self, features: Tensor, maps: Tensor, classify: bool = True) -> Branch:
        """The branch of features [B, C, h, w] pooled by maps [B, M, h, w]."""
        with torch.autocast(features.device.type, enabled=False):
            pooled = pool_by_maps(features, maps).flatten(1)
            rooted = pooled.sign() * (pooled.abs() + _FLOOR).sqrt()
            feature = self.reduction(F.normalize(rooted, dim=1))
            normed = self.neck(feature)
            return Branch(feature, normed, self.classifier(normed) if classify else None)
