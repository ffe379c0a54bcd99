"""PVEN's losses: identity, triplet and centre loss on the global feature; the triplet on views both images show."""

from __future__ import annotations

from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.pven.parameters import Parameters
from svrn.parts.centres import ClassCentres
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.losses.parts import visible_part_triplet
from svrn.parts.output import Output, Sizes, Targets

_CENTRE_RATE = 0.5


class Losses(MethodLosses):
    """`views` is the local triplet loss; `centre` belongs to the original's own recipe."""

    names = ("identity", "triplet", "views", "centre")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        self.centres = ClassCentres(sizes.identities, run.model.head.reduction, _CENTRE_RATE)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        views, counts = output.extras["views"], output.extras["counts"]
        rooted = self.own.root_in_training == "sqrt"
        local = (
            self.own.local_weight,
            lambda: visible_part_triplet(views, counts, targets.labels, self.own.margin, rooted),
        )
        feature = output.branches[0].feature
        centre = (self.own.centre_weight, lambda: self.centres(feature, targets.labels))
        return {**super().parts(output, targets), "views": local, "centre": centre}
