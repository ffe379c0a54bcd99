"""The ranks of a query's matches, exact, without sorting the gallery.

Rank of a match = 1 + kept gallery items before it. Before it stand all that score higher, and, of equal
score, those that are not matches: a tie never helps. So the ranks depend on the scores alone, not on the
gallery's order, and a model that gives every image the same embedding gets the worst ranks there are.
svrn/evaluation/reference.py says the same in one page of plain code.

Scores from a rounded product (evaluation/scores.py) lie within a known bound of the exact ones. The matches' own are
worked out exactly first: thresholds. A tile of scores is sifted while it is in the processor's cache: what lies below
the lowest threshold is no candidate and never looked at again. Candidates are counted, and those that a bound leaves
open worked out again (evaluation/candidates.py). Hence the same ranks whatever the chunk, the number of threads, the
device and the precision of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd

from svrn.data import protocols
from svrn.data.protocols import Rows, Trial
from svrn.evaluation.candidates import Own, Tally, floors_of, rounded_down
from svrn.evaluation.comparison import AnyGrid, Work, each_block, exact_scores, passes
from svrn.evaluation.grid import Floats
from svrn.evaluation.items import Items, Rankings, joined
from svrn.evaluation.options import Options
from svrn.evaluation.scores import TILE, Block, Estimate, Ints, Product

SAMPLE = 1024  # gallery vectors by which it is foreseen what a product leaves open
SPAN = 4096  # pairs whose exact scores are a task for one thread


class Adjustment(Protocol):
    """Turns a query's scores into other ones that are ranked instead (re-ranking)."""

    def line(self, index: int, line: Block) -> Block:
        """The adjusted scores of all items from rounded ones; may use the line up."""

    def exact(self, index: int, items: Ints, scores: Floats) -> Floats:
        """The adjusted scores of some items from their exact ones, of the query that `line` was last called for."""

    def bound(self, bound: float) -> float:
        """How far `line` can be from `exact` when the scores given to it are within `bound`."""


def rank(
    trial: Trial,
    protocol: protocols.Protocol,
    items: Items,
    query: AnyGrid,
    gallery: AnyGrid,
    options: Options,
    adjustment: Adjustment | None = None,
) -> Rankings:
    """Rank every query of a trial, by its scores or by what `adjustment` makes of them.

    `query` and `gallery` are the trial's rows on the grid, the gallery in item order. Memory: scores of
    `options.memory_mib` beside the grids, and the candidates among them, whatever the number of queries.

    Raises:
        UserError: the device or the precision is not there.
    """
    ranker = _Ranker(trial.query, protocol, items, query, gallery, options)
    if adjustment is not None:  # it is of the whole line
        return joined(each_block(query, gallery, options, [slice(0, len(gallery))], ranker.adjusted(adjustment)))
    done, order = [], []
    for one in passes(query, gallery, options, ranker.open_share):
        queries = np.arange(len(query))[one.queries]
        work = partial(ranker.work, queries)
        done += each_block(query.part(one.queries), gallery, options, items.tiles(TILE), work, made=one.made)
        order.append(queries)
    rankings = joined(done)
    return rankings if len(order) == 1 else rankings.of(np.argsort(np.concatenate(order)))


