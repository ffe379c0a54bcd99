"""The ranks of a query's matches, exact, without sorting the gallery.

Rank of a match = 1 + kept gallery items before it. Before it stand all that score higher, and, of equal
score, those that are not matches: a tie never helps. So the ranks depend on the scores alone, not on the
gallery's order, and a model that gives every image the same embedding gets the worst ranks there are.

Scores from a rounded product (evaluation/product.py) lie within a known bound of the exact ones. A non-match
whose rounded score is further than that from every match's exact score is counted as it is; the few others
are worked out again in float64, where inner products on the grid are exact (evaluation/grid.py). Hence the
same ranks whatever the chunk, the number of threads, the device and the precision of the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from svrn.data import protocols
from svrn.data.protocols import Rows, Trial
from svrn.evaluation.exact import exact_scores
from svrn.evaluation.grid import Grid
from svrn.evaluation.lines import Work, each_line
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


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


@dataclass(frozen=True)
class Ranked:
    """One query's ranking.

    ranks: of its matches, ascending from 1, after junk is removed. junk: items removed. kept: items left.
    top: the first kept items and the junk that stands among them, as (item, score, is match, is junk),
        nearest first.
    recomputed: scores worked out again because the product's bound left their place open.
    """

    ranks: Ints
    junk: int
    kept: int
    top_items: Ints
    top_scores: Floats
    top_matches: Flags
    top_junk: Flags
    recomputed: int


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

    `query` and `gallery` are the trial's rows on the grid, the gallery in item order. Memory: one block of
    `options.memory_mib` beside the grids, whatever the number of queries.
    """
    scorer = _Scorer(trial.query, protocol, items, query, gallery, options.top, adjustment)

    def within(bound: float) -> Work[Ranked]:
        bound = bound if adjustment is None else adjustment.bound(bound)
        return lambda index, line: scorer.ranked(index, line, bound)

    return each_line(query, gallery, options, scorer.finish, within)


class Adjustment(Protocol):
    """Turns a query's scores into other ones that are ranked instead (re-ranking)."""

    def line(self, index: int, line: Block) -> Block:
        """The adjusted scores of all items from rounded ones; may use the line up."""

    def exact(self, index: int, items: Ints, scores: Floats) -> Floats:
        """The adjusted scores of some items from their exact ones."""

    def bound(self, bound: float) -> float:
        """How far `line` can be from `exact` when the scores given to it are within `bound`."""


