"""SAN as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from svrn.config.attributes import AttributeParameters
from svrn.config.methods import About

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(AttributeParameters):
    """Stripe-based and attribute-aware network."""

    about = About(
        title="SAN",
        idea="Two branches: one pools horizontal stripes, the other a global vector that is also taught the vehicle's"
        " attributes; both are joined.",
        source='Qian, Jiang, Luo and Yu, "Stripe-based and Attribute-aware Network: A Two-branch Deep Model for Vehicle'
        ' Re-identification", Measurement Science and Technology 2020, arXiv 1910.05549; no code was published',
        certain=(
            "the abstract: a stripe branch of horizontal average pooling and dimension-reducing convolutions; an"
            " attribute-aware branch whose global vector is supervised by attributes too; the descriptor joins both",
        ),
        readings=(
            "the branches part before block 4, each with its own copy; spatial mining on the global one, as everywhere",
            "four stripes, each reduced to 256 numbers with a classifier of its own; rows split as our grid's cells do",
            "the global branch is the baseline's with a linear classifier for each attribute on F after BN",
            "triplets on the global F and on the joined stripes; all weights 1",
            "embedding: global F and joined stripes, each at unit length, side by side",
            "colour and type as attributes",
        ),
        ablation="san-no-attributes; san-shuffled-attributes",
        page="docs/methods/san.md",
    )
    name: Literal["san"] = "san"
    stripes: int = Field(4, ge=1, description="horizontal stripes of the map")
    length: int = Field(256, ge=1, description="of each stripe's feature")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.stripes > run.map_side():
            raise ValueError(f"{self.stripes} stripes do not fit the {run.map_side()} rows of this input size's map")

    def passes(self, run: RunParameters) -> float:
        return 1.25
