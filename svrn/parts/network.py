"""What every method's network is: a trunk of four blocks, branches of copied blocks, and an embedding."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.backbones import Blocks, build_blocks
from svrn.backbones.folding import FoldedBlocks, fold
from svrn.config.parameters import Inference, RunParameters
from svrn.errors import UserError
from svrn.parts.output import Output, Seen, Sizes

if TYPE_CHECKING:
    from svrn.data.side import Side


class MethodNetwork(nn.Module):
    """The base of a room's `Network`: `forward` is the room's own, everything else has a default.

    Frozen blocks (`model.backbone.frozen_blocks`) keep their weights and statistics, in training mode too, and run
    without a gradient. New parts draw their weights from torch's own generator, after the trunk has drawn its own.
    """

    #: Whether something that learns lies before a frozen block or inside one: then these run with a gradient.
    learns_before_frozen = False

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__()
        if sizes.identities < 1:
            raise UserError(f"a network needs at least one identity, got {sizes.identities}")
        self.model, self.method, self.identities = run.model, run.method, sizes.identities
        made = self.make_trunk(run)
        self.channels, self.strides = made.channels, made.strides
        self.trunk = nn.ModuleList(made.blocks)
        self.copies = nn.ModuleDict()
        self._folded = FoldedBlocks()
        for block in self.frozen_blocks():
            block.requires_grad_(False).eval()

    # --- what a room may override -----------------------------------------------------------------------------------

    def make_trunk(self, run: RunParameters) -> Blocks:
        """The four blocks of the trunk; the run's backbone by default."""
        return build_blocks(run.model.backbone)

    def forward(self, seen: Seen) -> Output:
        """All branches of a batch. Classifies (`Branch.logits`) where the batch has labels."""
        raise NotImplementedError

    def chance(self, images: int, generator: torch.Generator | None = None) -> Mapping[str, Tensor]:
        """What chance decides for a batch of `images`, by name: each [images, ...]; nothing by default.

        A process that has part of a batch draws for all of it and passes its part on: then what is drawn does not
        depend on how many processes there are. generator: a CPU generator; torch's own where None.
        """
        return {}

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """Embeddings [B, D] float32, of the images as they are: the branches' features, joined as `inference` says."""
        features = [one.normed if inference.after_bn else one.feature for one in self(seen).branches]
        return fuse(features, inference)

    # --- what a room uses -------------------------------------------------------------------------------------------

    def copy_blocks(self, branch: str, start: int) -> None:
        """Give `branch` its own copies of blocks `start` to 4, with the trunk's weights."""
        for number in range(start, 5):
            self.copies[_copy_name(branch, number)] = copy.deepcopy(self.trunk[number - 1])

    def run_block(self, number: int, features: Tensor, branch: str | None = None) -> Tensor:
        """Block `number` (from 1) on its input: the trunk's, or the branch's own copy of it."""
        block = self.trunk[number - 1] if branch is None else self.copies[_copy_name(branch, number)]
        if number > self.model.backbone.frozen_blocks or self.learns_before_frozen:
            result: Tensor = block(features)
            return result
        with torch.no_grad():
            if self.training and not torch.compiler.is_compiling():
                block = self._folded.of(block, features)
            frozen: Tensor = block(features)
            return frozen

    def run_blocks(self, features: Tensor, first: int = 1, last: int = 4, branch: str | None = None) -> Tensor:
        """Blocks `first` to `last`, one after the other: from images [B, 3, H, W] where `first` is 1."""
        for number in range(first, last + 1):
            features = self.run_block(number, features, branch)
        return features

    # --- what others use --------------------------------------------------------------------------------------------

    def frozen_blocks(self) -> list[nn.Module]:
        """The blocks kept as they are: the first `frozen_blocks` of the trunk, and the branches' copies of them."""
        number = self.model.backbone.frozen_blocks
        copies = [block for name, block in self.copies.items() if _block_of(name) <= number]
        return [*self.trunk[:number], *copies]

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters that come with the backbone's weights: the trunk's and its copies'."""
        return [*self.trunk.parameters(), *self.copies.parameters()]

    def backbone_levels(self) -> list[list[nn.Parameter]]:
        """`backbone_parameters` by depth, nearest to the image first: a level for every block, or for the patches and
        every layer of a transformer. Copies lie with what they copy; what lies elsewhere is in the last level."""
        remaining = {id(one): one for one in self.backbone_parameters()}
        levels: list[list[nn.Parameter]] = []
        for number, block in enumerate(self.trunk, 1):
            copies = [one for name, one in self.copies.items() if _block_of(name) == number]
            for parts in zip(*(_levels_of(one) for one in (block, *copies)), strict=True):
                own = [one for part in parts for module in part for one in module.parameters()]
                levels.append([remaining.pop(id(one)) for one in own if id(one) in remaining])
        levels[-1] += remaining.values()
        return [level for level in levels if level]

    def train(self, mode: bool = True) -> MethodNetwork:
        """As usual, except that frozen blocks stay in evaluation mode."""
        super().train(mode)
        for block in self.frozen_blocks():
            block.eval()
        return self

    @torch.no_grad()
    def fold(self, images: Tensor) -> None:
        """Fold the batch normalisations of every block into its convolutions: for embedding alone, it is not undone.

        images: [B, 3, H, W], on which each folded block is compared with the block itself.
        """
        inputs: dict[int, Tensor] = {}
        features = images.to(next(self.parameters()).device)
        for number in range(1, len(self.trunk) + 1):
            inputs[number] = features
            features = self.trunk[number - 1](features)
            self.trunk[number - 1] = fold(self.trunk[number - 1], inputs[number])
        for name, block in self.copies.items():
            self.copies[name] = fold(block, inputs[_block_of(name)])

    @torch.no_grad()
    def embed(self, images: Tensor, inference: Inference, side: Side | None = None) -> Tensor:
        """Embeddings [B, D] float32 of images [B, 3, H, W], by the method's own side information of them.

        What chance decides is drawn with seed 0, so that equal batches get equal embeddings.

        Raises:
            UserError: the network is in training mode, or cannot embed as `inference` says.
        """
        if self.training:
            raise UserError("embeddings are made in evaluation mode", mend="call network.eval() first")
        generator = torch.Generator().manual_seed(0)
        seen = Seen(images, side=side, chance=self.chance(images.shape[0], generator))
        embedding = self.embed_once(seen, inference)
        if inference.flip:
            other = None if side is None else side.mirrored()
            mirrored = Seen(images.flip(3), side=other, chance=self.chance(images.shape[0], generator))
            embedding = (embedding + self.embed_once(mirrored, inference)) / 2
        return embedding

    @torch.no_grad()
    def look(self, images: Tensor, side: Side | None = None, generator: torch.Generator | None = None) -> Output:
        """The output with all that can be looked at, chance drawn from `generator`."""
        seen = Seen(images, side=side, chance=self.chance(len(images), generator))
        output: Output = self(replace(seen, maps=True))
        return output


