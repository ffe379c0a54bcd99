"""AGNet's network: a second block 4 for attributes, whose map is a mask over the identity's."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from svrn.config.parameters import RunParameters
from svrn.methods.agnet.parameters import Parameters
from svrn.parts.attributes import AttributeHeads
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.network import check_batch
from svrn.parts.output import Output, Seen, Sizes

_ATTRIBUTES = "attributes"


class Network(MainBranchNetwork):
    """One branch, the identity's. `Output.extras`: the attributes' logits, where the batch has labels."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own, channels = cast(Parameters, run.method), self.channels[-1]
        self.copy_blocks(_ATTRIBUTES, 4)
        self.mask = nn.Conv2d(channels, channels, 1)
        names = own.attributes if own.attribute_weight > 0 else ()
        self.attributes = AttributeHeads(sizes, names, channels)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        shared = self.run_blocks(seen.images, last=3)
        features = self.mining(self.run_block(4, shared))
        told = self.run_block(4, shared, _ATTRIBUTES)
        mask = torch.sigmoid(self.mask(told))
        branch = self.main_branch(features * (1 + mask), seen)
        extras = self.attributes(told.mean((2, 3), dtype=torch.float32)) if seen.labels is not None else {}
        pictures = {"attribute-guided mask": mask.float().mean(1)} if seen.maps else {}
        return Output((branch,), extras, pictures)
