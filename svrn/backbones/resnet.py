"""ResNet-18, 34, 50, 101 and ResNet-50-IBN-a: block k is the k-th residual layer, the stem in block 1 (reading 1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchvision import models

from svrn.backbones.blocks import Blocks, usual_strides, weights_of_file
from svrn.backbones.hub import fetch_state
from svrn.backbones.weights import load_checked
from svrn.config.parameters import Backbone

NAMES = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet50_ibn_a")

_WEIGHTS = {  # torchvision's first ImageNet recipe, the one that papers of the time started from
    "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    "resnet50": "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    "resnet101": "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    "resnet50_ibn_a": "https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet50_ibn_a-d9d0bb7b.pth",
}


class InstanceBatchNorm(nn.Module):
    """IBN-a: instance normalisation on the first half of the channels, batch normalisation on the rest.

    Pan et al., "Two at Once", ECCV 2018. Parameter names are those of the published weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.IN = nn.InstanceNorm2d(self.split, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.split)

    def forward(self, features: Tensor) -> Tensor:
        first, second = features[:, : self.split], features[:, self.split :]
        return torch.cat([self.IN(first), self.BN(second)], dim=1)


def build(backbone: Backbone) -> Blocks:
    """The blocks of a torchvision ResNet; last stride 1 takes the stride out of residual layer 4."""
    network = _architecture(backbone.name)
    if backbone.weights == "imagenet":
        url = _WEIGHTS[backbone.name]
        load_checked(network, _plain(fetch_state(url)), url, ignored=("fc.",))
    elif backbone.weights == "file":
        load_checked(network, _plain(weights_of_file(backbone)), str(backbone.file), ignored=("fc.",))
    if backbone.last_stride == 1:
        _remove_last_stride(network.layer4[0])
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool, network.layer1)
    last = network.fc.in_features
    channels = (last // 8, last // 4, last // 2, last)
    blocks = (stem, network.layer2, network.layer3, network.layer4)
    return Blocks(blocks, channels, usual_strides(backbone))


def _architecture(name: str) -> models.ResNet:
    network: models.ResNet = getattr(models, name.removesuffix("_ibn_a"))(weights=None)
    if name.endswith("_ibn_a"):
        for layer in (network.layer1, network.layer2, network.layer3):
            for block in layer:
                block.bn1 = InstanceBatchNorm(block.conv1.out_channels)
    return network


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the prefix that DataParallel puts before every name."""
    if all(key.startswith("module.") for key in state):
        return {key.removeprefix("module."): value for key, value in state.items()}
    return dict(state)


def _remove_last_stride(block: nn.Module) -> None:
    for convolution in block.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.stride = (1, 1)
