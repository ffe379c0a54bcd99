"""GSTE's losses: identity, triplets about the centres of vehicles, triplets about the centres of groups."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.config.parameters import RunParameters
from svrn.methods.gste.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.anchored import anchored_hinge
from svrn.parts.losses.method import Part
from svrn.parts.memory import FeatureMemory, grouped, nearest_group
from svrn.parts.output import Output, Sizes, Targets


class Losses(MethodLosses):
    """Features are taken at unit length. A step's features are remembered before the centres are taken, so each
    vehicle of the batch has one; groups are those of the epoch's beginning, and in the first epoch there are none."""

    names = ("identity", "vehicle_triplet", "group_triplet")
    centres: Tensor
    there: Tensor

    def __init__(self, run: RunParameters, sizes: Sizes) -> None:
        super().__init__(run, sizes)
        self.own = cast(Parameters, run.method)
        length = run.model.head.reduction
        self.memory = FeatureMemory(sizes.images, length)
        self.register_buffer("centres", torch.zeros(sizes.identities, self.own.groups, length))
        self.register_buffer("there", torch.zeros(sizes.identities, self.own.groups, dtype=torch.bool))

    def begin_epoch(self, epoch: int) -> None:
        """Partition what is remembered of each vehicle into groups."""
        if self.own.groups > 1:
            vehicles, groups, _ = self.centres.shape
            memory = self.memory
            centres, there = grouped(memory.features, memory.labels, vehicles, groups, self.own.split_from)
            self.centres.copy_(centres)
            self.there.copy_(there)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        own, labels = self.own, targets.labels
        features = F.normalize(output.branches[0].feature.float(), dim=1)
        if self.training:
            assert targets.rows is not None
            self.memory.store(targets.rows, features, labels)
        return {
            "identity": self.identity(output, targets),
            "vehicle_triplet": (own.vehicle_weight, lambda: self._across_vehicles(features, labels)),
            "group_triplet": (own.group_weight, lambda: self._across_groups(features, labels)),
        }

    def _across_vehicles(self, features: Tensor, labels: Tensor) -> Tensor:
        vehicles = self._vehicles(labels)
        anchors, known = self.memory.means(vehicles)
        same = vehicles.unsqueeze(1) == labels.unsqueeze(0)
        return anchored_hinge(anchors, features, same & known.unsqueeze(1), ~same, self.own.vehicle_margin)

    def _vehicles(self, labels: Tensor) -> Tensor:
        """The batch's vehicles, in order: [P] int64. A training's batches have K images of each of P vehicles, so how
        many there are need not be looked up, for which a GPU would have to be waited for."""
        batches = self.run.training.batches
        if len(labels) != batches.identities * batches.images:
            return labels.unique()
        return labels.sort().values[:: batches.images]

    def _across_groups(self, features: Tensor, labels: Tensor) -> Tensor:
        if self.own.groups == 1:
            return features.sum() * 0.0
        vehicles = self._vehicles(labels)
        anchors, there = self.centres[vehicles], self.there[vehicles]  # [P, G, R], [P, G]
        nearest = nearest_group(features.detach(), self.centres, self.there, labels)
        same = vehicles.unsqueeze(1) == labels.unsqueeze(0)  # [P, B]
        numbers = torch.arange(anchors.shape[1], device=labels.device)
        inside = numbers.unsqueeze(1) == nearest.unsqueeze(0)  # [G, B]
        positive = same.unsqueeze(1) & inside & there.unsqueeze(2)
        negative = same.unsqueeze(1) & ~inside
        return anchored_hinge(
            anchors.flatten(0, 1), features, positive.flatten(0, 1), negative.flatten(0, 1), self.own.group_margin
        )
