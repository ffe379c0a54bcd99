"""SVRN: the pyramid suppression network with its salience ranking layers and the unified layer (section III)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from svrn.parts.cascade import CascadeNetwork, Visit
from svrn.parts.classification import ClassificationBlock, Classified
from svrn.parts.network import check_batch
from svrn.parts.output import Output, Seen, Sizes
from svrn.parts.suppression import check_alphas, salience_mask


class Network(CascadeNetwork):
    """`stages.count: 1` is the baseline: the same backbone, spatial mining and classification block, nothing else."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        model, channels = run.model, self.channels[-1]
        count, salience = model.stages.count, model.salience
        if count > 1 and salience.scores != "none":
            check_alphas(salience.alphas[: count - 1], salience.grid, salience.cumulative)
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
        for head, visit in zip(self.heads, self.cascade(seen.images, seen.chance), strict=True):
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
        for head, visit in zip(self.heads, self.cascade(seen.images, seen.chance, inference.masks), strict=True):
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

    def rank(self, stage: int, seen: Visit, before: Tensor | None, chance: Mapping[str, Tensor]) -> Visit:
        """S_t where it is predicted, and the mask of Algorithm 1 (reading 11)."""
        salience = self.model.salience
        if salience.scores == "none":
            return seen
        earlier = before if salience.cumulative else None
        if "masks" in chance:
            drawn = chance["masks"][:, stage].to(seen.features.device)
            return replace(seen, mask=salience_mask(drawn, salience.alphas[stage], "top_n", earlier))
        scores = self.rankings[stage](seen.features)
        return replace(seen, scores=scores, mask=salience_mask(scores, salience.alphas[stage], salience.rule, earlier))
