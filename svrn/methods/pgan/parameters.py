"""PGAN as the configuration sees it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from svrn.config.methods import About
from svrn.config.parts import PartParameters


class Parameters(PartParameters):
    """A weight for each part of the vehicle, and three features: of the map, of its parts, of both."""

    about = About(
        title="PGAN",
        idea="A gate weighs the parts that a detector found; the map with its weighted parts on top is joined with the "
        "map itself.",
        source='Zhang, Zhang, Cao, Gong, You and Shen, "Part-Guided Attention Learning for Vehicle Instance Retrieval",'
        " IEEE T-ITS 2020 (arXiv 1909.06023); the authors' code, zhangxinyu-xyz/PGAN-VehicleRe-ID",
        certain=(
            "a softmax over ten times the parts' scores, from their mean features through 2048-512-2048; P = X times"
            " the weighted masks, plus X",
            "squeeze and excitation and a pre-activation bottleneck on [X, P], P and X, each average-pooled: 512, 256,"
            " 256 numbers; BN neck and classifier on the first alone",
            "twice the identity loss, triplet 0.3 on each of the three; no smoothing, no centre loss",
            "test: the first feature after BN",
        ),
        readings=(
            "parts by name in a fixed order, where the original has its detector's last eight masks, whose names were"
            " not published",
            "a part that the image does not show is left out of the softmax, and without any part P = X; the detector's"
            " masks are never empty",
            "a part's share of each cell over its greatest one, so that a part smaller than a cell counts as one",
            "the map X has spatial mining, as in every row; neck and classifier are the shared ones",
        ),
        ablation="pgan-random-masks, pgan-whole-vehicle",
        page="docs/methods/pgan.md",
    )
    name: Literal["pgan"] = "pgan"
    part_names: tuple[str, ...] = Field(
        ("windscreen", "rear_window", "headlight", "tail_light", "grille", "plate", "mirror", "wheel"),
        min_length=1,
        description="masks that are the parts; imported masks of the original are part_1 to part_8",
    )
    length: int = Field(256, ge=1, description="of the features of the map and of its parts")
    identity_weight: float = Field(2.0, ge=0, description="times the identity loss's own; 1 on VehicleID")
    temperature: float = Field(10.0, gt=0, description="what parts' scores are multiplied by before the softmax")

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        return {name: (name,) for name in self.part_names}
