"""The ranks of a query's matches, exact, without sorting the gallery.

Rank of a match = 1 + kept gallery items before it. Before it stand all that score higher, and, of equal
score, those that are not matches: a tie never helps. So the ranks depend on the scores alone, not on the
gallery's order, and a model that gives every image the same embedding gets the worst ranks there are.

Scores from a rounded product (evaluation/product.py) lie within a known bound of the exact ones. The matches' own are
worked out exactly first, so a tile of scores is sifted while it is in the processor's cache: what lies below the
hardest match is never looked at again (evaluation/sieve.py). What is left is settled query by query
(evaluation/standing.py). Hence the same ranks whatever the chunk, the number of threads, the device and the precision
of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt

from svrn.data import protocols
from svrn.data.protocols import Rows, Trial
from svrn.evaluation.blocks import Work, each_block
from svrn.evaluation.exact import Exact
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options
from svrn.evaluation.product import TILE, Block
from svrn.evaluation.sieve import Sieve, floors
from svrn.evaluation.standing import Flags, Floats, Ints, Ranked, Standing


@dataclass(frozen=True)
class Items:
    """What is ranked: gallery images, or tracks. Item i is the gallery rows `starts[i]` to `starts[i + 1]`.

    names: of the image, or of the track. single: whether every item is one row (then item i is row i).
    """

    names: npt.NDArray[np.object_]
    vehicles: Ints
    cameras: Ints
    starts: Ints
    single: bool

    def __len__(self) -> int:
        return len(self.names)


def gallery_items(gallery: Rows, protocol: protocols.Protocol) -> tuple[Items, npt.NDArray[np.intp]]:
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


def rank(
    trial: Trial,
    protocol: protocols.Protocol,
    items: Items,
    query: Grid,
    gallery: Grid,
    options: Options,
    adjustment: Adjustment | None = None,
) -> list[Ranked]:
    """Rank every query of a trial, by its scores or by what `adjustment` makes of them.

    `query` and `gallery` are the trial's rows on the grid, the gallery in item order. Memory: scores of
    `options.memory_mib` beside the grids, and as much again of those kept, whatever the number of queries.
    """
    ranker = _Ranker(trial.query, protocol, items, query, gallery, options, adjustment)
    return each_block(query, gallery, options, ranker.parts, ranker.within)


class Adjustment(Protocol):
    """Turns a query's scores into other ones that are ranked instead (re-ranking)."""

    def line(self, index: int, line: Block) -> Block:
        """The adjusted scores of all items from rounded ones; may use the line up."""

    def exact(self, index: int, items: Ints, scores: Floats) -> Floats:
        """The adjusted scores of some items from their exact ones, of the query that `line` was last called for."""

    def bound(self, bound: float) -> float:
        """How far `line` can be from `exact` when the scores given to it are within `bound`."""


