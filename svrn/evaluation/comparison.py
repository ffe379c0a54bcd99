"""What compares queries with a gallery: exact scores of chosen pairs, and products over all of them, block by block.

The one place that knows of several distances and several products: what ranks, ranks by scores and their bounds.

A block is some queries, a tile of it their scores with some gallery vectors. Each thread makes the products of blocks
of its own, here or on a GPU, and works on their tiles: after a product made by all threads together, work that the
interpreter's lock keeps to little more than one of them would leave most of the machine waiting.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import Protocol, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from svrn.data.distances import VisibleParts
from svrn.evaluation import int8
from svrn.evaluation.grid import Distance, Floats, Grid, Index, Singles, as_given, on_grid
from svrn.evaluation.items import Items
from svrn.evaluation.options import Options, multiplies_int8
from svrn.evaluation.scores import Block, Estimate, Exact, Ints, Pass, Product, Shape, missing, product
from svrn.evaluation.visible_parts import ExactParts, PartGrid, furthest, parts_on_grid, parts_product

MANY = 10**12  # multiplications from which a coarse product pays for torch's import and the gallery's levels
WORTH = 2048  # gallery vectors from which a product in each thread beats one by all threads together
ROWS = 1024  # queries of a block: the product copies the gallery, in its own order, once for each block

AnyGrid = Grid | PartGrid
Result = TypeVar("Result")
#: Of the indices of a block's queries and of its tiles, each a part of the gallery and the scores with it, (queries,
#: part), which the work may use up. All tiles are to be taken.
Work = Callable[[range, Iterator[tuple[slice, Block]]], list[Result]]


class PairScores(Protocol):
    """The scores of chosen pairs of a query and a gallery row."""

    def of(self, indices: Ints, rows: Ints) -> Floats:
        """The exact ones."""

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Quicker ones, from the quickest to the closest."""


def exact_scores(query: AnyGrid, gallery: AnyGrid) -> PairScores:
    """The scores of pairs by the distance that both are made for."""
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        return ExactParts(query, gallery)
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    return Exact(query, gallery)


class Scorer:
    """Exact scores of pairs that compare across queries, between -1 and 1 but for rounding.

    factor: what they are of those by which a query's items rank, a power of two.
    """

    def __init__(self, items: Items, query: AnyGrid, gallery: AnyGrid) -> None:
        self.items, self.query, self.gallery = items, query, gallery
        self.halves = query.half_norms if isinstance(query, Grid) else None
        self.factor = 1.0
        if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
            self.factor = factor_of(query.distance)
        self._exact = exact_scores(query, gallery)

    def of(self, queries: Ints, items: Ints) -> Floats:
        """The scores of the queries, each with its item."""
        scores = self.items.scored(items, lambda numbers, rows: self._exact.of(queries[numbers], rows))
        return scores * self.factor if self.halves is None else scores - self.halves[queries]

    def comparable(self, scores: Block, queries: Ints) -> Block:
        """The lines of these queries' scores, which are used up, made comparable."""
        if self.halves is not None:
            scores -= self.halves[queries, None].astype(scores.dtype)
        elif self.factor != 1:
            scores *= scores.dtype.type(self.factor)
        return scores


def factor_of(distance: VisibleParts) -> float:
    """The power of two that brings all distances to at most 1."""
    return float(0.5 ** np.ceil(np.log2(furthest(distance))))


def placed(
    vectors: Singles,
    rows: Index,
    distance: Distance | VisibleParts,
    *,
    scale: float,
    copied: bool,
    threads: int,
) -> AnyGrid:
    """The vectors `vectors[rows]` as that distance compares them. copied: else left as they were given, where that can
    be (evaluation/grid.py)."""
    if isinstance(distance, VisibleParts):
        return parts_on_grid(vectors, rows, distance, copied=copied, threads=threads)
    return (on_grid if copied else as_given)(vectors, rows, distance, scale=scale, threads=threads)


