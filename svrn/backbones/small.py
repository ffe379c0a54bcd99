"""A network of four small blocks, for tests: no weights to be had, trained from scratch in seconds."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from svrn.backbones.blocks import Blocks, usual_strides, weights_of_file
from svrn.backbones.weights import load_checked
from svrn.config.parameters import Backbone
from svrn.errors import UserError

_CHANNELS = (16, 32, 48, 64)


def _layer(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    ]


def build(backbone: Backbone) -> Blocks:
    """3x3 convolutions with BN and ReLU; strides 4, 8, 16, 32. Its ImageNet weights do not exist."""
    if backbone.weights == "imagenet":
        raise UserError(
            "small_cnn has no ImageNet weights", where="model.backbone.weights", mend="set it to random or file"
        )
    a, b, c, d = _CHANNELS
    network = nn.Sequential(
        OrderedDict(
            block1=nn.Sequential(*_layer(3, a, 2), *_layer(a, a, 2)),
            block2=nn.Sequential(*_layer(a, b, 2)),
            block3=nn.Sequential(*_layer(b, c, 2)),
            block4=nn.Sequential(*_layer(c, d, backbone.last_stride)),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if backbone.weights == "file":
        load_checked(network, weights_of_file(backbone), str(backbone.file))
    return Blocks((network[0], network[1], network[2], network[3]), _CHANNELS, usual_strides(backbone))
