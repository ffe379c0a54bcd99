"""The scores of all queries with a whole gallery, block by block and tile by tile, and a function of each block.

A block is some queries, a tile of it their scores with some gallery vectors. Each thread makes the products of blocks
of its own, here or on a GPU, and works on their tiles: after a product made by all threads together, work that the
interpreter's lock keeps to little more than one of them would leave most of the machine waiting.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from threadpoolctl import threadpool_limits

from svrn.evaluation.comparison import AnyGrid
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block, Product, Shape, product

WORTH = 2048  # gallery vectors from which a product in each thread beats one by all threads together
ROWS = 1024  # queries of a block: the product copies the gallery, in its own order, once for each block

Result = TypeVar("Result")
#: Of the indices of a block's queries and of its tiles, each a part of the gallery and the scores with it, (queries,
#: part), which the work may use up. All tiles are to be taken.
Work = Callable[[range, Iterator[tuple[slice, Block]]], list[Result]]


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
    the product, where it is not the one that the options ask for. worth: the size of a gallery from which each thread
    has blocks of its own. Memory: tiles of `options.memory_mib` in all.
    """
    count = len(query)
    width = max(part.stop - part.start for part in parts)
    workers = options.thread_count() if len(gallery) >= (WORTH if worth is None else worth) else 1
    rows = rows_of_block(options, count, width * gallery.products, workers)
    shape = Shape(rows, width)
    if made is None:
        assert isinstance(query, Grid) and isinstance(gallery, Grid)
        made = partial(product, query, gallery, options=options)
    bulk = made(shape)
    work = work_with(bulk)

    def tiles(asked: range) -> Iterator[tuple[slice, Block]]:
        return ((part, bulk.scores(slice(asked.start, asked.stop), part)) for part in parts)

    def done(asked: range) -> list[Result]:
        return work(asked, tiles(asked))

    with threadpool_limits(1 if workers > 1 else options.threads), ThreadPoolExecutor(workers) as pool:
        return [result for part in pool.map(done, _blocks(count, rows, workers)) for result in part]


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