def fuse(features: list[Tensor], inference: Inference) -> Tensor:
    """One embedding [B, D] from branches' features [B, R]: unit length first where asked for, then sum or joined."""
    if inference.normalise:
        features = [F.normalize(one, dim=1) for one in features]
    if len(features) == 1:
        return features[0]
    return torch.stack(features).sum(0) if inference.fusion == "sum" else torch.cat(features, dim=1)


def check_batch(network: nn.Module, images: Tensor) -> None:
    """Refuse a training batch of one image: batch normalisation has no statistics.

    Raises:
        UserError: as said.
    """
    if network.training and len(images) < 2:
        raise UserError("a training batch needs at least two images", where="training.batches")


def _levels_of(block: nn.Module) -> list[list[nn.Module]]:
    """A block's modules by depth: one level, or one for its patches and one for each of its `layers`."""
    layers = getattr(block, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        return [[block]]
    embed, norm = getattr(block, "embed", None), getattr(block, "norm", None)
    levels: list[list[nn.Module]] = [[layer] for layer in layers]
    levels[-1] += [] if norm is None else [norm]
    return levels if embed is None else [[embed], *levels]


def _copy_name(branch: str, block: int) -> str:
    return f"{branch}_block{block}"


def _block_of(name: str) -> int:
    return int(name.rpartition("block")[2])
