"""AGNet-ASL's losses: identity smoothed by attributes, triplet, attributes."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.methods.agnet.parameters import Parameters
from svrn.parts.attributes import UNKNOWN, VehicleAttributes, attribute_loss
from svrn.parts.classes import one_of
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Sizes, Targets


def smoothed_targets(labels: Tensor, table: Tensor, smoothing: float, spread: Literal["same", "other"]) -> Tensor:
    """q [B, N] of attribute-based label smoothing: 1 - e for the vehicle itself, e in equal parts for the others of the
    same attributes, or for those of other ones. Where there are none, or not all attributes of the vehicle are known,
    e in equal parts for all N, as label smoothing has it.

    labels: [B]; table: [N, A] int64, -1 where unknown: a vehicle of which something is unknown is like no other, and
    unlike none.
    """
    vehicles = len(table)
    known = (table != UNKNOWN).all(1)
    same = (table[labels].unsqueeze(1) == table.unsqueeze(0)).all(2)
    chosen = (same if spread == "same" else ~same) & known.unsqueeze(0) & known[labels].unsqueeze(1)
    own = one_of(labels, vehicles)
    chosen &= ~own
    number = chosen.sum(1, keepdim=True)
    shares = torch.where(number > 0, chosen / number.clamp(min=1), 1 / vehicles)
    return (1 - smoothing) * own + smoothing * shares


class Losses(MethodLosses):
    """`identity` is the cross entropy with smoothed targets."""

    names = ("identity", "triplet", "attributes")

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        if self.own.reads_attributes():
            self.attributes = VehicleAttributes(sizes, self.own.shuffled)

    def identity(self, output: Output, targets: Targets) -> Part:
        logits, own, labels = output.branches[0].logits, self.own, targets.labels
        assert logits is not None

        def compute() -> Tensor:
            if own.smoothing == 0 or own.spread == "uniform":
                return F.cross_entropy(logits.float(), labels, label_smoothing=own.smoothing)
            wanted = smoothed_targets(labels, self.attributes.table, own.smoothing, own.spread)
            return F.cross_entropy(logits.float(), wanted)

        return self.shared.identity.weight, compute

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        own = self.own
        told = (
            own.attribute_weight,
            lambda: attribute_loss(output.extras, own.attributes, self.attributes(targets.labels)),
        )
        return {**super().parts(output, targets), "attributes": told}