class _Ranker:
    """Ranks blocks of queries from their tiles of scores."""

    def __init__(
        self, rows: Rows, protocol: protocols.Protocol, items: Items, query: AnyGrid, gallery: AnyGrid, options: Options
    ) -> None:
        self.rows, self.items, self.query, self.gallery, self.options = rows, items, query, gallery, options
        self.junk_by_camera = protocol.junk == "same-camera"
        # Where a query's own image stands in the gallery; -1 where it does not. Tracks have names of their own.
        self.itself = pd.Index(items.names if items.single else []).get_indexer(pd.Index(rows.images))
        self.by_vehicle = np.argsort(items.vehicles, kind="stable")
        ordered = items.vehicles[self.by_vehicle]
        first, last = (np.searchsorted(ordered, rows.vehicles, side) for side in ("left", "right"))
        self.first, self.lengths = first, last - first
        self.scores = exact_scores(query, gallery)
        self._own: Own | None = None

    def work(self, queries: Ints, product: Product) -> Work[Rankings]:
        """The work on blocks of these queries' scores."""
        own = self.own

        def block(asked: range, tiles: Iterator[tuple[slice, Any]]) -> list[Rankings]:
            here = queries[asked.start : asked.stop]
            tally = self._tally(here, own.of(here), product.bounds[asked.start : asked.stop])
            if product.there:
                from svrn.evaluation.on_device import sift  # torch takes seconds to import

                sift(tally, self.items, tiles)
            else:
                self._sift(tally, (self.items.of_tile(part, scores) for part, scores in tiles), product)
            return [tally.rankings(len(self.items))]

        return block

    def adjusted(self, adjustment: Adjustment) -> Callable[[Product], Work[Rankings]]:
        """The work on blocks of all queries, whose lines an adjustment changes before they are ranked."""

        def work(product: Product) -> Work[Rankings]:
            bounds = np.array([adjustment.bound(float(product.bounds.max()))])

            def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Rankings]:
                done = []
                for part, scores in tiles:  # one, of all items
                    first, lines = self.items.of_tile(part, scores)
                    for index, line in zip(asked, lines, strict=True):
                        changed = adjustment.line(index, line)[None]
                        here = np.array([index])
                        tally = self._tally(here, self._own_of(here, adjustment), bounds, adjustment)
                        self._sift(tally, [(first, changed)], replace(product, slack=None))
                        done.append(tally.rankings(len(self.items)))
                return done

            return block

        return work

    def open_share(self, bounds: Floats) -> Floats:
        """Of each query's scores, how many bounds like these would leave open, by a sample of the gallery."""
        sample = self.gallery.part(np.arange(0, len(self.gallery), max(1, len(self.gallery) // SAMPLE)))
        own = self.own

        def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Floats]:
            ((_, scores),) = tiles
            here, within = np.arange(asked.start, asked.stop), bounds[asked.start : asked.stop]
            return [self._tally(here, own.of(here), within).open_share(scores, within)]

        whole = [slice(0, len(sample))]
        return np.concatenate(each_block(self.query, sample, self.options, whole, lambda _: block, worth=0))

    @property
    def own(self) -> Own:
        """The items of each query's own vehicle, for all queries: no more than what ranking them gives."""
        if self._own is None:
            self._own = self._own_of(np.arange(len(self.rows)), None)
        return self._own

    def _own_of(self, queries: Ints, adjustment: Adjustment | None) -> Own:
        lengths = self.lengths[queries]
        cuts = np.concatenate([[0], np.cumsum(lengths)])
        lines = np.repeat(np.arange(len(queries)), lengths)
        items = self.by_vehicle[np.arange(cuts[-1]) + (self.first[queries] - cuts[:-1])[lines]]
        indices = queries[lines]
        junk = items == self.itself[indices]
        if self.junk_by_camera:
            junk |= self.items.cameras[items] == self.rows.cameras[indices]
        if adjustment is not None or len(items) <= SPAN:
            return Own(cuts, items, self._exact(adjustment, indices, items), junk)
        spans = [slice(start, start + SPAN) for start in range(0, len(items), SPAN)]
        with ThreadPoolExecutor(self.options.thread_count()) as pool:
            scores = list(pool.map(lambda part: self._exact(None, indices[part], items[part]), spans))
        return Own(cuts, items, np.concatenate(scores), junk)

    def _tally(self, queries: Ints, own: Own, bounds: Floats, adjustment: Adjustment | None = None) -> Tally:
        def exact(lines: Ints, items: Ints) -> Floats:
            return self._exact(adjustment, queries[lines], items)

        def estimate(one: Estimate) -> Estimate:
            def score(lines: Ints, items: Ints) -> Block:
                return self.items.scored(items, lambda numbers, rows: one.score(queries[lines[numbers]], rows))

            return Estimate(score, one.within)

        estimates = () if adjustment is not None else tuple(map(estimate, self.scores.estimates))
        return Tally(own, bounds, exact, estimates, self.options.top)

    def _exact(self, adjustment: Adjustment | None, indices: Ints, items: Ints) -> Floats:
        """The exact scores of the queries at `indices`, each with its item; with an adjustment all are one query."""
        scores = self.items.scored(items, lambda numbers, rows: self.scores.of(indices[numbers], rows))
        if adjustment is None or not len(items):
            return scores
        return adjustment.exact(int(indices[0]), items, scores)

    def _sift(self, tally: Tally, tiles: Iterable[tuple[int, Block]], product: Product) -> None:
        """Let the tally take what of each tile, from its first item on, is a candidate."""
        order = np.argsort(tally.own.items, kind="stable")
        own_lines, own_items = tally.own.lines[order], tally.own.items[order]
        for number, (first, scores) in enumerate(tiles):
            width = scores.shape[1]
            own = slice(*np.searchsorted(own_items, (first, first + width)))
            scores[own_lines[own], own_items[own] - first] = -np.inf  # their ranks come from exact scores
            if number == 0 and tally.top:
                self._raise_floors(tally, first, scores, product)
            edges = np.maximum(tally.edges, float(np.finfo(scores.dtype).min))  # never what is -inf
            passed = np.flatnonzero(scores >= rounded_down(edges, scores.dtype)[:, None])
            cuts = np.searchsorted(passed, np.arange(len(scores) + 1) * width)
            lines = np.repeat(np.arange(len(scores)), np.diff(cuts))
            items = passed - lines * width + first
            tally.take(lines, items, scores.reshape(-1)[passed], self._slack(product, lines, items))

    def _raise_floors(self, tally: Tally, first: int, scores: Block, product: Product) -> None:
        found = floors_of(scores, tally.top, len(self.items))
        if found is None:
            return
        lines, columns = found
        values, slack = scores[lines, columns], self._slack(product, lines, columns + first)
        least = values if slack is None else values - slack
        tally.raise_floors(least.reshape(len(scores), tally.top).min(axis=1).astype(np.float64))

    def _slack(self, product: Product, lines: Ints, items: Ints) -> Block | None:
        """What to allow below a score: of a track the most of its images'."""
        slack = product.slack
        if slack is None:
            return None
        return self.items.scored(items, lambda numbers, rows: slack(lines[numbers], rows))
