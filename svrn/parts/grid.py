"""The grid over a feature map: which pixel lies in which cell, sums over cells, masks brought to a map's size.

One rule serves the critic, the ranking layer and the masks at every scale: of a map with `size` pixels along a side,
pixel p lies in cell floor(p * grid / size). The cells partition the map, differ by at most one pixel where `size` is
not a multiple of `grid`, and bringing a mask to a map's size is nearest-neighbour up-sampling (section III-A, eq. 5).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from svrn.errors import UserError
from svrn.parts.classes import one_of


def check_fit(grid: int, height: int, width: int) -> None:
    """Refuse a grid with cells that would hold no pixel of a `height` x `width` map.

    Raises:
        UserError: the grid has more cells along a side than the map has pixels.
    """
    if grid > min(height, width):
        raise UserError(
            f"a grid of {grid}x{grid} cells does not fit a {height}x{width} feature map",
            where="model.salience.grid",
            mend=f"choose a grid of at most {min(height, width)}, or a larger training.input.size",
        )


def cell_index(size: int, grid: int, device: torch.device | None = None) -> Tensor:
    """Cell of every pixel along one side: [size] int64."""
    return torch.arange(size, device=device) * grid // size


def cell_counts(height: int, width: int, grid: int, device: torch.device | None = None) -> Tensor:
    """Pixels in every cell: [grid, grid] float32."""
    if height % grid == 0 and width % grid == 0:
        return torch.full((grid, grid), float(height * width // grid**2), device=device)
    rows, columns = _pixels(height, grid, device), _pixels(width, grid, device)
    return torch.outer(rows, columns)


def _pixels(size: int, grid: int, device: torch.device | None) -> Tensor:
    """Pixels of every cell along one side: [grid] float32. A cell begins at the first p with p * grid >= its own."""
    begins = (torch.arange(grid + 1, device=device) * size + grid - 1) // grid
    return begins.diff().float()


def cell_sums(maps: Tensor, grid: int) -> Tensor:
    """Sum over the pixels of every cell: [B, C, h, w] -> [B, C, grid, grid]."""
    height, width = maps.shape[-2:]
    check_fit(grid, height, width)
    if height == grid and width == grid:
        return maps
    if height % grid == 0 and width % grid == 0:
        step = (height // grid, width // grid)
        return F.avg_pool2d(maps, step, step) * (step[0] * step[1])
    rows = one_of(cell_index(height, grid, maps.device), grid).to(maps.dtype)  # [h, g]
    columns = one_of(cell_index(width, grid, maps.device), grid).to(maps.dtype)  # [w, g]
    return rows.T @ (maps @ columns)


def cell_means(maps: Tensor, grid: int) -> Tensor:
    """Average pooling to the grid: [B, C, h, w] -> [B, C, grid, grid]."""
    height, width = maps.shape[-2:]
    if height == grid and width == grid:
        return maps
    return cell_sums(maps, grid) / cell_counts(height, width, grid, maps.device).to(maps.dtype)


def upsample(mask: Tensor, height: int, width: int) -> Tensor:
    """Up(M) of equation 5: [B, g, g] -> [B, 1, height, width], every pixel taking its cell's value."""
    grid = mask.shape[-1]
    if (height, width) == (grid, grid):
        return mask.unsqueeze(1)
    if height % grid == 0 and width % grid == 0:
        cells = mask.reshape(-1, grid, 1, grid, 1)
        return cells.expand(-1, -1, height // grid, -1, width // grid).reshape(-1, 1, height, width)
    rows = cell_index(height, grid, mask.device)
    columns = cell_index(width, grid, mask.device)
    return mask[:, rows][:, :, columns].unsqueeze(1)
