"""PVEN as the configuration sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About
from svrn.config.parts import PartParameters

if TYPE_CHECKING:
    from svrn.config.parameters import Inference, RunParameters

VIEWS = ("front", "back", "side", "roof")


class Parameters(PartParameters):
    """Four views of the vehicle, each with a feature, compared as far as both images show it."""

    about = About(
        title="PVEN",
        idea="A parser cuts the vehicle into front, back, side and roof; images are compared by a global feature and"
        " by the features of the views that both of them show.",
        source='Meng, Li, Liu, Li, Yang, Zheng, Gao and Wei, "Parsing-based View-aware Embedding Network for Vehicle '
        "Re-Identification\", CVPR 2020; the authors' code, silverbulletmdc/PVEN",
        certain=(
            "four masks pool one map; v_k is 1 more than the cells of view k, its feature their sum over v_k",
            "one BN over all views' numbers; a local triplet loss 0.3 on views at unit length, weights v_k v'_k over"
            " their sum; identity and triplet loss on the global feature alone",
            "test: squared distance of the global features after BN, plus 0.5 times the local distance",
        ),
        readings=(
            "the root of the views' distances, taken twice in the last version of the code and once in an earlier one:"
            " twice, and squared at test; pven-plain takes it once",
            "views pool the reduced map, 512 numbers each, where the original pools the last map of 2048",
            "a cell counts by the share of it that a view covers, and cells are those of a 16 x 16 map at any input"
            " size; the original takes the nearest pixel",
            "the local classifier is left out: in the original it enters no loss",
            "centre loss and label smoothing are off, as in every row; images are mirrored, views with them",
        ),
        ablation="pven-no-parts: part_weight 0 at test, from the same run; pven-random-masks, pven-whole-vehicle",
        page="docs/methods/pven.md",
    )
    at_test = ("part_weight", "root", "one_vector")
    name: Literal["pven"] = "pven"
    local_weight: float = Field(1.0, ge=0, description="of the local triplet loss")
    margin: float = Field(0.3, ge=0, description="of the local triplet loss")
    root_in_training: Literal["sqrt", "plain"] = Field(
        "sqrt", description="whether the local triplet loss takes the root of views' distances"
    )
    centre_weight: float = Field(0.0, ge=0, description="of a centre loss; the original's own recipe has 0.0005")
    part_weight: float = Field(0.5, ge=0, description="at test: of the local distance; 0 is the global feature alone")
    root: Literal["sqrt", "plain", "none"] = Field(
        "sqrt", description="at test: views' distances by their root, as they are, or squared"
    )
    one_vector: bool = Field(
        False, description="at test: every view counts as equally seen, squared; then one plain vector says it all"
    )

    def distance(self, run: RunParameters, inference: Inference) -> Mapping[str, Any] | None:
        if self.part_weight == 0 or self.one_vector:
            return None
        length = run.model.head.reduction
        return {
            "kind": "visible-parts",
            "global": length,
            "parts": [length] * len(VIEWS),
            "lambda": self.part_weight,
            "root": self.root,
        }

    def own_parts(self) -> dict[str, tuple[str, ...]]:
        return {view: (view,) for view in VIEWS}
