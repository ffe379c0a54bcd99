"""Passes over all pairs of different vehicles: counted in bins of their rounded scores, and kept where bins are to be.

Tile by tile, and of a tile a few queries' lines at a time, while they are in the processor's cache. Where the vehicles
are in two halves, one pass counts the pairs of either half, and those across.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from svrn.data.protocols import Rows
from svrn.evaluation.candidates import rounded_down
from svrn.evaluation.comparison import Scorer, Work, each_block
from svrn.evaluation.impostors import (
    BINS,
    HALF,
    INDEXING,
    MARGIN,
    SAME,
    SAME_BIN,
    WIDTH,
    Flags,
    Floats,
    Ints,
    Tally,
    bins_between,
    edge,
    indexed,
    levels_above,
)
from svrn.evaluation.options import Options
from svrn.evaluation.scores import TILE, Block, Product

LINES = 32  # queries whose scores with a tile are counted at a time
SAMPLE = (2048, 4096)  # queries and gallery vectors by which windows are foreseen
DEVIATIONS = 4
ACROSS, FIRST, SECOND = range(3)  # of which half both vehicles are; without halves all pairs are across


@dataclass(frozen=True)
class Halves:
    """Which queries and which items are of the first half of the vehicles."""

    queries: Flags
    items: Flags


@dataclass(frozen=True)
class Passed:
    """What a pass made of all pairs.

    tally: of all; its levels count those of the second half alone, where there are halves. counts: by half and bin.
    within: how far a score can lie from the exact one. near: queries and items of the pairs that can be the greatest
    of their query.
    """

    tally: Tally
    counts: Ints
    within: float
    near: tuple[Ints, Ints]


@dataclass(frozen=True)
class _Sums:
    """What the blocks of a pass add up, the items' under a lock.

    kept: bins. levels: above each run of these. by_query, by_item: of each, pairs by the number of levels reached.
    """

    kept: Flags
    within: float
    levels: Ints
    counts: Ints
    by_query: Ints
    by_item: Ints
    lock: threading.Lock

    @property
    def classes(self) -> int:
        return len(self.levels)


#: Queries, items, bins and scores of pairs that a block keeps, and queries and items of those that can be the greatest.
_Found = tuple[Ints, Ints, Ints, Block, Ints, Ints]


class Counter:
    """Passes over all pairs. queries, own: the pairs of one vehicle, which are counted nowhere.

    halves: count the pairs of each half. thresholds: about which pairs are kept.
    """

    def __init__(
        self,
        rows: Rows,
        scorer: Scorer,
        queries: Ints,
        own: Ints,
        options: Options,
        *,
        halves: Halves | None = None,
        thresholds: Sequence[float] = (),
    ) -> None:
        self._vehicles, self._scorer, self._items = rows.vehicles, scorer, scorer.items
        self._halves, self._thresholds = halves, thresholds
        # The first half's queries first, so that lines that are counted together are of one half.
        self._order = np.arange(len(rows)) if halves is None else np.argsort(~halves.queries, kind="stable")
        self._first = 0 if halves is None else int(halves.queries.sum())
        place = np.empty_like(self._order)
        place[self._order] = np.arange(len(rows))
        by_item = np.argsort(own, kind="stable")
        self._own_places, self._own = place[queries[by_item]], own[by_item]
        self._options = options.model_copy(
            update={"precision": "float64" if options.precision == "float64" else "float32"}
        )

    def counted(self, kept: Flags) -> Passed:
        """All pairs, and by themselves those in kept bins and about the thresholds."""
        query = self._scorer.query if self._halves is None else self._scorer.query.part(self._order)
        sums: list[_Sums] = []

        def work(product: Product) -> Work[_Found]:
            within = float(product.bounds.max(initial=0.0))
            # Taking the query's half norm off a float32 score rounds once more.
            within += 0.0 if self._scorer.halves is None else 2.0**-22
            sums.append(self._none_yet(kept | self._around_thresholds(within), within * self._scorer.factor))
            return partial(self._block, sums[-1])

        found = each_block(query, self._scorer.gallery, self._options, self._items.tiles(TILE), work)
        places, items, bins, scores, near, nearest = (np.concatenate(each) for each in zip(*found, strict=True))
        one = sums[-1]
        by_query, by_item = (_at_or_above(table) for table in (one.by_query, one.by_item))
        of_order = np.empty_like(by_query)
        of_order[:, self._order] = by_query
        queries = self._order.astype(np.int32)[places]
        tally = Tally(one.counts.sum(axis=0), one.kept, queries, items, bins, scores, one.levels, of_order, by_item)
        return Passed(tally, one.counts, one.within, (self._order[near], nearest))

    def foreseen(self, rates: Sequence[float], queries: Ints, genuine: Floats) -> Flags:
        """The bins in which, by a sample of pairs, the thresholds of these rates and of equal error lie, those of all
        pairs and of the first half's. genuine: scores of pairs of one vehicle, each of its query."""
        rng = np.random.default_rng(0)
        query, gallery = self._scorer.query, self._scorer.gallery
        rows = np.sort(rng.permutation(len(query))[: SAMPLE[0]])
        columns = np.sort(rng.permutation(len(gallery))[: SAMPLE[1]])
        lengths = np.diff(self._items.starts)
        of = np.repeat(np.arange(len(self._items)), lengths)[columns]

        def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Ints]:
            ((_, scores),) = tiles
            here = rows[asked.start : asked.stop]
            scores = self._scorer.comparable(scores, here)
            scores[self._vehicles[here, None] == self._items.vehicles[of]] = SAME
            return [indexed(lines).astype(np.int32) for lines in np.array_split(scores, -(-len(scores) // LINES))]

        some, sample = query.part(rows), gallery.part(columns)
        whole = [slice(0, len(sample))]
        bins = np.concatenate(each_block(some, sample, self._options, whole, lambda _: block))
        kept = _windows(bins, rates, np.sort(genuine), lengths.mean())
        if self._halves is not None:
            bins = bins[self._halves.queries[rows]][:, self._halves.items[of]]
            kept |= _windows(bins, rates, np.sort(genuine[self._halves.queries[queries]]), lengths.mean())
        return kept

    def _around_thresholds(self, within: float) -> Flags:
        """The bins in which a score's place beside a threshold is open."""
        near = np.zeros(BINS, dtype=bool)
        for threshold in self._thresholds:
            first, last = bins_between(threshold, threshold, within + INDEXING)
            near[first : last + 1] = True
        return near

    def _none_yet(self, kept: Flags, within: float) -> _Sums:
        judged = self._halves is not None or len(self._thresholds) > 0
        levels = levels_above(kept) if judged else np.array([BINS])
        counts, by_query, by_item = (
            np.zeros((rows, columns), dtype=np.int64)
            for rows, columns in ((3, BINS), (len(self._order), len(levels)), (len(self._items), len(levels)))
        )
        return _Sums(kept, within, levels, counts, by_query, by_item, threading.Lock())

    def _block(self, sums: _Sums, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[_Found]:
        here = (self._own_places >= asked.start) & (self._own_places < asked.stop)
        own_lines, own = self._own_places[here] - asked.start, self._own[here]
        counts = np.zeros_like(sums.counts)
        greatest = np.full(len(asked), SAME, dtype=np.float64)
        kept: list[tuple[Ints, Ints, Ints, Block]] = []
        near: list[tuple[Ints, Ints, Block]] = []
        for part, rows in tiles:
            first, scores = self._items.of_tile(part, rows)
            width = scores.shape[1]
            scores = self._scorer.comparable(scores, self._order[asked.start : asked.stop])
            among = slice(*np.searchsorted(own, (first, first + width)))
            scores[own_lines[among], own[among] - first] = SAME
            np.maximum(greatest, scores.max(axis=1), out=greatest)
            # No score of another vehicle is below -1 by more than it can be rounded.
            edges = np.maximum(greatest - 2 * sums.within, (SAME_BIN + 1 - MARGIN - HALF) * WIDTH)
            cells = np.flatnonzero(scores >= rounded_down(edges, scores.dtype)[:, None])
            near.append((cells // width, cells % width + first, scores.reshape(-1)[cells]))
            kept += [
                self._count(sums, counts, asked.start + lines.start, first, scores[lines])
                for lines in self._lines(asked)
            ]
        with sums.lock:
            np.add(sums.counts, counts, out=sums.counts)
        lines, items, values = (np.concatenate(each) for each in zip(*near, strict=True))
        close = values >= rounded_down(greatest - 2 * sums.within, values.dtype)[lines]
        places, others, bins, values = (np.concatenate(each) for each in zip(*kept, strict=True))
        return [(places, others, bins, values, lines[close] + asked.start, items[close])]

    def _lines(self, asked: range) -> Iterator[slice]:
        """A block's lines, a few at a time, all of one half."""
        middle = min(max(self._first, asked.start), asked.stop)
        for begin, end in ((asked.start, middle), (middle, asked.stop)):
            for start in range(begin, end, LINES):
                yield slice(start - asked.start, min(start + LINES, end) - asked.start)

    def _count(
        self, sums: _Sums, counts: Ints, place: int, first: int, scores: Block
    ) -> tuple[Ints, Ints, Ints, Block]:
        """Count the scores of some queries, from `place` on, with some items; places, items, bins and scores of what is
        kept."""
        width, half, shifts = scores.shape[1], ACROSS, None
        if self._halves is not None:
            half, others = (FIRST, False) if place < self._first else (SECOND, True)
            shifts = BINS * (self._halves.items[first : first + width] ^ others).astype(scores.dtype)
        bins = indexed(scores, shifts).reshape(-1)
        counted = np.bincount(bins, minlength=BINS if half == ACROSS else 2 * BINS).reshape(-1, BINS)
        counts[ACROSS] += counted[0]
        if half != ACROSS:
            counts[half] += counted[1]
        lowest = int(np.argmax(sums.kept))
        cells = np.flatnonzero(scores >= scores.dtype.type(edge(lowest - 1))) if sums.kept[lowest] else bins[:0]
        bins = bins[cells]
        of_half = bins >= BINS
        bins -= BINS * of_half
        if sums.classes > 1 and half != FIRST:
            judged = np.flatnonzero((bins >= sums.levels[0]) & (of_half if half == SECOND else True))
            reached = np.searchsorted(sums.levels, bins[judged], "right")
            lines, columns = cells[judged] // width, cells[judged] % width
            for table, start, where, length in (
                (sums.by_query, place, lines, len(scores)),
                (sums.by_item, first, columns, width),
            ):
                found = np.bincount(where * sums.classes + reached, minlength=length * sums.classes)
                with sums.lock:
                    table[start : start + length] += found.reshape(length, sums.classes)
        mine = sums.kept[bins]
        cells, bins = cells[mine], bins[mine]
        places, items, bins = (x.astype(np.int32) for x in (cells // width + place, cells % width + first, bins))
        return places, items, bins, scores.reshape(-1)[cells].astype(np.float32)


def _at_or_above(table: Ints) -> Ints:
    """From pairs by how many levels they reach, (n, levels), those in each level or above, (levels, n)."""
    return np.append(np.cumsum(table[:, :0:-1], axis=1)[:, ::-1], np.zeros((len(table), 1), dtype=int), axis=1).T


def _windows(bins: Ints, rates: Sequence[float], genuine: Floats, rows_of_item: float) -> Flags:
    """Bins in which the thresholds of all pairs lie, by those of a sample, (queries, gallery)."""
    kept = np.zeros(BINS, dtype=bool)
    if not bins.size:
        return kept
    counts = np.bincount(bins.reshape(-1), minlength=BINS)
    counts[SAME_BIN] = 0
    above = np.cumsum(counts[::-1])[::-1] / max(1, counts.sum())
    wanted = [*rates]
    if len(genuine):
        refused = np.searchsorted(genuine, edge(np.arange(BINS))) / len(genuine)
        wanted.append(float(above[np.flatnonzero(above <= refused)[0]]))
    for rate in wanted:
        middle = max(int(np.searchsorted(-above, -rate)), SAME_BIN + 1)
        reach = bins >= middle
        mean = max(reach.mean(), 1 / reach.size)
        spread = sum(float(reach.mean(axis=axis).var()) / reach.shape[1 - axis] for axis in (0, 1)) + mean / reach.size
        # Items of several images score as their nearest: more of them reach a score than images do.
        slack = DEVIATIONS * np.sqrt(spread) / mean + rows_of_item - 1
        first = int(np.searchsorted(-above, -min(1.0, rate * (1 + slack)))) - 2
        last = BINS if slack >= 1 else int(np.searchsorted(-above, -rate * (1 - slack))) + 2
        reserve = int(np.ceil(4e-4 * HALF))
        kept[max(first - reserve, SAME_BIN + 1) : last + reserve] = True
    return kept
