"""Side information embeddings: a learned vector for the camera, and the viewpoint, of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from svrn.data.annotations.names import VIEWPOINTS
from svrn.data.side import Side


class SideVectors(nn.Module):
    """One vector for every camera, every viewpoint, or every pair of both, times `scale`: [B, D].

    cameras: how many, 0 where the camera is not read; viewpoints: whether they are read; width: D.

    All vectors start at zero, and training moves those that it meets: one that is still zero was never trained on, and
    the mean of trained ones stands in for it. For a pair that is the mean over the pairs of its camera that were
    trained; for a camera (or viewpoint) that is not known, over the pairs of its viewpoint (or camera); where there are
    none of these either, over all. What stands in has no gradient.
    """

    def __init__(self, cameras: int, viewpoints: bool, width: int, scale: float) -> None:
        super().__init__()
        self.cameras, self.scale = cameras, scale
        self.views = len(VIEWPOINTS) if viewpoints else 0
        self.vectors = nn.Parameter(torch.zeros(max(1, cameras), max(1, self.views), width))

    def forward(self, side: Side | None, images: int) -> Tensor:
        """The vectors of a batch; side: None where nothing is known of its images."""
        nothing = torch.full((images,), -1, dtype=torch.int64, device=self.vectors.device)
        camera = nothing if side is None or side.camera is None else side.camera
        view = nothing if side is None or side.viewpoint is None else side.viewpoint
        camera = camera if self.cameras else torch.zeros_like(camera)
        view = view if self.views else torch.zeros_like(view)
        known = (camera >= 0) & (view >= 0)
        table = self.vectors
        own = table[camera.clamp(min=0), view.clamp(min=0)]
        trained = known & self.trained()[camera.clamp(min=0), view.clamp(min=0)]
        wanted = known if self.training else trained  # in training every known pair learns
        return self.scale * torch.where(wanted.unsqueeze(1), own, self._standing_in(camera, view))

    def trained(self) -> Tensor:
        """Which vectors training has met: [cameras, viewpoints] bool."""
        return (self.vectors.detach() != 0).any(2)

    def _standing_in(self, camera: Tensor, view: Tensor) -> Tensor:
        """The means [B, D] for images of these cameras and viewpoints, -1 where unknown."""
        table, trained = self.vectors.detach(), self.trained().to(self.vectors.dtype)
        sums, counts = (table * trained.unsqueeze(2)), trained
        by_camera, of_camera = sums.sum(1)[camera.clamp(min=0)], (counts.sum(1) * 1.0)[camera.clamp(min=0)]
        by_view, of_view = sums.sum(0)[view.clamp(min=0)], counts.sum(0)[view.clamp(min=0)]
        mean = sums.sum((0, 1)) / counts.sum().clamp(min=1)
        result = mean.expand(camera.shape[0], -1)
        for place, total, number in ((view, by_view, of_view), (camera, by_camera, of_camera)):
            usable = (place >= 0) & (number > 0)
            result = torch.where(usable.unsqueeze(1), total / number.clamp(min=1).unsqueeze(1), result)
        return result
