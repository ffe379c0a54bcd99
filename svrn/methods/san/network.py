"""SAN's network: the baseline with attribute classifiers, and a second block 4 whose map is pooled by stripes."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from svrn.config.parameters import Inference, RunParameters
from svrn.methods.san.parameters import Parameters
from svrn.parts.attributes import AttributeHeads
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.maps import pool_by_maps, stripe_maps
from svrn.parts.network import check_batch, fuse
from svrn.parts.output import Branch, Output, Seen, Sizes
from svrn.parts.vectors import VectorHead

_STRIPES = "stripes"


class Network(MainBranchNetwork):
    """The global branch first, then the stripes from top to bottom. `Output.extras`: the attributes' logits, where the
    batch has labels."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own = cast(Parameters, run.method)
        self.copy_blocks(_STRIPES, 4)
        heads = [VectorHead(self.channels[-1], own.length, sizes.identities) for _ in range(own.stripes)]
        self.stripes = nn.ModuleList(heads)
        names = own.attributes if own.reads_attributes() else ()
        self.attributes = AttributeHeads(sizes, names, run.model.head.reduction)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        shared = self.run_blocks(seen.images, last=3)
        first = self.main_branch(self.mining(self.run_block(4, shared)), seen)
        below = self.run_block(4, shared, _STRIPES)
        maps = stripe_maps(len(self.stripes), below.shape[-2], below.shape[-1], below.device)
        pooled = pool_by_maps(below, maps.expand(below.shape[0], -1, -1, -1))
        classify = seen.labels is not None
        stripes: list[Branch] = [head(pooled[:, index], classify) for index, head in enumerate(self.stripes)]
        return Output((first, *stripes), self.attributes(first.normed) if classify else {})

    def embed_once(self, seen: Seen, inference: Inference) -> Tensor:
        """[B, R + stripes * length]: the global vector and the joined stripes, side by side whatever the fusion, since
        their lengths differ."""
        first, *stripes = ((one.normed if inference.after_bn else one.feature) for one in self(seen).branches)
        return fuse([first, torch.cat(stripes, 1)], inference.model_copy(update={"fusion": "concat"}))