class _Ranker:
    """Ranks blocks of queries from their tiles of scores."""

    def __init__(
        self,
        rows: Rows,
        protocol: protocols.Protocol,
        items: Items,
        query: Grid,
        gallery: Grid,
        options: Options,
        adjustment: Adjustment | None,
    ) -> None:
        self.rows, self.items, self.top, self.adjustment = rows, items, options.top, adjustment
        self.junk_by_camera = protocol.junk == "same-camera"
        self.by_vehicle = np.argsort(items.vehicles, kind="stable")
        ordered = items.vehicles[self.by_vehicle]
        self.first = np.searchsorted(ordered, rows.vehicles, "left")
        self.last = np.searchsorted(ordered, rows.vehicles, "right")
        self.scores = Exact(query, gallery)
        # An adjustment is of the whole line.
        self.parts = _tiles(items, TILE if adjustment is None else len(gallery))
        self.most_kept = options.memory_mib * 2**20 // (8 * options.thread_count())

    def within(self, bound: float) -> Work[Ranked]:
        """The work on a block whose scores are within that bound."""
        if self.adjustment is None:
            return partial(self._block, bound)
        return partial(self._adjusted, self.adjustment, self.adjustment.bound(bound))

    def _block(self, bound: float, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Ranked]:
        return self._ranked(bound, asked, (self._of_items(part, scores) for part, scores in tiles))

    def _adjusted(
        self, adjustment: Adjustment, bound: float, asked: range, tiles: Iterator[tuple[slice, Block]]
    ) -> list[Ranked]:
        done: list[Ranked] = []
        for part, scores in tiles:  # one, of all items
            first, lines = self._of_items(part, scores)
            for index, line in zip(asked, lines, strict=True):
                own = adjustment.line(index, line)[None]
                done += self._ranked(bound, range(index, index + 1), [(first, own)])
        return done

    def _of_items(self, part: slice, scores: Block) -> tuple[int, Block]:
        """The first item of a tile, and the items' scores from those of gallery rows."""
        if self.items.single:
            return part.start, scores
        first, last = np.searchsorted(self.items.starts, (part.start, part.stop))
        return int(first), np.maximum.reduceat(scores, self.items.starts[first:last] - part.start, axis=1)

    def _ranked(self, bound: float, asked: range, tiles: Iterable[tuple[int, Block]]) -> list[Ranked]:
        standings = [self._standing(index, bound) for index in asked]
        lengths = [len(standing.same) for standing in standings]
        lines, same = np.repeat(np.arange(len(asked)), lengths), np.concatenate([s.same for s in standings])
        order = np.argsort(same, kind="stable")
        lines, same = lines[order], same[order]
        sieve = Sieve(np.array([standing.edge for standing in standings]))
        for number, (first, scores) in enumerate(tiles):
            own = slice(*np.searchsorted(same, (first, first + scores.shape[1])))
            scores[lines[own], same[own] - first] = -np.inf  # their ranks come from exact scores
            if number == 0 and self.top:
                sieve.edges = np.minimum(sieve.edges, floors(scores, self.top) - 2 * bound)
            sieve.take(first, scores)
            if sieve.size > self.most_kept:
                self._settle(standings, sieve)
        self._settle(standings, sieve)
        return [standing.ranked(len(self.items)) for standing in standings]

    def _settle(self, standings: list[Standing], sieve: Sieve) -> None:
        for line, standing in enumerate(standings):
            standing.take(*sieve.of(line))
        sieve.empty()

    def _standing(self, index: int, bound: float) -> Standing:
        same = self.by_vehicle[self.first[index] : self.last[index]]
        is_junk = np.zeros(len(same), dtype=bool)
        if self.junk_by_camera:
            is_junk = self.items.cameras[same] == self.rows.cameras[index]
        exact = partial(self._exact, index)
        if self.adjustment is None and self.scores.closeness:
            close = partial(self._of_rows, partial(self.scores.close, index))
            return Standing(same, is_junk, exact, self.top, bound, close, self.scores.closeness)
        return Standing(same, is_junk, exact, self.top, bound, exact, 0.0)

    def _exact(self, index: int, items: Ints) -> Floats:
        """The exact scores of some items for the query at `index`."""
        scores = self._of_rows(partial(self.scores.of, index), items)
        return scores if self.adjustment is None else self.adjustment.exact(index, items, scores)

    def _of_rows(self, score: Callable[[Ints], Floats], items: Ints) -> Floats:
        """Scores of items, each the greatest of its rows."""
        if self.items.single:
            return score(items)
        if not len(items):
            return np.empty(0)
        starts, ends = self.items.starts[items], self.items.starts[items + 1]
        lengths = ends - starts
        offsets = np.cumsum(lengths) - lengths
        rows = np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
        return np.maximum.reduceat(score(rows), offsets)


def _tiles(items: Items, width: int) -> list[slice]:
    """Parts of the gallery's rows of about that width, each of whole items."""
    parts, first = [], 0
    while first < len(items):
        last = int(np.searchsorted(items.starts, items.starts[first] + width, "right")) - 1
        last = max(last, first + 1)
        parts.append(slice(int(items.starts[first]), int(items.starts[last])))
        first = last
    return parts
