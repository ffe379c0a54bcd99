"""DJDL's losses: identity, triplet, attributes, pairs."""

from __future__ import annotations

from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.djdl.parameters import Parameters
from svrn.parts.attributes import VehicleAttributes, attribute_loss
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.contrastive import contrastive_loss
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Sizes, Targets


class Losses(MethodLosses):
    """The four tasks."""

    names = ("identity", "triplet", "attributes", "contrastive")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        if self.own.reads_attributes():
            self.attributes = VehicleAttributes(sizes, self.own.shuffled)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        own, labels, feature = self.own, targets.labels, output.branches[0].feature
        return {
            **super().parts(output, targets),
            "attributes": (
                own.attribute_weight,
                lambda: attribute_loss(output.extras, own.attributes, self.attributes(labels)),
            ),
            "contrastive": (
                own.contrastive_weight,
                lambda: contrastive_loss(feature, labels, own.contrastive_margin),
            ),
        }
