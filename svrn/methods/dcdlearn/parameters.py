"""DCDLearn as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Multi-order deep cross-distance learning."""

    about = About(
        title="DCDLearn",
        idea="Every image is moved to the style of one camera, and back: three orders of it, over which triplets and"
        " centres are taken, so that features do not depend on the camera.",
        source='Zhu, Fang, Xu, Yu and Xue, "DCDLearn: Multi-order Deep Cross-distance Learning for Vehicle'
        ' Re-Identification", arXiv 2003.11315, 2020; no code was published',
        certain=(
            "the abstract: one generator moves all cameras' images to one view; transferred and reconstructed images"
            " are further orders of an image; triplets over the distances across orders, and a centre loss",
        ),
        readings=(
            "the style is the mean and deviation of a camera's pixels in each channel, moved to the target camera's, in"
            " eight bits; the original has a CycleGAN, whose role this keeps and whose images it does not",
            "the reconstruction is the way back, and carries what clipping and rounding lost",
            "the target camera is the one with the most training images",
            "triplets: batch-hard over all three orders together, margin 0.3; identity is the mean over the orders",
            "centre loss 0.0005 on all orders, centres at rate 0.5, by Wen et al.'s rule",
            "one network for all orders; at test the image as it is",
        ),
        ablation="dcdlearn-no-transfer: three equal orders, which is one: its triplets and its centre loss alone",
        page="docs/methods/dcdlearn.md",
    )
    name: Literal["dcdlearn"] = "dcdlearn"
    transfer: Literal["statistics", "none"] = Field(
        "statistics", description="how an image is moved to the target camera's style; none is the control"
    )
    centre_weight: float = Field(0.0005, ge=0, description="of the centre loss")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if run.training.losses.triplet.kind != "batch_hard":
            raise ValueError("DCDLearn's triplets across orders are batch-hard: set training.losses.triplet.kind so")

    def needs(self, run: RunParameters) -> Needs:
        return Needs(training=SideColumns(camera=True)) if self.transfer == "statistics" else Needs()

    def camera_styles(self, run: RunParameters) -> bool:
        return self.transfer == "statistics"

    def passes(self, run: RunParameters) -> float:
        return 3.0 if self.transfer == "statistics" else 1.0
