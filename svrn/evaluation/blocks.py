"""The scores of all queries with a whole gallery, block by block and tile by tile, and a function of each block.

A block is some queries, a tile of it their scores with some gallery vectors. Each thread makes the products of blocks
of its own, here or on a GPU, and works on their tiles: after a product made by all threads together, work that the
interpreter's lock keeps to little more than one of them would leave most of the machine waiting.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from svrn.evaluation.exact import rounding_of_halves
from svrn.evaluation.grid import Floats, Grid
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block, Product, Shape, product
from svrn.evaluation.spread import WORTH

ROWS = 1024  # queries of a block: the product copies the gallery, in its own order, once for each block

Result = TypeVar("Result")
#: Of the indices of a block's queries and of its tiles, each a part of the gallery and the scores with it, (queries,
#: part), which the work may use up. All tiles are to be taken.
Work = Callable[[range, Iterator[tuple[slice, Block]]], list[Result]]


def each_block(
    query: Grid,
    gallery: Grid,
    options: Options,
    parts: Sequence[slice],
    work_within: Callable[[Floats], Work[Result]],
    *,
    made: Callable[[Shape], Product] | None = None,
    worth: int | None = None,
) -> list[Result]:
    """What the work makes of each block, in the queries' order.

    parts: the tiles' parts of the gallery. work_within: gives the work for scores that lie within these bounds, one a
    query, of the exact ones. made: the product, where it is not the one that the options ask for. worth: the size of a
    gallery from which each thread has blocks of its own. Memory: tiles of `options.memory_mib` in all.
    """
    count = len(query)
    width = max(part.stop - part.start for part in parts)
    workers = options.thread_count() if len(gallery) >= (WORTH if worth is None else worth) else 1
    rows = rows_of_block(options, count, width, workers)
    shape = Shape(rows, width)
    bulk = product(query, gallery, shape, options) if made is None else made(shape)
    # With what taking half norms off adds; a product without error is followed by work without.
    halves = rounding_of_halves(query, gallery)
    work = work_within(np.where(bulk.bounds > 0, (bulk.bounds + halves) * (1 + 1e-6), 0.0))

    def tiles(asked: range) -> Iterator[tuple[slice, Block]]:
        for part in parts:
            scores = bulk.scores(slice(asked.start, asked.stop), part)
            if gallery.half_norms is not None:
                scores -= gallery.half_norms[part].astype(scores.dtype)
            yield part, scores

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
