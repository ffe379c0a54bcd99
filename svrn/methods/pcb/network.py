"""PCB's network."""

from __future__ import annotations

from typing import cast

from torch import nn
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.methods.pcb.parameters import Parameters
from svrn.parts.network import MethodNetwork, check_batch
from svrn.parts.output import Output, Seen, Sizes
from svrn.parts.vectors import VectorHead


class Network(MethodNetwork):
    """The trunk, and a head for each stripe."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own = cast(Parameters, run.method)
        heads = [VectorHead(self.channels[-1], own.length, sizes.identities) for _ in range(own.stripes)]
        self.heads = nn.ModuleList(heads)

    def forward(self, seen: Seen) -> Output:
        check_batch(self, seen.images)
        features = self.run_blocks(seen.images)
        stripes = F.adaptive_avg_pool2d(features, (len(self.heads), 1)).squeeze(3)  # [B, C, stripes]
        classify = seen.labels is not None
        return Output(tuple(head(stripes[:, :, index], classify) for index, head in enumerate(self.heads)))
