"""The baseline's path, on which most methods build: the trunk, spatial mining, the classification block."""

from __future__ import annotations

from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.parts.classification import ClassificationBlock, Classified
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Branch, Output, Seen, Sizes


class MainBranchNetwork(MethodNetwork):
    """A trunk with one classification block (`model.head`), and spatial mining before it where that is on.

    By itself it is the baseline; a method builds on `mined` and `main_branch`.
    """

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.mining = SpatialMining() if run.model.head.spatial_mining else nn.Identity()
        self.head = ClassificationBlock.of(run.model.head, self.channels[-1], sizes.identities)

    def forward(self, seen: Seen) -> Output:
        return Output((self.main_branch(self.mined(seen), seen),))

    def mined(self, seen: Seen) -> Tensor:
        """X [B, C, h, w]: the last block's map, gated by spatial mining."""
        check_batch(self, seen.images)
        features: Tensor = self.mining(self.run_blocks(seen.images))
        return features

    def main_branch(self, features: Tensor, seen: Seen) -> Branch:
        """The branch of a map X [B, C, h, w]."""
        made: Classified = self.head(features, classify=seen.labels is not None)
        return Branch(made.feature, made.normed, made.logits, map=features if seen.maps else None)
