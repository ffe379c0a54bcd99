"""Gates on a feature map, and the mixing of two maps channel by channel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_RATIO = 16


class DenseGate(nn.Module):
    """Two 3x3 convolutions without bias, leaky ReLU between them, a sigmoid: a gate for every channel and position.

    [B, C, h, w] -> [B, C, h, w]. The sigmoid is doubled and the second convolution starts at zero, so a new gate is 1
    everywhere, and weights that were trained without it see what they know.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.first.weight, mode="fan_out", nonlinearity="leaky_relu")
        nn.init.zeros_(self.second.weight)

    def gate(self, features: Tensor) -> Tensor:
        """The gate [B, C, h, w] in (0, 2)."""
        return 2 * torch.sigmoid(self.second(F.leaky_relu(self.first(features))))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gate(features)


class ChannelMixing(nn.Module):
    """m x one + (1 - m) x other, where m [B, C, 1, 1] is CBAM's channel attention (Woo et al., ECCV 2018) on `one`: a
    sigmoid of what one small network makes of its mean and of its maximum over positions, added.

    [B, C, h, w] twice -> [B, C, h, w].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // _RATIO)
        self.down = nn.Linear(channels, hidden, bias=False)
        self.up = nn.Linear(hidden, channels, bias=False)

    def share(self, features: Tensor) -> Tensor:
        """m [B, C, 1, 1] in (0, 1)."""
        mean, most = (self.up(F.relu(self.down(one))) for one in (features.mean((2, 3)), features.amax((2, 3))))
        return torch.sigmoid(mean + most)[..., None, None]

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.lerp(other, one, self.share(one))
