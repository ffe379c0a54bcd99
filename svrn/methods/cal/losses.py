"""CAL's losses: identity and triplet as everywhere, and the cross entropy of the effect."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from svrn.methods.cal.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.identification import identity_loss
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """`effect` is 0 where the network made no counterfactual: in evaluation mode."""

    names = ("identity", "triplet", "effect")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        weight = cast(Parameters, self.method).effect_weight

        def effect() -> Tensor:
            if "effect" not in output.extras:
                return output.branches[0].feature.sum() * 0.0
            smoothing = self.shared.identity.label_smoothing
            return identity_loss([output.extras["effect"]], targets.labels, smoothing)

        return {**super().parts(output, targets), "effect": (weight, effect)}
