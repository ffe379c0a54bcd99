"""What is ranked: gallery images, or tracks of them, each as near as its nearest image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from svrn.data.protocols import Protocol, Rows
from svrn.evaluation.product import Block

Ints = npt.NDArray[np.integer[Any]]
Scores = TypeVar("Scores", bound=Block)


@dataclass(frozen=True)
class Items:
    """Item i is the gallery rows `starts[i]` to `starts[i + 1]`.

    names: of the image, or of the track. single: whether every item is one row (then item i is row i).
    """

    names: npt.NDArray[np.object_]
    vehicles: npt.NDArray[np.int64]
    cameras: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    single: bool

    def __len__(self) -> int:
        return len(self.names)

    def tiles(self, width: int) -> list[slice]:
        """Parts of the gallery's rows of about that width, each of whole items."""
        parts, first = [], 0
        while first < len(self):
            last = int(np.searchsorted(self.starts, self.starts[first] + width, "right")) - 1
            last = max(last, first + 1)
            parts.append(slice(int(self.starts[first]), int(self.starts[last])))
            first = last
        return parts

    def of_tile(self, part: slice, scores: Block) -> tuple[int, Block]:
        """The first item of a tile, and the items' scores from those of its rows."""
        if self.single:
            return part.start, scores
        first, last = np.searchsorted(self.starts, (part.start, part.stop))
        return int(first), np.maximum.reduceat(scores, self.starts[first:last] - part.start, axis=1)

    def scored(self, items: Ints, score: Callable[[Ints, Ints], Scores]) -> Scores:
        """Scores of some items, each the greatest of its rows.

        score: from where among `items` each row's is, and the rows.
        """
        numbers = np.arange(len(items))
        if self.single or not len(items):
            return score(numbers, items)
        lengths = self.starts[items + 1] - self.starts[items]
        offsets = np.cumsum(lengths) - lengths
        rows = np.repeat(self.starts[items] - offsets, lengths) + np.arange(lengths.sum())
        greatest: Any = np.maximum.reduceat(score(np.repeat(numbers, lengths), rows), offsets)
        return cast(Scores, greatest)


def gallery_items(gallery: Rows, protocol: Protocol) -> tuple[Items, npt.NDArray[np.intp]]:
    """The items that a protocol ranks, and the order in which the gallery's rows must be taken for them."""
    if protocol.unit == "image":
        count = len(gallery)
        items = Items(gallery.images, gallery.vehicles, gallery.cameras, np.arange(count + 1), True)
        return items, np.arange(count)
    tracks = np.unique(gallery.tracks.astype(str), return_inverse=True)[1]
    order = np.lexsort((tracks, gallery.cameras, gallery.vehicles))
    keys = np.stack([gallery.vehicles[order], gallery.cameras[order], tracks[order]])
    first = np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    starts = np.append(np.flatnonzero(first), len(order))
    rows = order[starts[:-1]]
    return Items(gallery.tracks[rows], gallery.vehicles[rows], gallery.cameras[rows], starts, False), order
