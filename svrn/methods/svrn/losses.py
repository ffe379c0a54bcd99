"""The total loss (equations 4, 12 and 13)."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.errors import UserError
from svrn.methods.svrn.output import StageOutput
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.cross_space import both_constraints, diverse_constraint, image_constraint, vehicle_constraint
from svrn.parts.losses.identification import triplet_loss
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """L_total (equation 13) with its parts.

    Raises:
        UserError: a loss on G has a weight and the network has no unified layer.
    """

    names = ("identity", "triplet", "vcc", "icc", "dcc", "reward", "single_space")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        losses, labels = self.shared, targets.labels
        unified, paired = self._unified(output)
        vcc, icc, dcc, single = losses.vcc, losses.icc, losses.dcc, losses.single_space

        @cache
        def crossed() -> tuple[Tensor, Tensor]:
            return both_constraints(paired, labels, (vcc.margin, icc.margin), icc.negatives)

        both = vcc.weight > 0 and icc.weight > 0
        return {
            "identity": self.identity(output, targets),
            "triplet": self.triplet(output, targets),
            "vcc": (vcc.weight, lambda: crossed()[0] if both else vehicle_constraint(paired, labels, vcc.margin)),
            "icc": (icc.weight, lambda: crossed()[1] if both else image_constraint(paired, icc.margin, icc.negatives)),
            "dcc": (dcc.weight, lambda: diverse_constraint(unified, dcc.normalise)),
            "single_space": (single.weight, lambda: triplet_loss(paired, labels, single.margin)),
            "reward": (losses.reward_weight, lambda: reward_loss(output)),
        }

    def _unified(self, output: Output) -> tuple[Tensor, Tensor]:
        """G [T, B, R] as it is, and as VCC, ICC and the single-space control see it (reading 14)."""
        losses = self.shared
        stages = [stage.unified.float() for stage in output.branches if stage.unified is not None]
        if not stages:
            if losses.vcc.weight + losses.icc.weight + losses.dcc.weight + losses.single_space.weight > 0:
                raise UserError(
                    "vcc, icc, dcc and single_space act on G, and this network has no unified layer",
                    where="training.losses",
                    mend="switch model.unified.enabled on, or set their weights to 0",
                )
            nothing = output.branches[0].feature.new_zeros(0)
            return nothing, nothing
        unified = torch.stack(stages)
        return unified, F.normalize(unified, dim=2) if losses.normalise_unified else unified


def reward_loss(output: Output) -> Tensor:
    """L_reward (equation 4): |R_score - S_t|^2, mean over cells and images, summed over the stages that are ranked."""
    losses = [
        F.mse_loss(stage.scores.float(), stage.reward_target.detach().float())
        for stage in output.branches
        if isinstance(stage, StageOutput) and stage.scores is not None and stage.reward_target is not None
    ]
    return torch.stack(losses).sum() if losses else output.branches[0].feature.new_zeros(())
