"""DCDLearn's losses: identity, triplets across the orders, and the centre loss."""

from __future__ import annotations

from typing import cast

import torch

from svrn.config.parameters import RunParameters
from svrn.methods.dcdlearn.parameters import Parameters
from svrn.parts.centres import ClassCentres
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.cross_space import vehicle_constraint
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Sizes, Targets

_CENTRE_RATE = 0.5


class Losses(MethodLosses):
    """An anchor's partners are the features of all orders of all images of the batch."""

    names = ("identity", "triplet", "centre")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        self.centres = ClassCentres(sizes.identities, run.model.head.reduction, _CENTRE_RATE)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        features = torch.stack([one.feature.float() for one in output.branches])  # [T, B, R]
        orders, triplet = len(features), self.shared.triplet
        weight, identity = self.identity(output, targets)
        return {
            "identity": (weight, lambda: identity() / orders),
            "triplet": (triplet.weight, lambda: vehicle_constraint(features, targets.labels, triplet.margin)),
            "centre": (
                self.own.centre_weight,
                lambda: self.centres(features.flatten(0, 1), targets.labels.repeat(orders)),
            ),
        }
