"""PVEN's losses: identity and triplet on the global feature, and the triplet on views that both images show."""

from __future__ import annotations

from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.pven.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.losses.parts import visible_part_triplet
from svrn.parts.output import Output, Sizes, Targets


class Losses(MethodLosses):
    """`views` is the local triplet loss."""

    names = ("identity", "triplet", "views")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        views, counts = output.extras["views"], output.extras["counts"]
        rooted = self.own.root_in_training == "sqrt"
        local = (
            self.own.local_weight,
            lambda: visible_part_triplet(views, counts, targets.labels, self.own.margin, rooted),
        )
        return {**super().parts(output, targets), "views": local}
