"""Every pair of a query and a gallery item as a question, is this the same vehicle?, and how its scores are spread.

Pairs of one vehicle are few, so their exact scores (evaluation/grid.py) are all kept. Pairs of different vehicles are
thousands of millions: they are counted in bins of their rounded scores while a tile is in the processor's cache. A
rounded score lies within the product's bound of the exact one, so the bins say between which two scores an order
statistic, or a crossing, must lie; the pairs between these are few, are kept, and are worked out again exactly. So a
count or a threshold that is given is the one that sorting all exact scores would give.

Where among the bins that will be is foreseen from a sample of pairs. Where the sample was wrong, the pass is made once
more: that costs time, never a digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from svrn.data.protocols import Protocol, Rows, Trial
from svrn.evaluation.blocks import Work, each_block
from svrn.evaluation.candidates import rounded_down
from svrn.evaluation.exact import Exact
from svrn.evaluation.grid import Grid
from svrn.evaluation.impostors import (
    BINS,
    HALF,
    INDEXING,
    MARGIN,
    SAME,
    SAME_BIN,
    WIDTH,
    Accepted,
    Flags,
    Floats,
    Impostors,
    Ints,
    Tally,
    bins_between,
    edge,
    indexed,
    order_of,
)
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options
from svrn.evaluation.product import TILE, Block, Product

ALL_KEPT = 2**22  # pairs, up to which all are
SAMPLE = (1024, 4096)  # queries and gallery vectors by which windows are foreseen
SAMPLED = 2**18  # pairs of different vehicles whose exact scores stand for all
DEVIATIONS = 6


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
    """The pairs of a trial.

    genuine: those of one vehicle; junk is among neither. sample: of pairs of different vehicles, all where they are
    few; which, rests on the order of queries and items alone. best: of each query, the greatest exact score with an
    item of another vehicle, -inf where there is none. accepted: by threshold that was asked about.
    """

    trial: Trial
    items: Items
    genuine: Pairs
    junk: int
    impostors: Impostors
    sample: Pairs
    best: Floats
    accepted: tuple[Accepted, ...]


def pair_scores(
    trial: Trial,
    protocol: Protocol,
    items: Items,
    query: Grid,
    gallery: Grid,
    options: Options,
    *,
    rates: Sequence[float] = (),
    thresholds: Sequence[float] = (),
) -> PairScores:
    """The scores of a trial's pairs: of one vehicle after the protocol's junk is removed, and of different vehicles.

    query, gallery: the trial's rows on the grid, the gallery in item order. rates: false acceptance rates whose
    thresholds will be asked for. thresholds: at which accepted impostors are to be counted by query and item. With the
    Euclidean distance a score is minus half the squared distance of the scaled vectors.

    Memory: tiles of `options.memory_mib`, 12 bytes for each pair that is kept (a few of a hundred), the grids.
    """
    queries, own = same_vehicle(trial.query, items)
    scorer = Scorer(items, query, gallery)
    scores = scorer.of(queries, own)
    junk = is_junk(trial.query, items, protocol, queries, own)
    genuine = Pairs(queries[~junk], own[~junk], scores[~junk])
    ordered = np.sort(genuine.scores)
    count = len(trial.query) * len(items) - len(own)
    counter = _Counter(trial.query, scorer, queries, own, options, tuple(thresholds))
    ranks = [rank for rank in (order_of(rate, count) for rate in rates) if rank is not None]
    kept = np.ones(BINS, dtype=bool) if count <= ALL_KEPT else counter.foreseen(rates, ordered)
    while True:
        tally, within = counter.counted(kept)
        impostors = Impostors(tally, kept | counter.around_thresholds(within), within, scorer.of)
        windows = [impostors.around(rank) for rank in ranks]
        if count and len(ordered):
            windows.append(impostors.around_crossing(ordered))
        missing = impostors.missing(windows)
        if not missing.any():
            break
        kept = kept | missing
    accepted = tuple(impostors.accepted(number, threshold) for number, threshold in enumerate(thresholds))
    best = counter.best(tally)
    sample = Pairs(*(some := _some(trial.query, items)), scorer.of(*some))
    return PairScores(trial, items, genuine, int(junk.sum()), impostors, sample, best, accepted)


def _some(rows: Rows, items: Items) -> tuple[Ints, Ints]:
    """Queries and items of some pairs of different vehicles."""
    count = len(rows) * len(items)
    cells = np.arange(count) if count <= SAMPLED else np.random.default_rng(0).integers(0, count, SAMPLED)
    queries, others = cells // len(items), cells % len(items)
    different = rows.vehicles[queries] != items.vehicles[others]
    return queries[different], others[different]


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


class Scorer:
    """Exact scores of pairs that compare across queries."""

    def __init__(self, items: Items, query: Grid, gallery: Grid) -> None:
        self.items, self.query, self.gallery = items, query, gallery
        self._exact = Exact(query, gallery)

    def of(self, queries: Ints, items: Ints) -> Floats:
        scores = self.items.scored(items, lambda numbers, rows: self._exact.of(queries[numbers], rows))
        return scores if self.query.half_norms is None else scores - self.query.half_norms[queries]


class _Counter:
    """Passes over all pairs."""

    def __init__(
        self, rows: Rows, scorer: Scorer, queries: Ints, own: Ints, options: Options, thresholds: tuple[float, ...]
    ) -> None:
        self._vehicles, self._scorer, self._items = rows.vehicles, scorer, scorer.items
        order = np.argsort(own, kind="stable")
        self._own_queries, self._own = queries[order], own[order]
        self._options = options.model_copy(
            update={"precision": "float64" if options.precision == "float64" else "float32"}
        )
        self._thresholds = thresholds

    def counted(self, kept: Flags) -> tuple[Tally, float]:
        """All pairs, those in kept bins by themselves; and how far a score can lie from the exact one."""
        bounds: list[float] = []
        halves = self._scorer.query.half_norms

        def work(product: Product) -> Work[Tally]:
            # Taking the query's half norm off a float32 score rounds once more.
            within = float(product.bounds.max(initial=0.0)) + (0.0 if halves is None else 2.0**-22)
            bounds.append(within)
            return partial(self._block, kept | self.around_thresholds(within), within)

        parts = self._items.tiles(TILE)
        done = each_block(self._scorer.query, self._scorer.gallery, self._options, parts, work)
        joined = {name: np.concatenate([getattr(one, name) for one in done]) for name in _JOINED}
        return Tally(
            counts=np.sum([one.counts for one in done], axis=0),
            by_query=np.concatenate([one.by_query for one in done], axis=1),
            by_item=np.sum([one.by_item for one in done], axis=0),
            **joined,
        ), bounds[-1]

    def around_thresholds(self, within: float) -> Flags:
        """The bins in which a score's place beside a threshold is open."""
        near = np.zeros(BINS, dtype=bool)
        for threshold in self._thresholds:
            first, last = bins_between(threshold, threshold, within + INDEXING)
            near[first : last + 1] = True
        return near

    def best(self, tally: Tally) -> Floats:
        """Of each query the greatest exact score among the pairs that are near its greatest."""
        greatest = np.full(len(self._scorer.query), -np.inf)
        np.maximum.at(greatest, tally.near_queries, self._scorer.of(tally.near_queries, tally.near_items))
        return greatest

    def foreseen(self, rates: Sequence[float], genuine: Floats) -> Flags:
        """The bins in which, by a sample of pairs, the thresholds of these rates and of equal error lie."""
        rng = np.random.default_rng(0)
        query, gallery = self._scorer.query, self._scorer.gallery
        rows = np.sort(rng.permutation(len(query))[: SAMPLE[0]])
        columns = np.sort(rng.permutation(len(gallery))[: SAMPLE[1]])
        item_of = np.repeat(np.arange(len(self._items)), np.diff(self._items.starts))
        same = self._vehicles[rows, None] == self._items.vehicles[item_of[columns]]

        def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Ints]:
            ((_, scores),) = tiles
            if query.half_norms is not None:
                scores -= query.half_norms[rows[asked.start : asked.stop], None].astype(scores.dtype)
            scores[same[asked.start : asked.stop]] = SAME
            return list(indexed(scores))

        sample = gallery.part(columns)
        whole = [slice(0, len(sample))]
        lines = each_block(query.part(rows), sample, self._options, whole, lambda _: block)
        return _windows(np.stack(lines), same, rates, genuine, np.diff(self._items.starts).mean())

    def _block(self, kept: Flags, within: float, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Tally]:
        here = (self._own_queries >= asked.start) & (self._own_queries < asked.stop)
        own_lines, own = self._own_queries[here] - asked.start, self._own[here]
        halves = self._scorer.query.half_norms
        counts = np.zeros(BINS, dtype=np.int64)
        greatest = np.full(len(asked), SAME, dtype=np.float64)
        by_query = np.zeros((len(self._thresholds), len(asked)), dtype=np.int64)
        by_item = np.zeros((len(self._thresholds), len(self._items)), dtype=np.int64)
        surely = [bins_between(one, one, within + INDEXING)[1] + 1 for one in self._thresholds]
        found: list[tuple[Ints, Ints, Ints]] = []
        near: list[tuple[Ints, Ints, Block]] = []
        for part, rows in tiles:
            first, scores = self._items.of_tile(part, rows)
            width = scores.shape[1]
            if halves is not None:
                scores = scores - halves[asked.start : asked.stop, None].astype(scores.dtype)
            among = slice(*np.searchsorted(own, (first, first + width)))
            scores[own_lines[among], own[among] - first] = SAME
            np.maximum(greatest, scores.max(axis=1), out=greatest)
            # No score of another vehicle is below -1 by more than it can be rounded.
            edges = np.maximum(greatest - 2 * within, (SAME_BIN + 1 - MARGIN - HALF) * WIDTH)
            cells = np.flatnonzero(scores >= rounded_down(edges, scores.dtype)[:, None])
            near.append((cells // width, cells % width + first, scores.reshape(-1)[cells]))
            bins = indexed(scores)
            counts += np.bincount(bins.reshape(-1), minlength=BINS)
            cells = np.flatnonzero(kept[bins])
            found.append((cells // width + asked.start, cells % width + first, bins.reshape(-1)[cells]))
            for number, least in enumerate(surely):
                reach = bins >= least
                by_query[number] += np.count_nonzero(reach, axis=1)
                by_item[number, first : first + width] += np.count_nonzero(reach, axis=0)
        lines, items, values = (np.concatenate(each) for each in zip(*near, strict=True))
        close = values >= rounded_down(greatest - 2 * within, values.dtype)[lines]
        queries, others, where = (np.concatenate(each) for each in zip(*found, strict=True))
        return [
            Tally(
                counts,
                queries.astype(np.int32),
                others.astype(np.int32),
                where.astype(np.int32),
                lines[close] + asked.start,
                items[close],
                by_query,
                by_item,
            )
        ]


_JOINED = ("kept_queries", "kept_items", "kept_bins", "near_queries", "near_items")


def _windows(bins: Ints, same: Flags, rates: Sequence[float], genuine: Floats, rows_of_item: float) -> Flags:
    """Bins in which the thresholds of all pairs lie, by those of a sample, (queries, gallery)."""
    counts = np.bincount(bins[~same], minlength=BINS)
    above = np.cumsum(counts[::-1])[::-1] / max(1, counts.sum())
    wanted = [*rates]
    if len(genuine):
        refused = np.searchsorted(genuine, edge(np.arange(BINS))) / len(genuine)
        wanted.append(float(above[np.flatnonzero(above <= refused)[0]]))
    kept = np.zeros(BINS, dtype=bool)
    for rate in wanted:
        middle = int(np.searchsorted(-above, -rate))
        reach = (bins >= middle) & ~same
        mean = max(reach.mean(), 1 / reach.size)
        spread = sum(float(reach.mean(axis=axis).var()) / reach.shape[1 - axis] for axis in (0, 1)) + mean / reach.size
        # Items of several images score as their nearest: more of them reach a score than images do.
        slack = DEVIATIONS * np.sqrt(spread) / mean + rows_of_item - 1
        first = int(np.searchsorted(-above, -min(1.0, rate * (1 + slack)))) - 2
        last = BINS if slack >= 1 else int(np.searchsorted(-above, -rate * (1 - slack))) + 2
        reserve = int(np.ceil(4e-4 * HALF))
        kept[max(first - reserve, SAME_BIN + 1) : last + reserve] = True
    return kept
