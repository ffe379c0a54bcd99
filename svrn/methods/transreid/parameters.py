"""TransReID as the configuration sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters

_OF_HYBRID = ("width", "layers", "heads")


class Parameters(MethodParameters):
    """A transformer's class tokens: of all patches, and of runs of shuffled ones."""

    about = About(
        title="TransReID",
        idea="A vision transformer whose tokens all carry a learned vector of the image's camera (and viewpoint), with"
        " a second last layer that sees shifted and shuffled patches in runs.",
        source='He, Luo, Wang, Wang, Li and Jiang, "TransReID: Transformer-based Object Re-identification", ICCV 2021,'
        " arXiv 2102.04378; the authors' code, damo-cv/TransReID",
        certain=(
            "one vector for each pair of camera and viewpoint, times 3, added to every token, at test too",
            "the last layer and the norm stand twice; the local one sees the class token with each of 4 runs of"
            " patches, shifted and taken in turn from 2 halves; a rest is dropped",
            "identity and triplet loss with a soft margin: half for the global token, half for the mean of the local"
            " ones; five BN necks and classifiers without bias; no label smoothing; drop path 0.1, rising with depth",
            "embedding: the global token and the local ones by 1/4, before BN, side by side",
        ),
        readings=(
            "a convolutional backbone makes a hybrid: its first three blocks, a 1x1 convolution and fresh layers, since"
            " a transformer without ImageNet weights does not learn from a few thousand images",
            "the camera alone is read by default: any system knows it; viewpoints of test images, annotated by hand in"
            " the original, are a row of their own",
            "vectors start at zero; a pair never trained on takes the mean of its camera's trained ones, a camera never"
            " trained on the mean of all; in the original they keep a random start",
            "viewpoints change sides with a mirrored image, as everywhere here; the original keeps them",
            "patches are shifted by 2 on maps of 36 to 49 patches; the original's setting of 8 moves 7 of 256",
            "class tokens are the features as they are, of the transformer's width; no reduction, no spatial mining",
        ),
        ablation="transreid-no-side; transreid-camera-view has more; transreid-no-jigsaw: the global token alone",
        page="docs/methods/transreid.md",
    )
    name: Literal["transreid"] = "transreid"
    side: Literal["none", "camera", "camera_view"] = Field("camera", description="what the tokens are told of an image")
    side_scale: float = Field(3.0, ge=0, description="of the side information's vectors")
    runs: int = Field(4, ge=0, description="runs of jigsaw patches, each with a token of its own; 0: none, a control")
    shift: int = Field(2, ge=0, description="patches that the jigsaw moves from the front to the end")
    groups: int = Field(2, ge=1, description="parts of the row from which the jigsaw takes patches in turn")
    drop_path: float = Field(0.1, ge=0, lt=1, description="of the last layer; rises from 0 at the first one")
    soft_margin: bool = Field(True, description="of the triplet loss; false: training.losses.triplet as it stands")
    stride: int = Field(16, ge=1, description="pixels between patches, for a transformer on pixels; 12: they overlap")
    width: int = Field(192, ge=1, description="of a hybrid's tokens")
    layers: int = Field(4, ge=1, description="of a hybrid's transformer")
    heads: int = Field(3, ge=1, description="of a hybrid's layers")

    def check(self, run: RunParameters) -> None:
        super().check(run)
        patches = self._patches(run)
        if self.runs and patches < max(2, self.runs):
            raise ValueError(f"{patches} patches cannot be cut into {self.runs} runs: a larger input, or fewer runs")
        if self.shift > patches:
            raise ValueError(f"a shift of {self.shift} is more than there are patches, {patches}")
        if run.model.backbone.patch() is None and self.width % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a width of {self.width}")

    def needs(self, run: RunParameters) -> Needs:
        if self.side == "none":
            return Needs()
        columns = SideColumns(camera=True, viewpoint=self.side == "camera_view")
        return Needs(training=columns, test=columns)

    def branches(self, run: RunParameters) -> int:
        return 1 + self.runs

    def draws_in_steps(self, run: RunParameters) -> bool:
        return self.drop_path > 0

    def facts(self, run: RunParameters) -> Mapping[str, str]:
        kind = "hybrid" if run.model.backbone.patch() is None else "transformer on pixels"
        return {"Transformer": f"{kind}, {self._patches(run)} patches", **super().facts(run)}

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        del tree["head"]  # it has none
        unused = ("stride",) if run.model.backbone.patch() is None else _OF_HYBRID
        if not self.runs:
            unused = (*unused, "shift", "groups")
        if self.side == "none":
            unused = (*unused, "side_scale")
        tree["method"] = {name: value for name, value in tree["method"].items() if name not in unused}
        return tree

    def losses_identity(self, run: RunParameters) -> dict[str, Any]:
        losses = super().losses_identity(run)
        if self.soft_margin:
            losses["triplet"] = {"weight": losses["triplet"]["weight"]}
        return losses

    def inference_identity(self, run: RunParameters) -> dict[str, Any]:
        return super().inference_identity(run) | {"fusion": "concat"}

    def _patches(self, run: RunParameters) -> int:
        size, patch = run.training.input.size, run.model.backbone.patch()
        if patch is None:
            return (-(-size // 16)) ** 2
        return ((size - patch) // self.stride + 1) ** 2
