"""SVRN: the pyramid suppression network with its salience ranking layers and the unified layer (section III)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.config.parameters import Inference, Model
from svrn.errors import UserError
from svrn.model.backbones import build_blocks
from svrn.model.classification import ClassificationBlock, Classified
from svrn.model.critic import masked_losses, reward
from svrn.model.folding import FoldedBlocks, fold
from svrn.model.mining import SpatialMining
from svrn.model.output import Output, StageOutput
from svrn.model.ranking import SalienceRanking
from svrn.model.suppression import check_alphas, salience_mask, suppress
from svrn.model.unified import UnifiedLayer


@dataclass(frozen=True)
class _Visit:
    """A stage on the way through the cascade: X_t, S_t and the mask for the next stage."""

    features: Tensor
    scores: Tensor | None
    mask: Tensor | None


class Network(nn.Module):
    """The network of `model` for `identities` training vehicles; made by `build_network`.

    `stages.count: 1` is the baseline: the same backbone, spatial mining and classification block, nothing else.
    Frozen blocks keep their weights and statistics, in training mode too.
    """

    def __init__(self, model: Model, identities: int) -> None:
        super().__init__()
        self.model = model
        self.identities = identities
        count, salience = model.stages.count, model.salience
        self.starts = model.stages.starts[:count]
        masked = count > 1 and salience.scores != "none"
        if masked:
            check_alphas(salience.alphas[: count - 1], salience.grid, salience.cumulative)
        made = build_blocks(model.backbone)
        self.trunk = nn.ModuleList(made.blocks)
        self.copies = nn.ModuleDict()
        if not model.stages.share_weights:
            for stage, start in enumerate(self.starts[1:], 2):
                for number in range(start, 5):
                    self.copies[_copy_name(stage, number)] = copy.deepcopy(made.blocks[number - 1])
        self.mining = nn.ModuleList([SpatialMining() for _ in range(count)] if model.head.spatial_mining else [])
        self.heads = nn.ModuleList(
            ClassificationBlock(
                made.channels,
                model.head.reduction,
                identities,
                model.head.pooling,
                model.head.bn_neck,
                model.head.hidden,
            )
            for _ in range(count)
        )
        ranked = count - 1 if salience.scores == "predicted" else 0
        self.rankings = nn.ModuleList(
            SalienceRanking(made.channels, salience.grid, salience.reward_to_features) for _ in range(ranked)
        )
        unified = model.unified
        self.unified = UnifiedLayer(model.head.reduction, unified.layers, unified.residual) if unified.enabled else None
        for block in self.frozen_blocks():
            block.requires_grad_(False)
        self._folded = FoldedBlocks()
        self.train(self.training)

    def frozen_blocks(self) -> list[nn.Module]:
        """The blocks kept as they are: the first `frozen_blocks` of the trunk, and the stages' copies of them."""
        number = self.model.backbone.frozen_blocks
        copies = [block for name, block in self.copies.items() if _block_of(name) <= number]
        return [*self.trunk[:number], *copies]

    @torch.no_grad()
    def fold(self, images: Tensor) -> None:
        """Fold the batch normalisations of every block into its convolutions: for embedding alone, it is not undone.

        images: [B, 3, H, W], on which each folded block is compared with the block itself.
        """
        inputs: dict[int, Tensor] = {}
        features = images.to(next(self.parameters()).device)
        for number in range(1, 5):
            inputs[number] = features
            features = self.trunk[number - 1](features)
            self.trunk[number - 1] = fold(self.trunk[number - 1], inputs[number])
        for name, block in self.copies.items():
            self.copies[name] = fold(block, inputs[_block_of(name)])

    def train(self, mode: bool = True) -> Network:
        """As usual, except that frozen blocks stay in evaluation mode."""
        super().train(mode)
        for block in self.frozen_blocks():
            block.eval()
        return self

    def forward(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        chances: Tensor | None = None,
        feature_maps: bool = False,
    ) -> Output:
        """All stages of a batch.

        images: [B, 3, H, W], normalised as for ImageNet. labels: [B] int64, needed for the critic's reward targets.
        chances: of random masks, as `chances` draws them; drawn from torch's own generator where None. feature_maps:
        whether to keep X_t.

        Raises:
            UserError: the grid does not fit the feature map; a training batch of one image (BN has no statistics).
        """
        if self.training and len(images) < 2:
            raise UserError("a training batch needs at least two images", where="training.batches")
        grid = self.model.salience.grid
        stages = []
        for head, visit in zip(self.heads, self._cascade(images, chances, masked=True), strict=True):
            made: Classified = head(visit.features)
            target = None
            if self.training and labels is not None and visit.scores is not None:
                target = reward(masked_losses(cast(ClassificationBlock, head), made, labels, grid))
            stages.append(
                StageOutput(
                    feature=made.feature,
                    normed=made.normed,
                    logits=cast(Tensor, made.logits),
                    scores=visit.scores,
                    reward_target=target,
                    mask=visit.mask,
                    feature_map=visit.features if feature_maps else None,
                )
            )
        return Output(self._with_unified(stages))

    def chances(self, images: int, generator: torch.Generator | None = None) -> Tensor | None:
        """What decides the random masks of a batch, [T - 1, images, grid, grid] in [0, 1); None without random masks.

        A process that has part of a batch draws for all of it and passes its part on: then the masks do not depend on
        how many processes there are. generator: a CPU generator; torch's own where None.
        """
        grid = self.model.salience.grid
        if self.model.salience.scores != "random":
            return None
        return torch.rand((len(self.starts) - 1, images, grid, grid), generator=generator)

    @torch.no_grad()
    def embed(self, images: Tensor, inference: Inference) -> Tensor:
        """Embeddings [B, D] float32 (section III-C, reading 12); D is R, or stages * R for `concat`.

        `space: auto` is G where the unified layer is trained, else F; `after_bn` is about F alone. Random masks are
        drawn with seed 0, so that equal batches get equal embeddings.

        Raises:
            UserError: G is asked of a network without a unified layer; the network is in training mode.
        """
        if self.training:
            raise UserError("embeddings are made in evaluation mode", mend="call network.eval() first")
        if inference.space == "G" and self.unified is None:
            raise UserError("this network has no unified layer", where="inference.space", mend="choose auto or F")
        generator = torch.Generator().manual_seed(0)
        embedding = self._embed_one_way(images, inference, self.chances(images.shape[0], generator))
        if inference.flip:
            mirrored = self._embed_one_way(images.flip(3), inference, self.chances(images.shape[0], generator))
            embedding = (embedding + mirrored) / 2
        return embedding

    def _embed_one_way(self, images: Tensor, inference: Inference, chances: Tensor | None) -> Tensor:
        in_unified_space = self.unified is not None and inference.space != "F"
        after_bn = inference.after_bn and not in_unified_space
        features = []
        for head, visit in zip(self.heads, self._cascade(images, chances, inference.masks), strict=True):
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

    def _cascade(self, images: Tensor, chances: Tensor | None, masked: bool) -> Iterator[_Visit]:
        """Suppress and explore, stage by stage (equation 5, readings 1 to 4)."""
        if masked and chances is None:
            chances = self.chances(images.shape[0])
        inputs: dict[int, Tensor] = {}  # of each block, as the latest stage that ran it saw it
        mask: Tensor | None = None
        features = images
        for stage, start in enumerate(self.starts):
            if stage > 0:
                features = inputs[start]
                if mask is not None:
                    salience = self.model.salience
                    features = suppress(features, mask, salience.fill, salience.strength)
            for number in range(start, 5):
                inputs[number] = features
                block = self._block(stage, number)
                if number > self.model.backbone.frozen_blocks:
                    features = block(features)
                else:
                    features = self._through_frozen(block, features)
            if len(self.mining) > 0:
                features = self.mining[stage](features)
            scores: Tensor | None = None
            if masked and stage + 1 < len(self.starts):
                scores, mask = self._rank(stage, features, mask, None if chances is None else chances[stage])
                yield _Visit(features, scores, mask)
            else:
                yield _Visit(features, None, None)

    def _through_frozen(self, block: nn.Module, features: Tensor) -> Tensor:
        with torch.no_grad():
            if self.training and not torch.compiler.is_compiling():
                block = self._folded.of(block, features)
            result: Tensor = block(features)
            return result

    def _block(self, stage: int, number: int) -> nn.Module:
        if stage == 0 or self.model.stages.share_weights:
            return self.trunk[number - 1]
        return self.copies[_copy_name(stage + 1, number)]

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


def _copy_name(stage: int, block: int) -> str:
    return f"stage{stage}_block{block}"


def _block_of(name: str) -> int:
    return int(name.rpartition("block")[2])


def build_network(model: Model, identities: int) -> Network:
    """The network of `model` with its starting weights; new parts are drawn from torch's own generator.

    identities: N, the number of training vehicles.

    Raises:
        UserError: no identities, an unknown backbone, weights that cannot be had or do not fit, alphas that hide a
            whole map.
    """
    if identities < 1:
        raise UserError(f"a network needs at least one identity, got {identities}")
    return Network(model, identities)
