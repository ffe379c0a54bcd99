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
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.data.protocols import Protocol, Rows, Trial
from svrn.evaluation.blocks import Work, each_block
from svrn.evaluation.exact import Exact
from svrn.evaluation.grid import Grid
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options
from svrn.evaluation.product import TILE, Block
from svrn.evaluation.sieve import rounded_down

HALF = 2**15
WIDTH = 1 / HALF  # of a bin
MARGIN = 1024  # bins beyond -1 and 1, where rounding can carry a score
SAME_BIN = MARGIN // 2
SAME = np.float32((SAME_BIN - MARGIN - HALF) * WIDTH)  # in place of the scores of a query's own vehicle
BINS = 2 * (HALF + MARGIN)
INDEXING = WIDTH / 64  # what rounding can move a score between bins
ALL_KEPT = 2**22  # pairs, up to which all are
SAMPLE = (1024, 4096)
DEVIATIONS = 6

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """Some pairs: of the queries and the items at these indices, shape (n,) each; `scores` are exact."""

    queries: Ints
    items: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.queries)


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

    def __init__(self, tally: _Tally, kept: Flags, within: float, scorer: _Scorer) -> None:
        self.counts = tally.counts.copy()
        self.counts[SAME_BIN] = 0
        self.count = int(self.counts.sum())
        self.within = within + INDEXING
        self._at_or_above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        self._tally, self._kept, self._scorer = tally, kept, scorer

    def bracket(self, threshold: float) -> tuple[int, int]:
        """Between which two numbers the count of scores of at least `threshold` lies."""
        possibly, last = self._bins(threshold, threshold)
        return int(self._at_or_above[last + 1]), int(self._at_or_above[possibly])

    def brackets(self) -> tuple[Floats, Ints, Ints]:
        """Thresholds, one a bin, and between which two numbers the count of scores that reach each lies."""
        edges = _edge(np.arange(MARGIN, BINS - MARGIN + 1))
        reach = int(np.ceil(self.within * HALF)) + 1
        surely = np.minimum(np.arange(MARGIN, BINS - MARGIN + 1) + reach, BINS)
        return edges, self._at_or_above[surely], self._at_or_above[surely - 2 * reach]

    def around(self, k: int) -> tuple[int, int]:
        """The bins, first and last, among which all scores lie that can be the k-th greatest."""
        here = int(np.searchsorted(-self._at_or_above, -k, "right")) - 1
        return self._bins(_edge(here) - self.within, _edge(here + 1) + self.within)

    def around_crossing(self, genuine: Floats) -> tuple[int, int]:
        """The bins of all scores at which as many impostors can be accepted as genuine pairs (ascending) are refused,
        by share."""
        low, high = self._crossing(genuine)
        return self._bins(low, high)

    def greatest(self, k: int) -> float:
        """The k-th greatest score, from 1."""
        first, last = self.around(k)
        scores = self._sorted(first, last)
        return float(scores[len(scores) - (k - int(self._at_or_above[last + 1]))])

    def equal_error(self, genuine: Floats) -> tuple[float, Fraction]:
        """Threshold and rate at which the greater of two shares is least: of impostors that reach it, and of `genuine`
        scores (ascending) that do not.

        The two cross at a score: the threshold is that one, or the next number above it, whichever is the better, and
        the latter where both are as good.
        """
        low, high = self._crossing(genuine)
        first, last = self._bins(low, high)
        scores, above = self._sorted(first, last), int(self._at_or_above[last + 1])
        values = np.unique(np.concatenate([one[(one >= low) & (one <= high)] for one in (scores, genuine)]))

        def rates(threshold: Any) -> tuple[Any, Any]:
            # Whole numbers over one denominator, so that equal shares are equal.
            accepted = above + len(scores) - np.searchsorted(scores, threshold)
            return accepted * len(genuine), np.searchsorted(genuine, threshold) * self.count

        accepted, refused = rates(values)
        at = float(values[np.flatnonzero(accepted > refused)[-1]])
        after = float(np.nextafter(at, np.inf))
        choices = [(int(max(rates(threshold))), threshold) for threshold in (after, at)]
        worst, threshold = min(choices, key=lambda choice: choice[0])
        return threshold, Fraction(worst, self.count * len(genuine))

    def missing(self, windows: Sequence[tuple[int, int]]) -> Flags:
        """The bins of these windows whose pairs were not kept."""
        wanted = np.zeros(BINS, dtype=bool)
        for first, last in windows:
            wanted[first : last + 1] = True
        return wanted & ~self._kept & (self.counts > 0)

    def accepted(self, number: int, threshold: float) -> Accepted:
        """The pairs that reach the threshold, which is the one of this number that the pass was told."""
        first, last = self._bins(threshold, threshold)
        queries, items, scores = self._exact(first, last)
        reach = scores >= threshold
        by_query, by_item = (counts[number] for counts in (self._tally.by_query, self._tally.by_item))
        return Accepted(
            by_query + np.bincount(queries[reach], minlength=len(by_query)),
            by_item + np.bincount(items[reach], minlength=len(by_item)),
        )

    def _bins(self, low: float, high: float) -> tuple[int, int]:
        """First and last bin that can hold an exact score from `low` to `high`."""
        return bins_between(low, high, self.within)

    def _crossing(self, genuine: Floats) -> tuple[float, float]:
        edges = _edge(np.arange(BINS + 1))
        refused = np.searchsorted(genuine, edges) * self.count
        surely = np.minimum(np.floor((edges + self.within) * HALF).astype(int) + HALF + MARGIN + 2, BINS)
        possibly = np.maximum(np.ceil((edges - self.within) * HALF).astype(int) + HALF + MARGIN - 2, 0)
        low = np.flatnonzero(self._at_or_above[surely] * len(genuine) > refused)
        high = np.flatnonzero(self._at_or_above[possibly] * len(genuine) <= refused)
        return float(edges[low[-1]]), float(edges[high[0]])

    def _exact(self, first: int, last: int) -> tuple[Ints, Ints, Floats]:
        chosen = (self._tally.kept_bins >= first) & (self._tally.kept_bins <= last)
        queries, items = self._tally.kept_queries[chosen], self._tally.kept_items[chosen]
        return queries, items, self._scorer.of(queries, items)

    def _sorted(self, first: int, last: int) -> Floats:
        return np.sort(self._exact(first, last)[2])

    @cached_property
    def centres(self) -> Floats:
        """The middle score of each bin."""
        return _edge(np.arange(BINS)) + WIDTH / 2


