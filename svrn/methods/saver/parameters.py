"""SAVER as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """A coarse template is taken from the image; what is left are the details."""

    about = About(
        title="SAVER",
        idea="A variational auto-encoder draws a coarse template of the vehicle; image less template is the residual,"
        " which keeps the details; a mix of image and residual enters the network.",
        source='Khorramshahi, Peri, Chen and Chellappa, "The Devil is in the Details: Self-Supervised Attention for'
        ' Vehicle Re-Identification", ECCV 2020 (table 1: SEVER); EVER: Peri, Khorramshahi and others, "Towards'
        ' Real-Time Systems for Vehicle Re-Identification, Multi-Camera Tracking, and Anomaly Detection", CVPR'
        " workshops 2020",
        certain=(
            "template by a variational auto-encoder, residual, convex mix; no labels beside the vehicles'",
            "EVER: the residual excites feature maps after the first two blocks, in training only, by a weight that"
            " falls from 1 to 0 as a cosine",
        ),
        readings=(
            "template at 64 px, drawn up to the input bilinearly; latent 256; encoder 32-64-128-128; a is the sigmoid"
            " of one trained number and starts at 0.5; weights 100 and 0.001 as remembered of the paper",
            "the auto-encoder is pretrained on the run's own training images; the authors had 3.7 million others",
            "what is erased by augmentation teaches the template nothing",
            "SAVER's identity losses reach the auto-encoder; EVER's do not",
            "EVER: the residual's absolute mean over channels, over its greatest value in the image, times the weight,"
            " is added to 1 and multiplies the map",
        ),
        ablation="saver-image (a = 1: the baseline to the digit), saver-residual (a = 0), saver-blur (a blurred image"
        " in the template's place)",
        page="docs/methods/saver.md",
    )
    name: Literal["saver"] = "saver"
    residual: Literal["mixed", "excites"] = Field(
        "mixed", description="mixed into the input (SAVER), or exciting the first maps in training (EVER)"
    )
    template: Literal["vae", "blur"] = Field("vae", description="what draws the template; blur is a control")
    latent: int = Field(256, ge=1, description="numbers that the template is drawn from")
    image_share: float = Field(0.5, ge=0, le=1, description="a at the start, of the image in the mix")
    image_share_learned: bool = Field(True, description="whether a is trained")
    generation_weight: float = Field(100.0, ge=0, description="of reconstruction and divergence")
    divergence_weight: float = Field(0.001, ge=0, description="of the latent distribution's divergence beside it")
    pretrain_steps: int = Field(60, ge=0, description="steps in which the auto-encoder alone is trained, beforehand")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        if self.image_share_learned and self.image_share in (0.0, 1.0):
            raise ValueError("a share of 0 or 1 is fixed: set method.image_share_learned to false")

    def pretraining_steps(self, run: RunParameters) -> int:
        return self.pretrain_steps if self.generates() else 0

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.generates()

    def generates(self) -> bool:
        """Whether there is an auto-encoder, and something that it does."""
        fixed_image = self.residual == "mixed" and not self.image_share_learned and self.image_share == 1
        return self.template == "vae" and not fixed_image
