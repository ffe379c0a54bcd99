"""PRN as the configuration sees it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from svrn.config.methods import About
from svrn.config.parts import PartParameters

_SIDES = ("left", "right")


class Parameters(PartParameters):
    """Windows, lights and the brand mark: a classifier each, in training alone."""

    about = About(
        title="PRN",
        idea="Boxes of windows, lights and the brand mark make the network tell vehicles apart by each of these parts "
        "in training; the embedding is the global feature alone.",
        source='He, Li, Zhao and Tian, "Part-regularized Near-duplicate Vehicle Re-identification", CVPR 2019; no code'
        " of the authors",
        certain=(
            "a detection branch brings constraints by parts into a global network; both are trained together",
            "at test the parts are left out",
        ),
        readings=(
            "our reading of the abstract and of others' notes: neither the text nor the code was at hand",
            "windows, lights and brand mark, one part each: the union of its boxes, pooled on the last map",
            "boxes are given, there is no detector inside of the network",
            "a 1x1 convolution to 256 and BN that all parts share, a classifier a part; cross entropy summed over the"
            " parts that an image shows, weight 1; no triplets on parts",
            "not the other PRN, partition and reunion (Chen et al., CVPR workshops 2019)",
        ),
        ablation="prn-random-boxes, prn-whole-vehicle; part_loss_weight 0 is the baseline",
        page="docs/methods/prn.md",
    )
    shapes: ClassVar[Literal["masks", "boxes"]] = "boxes"
    at_inference: ClassVar[bool] = False
    name: Literal["prn"] = "prn"
    length: int = Field(256, ge=1, description="of each part's feature")
    part_loss_weight: float = Field(1.0, ge=0, description="of the parts' identity loss")

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        lights = tuple(f"{light}_{side}" for light in ("headlight", "tail_light") for side in _SIDES)
        windows = ("windscreen", "rear_window", *(f"side_window_{side}" for side in _SIDES))
        return {"windows": windows, "lights": lights, "brand": ("brand",)}
