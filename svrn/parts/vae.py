"""A small variational auto-encoder of vehicles: a coarse template that leaves the details out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svrn.data.augmentation import DEVIATION, MEAN

SIDE = 64  # of the template, in pixels
_WIDTHS = (32, 64, 128, 128)
_MAP = SIDE // 2 ** len(_WIDTHS)  # side of the innermost map


class Vae(nn.Module):
    """Images of 64 x 64 pixels, values in 0..1, to a latent normal distribution and back (Kingma and Welling, 2014).

    Strided 3x3 convolutions with BN and leaky ReLU down to 4 x 4, a linear layer to mean and log-variance [B, latent];
    the way back by nearest-neighbour up-sampling and 3x3 convolutions, a sigmoid at the end.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        down: list[nn.Module] = []
        for inputs, outputs in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            down += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        up: list[nn.Module] = []
        for inputs, outputs in zip(_WIDTHS[::-1], (*_WIDTHS[-2::-1], _WIDTHS[0]), strict=True):
            up += [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)]
            up += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(_WIDTHS[-1] * _MAP**2, 2 * latent))
        self.start = nn.Linear(latent, _WIDTHS[-1] * _MAP**2)
        self.decoder = nn.Sequential(*up, nn.Conv2d(_WIDTHS[0], 3, 3, 1, 1))

    def forward(self, pixels: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """pixels: [B, 3, 64, 64] in 0..1. noise: [B, latent] from a standard normal; None takes the mean.

        Returns: the template [B, 3, 64, 64] in 0..1 and the divergence [B] of the latent distribution from the standard
        normal, summed over its numbers.
        """
        mean, log_variance = self.encoder(pixels).float().chunk(2, 1)
        log_variance = log_variance.clamp(-10, 10)
        latent = mean if noise is None else mean + noise * (0.5 * log_variance).exp()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        inner = self.start(latent).view(-1, _WIDTHS[-1], _MAP, _MAP)
        return torch.sigmoid(self.decoder(inner).float()), divergence


def as_pixels(images: Tensor) -> Tensor:
    """Images normalised as for ImageNet, [B, 3, H, W], with values in 0..1 again."""
    mean, deviation = _statistics(images)
    return images * deviation + mean


def as_images(pixels: Tensor) -> Tensor:
    """The way back from `as_pixels`."""
    mean, deviation = _statistics(pixels)
    return (pixels - mean) / deviation


def _statistics(like: Tensor) -> tuple[Tensor, Tensor]:
    made = torch.empty(2, 1, 3, 1, 1, device=like.device)
    for place, value in zip(made.flatten(), (*MEAN, *DEVIATION), strict=True):
        place.fill_(float(value))  # filled in place: nothing is brought from the host, so a step can be captured
    mean, deviation = (made / 255).unbind(0)
    return mean, deviation


def small_and_seen(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images [B, 3, H, W] at 64 x 64 with values in 0..1, and the share [B, 1, 64, 64] of each pixel not erased.

    Erased pixels are the mean colour exactly, 0 in all channels; a small pixel is the mean of what of it was seen.
    """
    seen = (images != 0).any(1, keepdim=True).float()
    share = F.interpolate(seen, (SIDE, SIDE), mode="area")
    small = F.interpolate(as_pixels(images) * seen, (SIDE, SIDE), mode="area")
    return (small / share.clamp(min=1e-6)).clamp(0, 1), share
