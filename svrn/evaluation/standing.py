"""How one query's matches stand among the gallery, from the scores that can matter.

A non-match whose rounded score is further than the product's bound from every match's exact score is counted as it is;
the few others are worked out again in float64, where inner products on the grid are exact (evaluation/grid.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import Floats
from svrn.evaluation.items import Ints
from svrn.evaluation.product import Block
from svrn.evaluation.sieve import rounded_down

Flags = npt.NDArray[np.bool_]

#: A stage costs less than the exact one, but is worth it only for scores that are this much worse.
WORTH = 4


@dataclass(frozen=True)
class Stage:
    """Scores of items within a bound of the exact ones."""

    score: Callable[[Ints], Block]
    within: float


@dataclass(frozen=True)
class Ranked:
    """One query's ranking.

    ranks: of its matches, ascending from 1, after junk is removed. junk: items removed. kept: items left.
    top: the first kept items and the junk that stands among them, as (item, score, is match, is junk),
        nearest first.
    recomputed: scores worked out again because the product's bound left their place open.
    """

    ranks: npt.NDArray[np.int64]
    junk: int
    kept: int
    top_items: Ints
    top_scores: Block
    top_matches: Flags
    top_junk: Flags
    recomputed: int


class Standing:
    """A query's ranking in the making.

    same: the items of its vehicle.
    """

    def __init__(self, same: Ints, own: Floats, is_junk: Flags, stages: Sequence[Stage], top: int) -> None:
        """own: the exact scores of `same`. stages: from the quickest to the exact one."""
        self.same = same
        self._own, self._is_junk, self._stages, self._top = own, is_junk, stages, top
        self._matches = np.sort(own[~is_junk])
        self._above = np.zeros(len(self._matches), dtype=np.int64)  # non-matches before each match
        self._nearest: tuple[Ints, Block] = np.empty(0, dtype=np.int64), np.empty(0)
        self._recomputed = 0

    def edge(self, bound: float) -> float:
        """A score within that bound of the exact one, and below this, stands before no match."""
        return float(self._matches[0]) - bound if len(self._matches) else np.inf

    def open_share(self, scores: Block, bound: float) -> float:
        """How many of the scores, of all, a bound would leave open."""
        ordered = np.sort(scores)
        sure, possible = _edges(self._matches, bound, scores.dtype)
        ends = np.maximum.accumulate(np.searchsorted(ordered, sure))
        starts = np.maximum(np.searchsorted(ordered, possible), np.concatenate([[0], ends[:-1]])[: len(ends)])
        return float(np.maximum(ends - starts, 0).sum()) / len(scores)

    def take(self, items: Ints, scores: Block, bound: float, slack: Block | None = None) -> None:
        """Count in items of other vehicles; each item once, and no item left out that stands before a match or is among
        the nearest.

        bound, slack: no exact score is further above the given one than the bound, or further below than that and the
        item's slack.
        """
        lower = scores if slack is None else scores - slack
        ordered = np.sort(lower)
        sure, possible = _edges(self._matches, bound, scores.dtype)
        surely = len(ordered) - np.searchsorted(ordered, sure)
        possibly = len(ordered) - np.searchsorted(ordered if slack is None else np.sort(scores), possible)
        self._above += surely
        windows = np.flatnonzero(possibly > surely)
        if len(windows):
            open_ = np.zeros(len(scores), dtype=bool)
            for match in windows:
                open_ |= (scores >= possible[match]) & (lower < sure[match])
            before = np.searchsorted(sure, lower[open_], "right")
            self._above += self._by_match(self._settled(items[open_], bound)) - self._by_match(before)
            self._recomputed += len(before)
        if self._top:
            least = float(ordered[-self._top]) if len(ordered) > self._top else -np.inf
            self._take_nearest(items, scores, least - 2 * bound, bound)

    def _settled(self, items: Ints, bound: float) -> Ints:
        """Before how many matches each item stands, by scores that are better than those within the bound."""
        before, open_ = np.zeros(len(items), dtype=np.intp), np.arange(len(items))
        for stage in self._stages:
            if len(open_) and stage.within * WORTH < bound:
                scores = stage.score(items[open_])
                sure, possible = _edges(self._matches, stage.within, scores.dtype)
                before[open_] = np.searchsorted(sure, scores, "right")
                open_ = open_[np.searchsorted(possible, scores, "right") > before[open_]]
        return before

    def _by_match(self, before: Ints) -> Ints:
        """How many stand before each match, from before how many matches (the easiest last) each stands."""
        counts = np.bincount(before, minlength=len(self._matches) + 1)
        return np.cumsum(counts[:0:-1])[::-1]

    def _take_nearest(self, items: Ints, scores: Block, edge: float, bound: float) -> None:
        held_items, held = self._nearest
        if len(held) == self._top:
            edge = max(edge, float(held[-1]) - bound)
        near = items[scores >= rounded_down(np.array(edge), scores.dtype)]
        values: Block = scores[:0]
        for stage in self._stages:
            if stage.within == 0 or (stage.within * WORTH < bound and len(near) > self._top):
                values = stage.score(near)
                self._recomputed += len(near) if bound else 0
                if stage.within:
                    place = len(near) - self._top
                    least = float(np.partition(values, place)[place]) - 2 * stage.within
                    near = near[values >= rounded_down(np.array(least), values.dtype)]
        near, values = np.concatenate([held_items, near]), np.concatenate([held, values])
        order = np.lexsort((near, -values))[: self._top]
        self._nearest = near[order], values[order]

    def ranked(self, items: int) -> Ranked:
        """The ranking, when everything that matters of so many items has been taken."""
        ranks = (self._above + np.arange(len(self._matches), 0, -1))[::-1].astype(np.int64)
        removed = int(self._is_junk.sum())
        return Ranked(ranks, removed, items - removed, *self._listed(), self._recomputed)

    def _listed(self) -> tuple[Ints, Block, Flags, Flags]:
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
