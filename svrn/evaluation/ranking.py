"""The ranks of a query's matches, exact, without sorting the gallery.

Rank of a match = 1 + kept gallery items before it. Before it stand all that score higher, and, of equal
score, those that are not matches: a tie never helps. So the ranks depend on the scores alone, not on the
gallery's order, and a model that gives every image the same embedding gets the worst ranks there are.

Scores from a rounded product (evaluation/product.py) lie within a known bound of the exact ones. The matches' own are
worked out exactly first, so a tile of scores is sifted while it is in the processor's cache: what lies below the
hardest match is never looked at again (evaluation/sieve.py). What is left is settled query by query
(evaluation/standing.py). Hence the same ranks whatever the chunk, the number of threads, the device and the precision
of the product.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

import numpy as np

from svrn.data import protocols
from svrn.data.protocols import Rows, Trial
from svrn.evaluation.blocks import Work, each_block
from svrn.evaluation.exact import Exact
from svrn.evaluation.grid import Grid
from svrn.evaluation.int8 import Coarse, fits_int8, int8_is_exact, threads_of_torch_kept
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options, multiplies_int8
from svrn.evaluation.product import TILE, Block, Product, Shape, missing
from svrn.evaluation.sieve import Sieve, floors
from svrn.evaluation.standing import Flags, Floats, Ints, Ranked, Stage, Standing

KEPT_BYTES = 8  # of an item and its score
SAMPLE = 1024  # gallery vectors by which it is foreseen what a coarse product leaves open
# What of a query's scores may be left open: a pair worked out again costs some forty of a float32 product's.
MOST_OPEN = 0.01
MANY = 10**12  # multiplications from which a coarse product pays for torch's import and the gallery's levels


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

    `query` and `gallery` are the trial's rows on the grid, the gallery in item order. Memory: scores of
    `options.memory_mib` beside the grids, and as much again of those kept, whatever the number of queries.

    Raises:
        UserError: the device or the precision is not there.
    """
    ranker = _Ranker(trial.query, protocol, items, query, gallery, options, adjustment)
    if adjustment is None and _coarse_is_worth_it(query, gallery, options):
        return _ranked_coarsely(ranker, query, gallery, options)
    return each_block(query, gallery, options, ranker.parts, ranker.within)


