"""PCB's losses: the identity loss of every stripe."""

from __future__ import annotations

from svrn.parts.losses import MethodLosses
from svrn.parts.losses.method import Part
from svrn.parts.output import Output, Targets


class Losses(MethodLosses):
    """Cross entropy summed over the stripes."""

    names = ("identity",)

    def parts(self, output: Output, targets: Targets) -> dict[str, Part]:
        return {"identity": self.identity(output, targets)}
