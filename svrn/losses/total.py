"""The total loss (equations 4, 12 and 13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.parameters import Losses
from svrn.errors import UserError
from svrn.losses.cross_space import diverse_constraint, image_constraint, vehicle_constraint
from svrn.losses.identification import circle_loss, identity_loss, triplet_loss
from svrn.model.output import Output


@dataclass(frozen=True)
class LossParts:
    """The loss of a batch, each a scalar float32 tensor.

    total: the weighted sum, what is minimised. All others are unweighted, and 0 where their weight is 0 or where there
    is nothing for them to act on (no ranking layer, one stage).
    """

    total: Tensor
    identity: Tensor
    triplet: Tensor
    vcc: Tensor
    icc: Tensor
    dcc: Tensor
    reward: Tensor
    single_space: Tensor


def reward_loss(output: Output) -> Tensor:
    """L_reward (equation 4): |R_score - S_t|^2, mean over cells and images, summed over the stages that are ranked."""
    losses = [
        F.mse_loss(stage.scores.float(), stage.reward_target.detach().float())
        for stage in output.stages
        if stage.scores is not None and stage.reward_target is not None
    ]
    return torch.stack(losses).sum() if losses else output.stages[0].feature.new_zeros(())


def total_loss(output: Output, labels: Tensor, losses: Losses) -> LossParts:
    """L_total (equation 13) with its parts; a part of weight 0 is not computed.

    Reads only `feature`, `logits`, `unified`, `scores` and `reward_target` of the stages, so that the tensors may have
    been gathered from several processes. labels: [B] int64.

    Raises:
        UserError: a loss on G has a weight and the network has no unified layer.
    """
    features = torch.stack([stage.feature.float() for stage in output.stages])
    zero = features.new_zeros(())
    triplet = losses.triplet

    def part(weight: float, compute: Callable[[], Tensor]) -> Tensor:
        return compute() if weight > 0 else zero

    def triplets() -> Tensor:
        if triplet.kind == "circle":
            return circle_loss(features, labels, triplet.margin, triplet.scale)
        return triplet_loss(features, labels, triplet.margin)

    with torch.autocast(features.device.type, enabled=False):
        unified, paired = _unified(output, losses)
        logits = [stage.logits for stage in output.stages]
        identity = part(losses.identity.weight, lambda: identity_loss(logits, labels, losses.identity.label_smoothing))
        tri = part(triplet.weight, triplets)
        vcc = part(losses.vcc.weight, lambda: vehicle_constraint(paired, labels, losses.vcc.margin))
        icc = part(losses.icc.weight, lambda: image_constraint(paired, losses.icc.margin, losses.icc.negatives))
        dcc = part(losses.dcc.weight, lambda: diverse_constraint(unified, losses.dcc.normalise))
        single = part(losses.single_space.weight, lambda: triplet_loss(paired, labels, losses.single_space.margin))
        reward = part(losses.reward_weight, lambda: reward_loss(output))
        total = (
            losses.identity.weight * identity
            + triplet.weight * tri
            + losses.vcc.weight * vcc
            + losses.icc.weight * icc
            + losses.dcc.weight * dcc
            + losses.single_space.weight * single
            + losses.reward_weight * reward
        )
    return LossParts(total, identity, tri, vcc, icc, dcc, reward, single)


def _unified(output: Output, losses: Losses) -> tuple[Tensor, Tensor]:
    """G [T, B, R] as it is, and as VCC, ICC and the single-space control see it (reading 14)."""
    stages = [stage.unified.float() for stage in output.stages if stage.unified is not None]
    if not stages:
        if losses.vcc.weight + losses.icc.weight + losses.dcc.weight + losses.single_space.weight > 0:
            raise UserError(
                "vcc, icc, dcc and single_space act on G, and this network has no unified layer",
                where="training.losses",
                mend="switch model.unified.enabled on, or set their weights to 0",
            )
        nothing = output.stages[0].feature.new_zeros(0)
        return nothing, nothing
    unified = torch.stack(stages)
    return unified, F.normalize(unified, dim=2) if losses.normalise_unified else unified