@dataclass(frozen=True)
class PairScores:
    """The pairs of a trial.

    genuine: those of one vehicle; junk is among neither. best: of each query, the greatest exact score with an item of
    another vehicle, -inf where there is none. accepted: by threshold that was asked about.
    """

    trial: Trial
    items: Items
    genuine: Pairs
    junk: int
    impostors: Impostors
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
    scorer = _Scorer(items, query, gallery)
    scores = scorer.of(queries, own)
    junk = np.zeros(len(own), dtype=bool)
    if protocol.junk == "same-camera":
        junk = items.cameras[own] == trial.query.cameras[queries]
    genuine = Pairs(queries[~junk], own[~junk], scores[~junk])
    ordered = np.sort(genuine.scores)
    count = len(trial.query) * len(items) - len(own)
    counter = _Counter(trial.query, scorer, queries, own, options, tuple(thresholds))
    ranks = [rank for rank in (order_of(rate, count) for rate in rates) if rank is not None]
    kept = np.ones(BINS, dtype=bool) if count <= ALL_KEPT else counter.foreseen(rates, ordered)
    while True:
        tally, within = counter.counted(kept)
        impostors = Impostors(tally, kept | counter.around_thresholds(within), within, scorer)
        windows = [impostors.around(rank) for rank in ranks]
        if count and len(ordered):
            windows.append(impostors.around_crossing(ordered))
        missing = impostors.missing(windows)
        if not missing.any():
            break
        kept = kept | missing
    accepted = tuple(impostors.accepted(number, threshold) for number, threshold in enumerate(thresholds))
    best = counter.best(tally)
    return PairScores(trial, items, genuine, int(junk.sum()), impostors, best, accepted)


def order_of(rate: float, count: int) -> int | None:
    """A threshold just above the score of this rank, among `count`, lets at most this share through; None where so few
    cannot tell: not one of them may pass."""
    passing = int(Fraction(str(rate)) * count)
    return passing + 1 if 1 <= passing < count else None


def same_vehicle(rows: Rows, items: Items) -> tuple[Ints, Ints]:
    """All pairs of a query and an item of its vehicle, by query."""
    by_vehicle = np.argsort(items.vehicles, kind="stable")
    ordered = items.vehicles[by_vehicle]
    first = np.searchsorted(ordered, rows.vehicles, "left")
    lengths = np.searchsorted(ordered, rows.vehicles, "right") - first
    queries = np.repeat(np.arange(len(rows)), lengths)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return queries, by_vehicle[np.repeat(first, lengths) + within]


