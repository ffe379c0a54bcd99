"""From images normalised as for ImageNet to the mean and deviation that other weights were trained with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Renormalise(nn.Module):
    """[B, 3, H, W], normalised as for ImageNet, to `mean` and `deviation` of each channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float] = (0.5, 0.5, 0.5), deviation: Sequence[float] = (0.5, 0.5, 0.5)) -> None:
        super().__init__()
        ours, spread = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
        theirs = torch.tensor(tuple(deviation))
        self.register_buffer("scale", (spread / theirs).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", ((ours - torch.tensor(tuple(mean))) / theirs).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return torch.addcmul(self.shift.to(images), images, self.scale.to(images))
