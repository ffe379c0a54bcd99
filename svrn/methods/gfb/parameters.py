"""GB+GFB+SLB as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Global branch, geometric branch, self-supervised branch."""

    about = About(
        title="GB+GFB+SLB",
        idea="Beside the global branch a second one sees the features through a map of local maxima, which an encoder"
        " of its own makes and which learns geometry by telling how far an image was turned.",
        source='Li, Huang and Zhang, "Self-supervised Geometric Features Discovery via Interpretable Attention for'
        " Vehicle Re-identification and Beyond\", ICCV 2021, arXiv 2010.09221; the authors' code,"
        " ming1993li/Self-supervised-Geometric",
        certain=(
            "layers 3 and 4 twice on the shared first half, the second time on its features times a map of one channel",
            "the map's score, after D2-Net: exp(x / the image's maximum) over its sum in a neighbourhood, borders"
            " padded with 1, times x over the greatest channel there; the greatest over channels, over its sum",
            "the encoder sees the batch in random quarter turns; two residual blocks, average pooling and a cosine"
            " classifier of trained scale, from 10, tell the turn: weight 1",
            "identity and triplet loss: the mean of both branches; both features are joined; the map acts at test too",
        ),
        readings=(
            "the map is scaled to a mean of 1: as a sum of 1 it shrinks features by the number of positions, under what"
            " batch normalisation adds to variances; the code has a line that would scale it back, commented out",
            "the encoder is a copy of the trunk's first two blocks, trained even where those are frozen, and two 3x3"
            " convolutions to 128 channels, in the place of a ResNet-18",
            "turns are drawn for each image; the turned pass has its own statistics and leaves the running ones alone",
            "triplet margin 0.3 and no label smoothing, as in every row: the code has 0.5 and 0.1",
            "features before BN and spatial mining on both branches, as in every row; the code joins them after BN",
        ),
        ablation="gfb-no-rotation: the map without the turns; gfb-uniform-map: the second branch without a map",
        page="docs/methods/gfb.md",
    )
    name: Literal["gfb"] = "gfb"
    map: Literal["maxima", "uniform"] = Field("maxima", description="what the second branch's features are weighted by")
    neighbourhood: int = Field(7, ge=1, description="side of the square in which a maximum is local, in pixels, odd")
    channels: int = Field(128, ge=1, description="of the encoder's last map")
    rotation_weight: float = Field(1.0, ge=0, description="of the cross entropy of the turns")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.neighbourhood % 2 == 0:
            raise ValueError(f"a neighbourhood of {self.neighbourhood} has no middle: choose an odd one")
        if self.map == "uniform" and self.rotation_weight:
            raise ValueError("a uniform map has no encoder that could learn turns: set method.rotation_weight to 0")

    def branches(self, run: RunParameters) -> int:
        return 2

    def passes(self, run: RunParameters) -> float:
        return 1.5 + (0.5 if self.map == "maxima" else 0.0) + (0.5 if self.rotation_weight else 0.0)

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.rotation_weight > 0

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        if self.map == "uniform":
            del tree["method"]["neighbourhood"], tree["method"]["channels"]
        return tree
