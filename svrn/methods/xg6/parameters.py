"""XG-6-sub-multi as the configuration sees it."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from svrn.config.methods import About
from svrn.config.parts import PartParameters

_SIDES = ("left", "right")
_PAIRED = {"side windows": "side_window", "headlights": "headlight", "tail lights": "tail_light"}


class Parameters(PartParameters):
    """Six regions of the vehicle, each with a feature that is part of the embedding."""

    about = About(
        title="XG-6-sub-multi",
        idea="Six regions of a vehicle that a detector found have features and classifiers of their own, joined to the"
        " global feature.",
        source='Zhao, Shen, Wang and Chen, "Structural Analysis of Attributes for Vehicle Re-identification and '
        'Retrieval", IEEE T-ITS 2019; no code of the authors',
        certain=(
            "21 classes of structural attributes in boxes (data set VAC21), found by a detector; they serve"
            " re-identification and retrieval",
        ),
        readings=(
            "our reading of the abstract and of the row's name: network, losses and distance are not known to us",
            "six regions: windscreen, rear window, side windows, headlights, tail lights, grille; the union of each"
            " one's boxes, pooled on the last map",
            "a 1x1 convolution to 256 and BN that all regions share, a classifier a region; cross entropy summed over"
            " the regions that an image shows, weight 1",
            "global feature and regions at unit length, joined; a region that is not shown is zeros, which costs a pair"
            " its squared length where one image shows it and the other does not",
        ),
        ablation="xg6-random-boxes, xg6-whole-vehicle",
        page="docs/methods/xg6.md",
    )
    shapes: ClassVar[Literal["masks", "boxes"]] = "boxes"
    name: Literal["xg6"] = "xg6"
    length: int = Field(256, ge=1, description="of each region's feature")
    part_loss_weight: float = Field(1.0, ge=0, description="of the regions' identity loss")

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        pairs = {name: tuple(f"{box}_{side}" for side in _SIDES) for name, box in _PAIRED.items()}
        return {"windscreen": ("windscreen",), "rear window": ("rear_window",), **pairs, "grille": ("grille",)}
