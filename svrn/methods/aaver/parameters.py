"""AAVER as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters, Needs
from svrn.config.side import SideColumns

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters

#: The seven points of each group of orientations, as the paper's table has them. The right side's are those of the
#: left one, mirrored; so are their places in the list. `plate_rear` stands for the emblem on the rear.
CHOSEN: dict[str, tuple[str, ...]] = {
    "front": (
        *("mirror_left", "mirror_right", "headlight_right", "headlight_left", "logo_front"),
        *("windscreen_head_right", "windscreen_head_left"),
    ),
    "rear": (
        *("tail_light_right", "roof_end_right", "roof_end_left", "plate_rear", "tail_light_left"),
        *("mirror_left", "mirror_right"),
    ),
    "left": (
        *("headlight_left", "wheel_1_left", "mirror_left", "windscreen_head_left", "roof_end_left"),
        *("wheel_2_left", "tail_light_left"),
    ),
    "right": (
        *("headlight_right", "wheel_1_right", "mirror_right", "windscreen_head_right", "roof_end_right"),
        *("wheel_2_right", "tail_light_right"),
    ),
    "front_left": (
        *("logo_front", "windscreen_head_left", "fog_lamp_left", "headlight_left", "mirror_left"),
        *("wheel_1_left", "roof_end_left"),
    ),
    "front_right": (
        *("logo_front", "windscreen_head_right", "fog_lamp_right", "headlight_right", "mirror_right"),
        *("wheel_1_right", "roof_end_right"),
    ),
    "rear_left": (
        *("wheel_2_left", "tail_light_left", "roof_end_left", "mirror_left", "windscreen_head_left"),
        *("plate_rear", "wheel_1_left"),
    ),
    "rear_right": (
        *("wheel_2_right", "tail_light_right", "roof_end_right", "mirror_right", "windscreen_head_right"),
        *("plate_rear", "wheel_1_right"),
    ),
}
POINTS = tuple(dict.fromkeys(name for names in CHOSEN.values() for name in names))


class Parameters(MethodParameters):
    """Adaptive attention for vehicle re-identification."""

    about = About(
        title="AAVER",
        idea="Beside the global path a second one sees seven key-points, as maps beside the features; which seven"
        " follows from the vehicle's orientation.",
        source='Khorramshahi, Kumar, Peri, Rambhatla, Chen and Chellappa, "A Dual-Path Model With Adaptive Attention'
        ' For Vehicle Re-Identification", ICCV 2019, arXiv 1905.03397; the code of its key-point network',
        certain=(
            "a global path; a second network from block 2 on, fed with the first block's map and seven key-point maps",
            "eight groups of an orientation and its two neighbours; the group of the highest summed likelihood names"
            " the seven points, each a Gaussian of 2 pixels of 56 about its map's peak",
            "an MLP on both paths' features, compared by cosine; L2-softmax alone, no triplets",
        ),
        readings=(
            "both paths learn together from the start, and the global one has a classifier of its own, as in the"
            " original's first stage; both scales alpha start at 16",
            "the seven maps enter through a 1x1 convolution to the first map's width that starts as the identity",
            "the key-point network is a small head on block 2's map that learns in the same run and does not reach the"
            " trunk; the original has a VGG-16 and a two-stack hourglass, trained beforehand",
            "its maps learn by cross entropy over positions, of points that are seen, in the place of squared error",
            "both features have the length that every row has; the MLP has one layer",
            "the plate in the place of the rear's emblem, which our renderer does not have",
        ),
        ablation="aaver-fixed: all points in one map, whatever the orientation; aaver-given: true key-points, a bound",
        page="docs/methods/aaver.md",
    )
    name: Literal["aaver"] = "aaver"
    keypoints: Literal["predicted", "given", "fixed"] = Field(
        "predicted",
        description="seven predicted points by predicted orientation; the true ones (an upper bound); or (a control) "
        "all predicted points in one map",
    )
    losses: Literal["own", "shared"] = Field(
        "own", description="L2-softmax alone, or the identity and triplet losses of every row"
    )
    alpha: float = Field(16.0, gt=0, description="the L2-softmax's scale at the start")

    def needs(self, run: RunParameters) -> Needs:
        columns = SideColumns(viewpoint=self.keypoints != "fixed", keypoints=POINTS)
        return Needs(training=columns, test=columns) if self.keypoints == "given" else Needs(training=columns)

    def passes(self, run: RunParameters) -> float:
        return 1.75

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        if self.losses == "shared":
            del tree["method"]["alpha"]
        return tree

    def losses_identity(self, run: RunParameters) -> dict[str, Any]:
        losses = super().losses_identity(run)
        if self.losses == "own":
            del losses["triplet"]
        return losses
