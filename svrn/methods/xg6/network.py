"""XG-6-sub-multi's network."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.parameters import Inference, RunParameters
from svrn.methods.xg6.parameters import Parameters
from svrn.parts.output import Seen, Sizes
from svrn.parts.part_heads import PartHeadsNetwork


class Network(PartHeadsNetwork):
    """The baseline with part heads, whose features are joined to its own."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes, cast(Parameters, run.method).length)

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, R + K * length]: the global feature, then the regions', each at unit length or zeros."""
        features = self.mined(seen)
        branch = self.main_branch(features, seen)
        regions = self.part_features(features, self.regions.of(seen))
        whole = branch.normed if inference.after_bn else branch.feature
        return torch.cat([F.normalize(whole, dim=1), F.normalize(regions, dim=2).flatten(1)], 1)
