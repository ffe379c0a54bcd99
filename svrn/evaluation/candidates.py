"""Of a block of queries, how many gallery items stand before each of their matches.

The words, as they are used here and in evaluation/ranking.py:

- match: an item of the query's vehicle that is not junk. Its exact score is worked out first: it is a threshold.
- bound: how far a score of a product can be from the exact one. Scores are given as the most that an item's exact score
  can be, less the bound; the least is the bound, and where there is one a slack of the pair, below.
- candidate: an item of another vehicle whose score may reach the lowest threshold, or be among the nearest. All else
  is never looked at again.
- tie: a candidate of a match's score stands before it, so a tie never helps.

A candidate surely stands before the matches whose thresholds its least score reaches. Where its greatest score reaches
one more, it is open: its score is worked out again, by better products and at last exactly (evaluation/scores.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import Floats
from svrn.evaluation.items import Flags, Rankings, taken
from svrn.evaluation.scores import Block, Estimate, Ints

#: An estimate costs less than the exact scores, but is worth it only for scores that are this much worse.
WORTH = 4
SAMPLE = 4096
CROWDED = 4  # times as many held as are listed: sorted out


@dataclass(frozen=True)
class Own:
    """The gallery items of the queries' own vehicles, with their exact scores: those of query i lie between cuts[i] and
    cuts[i + 1]. What is not junk is a match."""

    cuts: Ints
    items: Ints
    scores: Floats
    junk: Flags

    def __len__(self) -> int:
        return len(self.cuts) - 1

    @property
    def lines(self) -> Ints:
        """Which query each belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.cuts))

    def of(self, queries: Ints) -> Own:
        """Those of some queries."""
        cuts, own = taken(self.cuts, queries)
        return Own(cuts, self.items[own], self.scores[own], self.junk[own])


@dataclass(frozen=True)
class _Near:
    """Candidates that may be among the nearest: the query and the item of each, the most and the least that its score
    can be, but for a bound."""

    lines: Ints
    items: Ints
    scores: Floats
    least: Floats

    def of(self, chosen: Ints | Flags) -> _Near:
        return _Near(self.lines[chosen], self.items[chosen], self.scores[chosen], self.least[chosen])


