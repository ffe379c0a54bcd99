"""AAVER's losses: L2-softmax of the global path and of both, and the key-point head's own."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.methods.aaver.parameters import Parameters
from svrn.parts.attributes import UNKNOWN
from svrn.parts.keypoints import keypoint_loss
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets

_NOTHING: Part = (0.0, lambda: torch.zeros(()))


class Losses(MethodLosses):
    """The network scales the features before it classifies them; the head's losses reach nothing but the head."""

    names = ("identity", "triplet", "keypoints", "orientation")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        weight, triplet = self.triplet(output, targets)
        parts: dict[str, Part] = {
            "identity": self.identity(output, targets),
            "triplet": (weight if cast(Parameters, self.method).losses == "shared" else 0.0, triplet),
            "keypoints": _NOTHING,
            "orientation": _NOTHING,
        }
        made, side = output.extras, targets.side
        if side is not None and "keypoint_maps" in made:
            points = cast(Tensor, side.keypoints)
            parts["keypoints"] = (1.0, lambda: keypoint_loss(made["keypoint_maps"], points))
        if side is not None and "orientation" in made:
            viewpoint = cast(Tensor, side.viewpoint)
            parts["orientation"] = (1.0, lambda: orientation_loss(made["orientation"], viewpoint))
        return parts


def orientation_loss(logits: Tensor, viewpoint: Tensor) -> Tensor:
    """Cross entropy of the orientation, mean over the images whose viewpoint is known, 0 where none is.

    logits: [B, 8]; viewpoint: [B] int64, -1 where unknown.
    """
    total = F.cross_entropy(logits.float(), viewpoint, ignore_index=UNKNOWN, reduction="sum")
    return total / (viewpoint != UNKNOWN).sum().clamp(min=1)
