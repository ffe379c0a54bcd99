"""How one query's matches stand among the gallery, from the scores that can matter.

A non-match whose rounded score is further than the product's bound from every match's exact score is counted as it is;
the few others are worked out again in float64, where inner products on the grid are exact (evaluation/grid.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.product import Block
from svrn.evaluation.sieve import rounded_down

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Score = Callable[[Ints], Floats]


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


class Standing:
    """A query's ranking in the making.

    same: the items of its vehicle. edge: a rounded score below it stands before no match.
    """

    def __init__(
        self, same: Ints, is_junk: Flags, exact: Score, top: int, bound: float, close: Score, closeness: float
    ) -> None:
        """exact: the items' exact scores. bound: the rounded scores' that `take` is given are within it. close: scores
        of items within `closeness` of the exact ones, which cost less where that is not 0."""
        self.same = same
        self._is_junk, self._exact, self._top, self._bound = is_junk, exact, top, bound
        self._close, self._closeness = close, closeness
        self._own = exact(same)
        self._matches = np.sort(self._own[~is_junk])
        self.edge = float(self._matches[0]) - bound if len(self._matches) else np.inf
        self._above = np.zeros(len(self._matches), dtype=np.int64)  # non-matches before each match
        self._nearest: tuple[Ints, Floats] = np.empty(0, dtype=np.int64), np.empty(0)
        self._recomputed = 0

    def take(self, items: Ints, scores: Block) -> None:
        """Count in items of other vehicles with their rounded scores; each item once, and no item left out that stands
        before a match or is among the nearest."""
        ordered = np.sort(scores)
        sure, possible = _edges(self._matches, self._bound, scores.dtype)
        first_sure, first_possible = np.searchsorted(ordered, sure), np.searchsorted(ordered, possible)
        self._above += len(ordered) - first_sure
        windows = np.flatnonzero(first_possible < first_sure)
        if len(windows):
            open_ = np.zeros(len(scores), dtype=bool)
            for match in windows:
                open_ |= (scores >= possible[match]) & (scores < sure[match])
            before = np.searchsorted(sure, scores[open_], "right")
            self._above += self._by_match(self._settled(items[open_])) - self._by_match(before)
            self._recomputed += len(before)
        if self._top:
            self._take_nearest(items, scores, ordered)

    def _settled(self, items: Ints) -> Ints:
        """Before how many matches each item stands, by its exact score."""
        scores = self._close(items)
        if not self._closeness:
            return np.searchsorted(self._matches, scores, "right")
        sure, possible = _edges(self._matches, self._closeness, scores.dtype)
        before = np.searchsorted(sure, scores, "right")
        open_ = np.flatnonzero(np.searchsorted(possible, scores, "right") > before)
        if len(open_):
            before[open_] = np.searchsorted(self._matches, self._exact(items[open_]), "right")
        return before

    def _by_match(self, before: Ints) -> Ints:
        """How many stand before each match, from before how many matches (the easiest last) each stands."""
        counts = np.bincount(before, minlength=len(self._matches) + 1)
        return np.cumsum(counts[:0:-1])[::-1]

    def _take_nearest(self, items: Ints, scores: Block, ordered: Block) -> None:
        held_items, held = self._nearest
        edge = float(ordered[-self._top]) - 2 * self._bound if len(ordered) > self._top else -np.inf
        if len(held) == self._top:
            edge = max(edge, float(held[-1]) - self._bound)
        near = items[scores >= rounded_down(np.array(edge), scores.dtype)]
        values = self._exact(near)
        self._recomputed += len(near) if self._bound else 0
        near, values = np.concatenate([held_items, near]), np.concatenate([held, values])
        order = np.lexsort((near, -values))[: self._top]
        self._nearest = near[order], values[order]

    def ranked(self, items: int) -> Ranked:
        """The ranking, when everything that matters of so many items has been taken."""
        ranks = (self._above + np.arange(len(self._matches), 0, -1))[::-1].astype(np.int64)
        removed = int(self._is_junk.sum())
        return Ranked(ranks, removed, items - removed, *self._listed(), self._recomputed)

    def _listed(self) -> tuple[Ints, Floats, Flags, Flags]:
        near, scores = self._nearest
        items, values = np.concatenate([near, self.same]), np.concatenate([scores, self._own])
        junk = np.concatenate([np.zeros(len(near), dtype=bool), self._is_junk])
        match = np.concatenate([np.zeros(len(near), dtype=bool), ~self._is_junk])
        order = np.lexsort((items, match, -values))
        last = np.searchsorted(np.cumsum(~junk[order]), self._top, "left")
        order = order[: last + 1] if self._top else order[:0]
        return items[order], values[order], match[order], junk[order]


def _edges(matches: Floats, bound: float, kind: np.dtype[Any]) -> tuple[Block, Block]:
    """For each match, the scores from which an item surely, and possibly, stands before it, in that kind of numbers."""
    sure, possible = (matches + bound).astype(kind), (matches - bound).astype(kind)
    if bound:  # whichever way they were rounded
        sure, possible = np.nextafter(sure, kind.type(np.inf)), np.nextafter(possible, kind.type(-np.inf))
    return sure, possible
