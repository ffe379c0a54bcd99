"""GLAMOR as the configuration sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from svrn.config.methods import About, MethodParameters

if TYPE_CHECKING:
    from svrn.config.parameters import RunParameters


class Parameters(MethodParameters):
    """Global and local attention modules."""

    about = About(
        title="GLAMOR",
        idea="Dense attention where a network begins, on the stem's map and in the first unit, there mixed channel by"
        " channel with what the unit gives without it; no parts are labelled.",
        source='Suprem and Pu, "Looking GLAMORous: Vehicle Re-Id in Heterogeneous Cameras Networks with Global and'
        " Local Attention\", 2020, arXiv 2002.02256; the authors' code",
        certain=(
            "global: after the stem's convolution, before its BN, two 3x3 convolutions without bias, leaky ReLU between"
            " them, a sigmoid, multiplied",
            "local: such a gate in the first bottleneck of block 1, on what it gives before the shortcut; CBAM's"
            " channel attention of the result mixes it with the bottleneck's usual output",
            "LayerNorm in the place of the neck's BN: triplets before it, classifier and test after it",
        ),
        readings=(
            "the authors' code of January 2020, without the attention in block 4 of later files",
            "gates are doubled and start at 1, so that pretrained weights begin with what they know; before a BN that"
            " is trained a factor changes nothing",
            "gates learn also where block 1 is frozen; its weights and statistics stay as they are",
            "a backbone without residual bottlenecks has the local gate after its first unit",
            "input, batch, smoothing, neck biases and the shared losses are those of all rows; no centre loss",
        ),
        ablation="glamor-no-gates: the baseline with LayerNorm",
        page="docs/methods/glamor.md",
    )
    name: Literal["glamor"] = "glamor"
    gates: Literal["learned", "none"] = Field("learned", description="none: a control, the network without them")

    def passes(self, run: RunParameters) -> float:
        return 1.0 if self.gates == "none" else 1.75  # 3x3 convolutions at the greatest maps