def _ranked_coarsely(ranker: _Ranker, query: Grid, gallery: Grid, options: Options) -> list[Ranked]:
    """Ranked from a coarse product where it decides nearly all, else from float32's."""
    coarse = Coarse(query, gallery, options.thread_count())
    sample = gallery.part(np.arange(0, len(gallery), max(1, len(gallery) // SAMPLE)))
    survey = partial(ranker.surveyed, coarse.bounds + coarse.slack.mean())
    shares = each_block(query, sample, options, [slice(0, len(sample))], lambda _: survey, worth=0)
    settled = np.array(shares) <= MOST_OPEN
    done: dict[int, Ranked] = {}

    def ranked(chosen: Flags, slack: Floats | None, made: Callable[[Ints, Shape], Product] | None) -> None:
        rows = np.flatnonzero(chosen)
        if len(rows):
            within = partial(ranker.within, rows=rows, slack=slack)
            product = None if made is None else partial(made, rows)
            results = each_block(query.part(rows), gallery, options, ranker.parts, within, made=product)
            done.update(zip(rows.tolist(), results, strict=True))

    # The coarse product is torch's, which takes seconds to import: in the meantime the other works.
    imported = threading.Thread(target=importlib.import_module, args=("torch",))
    imported.start()
    ranked(~settled, None, None)
    imported.join()
    if int8_is_exact(gallery.dimension):
        with threads_of_torch_kept():
            ranked(settled, coarse.slack, coarse.product)
    elif options.precision == "int8":
        raise missing("products in int8 are not exact on this processor", "use --precision float32")
    else:
        ranked(settled, None, None)
    return [done[index] for index in range(len(query))]


def _coarse_is_worth_it(query: Grid, gallery: Grid, options: Options) -> bool:
    if options.precision == "int8":
        if options.device != "cpu":
            raise missing(f"there is no int8 product on {options.device!r}", "use --device cpu or another precision")
        return True
    many = len(query) * len(gallery) * gallery.dimension >= MANY and fits_int8(gallery.dimension)
    return many and options.precision == "auto" and options.device == "cpu" and multiplies_int8()


class Adjustment(Protocol):
    """Turns a query's scores into other ones that are ranked instead (re-ranking)."""

    def line(self, index: int, line: Block) -> Block:
        """The adjusted scores of all items from rounded ones; may use the line up."""

    def exact(self, index: int, items: Ints, scores: Floats) -> Floats:
        """The adjusted scores of some items from their exact ones, of the query that `line` was last called for."""

    def bound(self, bound: float) -> float:
        """How far `line` can be from `exact` when the scores given to it are within `bound`."""


class _Ranker:
    """Ranks blocks of queries from their tiles of scores."""

    def __init__(
        self,
        rows: Rows,
        protocol: protocols.Protocol,
        items: Items,
        query: Grid,
        gallery: Grid,
        options: Options,
        adjustment: Adjustment | None,
    ) -> None:
        self.rows, self.items, self.top, self.adjustment = rows, items, options.top, adjustment
        self.junk_by_camera = protocol.junk == "same-camera"
        self.by_vehicle = np.argsort(items.vehicles, kind="stable")
        ordered = items.vehicles[self.by_vehicle]
        self.first = np.searchsorted(ordered, rows.vehicles, "left")
        self.last = np.searchsorted(ordered, rows.vehicles, "right")
        self.scores = Exact(query, gallery)
        self._standings: dict[int, Standing] = {}
        # An adjustment is of the whole line.
        self.parts = items.tiles(TILE if adjustment is None else len(gallery))
        self.most_kept = options.memory_mib * 2**20 // (KEPT_BYTES * options.thread_count())

    def within(self, bounds: Floats, rows: Ints | None = None, slack: Floats | None = None) -> Work[Ranked]:
        """The work on blocks whose scores are within these bounds, and this slack of gallery vectors, of the exact
        ones; of all queries, or of these."""
        work = partial(self._block, None if slack is None else self._slack_of_items(slack))
        if self.adjustment is not None:
            bounds = np.full(len(bounds), self.adjustment.bound(float(bounds.max())))
            work = partial(self._adjusted, self.adjustment)

        def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[Ranked]:
            here = slice(asked.start, asked.stop)
            return work(np.arange(asked.start, asked.stop) if rows is None else rows[here], bounds[here], tiles)

        return block

    def surveyed(self, bounds: Floats, asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[float]:
        """Of each query's scores with a sample of the gallery, the share that bounds would leave open."""
        ((_, scores),) = tiles
        standings = self._standings_of(np.array(asked))
        self._standings.update(zip(asked, standings, strict=True))
        each = zip(standings, scores, bounds[asked.start : asked.stop].tolist(), strict=True)
        return [standing.open_share(line, bound) for standing, line, bound in each]

    def _slack_of_items(self, slack: Floats) -> Block:
        each = slack if self.items.single else np.maximum.reduceat(slack, self.items.starts[:-1])
        return np.nextafter(each.astype(np.float32), np.float32(np.inf))

    def _block(
        self, slack: Block | None, indices: Ints, bounds: Floats, tiles: Iterator[tuple[slice, Block]]
    ) -> list[Ranked]:
        return self._ranked(indices, bounds, (self.items.of_tile(part, scores) for part, scores in tiles), slack)

    def _adjusted(
        self, adjustment: Adjustment, indices: Ints, bounds: Floats, tiles: Iterator[tuple[slice, Block]]
    ) -> list[Ranked]:
        done: list[Ranked] = []
        for part, scores in tiles:  # one, of all items
            first, lines = self.items.of_tile(part, scores)
            for number, line in enumerate(lines):
                one = slice(number, number + 1)
                own = adjustment.line(int(indices[number]), line)[None]
                done += self._ranked(indices[one], bounds[one], [(first, own)])
        return done

    def _ranked(
        self, indices: Ints, bounds: Floats, tiles: Iterable[tuple[int, Block]], slack: Block | None = None
    ) -> list[Ranked]:
        standings = self._standings_of(indices)
        lines, same = _pairs([standing.same for standing in standings])
        order = np.argsort(same, kind="stable")
        lines, same = lines[order], same[order]
        sieve = Sieve(np.array([one.edge(bound) for one, bound in zip(standings, bounds.tolist(), strict=True)]))
        looseness = 0.0 if slack is None else float(slack.max())
        for number, (first, scores) in enumerate(tiles):
            own = slice(*np.searchsorted(same, (first, first + scores.shape[1])))
            scores[lines[own], same[own] - first] = -np.inf  # their ranks come from exact scores
            if number == 0 and self.top:
                sieve.edges = np.minimum(sieve.edges, floors(scores, self.top) - 2 * bounds - looseness)
            if slack is not None:
                scores += slack[first : first + scores.shape[1]]
            sieve.take(first, scores)
            if sieve.size > self.most_kept:
                _settle(standings, bounds, sieve, slack)
        _settle(standings, bounds, sieve, slack)
        return [standing.ranked(len(self.items)) for standing in standings]

    def _standings_of(self, indices: Ints) -> list[Standing]:
        """The standings of queries, made where they have none yet."""
        new = np.array([index for index in indices.tolist() if index not in self._standings], dtype=np.intp)
        sames = [self.by_vehicle[self.first[index] : self.last[index]] for index in new]
        lines, items = _pairs(sames)
        own = np.split(self._exact(new[lines], items), np.cumsum([len(same) for same in sames])[:-1])
        made = zip(new.tolist(), sames, own, strict=True) if len(new) else ()
        standings = {index: self._standing(index, same, scores) for index, same, scores in made}
        return [standings.get(index) or self._standings.pop(index) for index in indices.tolist()]

    def _standing(self, index: int, same: Ints, own: Floats) -> Standing:
        is_junk = np.zeros(len(same), dtype=bool)
        if self.junk_by_camera:
            is_junk = self.items.cameras[same] == self.rows.cameras[index]
        stages = []
        if self.adjustment is None:
            rough = ((self.scores.quick, self.scores.quickness), (self.scores.close, self.scores.closeness))
            stages = [Stage(partial(self._rough, score, index), within) for score, within in rough if within]
        exact = Stage(lambda items: self._exact(np.full(len(items), index), items), 0.0)
        return Standing(same, own, is_junk, [*stages, exact], self.top)

    def _rough(self, score: Callable[[int, Ints], Block], index: int, items: Ints) -> Block:
        return self.items.scored(items, lambda _, rows: score(index, rows))

    def _exact(self, indices: Ints, items: Ints) -> Floats:
        """The exact scores of the queries at `indices`, each with its item; with an adjustment all are one query."""
        scores = self.items.scored(items, lambda numbers, rows: self.scores.of(indices[numbers], rows))
        if self.adjustment is None or not len(items):
            return scores
        return self.adjustment.exact(int(indices[0]), items, scores)


def _pairs(lists: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The lists' numbers after one another, each with the number of its list."""
    lines = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    return lines, np.concatenate([np.empty(0, dtype=np.intp), *lists])


def _settle(standings: list[Standing], bounds: Floats, sieve: Sieve, slack: Block | None) -> None:
    if not sieve.size:
        return
    for line, (standing, bound) in enumerate(zip(standings, bounds.tolist(), strict=True)):
        items, scores = sieve.of(line)
        standing.take(items, scores, bound, None if slack is None else 2 * slack[items])
    sieve.empty()
