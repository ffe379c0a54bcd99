"""Side information of a batch: what a method asks for beside images, as tensors that move with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svrn.config.side import SideColumns
from svrn.data.annotations.names import VIEWPOINTS, mirrored_name

UNKNOWN = -1


@dataclass(frozen=True)
class Side:
    """Side information of B images; what `columns` does not ask for is None.

    camera: [B] int64, a place in `Vocabulary.cameras`, -1 for one that was never trained on.
    viewpoint: [B] int64, a place in `VIEWPOINTS`, -1 where unknown.
    attributes: [B, A] int64, places in the attribute's `Vocabulary`, -1 where unknown or never trained on.
    keypoints: [B, K, 3] float32: x, y as shares of the image, and 1 where the point is seen, else 0.
    boxes: [B, N, 4] float32: left, top, right, bottom as shares; NaN where the image does not show it.
    masks: [B, M, g, g] float32: the share of each cell that is covered, 0 to 1.
    """

    columns: SideColumns
    camera: Tensor | None = None
    viewpoint: Tensor | None = None
    attributes: Tensor | None = None
    keypoints: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def tensors(self) -> dict[str, Tensor]:
        """What is there, by name."""
        found = {name: getattr(self, name) for name in TENSORS}
        return {name: value for name, value in found.items() if value is not None}

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Side:
        """The same on a device."""
        return self._with({n: t.to(device, non_blocking=non_blocking) for n, t in self.tensors().items()})

    def __getitem__(self, part: slice | Tensor) -> Side:
        """The side information of some of the images, by a slice, places or a mask."""
        return self._with({name: tensor[part] for name, tensor in self.tensors().items()})

    def __len__(self) -> int:
        return next((len(tensor) for tensor in self.tensors().values()), 0)

    def mirrored(self, which: Tensor | None = None) -> Side:
        """What mirrored images show: left and right change places, names too.

        which: [B] bool, the images that are mirrored; all where None.
        """
        turned = self._with(dict(self._turned()))
        if which is None:
            return turned
        kept, other = self.tensors(), turned.tensors()
        return self._with(
            {n: torch.where(which.reshape(-1, *[1] * (kept[n].dim() - 1)), other[n], kept[n]) for n in kept}
        )

    def _turned(self) -> list[tuple[str, Tensor]]:
        """The tensors that a mirror changes, all images turned."""
        found: list[tuple[str, Tensor]] = []
        if self.viewpoint is not None:
            around = (len(VIEWPOINTS) - self.viewpoint) % len(VIEWPOINTS)
            found.append(("viewpoint", torch.where(self.viewpoint < 0, self.viewpoint, around)))
        if self.keypoints is not None:
            points = self.keypoints[:, _partners(self.columns.keypoints)].clone()
            points[..., 0] = 1 - points[..., 0]
            found.append(("keypoints", points))
        if self.boxes is not None:
            left, top, right, bottom = self.boxes[:, _partners(self.columns.boxes)].unbind(-1)
            found.append(("boxes", torch.stack([1 - right, top, 1 - left, bottom], -1)))
        if self.masks is not None:
            found.append(("masks", self.masks[:, _partners(self.columns.masks)].flip(-1)))
        return found

    def shifted(self, down: Tensor, right: Tensor) -> Side:
        """What images show after their content has moved: by these shares [B] of their height and width.

        What leaves the image is not there: its point is not seen, its box is cut or gone, its cells are empty. A mask
        is moved by parts of cells, as a picture of even cells would be.
        """
        changed: dict[str, Tensor] = {}
        if self.keypoints is not None:
            places = self.keypoints[..., :2] + torch.stack([right, down], -1)[:, None]
            inside = ((places >= 0) & (places < 1)).all(-1)
            changed["keypoints"] = torch.cat([places, (self.keypoints[..., 2] * inside)[..., None]], -1)
        if self.boxes is not None:
            moved = (self.boxes + torch.stack([right, down, right, down], -1)[:, None]).clamp(0, 1)
            gone = (moved[..., 2] <= moved[..., 0]) | (moved[..., 3] <= moved[..., 1])
            changed["boxes"] = torch.where(gone[..., None], torch.full_like(moved, torch.nan), moved)
        if self.masks is not None:
            across = _slide(self.masks.transpose(-1, -2), right)
            changed["masks"] = _slide(across.transpose(-1, -2), down)
        return self._with(changed)

    def _with(self, changed: dict[str, Tensor]) -> Side:
        return replace(self, **changed)  # type: ignore[arg-type]


TENSORS = ("camera", "viewpoint", "attributes", "keypoints", "boxes", "masks")


def _partners(names: tuple[str, ...]) -> list[int]:
    """For each name the place of the one that a mirror puts there."""
    return [names.index(mirrored_name(name)) for name in names]


def _slide(masks: Tensor, by: Tensor) -> Tensor:
    """[B, M, h, w] moved down by shares [B] of h: each cell takes of two old ones the shares that come to lie in it."""
    count, cells = len(masks), masks.shape[-2]
    offset = by.to(torch.float64) * cells
    whole = torch.floor(offset)
    share = (offset - whole).to(masks.dtype).reshape(count, 1, 1, 1)
    source = torch.arange(cells)[None] - whole.to(torch.int64)[:, None]
    padded = torch.nn.functional.pad(masks, (0, 0, 1, 1))

    def take(places: Tensor) -> Tensor:
        places = (places + 1).clamp(0, cells + 1)
        return torch.gather(padded, -2, places[:, None, :, None].expand(masks.shape))

    return take(source) * (1 - share) + take(source - 1) * share


@dataclass(frozen=True)
class Vocabulary:
    """What a network may learn of side information: cameras and attribute values, those of the training images, sorted.

    It belongs to a run and is kept with it, as plain values: `Vocabulary.from_plain(vocabulary.as_plain())`.
    """

    cameras: tuple[int, ...] = ()
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def as_plain(self) -> dict[str, Any]:
        """Lists, numbers and text."""
        return {"cameras": list(self.cameras), "attributes": {name: list(v) for name, v in self.attributes.items()}}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Vocabulary:
        """From `as_plain`."""
        words = {str(name): tuple(map(str, values)) for name, values in plain["attributes"].items()}
        return cls(tuple(map(int, plain["cameras"])), words)

    def sizes(self) -> dict[str, int]:
        """How many cameras there are, and values of each attribute."""
        return {"camera": len(self.cameras), **{name: len(values) for name, values in self.attributes.items()}}


def places(values: np.ndarray[Any, Any], known: tuple[Any, ...]) -> Tensor:
    """The place of each value in `known`, -1 for another: int64 [N]."""
    index = {value: place for place, value in enumerate(known)}
    return torch.tensor([index.get(value, UNKNOWN) for value in values], dtype=torch.int64)


def random_side(columns: SideColumns, images: int, words: int, chance: torch.Generator) -> Side:
    """Side information by chance, some of it unknown, unseen or empty. words: cameras, and values of an attribute."""

    def whole(high: int, *shape: int) -> Tensor:
        return torch.randint(-1, high, (images, *shape), generator=chance)

    points = torch.rand((images, len(columns.keypoints), 3), generator=chance)
    points[..., 2] = (points[..., 2] < 0.7).float()
    corners = torch.rand((images, len(columns.boxes), 2, 2), generator=chance).sort(2).values.flatten(2)
    corners[torch.rand(corners.shape[:2], generator=chance) < 0.2] = torch.nan
    masks = torch.rand((images, len(columns.masks), 32, 32), generator=chance)
    return Side(
        columns,
        camera=whole(words) if columns.camera else None,
        viewpoint=whole(len(VIEWPOINTS)) if columns.viewpoint else None,
        attributes=whole(words, len(columns.attributes)) if columns.attributes else None,
        keypoints=points if columns.keypoints else None,
        boxes=corners if columns.boxes else None,
        masks=masks * (masks > 0.5) if columns.masks else None,
    )
