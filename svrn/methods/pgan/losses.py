"""PGAN's losses: the identity loss of the joined feature, weighed anew, and a triplet loss on each of the three."""

from __future__ import annotations

from typing import cast

from svrn.methods.pgan.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """Identity and triplet."""

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        weight, compute = self.identity(output, targets)
        own = cast(Parameters, self.method)
        return {"identity": (own.identity_weight * weight, compute), "triplet": self.triplet(output, targets)}
