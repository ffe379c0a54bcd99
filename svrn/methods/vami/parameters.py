"""VAMI as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Viewpoint-aware attentive multi-view inference."""

    about = About(
        title="VAMI",
        idea="From one view the feature of all views is inferred: attention looks for what each other view has in"
        " common with this one, and an adversary, which knows features made of several views, judges the result.",
        source='Zhou and Shao, "Viewpoint-aware Attentive Multi-view Inference for Vehicle Re-identification", CVPR'
        " 2018; the authors published labels and curves, no code",
        certain=(
            "single-view features; attention that picks regions by viewpoint; a multi-view feature inferred from one"
            " image by adversarial training; pairwise distances learned on it",
            "the real multi-view branch exists in training alone; viewpoints without left and right, five on VeRi-776",
        ),
        readings=(
            "one training in the place of three: the gradient of the adversary is reversed; widths, margins, weights"
            " and rates of the original were not found",
            "attention: softmax over positions of w.(tanh(U x) * tanh(V [mean of the own view; mean of the other])),"
            " means of the last hundred batches or so; the own view has the plain mean",
            "at test the own view is the one that the view classifier names; in training the true one, where known",
            "real: for each view the mean over the batch's images of the vehicle in it, zeros where there is none; a"
            " vehicle's images come by chance, as in every row (vami-spread: as many of its views as can be)",
            "the single-view features learn viewpoints alone; the original's learn type, colour and model too",
            "contrastive loss on unit vectors, margin 0.5; adversary 0.1; all other weights 1; the embedding has the"
            " length that every row has",
        ),
        ablation="vami-regression: the distance to the real feature in the adversary's place; vami-no-attention: plain"
        " means",
        page="docs/methods/vami.md",
    )
    shared_losses = ("identity",)
    name: Literal["vami"] = "vami"
    attention: Literal["views", "none"] = Field("views", description="none: a control, every view has the plain mean")
    inference: Literal["adversary", "regression"] = Field(
        "adversary", description="what draws the inferred feature to real ones; regression is a control"
    )
    length: int = Field(256, ge=1, description="of the single-view feature")
    inference_weight: float = Field(0.1, ge=0, description="of the adversary, or of the regression in its place")
    multi_view_weight: float = Field(1.0, ge=0, description="of telling vehicles by inferred and real features")
    view_weight: float = Field(1.0, ge=0, description="of the view classifier's cross entropy")
    contrastive_weight: float = Field(1.0, ge=0, description="of the contrastive loss on the embedding")
    margin: float = Field(0.5, ge=0, description="of the contrastive loss")
    spread: bool = Field(False, description="whether a vehicle's images in a batch show as many of its views as can be")

    def needs(self, run: RunParameters) -> Needs:
        return Needs(training=SideColumns(attributes=("view",)))

    def spreads(self, run: RunParameters) -> str | None:
        return "view" if self.spread else None

    def passes(self, run: RunParameters) -> float:
        return 1.05

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        tree["head"] = {name: tree["head"][name] for name in ("spatial_mining", "reduction")}
        if not self.spread:
            del tree["method"]["spread"]  # it came after runs were recorded
        return tree