class Tally:
    """The rankings of a block's queries in the making.

    score: the exact scores of queries, by their numbers in the block, with an item each. estimates: quicker ones.
    """

    def __init__(
        self,
        own: Own,
        bounds: Floats,
        score: Callable[[Ints, Ints], Floats],
        estimates: tuple[Estimate, ...],
        top: int,
    ) -> None:
        self.own, self.bounds, self.top = own, bounds, top
        self._score, self._estimates = score, estimates
        lines, kept = own.lines, ~own.junk
        order = np.lexsort((own.scores[kept], lines[kept]))
        lines = lines[kept][order]
        self._matches = np.bincount(lines, minlength=len(own))
        # A slot for each match, ascending, and one more: a candidate's is after the matches that it stands before.
        self.first_slots = np.concatenate([[0], np.cumsum(self._matches + 1)])
        self._slots = np.repeat(np.arange(len(own)), self._matches + 1)
        self._places = np.arange(len(lines)) + lines
        self._thresholds = np.full(self.first_slots[-1], np.inf)
        self._thresholds[self._places] = own.scores[kept][order]
        self._counts = np.zeros(len(self._slots), dtype=np.int64)
        self.edges_of_matches = self._thresholds[self.first_slots[:-1]] - bounds
        self._floors = np.full(len(own), -np.inf)  # that many items' least scores are at or above these
        self._near: list[_Near] = []
        self._held = self.recomputed = 0

    @property
    def edges(self) -> Floats:
        """For each query, the score below which an item is no candidate."""
        lowest = self.edges_of_matches
        return np.minimum(lowest, self._floors - 2 * self.bounds) if self.top else lowest

    def raise_floors(self, floors: Floats) -> None:
        """Take it that as many items as are listed have least scores, but for the bound, at or above these."""
        self._floors = np.maximum(self._floors, floors)

    def open_share(self, scores: Block, bounds: Floats) -> Floats:
        """How many of each query's scores, (queries, items), bounds like these would leave open."""
        lines = np.repeat(np.arange(len(scores)), scores.shape[1])
        sure, possible = self.thresholds(bounds, scores.dtype)
        slots = self._slots_of(lines, scores.reshape(-1), sure)
        return (possible[slots] <= scores.reshape(-1)).reshape(scores.shape).mean(axis=1)

    def thresholds(self, bounds: Floats, kind: np.dtype[np.floating]) -> tuple[Block, Block]:
        """By slot, the scores from which an item surely, and possibly, stands before the match, in numbers of that
        kind; infinite in each query's last slot."""
        within = bounds[self._slots]
        sure, possible = (self._thresholds + within).astype(kind), (self._thresholds - within).astype(kind)
        if bounds.any():  # whichever way they were rounded
            sure, possible = np.nextafter(sure, kind.type(np.inf)), np.nextafter(possible, kind.type(-np.inf))
            possible[self.first_slots[1:] - 1] = np.inf
        return sure, possible

    def take(self, lines: Ints, items: Ints, scores: Block, slack: Block | None = None) -> None:
        """Count candidates in: each pair of a query (by its number in the block) and an item once, none of those at or
        above the edges left out.

        scores, slack: no exact score is further above the given one than the query's bound, or further below than that
        and the slack.
        """
        least = scores if slack is None else scores - slack
        sure, possible = self.thresholds(self.bounds, scores.dtype)
        slots = self._slots_of(lines, least, sure)
        open_ = np.flatnonzero(possible[slots] <= scores)
        self.count(np.delete(slots, open_))
        self.settle(lines[open_], items[open_])
        if self.top:
            near = np.flatnonzero(scores >= (self._floors - 2 * self.bounds)[lines])
            self.list_near(lines[near], items[near], scores[near], least[near])

    def count(self, slots: Ints) -> None:
        """Count candidates whose slots are sure."""
        self.count_all(np.bincount(slots, minlength=len(self._counts)))

    def count_all(self, counts: Ints) -> None:
        """Count so many candidates in each slot."""
        self._counts += counts

    def settle(self, lines: Ints, items: Ints) -> None:
        """Count candidates whose slots are open, by scores that are better than the product's."""
        self.recomputed += len(lines)
        most = float(self.bounds.max(initial=0))
        for estimate in self._estimates:
            if len(lines) and estimate.within * WORTH < most:
                scores = estimate.score(lines, items)
                sure, possible = self.thresholds(np.full(len(self.own), estimate.within), scores.dtype)
                slots = self._slots_of(lines, scores, sure)
                open_ = possible[slots] <= scores
                self.count(slots[~open_])
                lines, items = lines[open_], items[open_]
        if len(lines):
            self.count(self._slots_of(lines, self._score(lines, items), self._thresholds))

    def _slots_of(self, lines: Ints, scores: Block, thresholds: Block) -> Ints:
        """The slot after all thresholds of its query that a score reaches."""
        return np.searchsorted(_keys(self._slots, thresholds), _keys(lines, scores), "right")

    def list_near(self, lines: Ints, items: Ints, scores: Block, least: Block) -> None:
        """Hold candidates that may be among the nearest."""
        self._near.append(_Near(lines, items, scores.astype(np.float64), least.astype(np.float64)))
        self._held += len(lines)
        if self._held > CROWDED * self.top * len(self.own):
            near = self._all_near()
            self.raise_floors(self._floors_of(near))
            near = near.of(near.scores >= (self._floors - 2 * self.bounds)[near.lines])
            self._near, self._held = [near], len(near.lines)

    def _all_near(self) -> _Near:
        none = np.empty(0, dtype=np.intp)
        parts = [_Near(none, none, np.empty(0), np.empty(0)), *self._near]
        return _Near(
            np.concatenate([part.lines for part in parts]),
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.least for part in parts]),
        )

    def _floors_of(self, near: _Near) -> Floats:
        """For each query the score that as many least scores reach as are listed."""
        order = np.lexsort((-near.least, near.lines))
        cuts = np.searchsorted(near.lines[order], np.arange(len(self.own) + 1))
        full = np.diff(cuts) >= self.top
        floors = np.full(len(self.own), -np.inf)
        floors[full] = near.least[order][cuts[:-1][full] + self.top - 1]
        return floors

    def _listed(self) -> tuple[Ints, Ints, Floats]:
        """Of other vehicles, the nearest items by exact scores: queries, items, scores."""
        near = self._all_near()
        near = near.of(near.scores >= (self._floors_of(near) - 2 * self.bounds)[near.lines])
        most = float(self.bounds.max(initial=0))
        for estimate in self._estimates:
            if estimate.within * WORTH < most and len(near.lines) > CROWDED * self.top * len(self.own):
                scores = estimate.score(near.lines, near.items).astype(np.float64)
                near = _Near(near.lines, near.items, scores, scores)
                near = near.of(scores >= (self._floors_of(near) - 2 * estimate.within)[near.lines])
        scores = self._score(near.lines, near.items)
        self.recomputed += len(scores) if most else 0
        order = np.lexsort((near.items, -scores, near.lines))
        lines, items, scores = near.lines[order], near.items[order], scores[order]
        starts = np.searchsorted(lines, np.arange(len(self.own)))
        first = np.arange(len(lines)) - starts[lines] < self.top
        return lines[first], items[first], scores[first]

    def rankings(self, items: int) -> Rankings:
        """The rankings, when all candidates among so many items have been taken."""
        before = np.append(np.cumsum(self._counts[::-1])[::-1], 0)  # of this slot and all after it
        lines = self._slots[self._places]
        above = before[self._places + 1] - before[self.first_slots[1:]][lines]
        cuts = np.concatenate([[0], np.cumsum(self._matches)])
        backwards = cuts[lines] + cuts[lines + 1] - 1 - np.arange(len(lines))  # the highest score first
        ranks = above[backwards] + np.arange(len(lines)) - cuts[lines] + 1
        junk = np.diff(np.concatenate([[0], np.cumsum(self.own.junk)])[self.own.cuts])
        return Rankings(cuts, ranks, junk, items - junk, *self._top_lists(), self.recomputed)

    def _top_lists(self) -> tuple[Ints, Ints, Floats, Flags, Flags]:
        if not self.top:
            none = np.zeros(0, dtype=bool)
            return np.zeros(len(self.own) + 1, dtype=np.intp), np.empty(0, dtype=np.intp), np.empty(0), none, none
        others, near, near_scores = self._listed()
        lines = np.concatenate([others, self.own.lines])
        items, scores = np.concatenate([near, self.own.items]), np.concatenate([near_scores, self.own.scores])
        junk = np.concatenate([np.zeros(len(near), dtype=bool), self.own.junk])
        match = np.concatenate([np.zeros(len(near), dtype=bool), ~self.own.junk])
        order = np.lexsort((items, match, -scores, lines))
        lines, items, scores, match, junk = (x[order] for x in (lines, items, scores, match, junk))
        kept = np.cumsum(~junk) - ~junk  # before each
        starts = np.searchsorted(lines, np.arange(len(self.own) + 1))
        listed = kept - np.append(kept, 0)[starts[:-1]][lines] < self.top
        cuts = np.concatenate([[0], np.cumsum(listed)])[starts]
        return cuts, items[listed], scores[listed], match[listed], junk[listed]


