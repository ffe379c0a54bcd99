"""Every pair of a query and a gallery item as a question, is this the same vehicle?, and how its scores are spread.

Pairs of one vehicle are few, so their exact scores (evaluation/grid.py) are all kept. Pairs of different vehicles are
thousands of millions: they are counted in bins of their rounded scores while a tile is in the processor's cache
(evaluation/counting.py). A rounded score lies within the product's bound of the exact one, so the bins say between
which two scores an order statistic, or a crossing, must lie; the pairs between these are few, are kept, and are worked
out again exactly. So a count or a threshold that is given is the one that sorting all exact scores would give.

Where among the bins that will be is foreseen from a sample of pairs. Where the sample was wrong, the pass is made once
more: that costs time, never a digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from svrn.data.protocols import Protocol, Rows, Trial
from svrn.evaluation.comparison import AnyGrid, Scorer
from svrn.evaluation.counting import FIRST, SECOND, Counter, Halves, Passed
from svrn.evaluation.impostors import BINS, Flags, Floats, Impostors, Ints, Tally, order_of
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options

ALL_KEPT = 2**22  # pairs, up to which all are
SAMPLED = 2**18  # pairs of different vehicles whose exact scores stand for all


@dataclass(frozen=True)
class Pairs:
    """Some pairs: of the queries and the items at these indices, shape (n,) each; `scores` are exact."""

    queries: Ints
    items: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.queries)


@dataclass(frozen=True)
class PairScores:
    """The pairs of some queries with some items, by their numbers among these.

    query_vehicles, item_vehicles: of each. genuine: the pairs of one vehicle; junk, so many, is among neither. best: of
    each query, the greatest exact score with an item of another vehicle, -inf where there is none; not known of a half.
    score: gives the exact scores of pairs.
    """

    query_vehicles: Ints
    item_vehicles: Ints
    genuine: Pairs
    junk: int
    impostors: Impostors
    best: Floats | None
    score: Callable[[Ints, Ints], Floats]

    @cached_property
    def sample(self) -> Pairs:
        """Pairs of different vehicles, all where they are few; which, rests on the order of queries and items alone."""
        count = len(self.query_vehicles) * len(self.item_vehicles)
        cells = np.arange(count) if count <= SAMPLED else np.random.default_rng(0).integers(0, count, SAMPLED)
        queries, items = np.divmod(cells, len(self.item_vehicles))
        different = self.query_vehicles[queries] != self.item_vehicles[items]
        queries, items = queries[different], items[different]
        return Pairs(queries, items, self.score(queries, items))

    def windows(self, rates: Sequence[float]) -> list[tuple[int, int]]:
        """The bins in which the thresholds of these false acceptance rates, and of equal error, can lie."""
        count = self.impostors.count
        found = [self.impostors.around(rank) for rate in rates if (rank := order_of(rate, count)) is not None]
        if count and len(self.genuine):
            found.append(self.impostors.around_crossing(np.sort(self.genuine.scores)))
        return found


def pair_scores(
    trial: Trial,
    protocol: Protocol,
    items: Items,
    query: AnyGrid,
    gallery: AnyGrid,
    options: Options,
    *,
    rates: Sequence[float] = (),
    thresholds: Sequence[float] = (),
) -> PairScores:
    """The scores of a trial's pairs: of one vehicle after the protocol's junk is removed, and of different vehicles.

    query, gallery: the trial's rows on the grid, the gallery in item order. rates: false acceptance rates whose
    thresholds will be asked for. thresholds: at which accepted impostors will be asked for. With the Euclidean distance
    a score is minus half the squared distance of the scaled vectors; with one that the vectors name, minus that
    distance, times `Scorer.factor`.

    Memory: tiles of `options.memory_mib`, 12 bytes for each pair that is kept (a few of a hundred), the grids.
    """
    return _Every(trial.query, protocol, items, query, gallery).counted(options, rates, thresholds=thresholds)[0]


def halved_scores(
    trial: Trial,
    protocol: Protocol,
    items: Items,
    query: AnyGrid,
    gallery: AnyGrid,
    options: Options,
    first: Ints,
    *,
    rates: Sequence[float],
) -> tuple[PairScores, PairScores, PairScores]:
    """What `pair_scores` gives, by one pass: of all pairs; of those among some vehicles, `first`; and of those among
    all others, to be asked about the thresholds that the first give for these rates and for equal error."""
    halves = Halves(np.isin(trial.query.vehicles, first), np.isin(items.vehicles, first))
    found = _Every(trial.query, protocol, items, query, gallery).counted(options, rates, halves=halves)
    return found[0], found[1], found[2]


class _Every:
    """All pairs of a trial."""

    def __init__(self, rows: Rows, protocol: Protocol, items: Items, query: AnyGrid, gallery: AnyGrid) -> None:
        self._rows, self._items, self._scorer = rows, items, Scorer(items, query, gallery)
        self._own = same_vehicle(rows, items)
        self._junk = is_junk(rows, items, protocol, *self._own)
        queries, own = (each[~self._junk] for each in self._own)
        self._genuine = Pairs(queries, own, self._scorer.of(queries, own))

    def counted(
        self,
        options: Options,
        rates: Sequence[float],
        *,
        halves: Halves | None = None,
        thresholds: Sequence[float] = (),
    ) -> list[PairScores]:
        """The pairs, and, where there are halves, those of each."""
        counter = Counter(self._rows, self._scorer, *self._own, options, halves=halves, thresholds=thresholds)
        if len(self._rows) * len(self._items) - len(self._junk) <= ALL_KEPT:
            kept = np.ones(BINS, dtype=bool)
        else:
            kept = counter.foreseen(rates, self._genuine.queries, self._genuine.scores)
        while True:
            passed = counter.counted(kept)
            tally, judged = passed.tally, passed.tally
            if halves is not None:
                tally = judged.without_levels()  # they are of the second half's pairs
            found = [self._whole(passed, tally)]
            if halves is not None:
                first = tally.part(passed.counts[FIRST], halves.queries, halves.items)
                second = judged.part(passed.counts[SECOND], ~halves.queries, ~halves.items)
                found += [self._half(passed, first, halves.queries, halves.items)]
                found += [self._half(passed, second, ~halves.queries, ~halves.items)]
            missing = np.logical_or.reduce([one.impostors.missing(one.windows(rates)) for one in found[:2]])
            if halves is not None:
                missing |= found[2].impostors.missing(found[1].windows(rates), by_level=True)
            if not missing.any():
                return found
            kept = kept | missing

    def _whole(self, passed: Passed, tally: Tally) -> PairScores:
        vehicles, score = (self._rows.vehicles, self._items.vehicles), self._scorer.of
        best = np.full(len(self._rows), -np.inf)
        np.maximum.at(best, passed.near[0], score(*passed.near))
        impostors = Impostors(tally, passed.within, score)
        return PairScores(*vehicles, self._genuine, int(self._junk.sum()), impostors, best, score)

    def _half(self, passed: Passed, tally: Tally, queries: Flags, items: Flags) -> PairScores:
        """The pairs of some queries with some items, of which all of one vehicle are with each other."""
        rows, columns = np.flatnonzero(queries), np.flatnonzero(items)

        def score(lines: Ints, others: Ints) -> Floats:
            return self._scorer.of(rows[lines], columns[others])

        mine = queries[self._genuine.queries]
        numbers = (
            (np.cumsum(queries) - 1)[self._genuine.queries[mine]],
            (np.cumsum(items) - 1)[self._genuine.items[mine]],
        )
        impostors = Impostors(tally, passed.within, score)
        return PairScores(
            self._rows.vehicles[rows],
            self._items.vehicles[columns],
            Pairs(*numbers, self._genuine.scores[mine]),
            int(self._junk[queries[self._own[0]]].sum()),
            impostors,
            None,
            score,
        )


def same_vehicle(rows: Rows, items: Items) -> tuple[Ints, Ints]:
    """All pairs of a query and an item of its vehicle, by query."""
    by_vehicle = np.argsort(items.vehicles, kind="stable")
    ordered = items.vehicles[by_vehicle]
    first = np.searchsorted(ordered, rows.vehicles, "left")
    lengths = np.searchsorted(ordered, rows.vehicles, "right") - first
    queries = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return queries, by_vehicle[np.repeat(first, lengths) + within]


def is_junk(rows: Rows, items: Items, protocol: Protocol, queries: Ints, own: Ints) -> Flags:
    """Which of some pairs of one vehicle the protocol takes out: a query's own image under every one."""
    itself = pd.Index(items.names if items.single else []).get_indexer(pd.Index(rows.images))
    junk: Flags = own == itself[queries]
    if protocol.junk == "same-camera":
        junk |= items.cameras[own] == rows.cameras[queries]
    return junk
