"""XG-6-sub-multi's losses: the baseline's, and the identity loss of every region that an image shows."""

from __future__ import annotations

from typing import cast

from svrn.methods.xg6.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.losses.parts import seen_identity_loss
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """`parts` is the regions' identity loss."""

    names = ("identity", "triplet", "parts")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        logits, seen = output.extras["part_logits"], output.extras["part_seen"]
        own = cast(Parameters, self.method)
        parts = (own.part_loss_weight, lambda: seen_identity_loss(logits, seen, targets.labels))
        return {**super().parts(output, targets), "parts": parts}
