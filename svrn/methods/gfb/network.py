"""GB+GFB+SLB's network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.methods.gfb.parameters import Parameters
from svrn.parts.classification import ClassificationBlock, Classified
from svrn.parts.local_maxima import local_maxima
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.maps import as_picture
from svrn.parts.mining import SpatialMining
from svrn.parts.network import check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.turns import QUARTERS, TurnHead, running_statistics_kept, turned

_GEOMETRIC = "geometric"


class Network(MainBranchNetwork):
    """The global branch first, then the geometric one. `Output.extras`, in training with a rotation loss: `turns` [B],
    the quarters by which each image was turned, and `told` [B, 4], what the self-supervised branch says of it."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        self.copy_blocks(_GEOMETRIC, 3)
        head = run.model.head
        self.geometric_mining = SpatialMining() if head.spatial_mining else nn.Identity()
        self.geometric_head = ClassificationBlock.of(head, self.channels[-1], sizes.identities)
        self.encoder: nn.Sequential | None = None
        self.turn_head: TurnHead | None = None
        if self.own.map == "maxima":
            self.encoder = self._make_encoder()
        if self.own.rotation_weight:
            self.turn_head = TurnHead(self.own.channels)

    def _make_encoder(self) -> nn.Sequential:
        """From images to the map whose maxima count: at the stride of block 2, and trained whatever is frozen."""
        first = [copy.deepcopy(block).requires_grad_(True) for block in self.trunk[:2]]
        wide = self.own.channels
        inner = nn.Conv2d(self.channels[1], wide, 3, padding=1, bias=False)
        outer = nn.Conv2d(wide, wide, 3, padding=1)
        for one in (inner, outer):
            nn.init.kaiming_normal_(one.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(cast(Tensor, outer.bias))
        return nn.Sequential(*first, inner, nn.BatchNorm2d(wide), nn.ReLU(), outer)

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """How far each image is turned for the self-supervised branch: `turns` [images], in training alone."""
        if not self.training or self.turn_head is None:
            return {}
        return {"turns": torch.randint(0, QUARTERS, (images,), generator=generator)}

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        shared = self.run_blocks(seen.images, last=2)
        first = self.main_branch(self.mining(self.run_blocks(shared, first=3)), seen)
        weights = self.map_of(seen.images, shared)
        below = self.run_blocks(shared * weights.to(shared), first=3, branch=_GEOMETRIC)
        features: Tensor = self.geometric_mining(below)
        made: Classified = self.geometric_head(features, classify=seen.labels is not None)
        second = Branch(made.feature, made.normed, made.logits, map=features if seen.maps else None)
        pictures = {"local maxima": as_picture(weights.squeeze(1).detach())} if seen.maps else {}
        return Output((first, second), self._turns(seen), pictures)

    def map_of(self, images: Tensor, shared: Tensor) -> Tensor:
        """What the geometric branch's input is weighted by, [B, 1, h, w] of mean 1."""
        if self.encoder is None:
            return torch.ones_like(shared[:, :1])
        return local_maxima(self.encoder(images), self.own.neighbourhood)

    def _turns(self, seen: Seen) -> dict[str, Tensor]:
        if not self.training or self.turn_head is None or self.encoder is None:
            return {}
        turns = (seen.chance or self.chance(len(seen.images)))["turns"].to(seen.images.device)
        with running_statistics_kept(self.encoder):
            encoded = self.encoder(turned(seen.images, turns))
        return {"turns": turns, "told": self.turn_head(encoded)}

    def backbone_parameters(self) -> list[nn.Parameter]:
        """With the encoder's first two blocks, which come from the trunk."""
        begun = [] if self.encoder is None else list(self.encoder[:2].parameters())
        return [*super().backbone_parameters(), *begun]
