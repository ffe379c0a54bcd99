"""SAN's losses: identity of the global vector and of every stripe, triplets on both branches, attributes."""

from __future__ import annotations

from typing import cast

import torch

from svrn.config.parameters import RunParameters
from svrn.methods.san.parameters import Parameters
from svrn.parts.attributes import VehicleAttributes, attribute_loss
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Branch, Output, Sizes, Targets


class Losses(MethodLosses):
    """The stripes have their triplets as one vector."""

    names = ("identity", "triplet", "attributes")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        if self.own.reads_attributes():
            self.attributes = VehicleAttributes(sizes, self.own.shuffled)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        own = self.own
        first, *stripes = output.branches
        joined = torch.cat([one.feature for one in stripes], 1)
        return {
            "identity": self.identity(output, targets),
            "triplet": self.triplet(Output((first, Branch(joined, joined))), targets),
            "attributes": (
                own.attribute_weight,
                lambda: attribute_loss(output.extras, own.attributes, self.attributes(targets.labels)),
            ),
        }
