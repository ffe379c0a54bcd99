"""SAVER's losses: identity and triplet as everywhere, and what the template costs."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from svrn.methods.saver.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """In pretraining the template's cost is all there is."""

    names = ("identity", "triplet", "generation")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        weight = cast(Parameters, self.method).generation_weight if "generation" in output.extras else 0.0

        def generation() -> Tensor:
            return output.extras["generation"].float().mean()

        def nothing() -> Tensor:
            raise AssertionError("weight 0 is not computed")

        if targets.pretraining:
            return {"identity": (0.0, nothing), "triplet": (0.0, nothing), "generation": (weight, generation)}
        return {**super().parts(output, targets), "generation": (weight, generation)}
