"""Scores of all pairs of different vehicles, counted in bins, and exact where it matters.

A rounded score lies within a product's bound of the exact one. So the bins say between which two scores an order
statistic, or a crossing, must lie; only pairs between these are needed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.scores import Block

HALF = 2**15
WIDTH = 1 / HALF  # of a bin
MARGIN = 1024  # bins beyond -1 and 1, where rounding can carry a score
SAME_BIN = MARGIN // 2
SAME = np.float32((SAME_BIN - MARGIN - HALF) * WIDTH)  # in place of the scores of a query's own vehicle
BINS = 2 * (HALF + MARGIN)
INDEXING = WIDTH / 64  # what rounding can move a score between bins, or to float32
NEARER = 1 / 8  # of a bound: so near a rounded product comes as a rule
PLACES = 1024  # at which a crossing is looked for

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tally:
    """What a pass counted and kept of some pairs.

    counts: by bin. kept: the bins whose pairs are kept; queries, items, bins, scores: of each of these, the scores as
    the product rounded them. levels: bins in rising order, the last BINS; by_query, by_item: how many pairs lie in a
    level or above, (levels, queries or items).
    """

    counts: Ints
    kept: Flags
    queries: Ints
    items: Ints
    bins: Ints
    scores: npt.NDArray[np.float32]
    levels: Ints
    by_query: Ints
    by_item: Ints

    def part(self, counts: Ints, queries: Flags, items: Flags) -> Tally:
        """That of the pairs of some queries with some items, by their numbers among these; `counts` are theirs."""
        mine = queries[self.queries] & items[self.items]
        rows, columns = (np.cumsum(flags, dtype=np.int32) - 1 for flags in (queries, items))
        return Tally(
            counts,
            self.kept,
            rows[self.queries[mine]],
            columns[self.items[mine]],
            self.bins[mine],
            self.scores[mine],
            self.levels,
            self.by_query[:, queries],
            self.by_item[:, items],
        )

    def without_levels(self) -> Tally:
        """The same with no level but the last, above all scores."""
        return replace(self, levels=self.levels[-1:], by_query=self.by_query[-1:], by_item=self.by_item[-1:])


@dataclass(frozen=True)
class Accepted:
    """How many impostor pairs reach a threshold, by query and by gallery item."""

    by_query: Ints
    by_item: Ints

    @property
    def count(self) -> int:
        return int(self.by_query.sum())


class Impostors:
    """The scores of all pairs of different vehicles.

    count: of the pairs. counts: by bin. within: no exact score is further than this outside its bin.
    """

    def __init__(self, tally: Tally, within: float, score: Callable[[Ints, Ints], Floats]) -> None:
        self.counts = tally.counts.copy()
        self.counts[SAME_BIN] = 0
        self.count = int(self.counts.sum())
        self.within = within + INDEXING
        self._at_or_above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        self._tally, self._score = tally, score

    def bracket(self, threshold: float) -> tuple[int, int]:
        """Between which two numbers the count of scores of at least `threshold` lies."""
        possibly, last = self._bins(threshold, threshold)
        return int(self._at_or_above[last + 1]), int(self._at_or_above[possibly])

    def brackets(self) -> tuple[Floats, Ints, Ints]:
        """Thresholds, one a bin, and between which two numbers the count of scores that reach each lies."""
        edges = edge(np.arange(MARGIN, BINS - MARGIN + 1))
        reach = int(np.ceil(self.within * HALF)) + 1
        surely = np.minimum(np.arange(MARGIN, BINS - MARGIN + 1) + reach, BINS)
        return edges, self._at_or_above[surely], self._at_or_above[surely - 2 * reach]

    def around(self, k: int) -> tuple[int, int]:
        """The bins, first and last, among which all scores lie that can be the k-th greatest."""
        here = int(np.searchsorted(-self._at_or_above, -k, "right")) - 1
        return self._bins(edge(here) - self.within, edge(here + 1) + self.within)

    def around_crossing(self, genuine: Floats) -> tuple[int, int]:
        """The bins of all scores at which as many impostors can be accepted as genuine pairs (ascending) are refused,
        by share."""
        low, high = self._crossing(genuine)
        return self._bins(low, high)

    def greatest(self, k: int) -> float:
        """The k-th greatest score, from 1."""
        first, last = self.around(k)
        inside = self._between(first, last)
        rounded, over = self._tally.scores[inside], int(self._at_or_above[last + 1])
        place = len(rounded) - (k - over)
        middle = float(np.partition(rounded, place)[place])
        # It lies within a bound of the k-th greatest rounded score. As a rule much nearer: then fewer are looked at.
        for reach in (NEARER * self.within, self.within):
            scores, above = self._about(inside, middle - reach, middle + reach)
            found = float(scores[len(scores) - (k - over - above)])
            if abs(found - middle) <= reach:
                break
        return found

    def equal_error(self, genuine: Floats) -> tuple[float, Fraction]:
        """Threshold and rate at which the greater of two shares is least: of impostors that reach it, and of `genuine`
        scores (ascending) that do not.

        The two cross at a score: the threshold is that one, or the next number above it, whichever is the better, and
        the latter where both are as good.
        """
        low, high = self._crossing(genuine)
        first, last = self._bins(low, high)
        inside, over = self._between(first, last), int(self._at_or_above[last + 1])
        middle, reach = self._rounded_crossing(inside, over, genuine, low, high), NEARER * self.within
        for below, beyond in ((max(low, middle - reach), min(high, middle + reach)), (low, high)):
            scores, above = self._about(inside, below, beyond)

            def rates(threshold: Any, scores: Floats = scores, above: int = over + above) -> tuple[Any, Any]:
                # Whole numbers over one denominator, so that equal shares are equal.
                accepted = above + len(scores) - np.searchsorted(scores, threshold)
                return accepted * len(genuine), np.searchsorted(genuine, threshold) * self.count

            (accepted, refused), (accepted_beyond, refused_beyond) = rates(below), rates(beyond)
            if accepted > refused and accepted_beyond <= refused_beyond:
                break
        values = np.unique(np.concatenate([one[(one >= below) & (one <= beyond)] for one in (scores, genuine)]))
        accepted, refused = rates(values)
        at = float(values[np.flatnonzero(accepted > refused)[-1]])
        after = float(np.nextafter(at, np.inf))
        choices = [(int(max(rates(threshold))), threshold) for threshold in (after, at)]
        worst, threshold = min(choices, key=lambda choice: choice[0])
        return threshold, Fraction(worst, self.count * len(genuine))

    def missing(self, windows: Sequence[tuple[int, int]], *, by_level: bool = False) -> Flags:
        """The bins of these windows whose pairs were not kept.

        by_level: each window with what lies between it and the next level, so that `accepted` has its counts.
        """
        wanted = np.zeros(BINS, dtype=bool)
        for first, last in windows:
            wanted[first : (self._level(last)[1] if by_level else last + 1)] = True
        return wanted & ~self._tally.kept & (self.counts > 0)

    def accepted(self, threshold: float) -> Accepted:
        """The pairs that reach a threshold.

        Raises:
            ValueError: something of its window is missing by level.
        """
        tally, (first, last) = self._tally, self._bins(threshold, threshold)
        if self.missing([(first, last)], by_level=True).any():
            raise ValueError(f"pairs about the threshold {threshold} were not kept")
        number, level = self._level(last)
        inside = self._between(first, level - 1)
        beyond = tally.scores[inside] - threshold
        reach, open_ = inside[beyond > self.within], inside[np.abs(beyond) <= self.within]
        exactly = self._score(tally.queries[open_], tally.items[open_]) >= threshold
        reach = np.concatenate([reach, open_[exactly]])
        by_query, by_item = tally.by_query[number], tally.by_item[number]
        return Accepted(
            by_query + np.bincount(tally.queries[reach], minlength=len(by_query)),
            by_item + np.bincount(tally.items[reach], minlength=len(by_item)),
        )

    def _level(self, last: int) -> tuple[int, int]:
        """The first level above a bin: its number, and its bin."""
        number = int(np.searchsorted(self._tally.levels, last, "right"))
        return number, int(self._tally.levels[number])

    def _bins(self, low: float, high: float) -> tuple[int, int]:
        """First and last bin that can hold an exact score from `low` to `high`."""
        return bins_between(low, high, self.within)

    def _crossing(self, genuine: Floats) -> tuple[float, float]:
        edges = edge(np.arange(BINS + 1))
        refused = np.searchsorted(genuine, edges) * self.count
        surely = np.minimum(np.floor((edges + self.within) * HALF).astype(int) + HALF + MARGIN + 2, BINS)
        possibly = np.maximum(np.ceil((edges - self.within) * HALF).astype(int) + HALF + MARGIN - 2, 0)
        low = np.flatnonzero(self._at_or_above[surely] * len(genuine) > refused)
        high = np.flatnonzero(self._at_or_above[possibly] * len(genuine) <= refused)
        return float(edges[low[-1]]), float(edges[high[0]])

    def _rounded_crossing(self, inside: Ints, over: int, genuine: Floats, low: float, high: float) -> float:
        """About where, from `low` to `high`, the two shares cross by rounded scores; `over` are above all `inside`."""
        rounded = np.sort(self._tally.scores[inside])
        places = np.linspace(low, high, PLACES)
        accepted = over + len(rounded) - np.searchsorted(rounded, places)
        crossed = accepted * len(genuine) <= np.searchsorted(genuine, places) * self.count
        return float(places[np.argmax(crossed)] if crossed.any() else high)

    def _between(self, first: int, last: int) -> Ints:
        """Which of the kept pairs are in these bins."""
        return np.flatnonzero((self._tally.bins >= first) & (self._tally.bins <= last))

    def _about(self, inside: Ints, low: float, high: float) -> tuple[Floats, int]:
        """Of some kept pairs the exact scores, ascending, of all that are not surely below `low` or above `high`, and
        how many surely are above."""
        rounded = self._tally.scores[inside]
        about = inside[(rounded >= low - self.within) & (rounded <= high + self.within)]
        above = np.count_nonzero(rounded > high + self.within)
        return np.sort(self._score(self._tally.queries[about], self._tally.items[about])), int(above)


def order_of(rate: float, count: int) -> int | None:
    """A threshold just above the score of this rank, among `count`, lets at most this share through; None where so few
    cannot tell: not one of them may pass."""
    passing = int(Fraction(str(rate)) * count)
    return passing + 1 if 1 <= passing < count else None


def bins_between(low: float, high: float, within: float) -> tuple[int, int]:
    """First and last bin whose scores can, exactly, lie from `low` to `high`; one more each way, whatever rounds."""
    low, high = np.clip((low, high), -1.01, 1.01)
    first = int(np.floor((low - within) * HALF)) + HALF + MARGIN - 1
    last = int(np.ceil((high + within) * HALF)) + HALF + MARGIN + 1
    return max(first, SAME_BIN + 1), min(last, BINS - 1)


def edge(number: Any) -> Any:
    """The least score of a bin."""
    return (number - MARGIN - HALF) * WIDTH


def indexed(scores: Block, shifts: Block | None = None) -> Ints:
    """The bin of each score. shifts: 0 or BINS of each column, to be added."""
    scaled = scores * scores.dtype.type(HALF)
    scaled += scores.dtype.type(HALF + MARGIN) if shifts is None else shifts + scores.dtype.type(HALF + MARGIN)
    return scaled.astype(np.intp)


def levels_above(kept: Flags) -> Ints:
    """The first bin above each run of kept ones, and BINS."""
    ends = np.flatnonzero(kept[:-1] & ~kept[1:]) + 1
    return np.append(ends, BINS)
