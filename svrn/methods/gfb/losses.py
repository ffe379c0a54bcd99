"""GB+GFB+SLB's losses: the mean over both branches, and the cross entropy of the turns."""

from __future__ import annotations

from typing import cast

from torch import Tensor
from torch.nn import functional as F

from svrn.methods.gfb.parameters import Parameters
from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """`rotation` is 0 where nothing was turned: in evaluation mode."""

    names = ("identity", "triplet", "rotation")

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        def rotation() -> Tensor:
            if "told" not in output.extras:
                return output.branches[0].feature.sum() * 0.0
            return F.cross_entropy(output.extras["told"].float(), output.extras["turns"])

        mean = {name: _over(part, len(output.branches)) for name, part in super().parts(output, targets).items()}
        return {**mean, "rotation": (cast(Parameters, self.method).rotation_weight, rotation)}


def _over(part: Part, number: int) -> Part:
    """A part that is summed over branches, as their mean."""
    weight, compute = part
    return weight, lambda: compute() / number
