"""BoT's losses: identity and triplet as everywhere, and the centre loss."""

from __future__ import annotations

from typing import cast

from svrn.config.parameters import RunParameters
from svrn.methods.bot.parameters import Parameters
from svrn.parts.centres import ClassCentres
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Sizes, Targets


class Losses(MethodLosses):
    """The centre of a vehicle is that of its features F; all start at zero."""

    names = ("identity", "triplet", "centre")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        own = cast(Parameters, run.method)
        self.weight = own.centre_weight
        self.centres = ClassCentres(sizes.identities, run.model.head.reduction, own.centre_rate)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        feature = output.branches[0].feature
        centre = (self.weight, lambda: self.centres(feature, targets.labels))
        return {**super().parts(output, targets), "centre": centre}
