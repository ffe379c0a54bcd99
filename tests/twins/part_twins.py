"""Side information by chance for methods that know parts, and their equations by loops."""

from __future__ import annotations

from typing import Any, cast

import torch
from building import run_of
from torch import Tensor

from svrn.config.parameters import Backbone, Head, Model, RunParameters
from svrn.config.parts import PartParameters
from svrn.data.side import Side
from svrn.methods import rooms
from svrn.parts.output import Sizes, Targets

IDENTITIES = 5


def small_run(**method: Any) -> RunParameters:
    """A run of a method on the small backbone."""
    return run_of(Model(backbone=Backbone(name="small_cnn", weights="random"), head=Head(reduction=24)), **method)


def made(run: RunParameters, seed: int = 3) -> tuple[Any, Any]:
    """The network and the losses of a run."""
    torch.manual_seed(seed)
    sizes = Sizes(IDENTITIES, 40)
    return rooms.build_network(run, sizes), rooms.build_losses(run, sizes)


def batch(number: int = 6, size: int = 64, seed: int = 7) -> tuple[Tensor, Tensor]:
    """Images and labels, two of each vehicle."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 3, size, size, generator=generator), torch.arange(number) // 2


def side_of(run: RunParameters, images: int, seed: int = 1) -> Side:
    """Parts of every image by chance: bands of full and half-covered cells, or boxes."""
    generator = torch.Generator().manual_seed(seed)
    columns = cast(PartParameters, run.method).columns()
    names = columns.masks or columns.boxes
    low = torch.rand((images, len(names), 2), generator=generator) * 0.5
    boxes = torch.cat([low, low + 0.2 + 0.3 * torch.rand((images, len(names), 2), generator=generator)], 2)
    if columns.boxes:
        return Side(columns, boxes=boxes)
    masks = torch.zeros(images, len(names), 32, 32)
    for image in range(images):
        for part in range(len(names)):
            left, top, right, bottom = (boxes[image, part] * 32).int().tolist()
            masks[image, part, top:bottom, left:right] = 1.0
            masks[image, part, top, left:right] = 0.5
    return Side(columns, masks=masks)


def targets(labels: Tensor) -> Targets:
    return Targets(labels, torch.arange(len(labels)))


def pven_distance(one: Tensor, other: Tensor, seen: Tensor, other_seen: Tensor, rooted: bool) -> float:
    """The distance of two images' parts [K, R] with counts [K], as the page of PVEN has it."""
    total, weights = 0.0, 0.0
    for part in range(len(one)):
        a, b = one[part] / one[part].norm(), other[part] / other[part].norm()
        distance = float((a - b).square().sum().clamp(min=1e-12).sqrt())
        weight = float(seen[part] * other_seen[part])
        total += weight * (distance**0.5 if rooted else distance)
        weights += weight
    return total / weights


def visible_part_triplet(parts: Tensor, counts: Tensor, labels: list[int], margin: float, rooted: bool) -> float:
    """The loss, anchor by anchor."""
    losses = []
    for anchor, label in enumerate(labels):
        far, near = [], []
        for other, its in enumerate(labels):
            if other != anchor:
                distance = pven_distance(parts[anchor], parts[other], counts[anchor], counts[other], rooted)
                (far if its == label else near).append(distance)
        if far and near:
            losses.append(max(max(far) - min(near) + margin, 0.0))
    return sum(losses) / len(losses) if losses else 0.0
