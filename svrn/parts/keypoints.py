"""Key-points over a feature map: a head that tells where they are, its losses, and maps drawn from places."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SIGMA = 2 / 56
"""Of the Gaussian that is drawn about a point, as a share of the map's side: 2 pixels of 56, as AAVER has it."""
_HIDDEN = 128
_FLOOR = 1e-12


class KeypointHead(nn.Module):
    """Two 3x3 convolutions with BN and ReLU; a 1x1 convolution to a map a point; a linear layer on the mean to the
    vehicle's orientation.

    channels: C of the map it reads; points: K; orientations: O, 0 for none.
    """

    def __init__(self, channels: int, points: int, orientations: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (channels, _HIDDEN):
            layers += [nn.Conv2d(inputs, _HIDDEN, 3, padding=1, bias=False), nn.BatchNorm2d(_HIDDEN), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.maps = nn.Conv2d(_HIDDEN, points, 1)
        self.orientation = nn.Linear(_HIDDEN, orientations) if orientations else None
        for module in self.body:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """features: [B, C, h, w]. Returns: logits of each position for each point, [B, K, h, w], and of each
        orientation, [B, O], None without one; float32."""
        made = self.body(features)
        maps: Tensor = self.maps(made).float()
        with torch.autocast(features.device.type, enabled=False):
            return maps, None if self.orientation is None else self.orientation(made.float().mean((2, 3)))


def peaks(maps: Tensor) -> Tensor:
    """Where each map [B, K, h, w] is greatest: [B, K, 2], x and y of the cell's middle as shares of the map's sides."""
    height, width = maps.shape[-2:]
    place = maps.detach().flatten(2).argmax(2)
    return torch.stack([(place % width + 0.5) / width, (place // width + 0.5) / height], 2)


def gaussians(places: Tensor, shown: Tensor, height: int, width: int) -> Tensor:
    """A Gaussian about each point, [B, K, height, width]: 1 at the point itself, and nothing for one that is not shown.

    places: [B, K, 2], x and y as shares; shown: [B, K] of 0 and 1.
    """
    x = (torch.arange(width, device=places.device) + 0.5) / width - places[..., :1]  # [B, K, width]
    y = (torch.arange(height, device=places.device) + 0.5) / height - places[..., 1:]
    across, down = (torch.exp(-one.square() / (2 * SIGMA**2)) for one in (x, y))
    return shown[..., None, None] * down[..., :, None] * across[..., None, :]


def keypoint_loss(maps: Tensor, keypoints: Tensor) -> Tensor:
    """Cross entropy over positions of each point's map with the Gaussian about its true place, mean over the points
    that are seen: scalar; 0 where none is.

    maps: logits [B, K, h, w]; keypoints: [B, K, 3], x and y as shares of the image, and 1 where the point is seen.
    """
    seen = keypoints[..., 2]
    wanted = gaussians(keypoints[..., :2], seen, *maps.shape[-2:]).flatten(2)
    wanted = wanted / wanted.sum(2, keepdim=True).clamp(min=_FLOOR)
    each = -(wanted * maps.float().flatten(2).log_softmax(2)).sum(2)  # [B, K]
    return each.sum() / seen.sum().clamp(min=1)
