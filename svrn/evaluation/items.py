"""What is ranked, and what ranking gives.

Items are gallery images, or tracks of them, each as near as its nearest image. A ranking says where a query's matches
stand among them, and what stands nearest to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from svrn.data.protocols import Protocol, Rows
from svrn.evaluation.grid import Floats
from svrn.evaluation.scores import Block, Ints

Flags = npt.NDArray[np.bool_]
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


@dataclass(frozen=True)
class Ranked:
    """One query's ranking.

    ranks: of its matches, ascending from 1, after junk is removed. junk: items removed. kept: items left.
    top: the first kept items and the junk that stands among them, as (item, score, is match, is junk),
        nearest first.
    """

    ranks: npt.NDArray[np.int64]
    junk: int
    kept: int
    top_items: Ints
    top_scores: Floats
    top_matches: Flags
    top_junk: Flags


@dataclass(frozen=True)
class Rankings:
    """Several queries' rankings, their parts after one another: ranking i has ranks from cuts[i] to cuts[i + 1], and a
    top list from top_cuts[i] to top_cuts[i + 1].

    recomputed: scores worked out again because a bound left their place open.
    """

    cuts: Ints
    ranks: npt.NDArray[np.int64]
    junk: Ints
    kept: Ints
    top_cuts: Ints
    top_items: Ints
    top_scores: Floats
    top_matches: Flags
    top_junk: Flags
    recomputed: int

    def __len__(self) -> int:
        return len(self.junk)

    def of(self, queries: Ints) -> Rankings:
        """Those of some queries, in that order."""
        cuts, own = taken(self.cuts, queries)
        top_cuts, top = taken(self.top_cuts, queries)
        return Rankings(
            cuts,
            self.ranks[own],
            self.junk[queries],
            self.kept[queries],
            top_cuts,
            self.top_items[top],
            self.top_scores[top],
            self.top_matches[top],
            self.top_junk[top],
            self.recomputed,
        )

    def __getitem__(self, index: int) -> Ranked:
        own = slice(*self.cuts[index : index + 2])
        top = slice(*self.top_cuts[index : index + 2])
        return Ranked(
            self.ranks[own],
            int(self.junk[index]),
            int(self.kept[index]),
            self.top_items[top],
            self.top_scores[top],
            self.top_matches[top],
            self.top_junk[top],
        )


def taken(cuts: Ints, lines: Ints) -> tuple[Ints, Ints]:
    """Of lists that lie between cuts, some: their own cuts, and where their members lie."""
    lengths = np.diff(cuts)[lines]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return ends, np.arange(ends[-1]) + np.repeat(cuts[lines] - ends[:-1], lengths)


def joined(parts: list[Rankings]) -> Rankings:
    """Rankings after one another."""

    def cuts(each: list[Ints]) -> Ints:
        return np.concatenate([[0], np.cumsum(np.concatenate([np.diff(one) for one in each]))])

    return Rankings(
        cuts([part.cuts for part in parts]),
        np.concatenate([part.ranks for part in parts]),
        np.concatenate([part.junk for part in parts]),
        np.concatenate([part.kept for part in parts]),
        cuts([part.top_cuts for part in parts]),
        np.concatenate([part.top_items for part in parts]),
        np.concatenate([part.top_scores for part in parts]),
        np.concatenate([part.top_matches for part in parts]),
        np.concatenate([part.top_junk for part in parts]),
        sum(part.recomputed for part in parts),
    )
