"""GSTE as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Group-sensitive triplet embedding."""

    about = About(
        title="GSTE",
        idea="A vehicle's images fall into groups that look alike; triplets are made across vehicles and across the"
        " groups of one vehicle, so that variation within a vehicle is modelled and not squeezed out.",
        source='Bai, Lou, Gao, Wang, Wu and Duan, "Group-Sensitive Triplet Embedding for Vehicle Reidentification",'
        " IEEE Transactions on Multimedia 20(9), 2018; the authors' code has no group loss",
        certain=(
            "the abstract: images of a vehicle are partitioned online into a few groups; triplets across vehicles and"
            " across groups within a vehicle",
        ),
        readings=(
            "anchors are centres; each positive of the batch counts against the nearest negative, as in the coupled"
            " clusters loss of Liu et al., CVPR 2016",
            "centres are means over the last features of all training images, at unit length, not of the batch's four",
            "two groups a vehicle by k-means on these once an epoch, from farthest points; one under four images",
            "an image belongs to the group whose centre is nearest to its feature now",
            "margins 0.3 across vehicles and 0.1 across groups; Euclidean distances; all weights 1",
            "these triplets stand in the place of the batch's own; our backbone in the place of VGG-M",
        ),
        ablation="gste-one-group: a vehicle is one group, which leaves triplets about its centre alone",
        page="docs/methods/gste.md",
    )
    shared_losses = ("identity",)
    name: Literal["gste"] = "gste"
    groups: int = Field(2, ge=1, le=16, description="of a vehicle's images; 1 is the control")
    split_from: int = Field(4, ge=2, description="remembered images from which on a vehicle has more than one group")
    vehicle_weight: float = Field(1.0, ge=0, description="of the triplets across vehicles")
    vehicle_margin: float = Field(0.3, ge=0)
    group_weight: float = Field(1.0, ge=0, description="of the triplets across the groups of a vehicle")
    group_margin: float = Field(0.1, ge=0)

    def model_identity(self, run: RunParameters) -> dict[str, Any]:
        tree = super().model_identity(run)
        own = tree["method"]
        if self.vehicle_weight == 0:
            del own["vehicle_margin"]
        if self.group_weight == 0 or self.groups == 1:
            for name in ("groups", "split_from", "group_margin", "group_weight"):
                del own[name]
        return tree
