"""AGNet-ASL as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.attributes import AttributeParameters
from svrn.config.methods import About

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(AttributeParameters):
    """Attribute-guided network with attribute-based label smoothing."""

    about = About(
        title="AGNet-ASL",
        idea="A branch that tells a vehicle's attributes makes a mask that selects features for the branch that tells"
        " the vehicle, and the smoothing of the vehicles' labels goes by attributes.",
        source='Huibing Wang et al., "Attribute-guided Feature Learning Network for Vehicle Re-identification", 2020,'
        " arXiv 2001.03872; no code was published",
        certain=(
            "the abstract: attribute branches and a category branch, end to end; an attribute-guided module makes a"
            " mask from attribute features that selects features for the category branch; an attribute-based label"
            " smoothing loss, abbreviated ALS there and ASL in the paper's table",
        ),
        readings=(
            "the branches part before block 4; the attributes' has its own copy, average pooling, and a linear"
            " classifier for each attribute",
            "the mask is a 1x1 convolution of the attributes' map and a sigmoid, one value a channel and position; the"
            " identity's map X becomes X (1 + mask); the identity's losses reach the attributes' branch through it",
            "smoothing 0.1, shared by the other training vehicles of the same attributes; where a vehicle has no such"
            " others, or its attributes are not known, by all, as usual",
            "the shared triplet loss; all weights 1; colour and type as attributes",
        ),
        ablation="agnet-other-spread: the smoothing goes to vehicles of other attributes; agnet-uniform-spread: to all;"
        " agnet-shuffled-attributes",
        page="docs/methods/agnet.md",
    )
    name: Literal["agnet"] = "agnet"
    smoothing: float = Field(0.1, ge=0, lt=1, description="of the vehicles' labels")
    spread: Literal["same", "other", "uniform"] = Field(
        "same", description="which vehicles share the smoothing: of the same attributes, of other ones, or all"
    )

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if run.training.losses.identity.label_smoothing > 0:
            raise ValueError(
                "AGNet-ASL smooths labels by method.smoothing: set training.losses.identity.label_smoothing to 0"
            )

    def reads_attributes(self) -> bool:
        return super().reads_attributes() or self._smooths_by_attributes()

    def passes(self, run: RunParameters) -> float:
        return 1.25

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        if self.smoothing == 0:
            del tree["method"]["spread"]
        return tree

    def _smooths_by_attributes(self) -> bool:
        return self.smoothing > 0 and self.spread != "uniform"