def floors_of(scores: Block, wanted: int, size: int) -> tuple[Ints, Ints] | None:
    """Of a tile of a gallery of that size, where as many high scores as are wanted lie for each query: lines and
    columns, one after another; None where the tile is too small. They are the highest of a sample."""
    stride = max(1, scores.shape[1] // min(SAMPLE, max(size // 8, 1)))
    sample = scores[:, ::stride]
    width = sample.shape[1]
    if width < wanted:
        return None
    columns = np.argpartition(sample, width - wanted, axis=1)[:, width - wanted :] * stride
    return np.repeat(np.arange(len(scores)), wanted), columns.reshape(-1)


def rounded_down(values: Floats, kind: np.dtype[np.floating]) -> Block:
    """The numbers of that kind nearest below, or equal."""
    rounded = values.astype(kind)
    with np.errstate(over="ignore"):  # the step below the least, which is not taken
        below = np.nextafter(rounded, kind.type(-np.inf))
    return np.where(rounded > values, below, rounded)


def _keys(lines: Ints, scores: Block) -> npt.NDArray[np.complexfloating]:
    """Numbers in the order of the lines, and within a line of the scores: numpy compares complex ones so."""
    kind = np.complex64 if scores.dtype == np.float32 else np.complex128
    keys: npt.NDArray[np.complexfloating] = np.empty(len(scores), dtype=kind)
    keys.real, keys.imag = lines, scores
    return keys
