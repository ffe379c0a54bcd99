"""How far each position of a map is a local maximum: the soft detection score of D2-Net, as one channel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_FLOOR = 1e-12


def local_maxima(features: Tensor, neighbourhood: int) -> Tensor:
    """[B, C, h, w] -> [B, 1, h, w] float32, not negative, of mean 1 in each image.

    With x = ReLU(features): alpha = exp(x / the image's maximum) over its sum in the neighbourhood, where what lies
    outside counts 1; beta = x over the greatest channel at the place; the map is the greatest alpha * beta over
    channels (Dusmanu et al., CVPR 2019). An image without a positive feature gets 1 everywhere.

    Its mean is brought to 1, not its sum: a map that sums to 1 shrinks what it weighs by h * w, its variance by the
    square of that, which batch normalisation's epsilon then swallows.
    """
    with torch.autocast(features.device.type, enabled=False):
        values = F.relu(features.float())
        pad = neighbourhood // 2
        high = torch.exp(values / values.amax((1, 2, 3), keepdim=True).clamp(min=_FLOOR))
        around = F.avg_pool2d(F.pad(high, [pad] * 4, value=1.0), neighbourhood, stride=1) * neighbourhood**2
        greatest = values.amax(1, keepdim=True).clamp(min=_FLOOR)
        scores = (high / around * (values / greatest)).amax(1, keepdim=True)
        mean = scores.mean((2, 3), keepdim=True)
        return torch.where(mean > 0, scores / mean.clamp(min=_FLOOR), 1.0)
