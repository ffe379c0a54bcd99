"""Images in the style of another camera: its pixels' mean and deviation, channel by channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from svrn.parts.vae import as_images, as_pixels

if TYPE_CHECKING:
    from svrn.data.styles import CameraStyles


class StyleTransfer(nn.Module):
    """Moves images to the target camera's style, and back.

    x -> (x - m_c) / s_c * s_t + m_t, in eight bits, where m and s are mean and deviation of a channel over the camera's
    training images: the colours of one vehicle keep their place among those of its camera. The way back is the same
    the other way round, so it lacks what was clipped or rounded. Erased pixels stay erased; an image of an unknown
    camera stays as it is.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, styles: CameraStyles) -> None:
        super().__init__()
        self.target = styles.target  # the statistics follow from the data, not from the training
        self.register_buffer("mean", styles.mean[..., None, None].clone(), persistent=False)
        self.register_buffer("deviation", styles.deviation[..., None, None].clone(), persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """images: [B, 3, H, W], normalised as for ImageNet; camera: [B] int64, -1 where unknown.

        Returns: the images in the target camera's style, and these moved back, each [B, 3, H, W].
        """
        own, target = camera.clamp(min=0), torch.full_like(camera, self.target)
        kept = (camera < 0)[:, None, None, None] | (images == 0).all(1, keepdim=True)
        moved = self._moved(as_pixels(images), own, target)
        back = self._moved(moved, target, own)
        return tuple(torch.where(kept, images, as_images(one)) for one in (moved, back))  # type: ignore[return-value]

    def _moved(self, pixels: Tensor, start: Tensor, end: Tensor) -> Tensor:
        moved = (pixels - self.mean[start]) * (self.deviation[end] / self.deviation[start]) + self.mean[end]
        return (moved.clamp(0, 1) * 255).round() / 255