def passes(
    query: AnyGrid, gallery: AnyGrid, options: Options, open_share: Callable[[Floats], Floats]
) -> Iterator[Pass]:
    """The products by which all queries are ranked: one, or a coarse one for those that it suits, and another.

    open_share: of each query's scores, how many bounds like the given ones would leave open.

    Raises:
        UserError: the device or the precision is not there.
    """
    if options.precision == "int8" and options.device != "cpu":
        raise missing(f"there is no int8 product on {options.device!r}", "use --device cpu or another precision")
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        if options.precision == "int8":
            raise missing("there is no int8 product of visible parts", "use --precision float32")
        yield Pass(slice(None), lambda shape: parts_product(query, gallery, shape, options))
        return
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    many = len(query) * len(gallery) * gallery.dimension >= MANY and int8.fits_int8(gallery.dimension)
    left_open = many and options.precision == "auto" and options.device == "cpu" and multiplies_int8()
    left_open = left_open and find_spec("torch") is not None
    if options.precision == "int8" or left_open:
        yield from int8.passes(query, gallery, options, open_share)
    else:
        yield Pass(slice(None), lambda shape: product(query, gallery, shape, options, there=True))


def each_block(
    query: AnyGrid,
    gallery: AnyGrid,
    options: Options,
    parts: Sequence[slice],
    work_with: Callable[[Product], Work[Result]],
    *,
    made: Callable[[Shape], Product] | None = None,
    worth: int | None = None,
) -> list[Result]:
    """What the work makes of each block, in the queries' order.

    parts: the tiles' parts of the gallery. work_with: gives the work on scores of this product, from its bounds. made:
    the product, where it is not the one that the options ask for, whose bounds hold either way. worth: the size of a
    gallery from which each thread has blocks of its own. Memory: tiles of `options.memory_mib` in all.

    Raises:
        UserError: the device or the precision is not there.
    """
    count = len(query)
    width = max(part.stop - part.start for part in parts)
    workers = options.thread_count() if len(gallery) >= (WORTH if worth is None else worth) else 1
    rows = rows_of_block(options, count, width * gallery.products, workers)
    shape = Shape(rows, width)
    bulk = (made or _two_sided(query, gallery, options))(shape)
    work = work_with(bulk)

    def tiles(asked: range) -> Iterator[tuple[slice, Block]]:
        return ((part, bulk.scores(slice(asked.start, asked.stop), part)) for part in parts)

    def done(asked: range) -> list[Result]:
        return work(asked, tiles(asked))

    with threadpool_limits(1 if workers > 1 else options.threads), ThreadPoolExecutor(workers) as pool:
        return [result for part in pool.map(done, _blocks(count, rows, workers)) for result in part]


def _two_sided(query: AnyGrid, gallery: AnyGrid, options: Options) -> Callable[[Shape], Product]:
    """A product of which no score is further from the exact one than its query's bound, either way. Of visible parts
    that of float64, which is exact: in any other a pair may lie further below, by a slack of its own."""
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        exact = options.model_copy(update={"precision": "float64"})
        return lambda shape: parts_product(query, gallery, shape, exact)
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    return partial(product, query, gallery, options=options)


def _blocks(count: int, rows: int, workers: int) -> Iterator[range]:
    """Blocks of so many queries, of which each worker's first is shorter than the last one's: else all would come to
    what the interpreter's lock lets only one do at the same time."""
    start = 0
    for number in itertools.count(1):
        if start < count:
            last = min(start + max(1, rows * min(number, workers) // workers), count)
            yield range(start, last)
            start = last
        else:
            return


def rows_of_block(options: Options, queries: int, width: int, workers: int) -> int:
    """Queries of a block: so many that all workers' tiles fit in the memory that the options allow, at least one, and
    that there are as many blocks for each worker."""
    in_all = options.chunk or min(ROWS * workers, options.memory_mib * 2**20 // (4 * max(1, width)))
    blocks = -(-queries // max(1, in_all // workers))
    return max(1, -(-queries // max(1, -(-blocks // workers) * workers)))
