"""SVRN: the pyramid suppression network with its salience ranking layers and the unified layer (section III)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Inference, RunParameters
from svrn.errors import UserError
from svrn.methods.svrn.critic import masked_losses, reward
from svrn.methods.svrn.output import StageOutput
from svrn.methods.svrn.ranking import SalienceRanking
from svrn.methods.svrn.unified import UnifiedLayer
from svrn.parts.classification import ClassificationBlock, Classified
from svrn.parts.mining import SpatialMining
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Output, Seen, Sizes
from svrn.parts.suppression import check_alphas, salience_mask, suppress


@dataclass(frozen=True)
class _Visit:
    """A stage on the way through the cascade: X_t, S_t and the mask for the next stage."""

    features: Tensor
    scores: Tensor | None
    mask: Tensor | None


class Network(MethodNetwork):
    """`stages.count: 1` is the baseline: the same backbone, spatial mining and classification block, nothing else."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        model, channels = run.model, self.channels[-1]
        count, salience = model.stages.count, model.salience
        self.starts = model.stages.starts[:count]
        if count > 1 and salience.scores != "none":
            check_alphas(salience.alphas[: count - 1], salience.grid, salience.cumulative)
        if not model.stages.share_weights:
            for stage, start in enumerate(self.starts[1:], 2):
                self.copy_blocks(f"stage{stage}", start)
        self.mining = nn.ModuleList([SpatialMining() for _ in range(count)] if model.head.spatial_mining else [])
        self.heads = nn.ModuleList(ClassificationBlock.of(model.head, channels, sizes.identities) for _ in range(count))
        ranked = count - 1 if salience.scores == "predicted" else 0
        self.rankings = nn.ModuleList(
            SalienceRanking(channels, salience.grid, salience.reward_to_features) for _ in range(ranked)
        )
        unified = model.unified
        self.unified = UnifiedLayer(model.head.reduction, unified.layers, unified.residual) if unified.enabled else None

    def forward(self, seen: Seen) -> Output:
        """All stages of a batch; labels are needed for the critic's reward targets.

        Raises:
            UserError: the grid does not fit the feature map; a training batch of one image (BN has no statistics).
        """
        check_batch(self, seen.images)
        grid = self.model.salience.grid
        stages = []
        for head, visit in zip(self.heads, self._cascade(seen.images, seen.chance, masked=True), strict=True):
            made: Classified = head(visit.features)
            target = None
            if self.training and seen.labels is not None and visit.scores is not None:
                target = reward(masked_losses(cast(ClassificationBlock, head), made, seen.labels, grid))
            stages.append(
                StageOutput(
                    feature=made.feature,
                    normed=made.normed,
                    logits=cast(Tensor, made.logits),
                    scores=visit.scores,
                    reward_target=target,
                    mask=visit.mask,
                    map=visit.features if seen.maps else None,
                )
            )
        return Output(self._with_unified(stages))

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """What decides the random masks of a batch, `masks` [images, T - 1, grid, grid] in [0, 1), where they are."""
        grid = self.model.salience.grid
        if self.model.salience.scores != "random":
            return {}
        drawn = torch.rand((len(self.starts) - 1, images, grid, grid), generator=generator)
        return {"masks": drawn.transpose(0, 1)}

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """Embeddings [B, D] float32 (section III-C, reading 12); D is R, or stages * R for `concat`.

        `space: auto` is G where the unified layer is trained, else F; `after_bn` is about F alone.

        Raises:
            UserError: G is asked of a network without a unified layer.
        """
        if inference.space == "G" and self.unified is None:
            raise UserError("this network has no unified layer", where="inference.space", mend="choose auto or F")
        in_unified_space = self.unified is not None and inference.space != "F"
        after_bn = inference.after_bn and not in_unified_space
        features = []
        for head, visit in zip(self.heads, self._cascade(seen.images, seen.chance, inference.masks), strict=True):
            made = head(visit.features, classify=False)
            features.append(made.normed if after_bn else made.feature)
        stacked = torch.stack(features)  # [T, B, R]
        if self.unified is not None and in_unified_space:
            stacked = self.unified(stacked)
        if inference.normalise:
            stacked = F.normalize(stacked, dim=2)
        return stacked.sum(0) if inference.fusion == "sum" else stacked.transpose(0, 1).flatten(1)

    def _with_unified(self, stages: list[StageOutput]) -> tuple[StageOutput, ...]:
        if self.unified is None:
            return tuple(stages)
        unified = self.unified(torch.stack([stage.feature for stage in stages]))
        return tuple(replace(stage, unified=one) for stage, one in zip(stages, unified, strict=True))

    def _cascade(self, images: Tensor, chance: Mapping[str, Tensor], masked: bool) -> Iterator[_Visit]:
        """Suppress and explore, stage by stage (equation 5, readings 1 to 4)."""
        if masked and not chance:
            chance = self.chance(images.shape[0])
        drawn = chance.get("masks")
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
            if len(self.mining) > 0:
                features = self.mining[stage](features)
            scores: Tensor | None = None
            if masked and stage + 1 < len(self.starts):
                scores, mask = self._rank(stage, features, mask, None if drawn is None else drawn[:, stage])
                yield _Visit(features, scores, mask)
            else:
                yield _Visit(features, None, None)

    def _rank(
        self, stage: int, features: Tensor, before: Tensor | None, chance: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """S_t where it is predicted, and the mask for the next stage."""
        salience = self.model.salience
        if salience.scores == "none":
            return None, None
        earlier = before if salience.cumulative else None
        if chance is not None:
            return None, salience_mask(chance.to(features.device), salience.alphas[stage], "top_n", earlier)
        scores = self.rankings[stage](features)
        return scores, salience_mask(scores, salience.alphas[stage], salience.rule, earlier)
