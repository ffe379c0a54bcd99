"""TransReID's losses: half of each for the global token, half for the mean of the runs'."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from svrn.methods.transreid.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.identification import circle_loss, identity_loss, soft_triplet_loss, triplet_loss
from svrn.parts.losses.method import Part
from svrn.parts.output import Branch, Output, Targets


class Losses(MethodLosses):
    """With no runs the global token's losses stand alone, whole."""

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        runs = len(output.branches) - 1

        def summed(values: list[Tensor]) -> Tensor:
            if not runs:
                return values[0]
            weights = values[0].new_full((1 + runs,), 0.5 / runs)
            weights[0].fill_(0.5)
            return (torch.stack(values) * weights).sum()

        identity, triplet = self.shared.identity, self.shared.triplet
        return {
            "identity": (identity.weight, lambda: summed([self._identity(one, targets) for one in output.branches])),
            "triplet": (triplet.weight, lambda: summed([self._triplet(one, targets) for one in output.branches])),
        }

    def _identity(self, branch: Branch, targets: Targets) -> Tensor:
        assert branch.logits is not None
        return identity_loss([branch.logits], targets.labels, self.shared.identity.label_smoothing)

    def _triplet(self, branch: Branch, targets: Targets) -> Tensor:
        options, feature, labels = self.shared.triplet, branch.feature.float(), targets.labels
        if cast(Parameters, self.method).soft_margin:
            return soft_triplet_loss([feature], labels)
        if options.kind == "circle":
            return circle_loss([feature], labels, options.margin, options.scale)
        return triplet_loss([feature], labels, options.margin)
