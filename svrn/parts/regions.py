"""The parts of a vehicle over a feature map: from masks or boxes to shares of cells, and pooling by them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from svrn.config.parts import PartParameters
from svrn.errors import UserError
from svrn.parts.maps import pool_by_maps
from svrn.parts.output import Seen

if TYPE_CHECKING:
    from svrn.data.side import Side

FINE = 32
"""Cells along a side of the grid on which parts arrive."""
LEAST = 0.5
"""How many of the fine grid's cells an image must show of a part for it to count as seen."""


class PartRegions:
    """A method's parts in the images of a batch, as its parameters name them."""

    def __init__(self, own: PartParameters) -> None:
        self.own = own
        self.names = tuple(own.own_parts())

    def chance(self, images: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Where parts go by chance: `places` [images, K, 2] in [0, 1), where the parameters say so."""
        if self.own.regions != "random":
            return {}
        return {"places": torch.rand((images, len(self.names), 2), generator=generator)}

    def of(self, seen: Seen) -> Tensor:
        """The parts of the images, [B, K, 32, 32]: the share of each cell that a part covers.

        Raises:
            UserError: the images come without the side information that holds the parts.
        """
        if seen.side is None:
            raise UserError(
                f"{self.own.about.title} needs parts with these images: {self.own.shapes} "
                f"{', '.join(getattr(self.own.columns(), self.own.shapes))}",
                mend="docs/side-information.md says how a benchmark gets them",
            )
        masks = self._unions(seen.side)
        if self.own.regions != "random":
            return masks
        places = seen.chance["places"] if seen.chance else self.chance(len(masks))["places"]
        return moved(masks, places.to(masks.device))

    def pictures(self, masks: Tensor) -> dict[str, Tensor]:
        """What is drawn over the images: a map for each part."""
        return {f"part: {name}": masks[:, number] for number, name in enumerate(self.names)}

    def _unions(self, side: Side) -> Tensor:
        columns = getattr(side.columns, self.own.shapes)
        values = side.masks if self.own.shapes == "masks" else None if side.boxes is None else box_cells(side.boxes)
        assert values is not None
        place = {name: number for number, name in enumerate(columns)}
        unions = []
        for union in self.own.parts().values():
            members = torch.stack([values[:, place[one]] for one in union], 1)
            unions.append(members.amax(1) if self.own.shapes == "boxes" else members.sum(1).clamp(max=1))
        return torch.stack(unions, 1)


def box_cells(boxes: Tensor, grid: int = FINE) -> Tensor:
    """The share of each cell that boxes cover: [B, N, 4] (left, top, right, bottom, 0 to 1) -> [B, N, grid, grid].

    A box that the image does not show (NaN) covers nothing.
    """
    edges = torch.arange(grid + 1, device=boxes.device, dtype=boxes.dtype) / grid

    def along(low: Tensor, high: Tensor) -> Tensor:
        inside = torch.minimum(high[..., None], edges[1:]) - torch.maximum(low[..., None], edges[:-1])
        return inside.nan_to_num(0.0).clamp(min=0) * grid

    left, top, right, bottom = boxes.unbind(-1)
    return along(top, bottom)[..., :, None] * along(left, right)[..., None, :]


def moved(masks: Tensor, places: Tensor) -> Tensor:
    """Masks [B, K, g, g] moved around the image's edges by whole cells: [B, K, 2] in [0, 1) of its height and width.

    Each keeps its shape and its size, and comes to lie anywhere.
    """
    grid = masks.shape[-1]
    steps = (places * grid).long()  # [B, K, 2]
    cells = torch.arange(grid, device=masks.device)
    rows = (cells - steps[..., :1]) % grid
    columns = (cells - steps[..., 1:]) % grid
    down = torch.gather(masks, 2, rows[..., :, None].expand_as(masks))
    return torch.gather(down, 3, columns[..., None, :].expand_as(masks))


def to_map(masks: Tensor, height: int, width: int) -> Tensor:
    """Masks [B, K, g, g] on a map's cells: the share of each that is covered, exactly, [B, K, height, width].

    Cells are cut where they do not divide, so a mirrored mask gives the mirrored map at any size.
    """
    rows, columns = _shares(masks.shape[-2], height), _shares(masks.shape[-1], width)
    with torch.autocast(masks.device.type, enabled=False):
        return rows.to(masks) @ masks @ columns.to(masks).T


@lru_cache(maxsize=32)
def _shares(cells: int, size: int) -> Tensor:
    """[size, cells]: which share of each of `size` equal pieces of a line each of `cells` equal pieces fills."""
    edges, fine = torch.arange(size + 1, dtype=torch.float64) / size, torch.arange(cells + 1).double() / cells
    low = torch.maximum(edges[:-1, None], fine[None, :-1])
    high = torch.minimum(edges[1:, None], fine[None, 1:])
    return ((high - low).clamp(min=0) * size).float()


def pool(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Masked sums over a map in shares of its area: of its values [B, K, C], and of the masks themselves [B, K].

    maps: [B, C, h, w]; masks: [B, K, h, w]. Their quotient is the mean over a part; with a mask of ones it is average
    pooling. In float32.
    """
    return pool_by_maps(maps, masks), masks.float().flatten(2).mean(2)


def part_means(maps: Tensor, masks: Tensor) -> Tensor:
    """The mean of a map [B, C, h, w] over each part's cells: [B, K, C]; zeros where a part covers nothing."""
    sums, shares = pool(maps, masks)
    return sums / shares.clamp(min=torch.finfo(torch.float32).tiny).unsqueeze(2)


def seen_parts(masks: Tensor) -> Tensor:
    """Which parts an image shows, [B, K] float32 of 0 and 1, from masks [B, K, 32, 32] on the fine grid."""
    return (masks.sum((2, 3)) >= LEAST).float()
