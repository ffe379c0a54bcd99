"""PVEN's network."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Inference, RunParameters
from svrn.methods.pven.parameters import Parameters
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.regions import PartRegions, pool, to_map

CELLS = 16 * 16
"""Visible cells are counted as on the map that the original has, whatever the input size."""


class Network(MainBranchNetwork):
    """The baseline, and the features of the views on its reduced map.

    Extras: `views` [B, K, R] after BN, `counts` [B, K], from 1 up.
    """

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.regions = PartRegions(cast(Parameters, run.method))
        self.length = run.model.head.reduction
        self.view_neck = nn.BatchNorm1d(len(self.regions.names) * self.length)

    def chance(self, images: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return self.regions.chance(images, generator)

    def forward(self, seen: Seen) -> Output:
        features = self.mined(seen)
        masks = self.regions.of(seen)
        made = self.head(features, classify=seen.labels is not None)
        sums, shares = pool(made.reduced, to_map(masks, *features.shape[-2:]))
        counts = 1 + CELLS * shares
        with torch.autocast(features.device.type, enabled=False):
            views = self.view_neck((CELLS * sums / counts.unsqueeze(2)).flatten(1)).reshape(sums.shape)
        branch = Branch(made.feature, made.normed, made.logits, map=features if seen.maps else None)
        pictures = self.regions.pictures(masks) if seen.maps else {}
        return Output((branch,), {"views": views, "counts": counts}, pictures)

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, D]: the global feature at unit length; then, unless parts have no weight, the views' at unit length and
        the counts, or (`one_vector`) the views' times sqrt(part_weight / K)."""
        output = self(seen)
        branch, own = output.branches[0], cast(Parameters, self.method)
        whole = F.normalize(branch.normed if inference.after_bn else branch.feature, dim=1)
        if own.part_weight == 0:
            return whole
        views = F.normalize(output.extras["views"], dim=2)
        if own.one_vector:
            return torch.cat([whole, math.sqrt(own.part_weight / views.shape[1]) * views.flatten(1)], 1)
        return torch.cat([whole, views.flatten(1), output.extras["counts"]], 1)
