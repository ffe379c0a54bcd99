"""Backbones through one door: any of them becomes four blocks, with strides 4, 8, 16 and 32 (16 with last stride 1).

A plain vision transformer has one stride, that of its patches, in all four.
"""

from __future__ import annotations

from svrn.backbones.blocks import Blocks
from svrn.config.parameters import Backbone
from svrn.errors import UserError

__all__ = ["Blocks", "build_blocks"]


def build_blocks(backbone: Backbone) -> Blocks:
    """The four blocks of `backbone`, with the weights that it names. All read images normalised as for ImageNet.

    Raises:
        UserError: an unknown name, weights that cannot be had or do not fit, or a network that cannot be cut.
    """
    from svrn.backbones import efficientnet, shipped, small

    if backbone.weights == "shipped":
        trunk = shipped.read_trunk(backbone)
        blocks = build_blocks(backbone.model_copy(update={"weights": "random"}))
        shipped.load(blocks, trunk)
        return blocks
    name = backbone.name
    if name == "efficientnet_lite0":
        return efficientnet.build(backbone)
    if name == "small_cnn":
        return small.build(backbone)
    from svrn.backbones import generic, resnet, transformers  # torchvision: seconds of import that others do without

    if name in resnet.NAMES:
        return resnet.build(backbone)
    if backbone.patch() is not None:
        return transformers.build(backbone)
    if name.startswith(("timm:", "torchvision:")):
        return generic.build(backbone)
    known = ", ".join([*resnet.NAMES, "efficientnet_lite0", "small_cnn", "timm:NAME", "torchvision:NAME"])
    raise UserError(f"unknown backbone {name!r}", where="model.backbone.name", mend=f"choose one of {known}")
