"""DJDL's network: the baseline's with a classifier for each attribute."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.djdl.parameters import Parameters
from svrn.parts.attributes import AttributeHeads
from svrn.parts.main_branch import MainBranchNetwork
from svrn.parts.output import Output, Seen, Sizes


class Network(MainBranchNetwork):
    """`Output.extras`: the attributes' logits, where the batch has labels."""

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own = cast(Parameters, run.method)
        names = own.attributes if own.reads_attributes() else ()
        self.attributes = AttributeHeads(sizes, names, run.model.head.reduction)

    def forward(self, seen: Seen) -> Output:
        output = super().forward(seen)
        if seen.labels is None:
            return output
        return replace(output, extras=self.attributes(output.branches[0].normed))
