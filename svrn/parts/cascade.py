"""A cascade of stages (section III-A): each starts from a map of the stage before, cells of which are hidden.

Which cells is the method's own affair: it says so in `rank`. The pass through the stages is the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from svrn.config.parameters import RunParameters
from svrn.parts.classification import ClassificationBlock
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork
from svrn.parts.output import Sizes
from svrn.parts.suppression import suppress


@dataclass(frozen=True)
class Visit:
    """A stage on the way through the cascade.

    features: X_t [B, C, h, w]. gate: [B, 1, h, w], spatial mining's, None without it. scores: S_t [B, g, g], and mask:
    [B, g, g], what the next stage sees of each cell (1 is all, 0 nothing); None in the last stage and where there are
    none.
    """

    features: Tensor
    gate: Tensor | None
    scores: Tensor | None
    mask: Tensor | None


class CascadeNetwork(MethodNetwork):
    """The stages that `model.stages` describes, each with its own mining and classification block.

    Stage t starts from the input of block `starts[t]` as the latest stage that ran this block saw it, masked, and runs
    its own copies of the blocks from there (readings 1 to 4).
    """

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        model, count = run.model, run.model.stages.count
        self.starts = model.stages.starts[:count]
        if not model.stages.share_weights:
            for stage, start in enumerate(self.starts[1:], 2):
                self.copy_blocks(f"stage{stage}", start)
        self.mining = nn.ModuleList([SpatialMining() for _ in range(count)] if model.head.spatial_mining else [])
        self.heads = nn.ModuleList(
            ClassificationBlock.of(model.head, self.channels[-1], sizes.identities) for _ in range(count)
        )

    def rank(self, stage: int, seen: Visit, before: Tensor | None, chance: Mapping[str, Tensor]) -> Visit:
        """The stage with its scores, and the mask for the next one.

        stage: from 0, never the last. seen: the stage's map and gate. before: the mask that it was seen through.
        """
        raise NotImplementedError

    def cascade(self, images: Tensor, chance: Mapping[str, Tensor], masked: bool = True) -> Iterator[Visit]:
        """Suppress and explore, stage by stage (equation 5); not masked: nothing is scored and nothing hidden."""
        if masked and not chance:
            chance = self.chance(images.shape[0])
        salience = self.model.salience
        inputs: dict[int, Tensor] = {}  # of each block, as the latest stage that ran it saw it
        mask: Tensor | None = None
        features = images
        for stage, start in enumerate(self.starts):
            if stage > 0:
                features = inputs[start]
                if mask is not None:
                    features = suppress(features, mask, salience.fill, salience.strength)
            branch = None if stage == 0 or self.model.stages.share_weights else f"stage{stage + 1}"
            for number in range(start, 5):
                inputs[number] = features
                features = self.run_block(number, features, branch)
            gate: Tensor | None = None
            if len(self.mining) > 0:
                gate = cast(SpatialMining, self.mining[stage]).gate(features)
                features = features * gate
            visit = Visit(features, gate, None, None)
            if masked and stage + 1 < len(self.starts):
                visit = self.rank(stage, visit, mask, chance)
                mask = visit.mask
            yield visit