class _Scorer:
    """Exact scores and the ranking of one query from a line of rounded ones."""

    def __init__(
        self,
        rows: Rows,
        protocol: protocols.Protocol,
        items: Items,
        query: Grid,
        gallery: Grid,
        top: int,
        adjustment: Adjustment | None,
    ) -> None:
        self.rows, self.items, self.top, self.adjustment = rows, items, top, adjustment
        self.junk_by_camera = protocol.junk == "same-camera"
        self.by_vehicle = np.argsort(items.vehicles, kind="stable")
        ordered = items.vehicles[self.by_vehicle]
        self.first = np.searchsorted(ordered, rows.vehicles, "left")
        self.last = np.searchsorted(ordered, rows.vehicles, "right")
        self.halves = gallery.half_norms
        self._exact_rows = exact_scores(query, gallery)

    def finish(self, block: Block) -> Block:
        """Scores of items from inner products with rows, in place where it can be."""
        if self.halves is not None:
            block -= self.halves.astype(block.dtype)
        return block if self.items.single else np.maximum.reduceat(block, self.items.starts[:-1], axis=1)

    def exact(self, index: int, items: Ints) -> Floats:
        """The exact scores of some items for the query at `index`."""
        scores = self._exact_rows(index, items) if self.items.single else self._exact_tracks(index, items)
        return scores if self.adjustment is None else self.adjustment.exact(index, items, scores)

    def _exact_tracks(self, index: int, items: Ints) -> Floats:
        if not len(items):
            return np.empty(0)
        starts, ends = self.items.starts[items], self.items.starts[items + 1]
        lengths = ends - starts
        offsets = np.cumsum(lengths) - lengths
        rows = np.repeat(starts - offsets, lengths) + np.arange(lengths.sum())
        return np.maximum.reduceat(self._exact_rows(index, rows), offsets)

    def ranked(self, index: int, line: Block, bound: float) -> Ranked:
        """Rank one query from its line of scores, which is used up; adjusted, each is within `bound`."""
        if self.adjustment is not None:
            line = self.adjustment.line(index, line)
        same = self.by_vehicle[self.first[index] : self.last[index]]
        is_junk = np.zeros(len(same), dtype=bool)
        if self.junk_by_camera:
            is_junk = self.items.cameras[same] == self.rows.cameras[index]
        own = self.exact(index, same)
        line[same] = -np.inf
        matches = np.sort(own[~is_junk])
        rivals = len(line) - len(same)
        wanted = min(self.top, rivals)
        found, scores = _candidates(line, matches, wanted, bound)
        first = np.searchsorted(scores, matches - bound, "left")
        last = np.searchsorted(scores, matches + bound, "right")
        tail = np.searchsorted(scores, scores[-wanted] - 2 * bound) if wanted else len(scores)
        open_windows = np.flatnonzero(last > first)
        recomputed = 0
        if bound:
            doubtful = np.zeros(len(scores), dtype=bool)
            doubtful[tail:] = True
            for match in open_windows:
                doubtful[first[match] : last[match]] = True
            again = np.flatnonzero(doubtful)
            scores[again] = self.exact(index, found[again])
            recomputed = len(again)
        above = len(scores) - last
        for match in open_windows:
            above[match] += np.count_nonzero(scores[first[match] : last[match]] >= matches[match])
        ranks = (above + np.arange(len(matches), 0, -1))[::-1].astype(np.int64)
        removed = int(is_junk.sum())
        top = self._top(same, own, is_junk, found[tail:], scores[tail:])
        return Ranked(ranks, removed, len(line) - removed, *top, recomputed)

    def _top(
        self, same: Ints, own: Floats, is_junk: Flags, candidates: Ints, scores: Floats
    ) -> tuple[Ints, Floats, Flags, Flags]:
        items = np.concatenate([candidates, same])
        values = np.concatenate([scores, own])
        junk = np.concatenate([np.zeros(len(candidates), dtype=bool), is_junk])
        match = np.concatenate([np.zeros(len(candidates), dtype=bool), ~is_junk])
        order = np.lexsort((items, match, -values))
        last = np.searchsorted(np.cumsum(~junk[order]), self.top, "left")
        order = order[: last + 1] if self.top else order[:0]
        return items[order], values[order], match[order], junk[order]


def _candidates(line: Block, matches: Floats, wanted: int, bound: float) -> tuple[Ints, Floats]:
    """The items that can stand before a match or among the `wanted` nearest, by ascending score; at least
    `wanted`."""
    edge = matches[0] - bound if len(matches) else np.inf
    found = reaching(line, edge)
    if wanted and len(found) < wanted:
        edge = min(edge, floor_of_nearest(line, wanted) - 2 * bound)
        found = reaching(line, edge)
    scores = line[found]
    if wanted:
        nearest = float(np.partition(scores, len(scores) - wanted)[len(scores) - wanted])
        if nearest - 2 * bound < edge:
            found = reaching(line, nearest - 2 * bound)
            scores = line[found]
    order = np.argsort(scores)
    return found[order], scores[order].astype(np.float64)


def reaching(line: Block, edge: float) -> Ints:
    """Where the line is at least `edge`, compared in its own precision, rounded down."""
    value = line.dtype.type(edge)
    if value > edge:
        value = np.nextafter(value, line.dtype.type(-np.inf))
    return np.flatnonzero(line >= value)


def floor_of_nearest(line: Block, wanted: int) -> float:
    """A score that at least `wanted` of the line reach: that of a sample is never above that of the whole."""
    sample = line[:: max(1, len(line) // 4096)]
    if np.count_nonzero(sample > -np.inf) < wanted:
        sample = line
    return float(np.partition(sample, len(sample) - wanted)[len(sample) - wanted])