def bins_between(low: float, high: float, within: float) -> tuple[int, int]:
    """First and last bin whose scores can, exactly, lie from `low` to `high`; one more each way, whatever rounds."""
    low, high = np.clip((low, high), -1.01, 1.01)
    first = int(np.floor((low - within) * HALF)) + HALF + MARGIN - 1
    last = int(np.ceil((high + within) * HALF)) + HALF + MARGIN + 1
    return max(first, SAME_BIN + 1), min(last, BINS - 1)


def _edge(number: Any) -> Any:
    """The least score of a bin."""
    return (number - MARGIN - HALF) * WIDTH


class _Scorer:
    """Exact scores of pairs that compare across queries."""

    def __init__(self, items: Items, query: Grid, gallery: Grid) -> None:
        self.items, self.query, self.gallery = items, query, gallery
        self._exact = Exact(query, gallery)

    def of(self, queries: Ints, items: Ints) -> Floats:
        scores = self.items.scored(items, lambda numbers, rows: self._exact.of(queries[numbers], rows))
        return scores if self.query.half_norms is None else scores - self.query.half_norms[queries]


@dataclass(frozen=True)
class _Tally:
    """What a pass, or a block of it, counted and kept."""

    counts: Ints
    kept_queries: Ints
    kept_items: Ints
    kept_bins: Ints
    near_queries: Ints
    near_items: Ints
    by_query: Ints
    by_item: Ints


class _Counter:
    """Passes over all pairs."""

    def __init__(
        self, rows: Rows, scorer: _Scorer, queries: Ints, own: Ints, options: Options, thresholds: tuple[float, ...]
    ) -> None:
        self._vehicles, self._scorer, self._items = rows.vehicles, scorer, scorer.items
        order = np.argsort(own, kind="stable")
        self._own_queries, self._own = queries[order], own[order]
        self._options = options.model_copy(
            update={"precision": "float64" if options.precision == "float64" else "float32"}
        )
        self._thresholds = thresholds

    def counted(self, kept: Flags) -> tuple[_Tally, float]:
        """All pairs, those in kept bins by themselves; and how far a score can lie from the exact one."""
        bounds: list[float] = []
        halves = self._scorer.query.half_norms

        def work_within(given: Floats) -> Work[_Tally]:
            # Taking half norms off a float32 score rounds once more.
            within = float(given.max(initial=0.0)) + (0.0 if halves is None else 2.0**-22)
            bounds.append(within)
            return partial(self._block, kept | self.around_thresholds(within), within)

        parts = self._items.tiles(TILE)
        done = each_block(self._scorer.query, self._scorer.gallery, self._options, parts, work_within)
        joined = {name: np.concatenate([getattr(one, name) for one in done]) for name in _JOINED}
        return _Tally(
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

    def best(self, tally: _Tally) -> Floats:
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

        def work(bounds: Floats, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Ints]:
            ((_, scores),) = tiles
            if query.half_norms is not None:
                scores -= query.half_norms[rows[asked.start : asked.stop], None].astype(scores.dtype)
            scores[same[asked.start : asked.stop]] = SAME
            return list(_indexed(scores))

        sample = gallery.part(columns)
        lines = each_block(
            query.part(rows), sample, self._options, [slice(0, len(sample))], lambda bounds: partial(work, bounds)
        )
        return _windows(np.stack(lines), same, rates, genuine, np.diff(self._items.starts).mean())

    def _block(self, kept: Flags, within: float, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[_Tally]:
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
            bins = _indexed(scores)
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
            _Tally(
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


def _indexed(scores: Block) -> Ints:
    """The bin of each score."""
    scaled = scores * scores.dtype.type(HALF)
    scaled += scores.dtype.type(HALF + MARGIN)
    return scaled.astype(np.intp)


def _windows(bins: Ints, same: Flags, rates: Sequence[float], genuine: Floats, rows_of_item: float) -> Flags:
    """Bins in which the thresholds of all pairs lie, by those of a sample, (queries, gallery)."""
    counts = np.bincount(bins[~same], minlength=BINS)
    above = np.cumsum(counts[::-1])[::-1] / max(1, counts.sum())
    wanted = [*rates]
    if len(genuine):
        refused = np.searchsorted(genuine, _edge(np.arange(BINS))) / len(genuine)
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
