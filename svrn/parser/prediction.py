"""What a part parser says of a benchmark's images, as columns of its annotations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import ndimage

from svrn.config.annotations import parser_origin
from svrn.config.parameters import Input
from svrn.config.parser import PAIRED, SINGLE
from svrn.config.parts import PARSED
from svrn.data.annotations.table import GRID, Annotations, Column, Numbers
from svrn.data.loading import evaluation_batches
from svrn.data.manifest import Manifest
from svrn.parser.network import PartParser
from svrn.parser.training import load_parser

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
#: Images at a time. The maps of more are so large that the allocator gives them back to the system after every layer
#: and asks for them again: with 32 that was more than half of a processor's time.
BATCH = 8
HALF = 0.5  # of a mask's greatest share: cells above it lie in its box


def predict(
    parser: PartParser,
    manifest: Manifest,
    rows: pd.DataFrame,
    *,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Bytes:
    """Masks of the images of these rows of a manifest: [N, M, 1024], 0 to 255, in their order.

    Raises:
        UserError: an image cannot be read.
    """
    parser = parser.to(device).eval()
    parts = []
    done = 0
    for names, images, _ in evaluation_batches(manifest, rows, Input(size=parser.own.size), BATCH):
        with torch.inference_mode():
            shares = parser(images.to(device))
        parts.append((255 * shares.flatten(2)).round().to(torch.uint8).cpu().numpy())
        done += len(names)
        if progress is not None:
            progress(done, len(rows))
    return np.concatenate(parts)


def parsed_annotations(
    folder: Path, manifest: Manifest, *, device: str = "cpu", progress: Callable[[int, int], None] | None = None
) -> Annotations:
    """Masks and boxes of all images of a manifest by the parser in `folder`, named `parsed_...`.

    Raises:
        UserError: no such parser, or an image cannot be read.
    """
    parser = load_parser(folder)
    masks = predict(parser, manifest, manifest.table, device=device, progress=progress)
    known = np.ones(len(masks), bool)
    columns: dict[str, Column] = {
        f"box:{PARSED}{name}": Numbers(boxes, known) for name, boxes in part_boxes(masks, parser.masks).items()
    }
    columns |= {f"mask:{PARSED}{name}": Numbers(masks[:, k], known) for k, name in enumerate(parser.masks)}
    images = manifest.table["image"].to_numpy(dtype=object)
    return Annotations(images, columns, dict.fromkeys(columns, parser_origin(folder.name)))


def with_parsed(base: Annotations, parsed: Annotations) -> Annotations:
    """Annotations with a parser's columns added, of the same images."""
    columns, origins = {**base.columns, **parsed.columns}, {**base.origins, **parsed.origins}
    order = sorted(columns, key=lambda name: _KINDS.index(name.split(":")[0]))  # stable: within a kind as they were
    return Annotations(base.images, {name: columns[name] for name in order}, {name: origins[name] for name in order})


_KINDS = ("viewpoint", "attribute", "keypoint", "box", "mask")


def part_boxes(masks: Bytes, names: tuple[str, ...]) -> dict[str, Floats]:
    """Boxes around predicted masks [N, M, 1024] of these names: each [N, 4] in 0..1, all 0 where there is none.

    A box holds the connected cells above half of the mask's greatest share; the largest such piece, or for lamps and
    side windows the two largest. Which of the two is the vehicle's left is not known from a mask: the one further to
    the right in the image is called left, as of a vehicle seen from before; a piece alone goes by the vehicle's middle.
    """
    cells = masks.reshape(len(masks), len(names), GRID, GRID)
    place = {name: number for number, name in enumerate(names)}
    found: dict[str, Floats] = {}
    for name in SINGLE:
        if name in place:
            found[name] = np.array([_boxes(one, 1)[0] for one in cells[:, place[name]]], np.float32)
    whole = found.get(SINGLE[0], np.tile(np.array([0, 0, 1, 1], np.float32), (len(masks), 1)))
    for name in PAIRED:
        if name not in place:
            continue
        pairs = [_sides(_boxes(one, 2), box) for one, box in zip(cells[:, place[name]], whole, strict=True)]
        for number, side in enumerate(("left", "right")):
            found[f"{name}_{side}"] = np.array([pair[number] for pair in pairs], np.float32)
    return found


_NONE = (0.0, 0.0, 0.0, 0.0)
Box = tuple[float, float, float, float]


def _boxes(cells: Bytes, count: int) -> list[Box]:
    """The boxes of the largest pieces of a mask [32, 32], the largest first; `_NONE` for want of one."""
    pieces, number = ndimage.label((cells > 0) & (cells >= HALF * cells.max()))
    sizes = ndimage.sum_labels(cells, pieces, np.arange(1, number + 1)) if number else np.zeros(0)
    found: list[Box] = []
    for index in np.argsort(-sizes, kind="stable")[:count]:
        rows, columns = ndimage.find_objects(pieces)[int(index)]
        found.append((columns.start / GRID, rows.start / GRID, columns.stop / GRID, rows.stop / GRID))
    return found + [_NONE] * (count - len(found))


def _sides(pieces: list[Box], vehicle: npt.NDArray[np.float32]) -> tuple[Box, Box]:
    """Two pieces as left and right."""
    one, other = pieces
    if one == _NONE:
        return _NONE, _NONE
    if other == _NONE:
        middle = (float(vehicle[0]) + float(vehicle[2])) / 2
        return (one, _NONE) if (one[0] + one[2]) / 2 >= middle else (_NONE, one)
    return (one, other) if one[0] + one[2] >= other[0] + other[2] else (other, one)
