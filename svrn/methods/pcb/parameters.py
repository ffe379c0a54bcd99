"""PCB as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """A feature for each horizontal stripe of the map."""

    about = About(
        title="PCB",
        idea="The map is cut into horizontal stripes; each has a feature and a classifier of its own.",
        source='Sun, Zheng, Yang, Tian and Wang, "Beyond Part Models", ECCV 2018',
        certain=("six stripes of equal height, 256 numbers each, one classifier each, identity loss alone",),
        readings=("stripes on square vehicle images; no refined part pooling; F of the stripes joined, not summed",),
        ablation="stripes: 1",
        page="docs/methods/pcb.md",
    )
    shared_losses = ("identity",)
    name: Literal["pcb"] = "pcb"
    stripes: int = Field(6, ge=1, description="horizontal stripes of the map")
    length: int = Field(256, ge=1, description="of each stripe's feature")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.stripes > run.map_side():
            raise ValueError(f"{self.stripes} stripes do not fit the {run.map_side()} rows of this input size's map")

    def branches(self, run: RunParameters) -> int:
        return self.stripes
