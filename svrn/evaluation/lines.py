"""Every query's line of scores with the whole gallery, block by block, and a function of each line.

Each thread makes the products of blocks of its own, here or on a GPU, and works on their lines: after a product made by
all threads together, work that the interpreter's lock keeps to little more than one of them would leave most of the
machine waiting. torch's bfloat16 on a CPU is made by all of them, and its lines are spread.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from threadpoolctl import threadpool_limits

from svrn.evaluation.exact import rounding_of_halves
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block, for_each_thread, product
from svrn.evaluation.spread import WORTH, each

Result = TypeVar("Result")
#: Of a query's index and its line of scores, which it may use up.
Work = Callable[[int, Block], Result]


def each_line(
    query: Grid,
    gallery: Grid,
    options: Options,
    finish: Callable[[Block], Block],
    work_within: Callable[[float], Work[Result]],
) -> list[Result]:
    """What the work makes of each query's line, in the queries' order.

    finish: from a block of inner products (m, N) to the lines (m, items), in place where it can be. work_within: gives
    the work for scores that lie within this bound of the exact ones. Memory: blocks of `options.memory_mib` in all.
    """
    count, size = len(query.vectors), len(gallery.vectors)
    threads = options.thread_count()
    rows = chunk_of(options, count, size)
    if for_each_thread(options) and threads > 1 and size >= WORTH:
        return _by_each_thread(query, gallery, options, threads, rows, finish, work_within)
    results: list[Result] = []
    with threadpool_limits(options.threads), ThreadPoolExecutor(threads) as pool:
        bulk = product(query, gallery, rows, options)
        work = work_within(_widened(bulk.bound, query, gallery))
        for start in range(0, count, rows):
            block = finish(bulk.scores(query.vectors[start : start + rows]))
            results += each(partial(_one, work, block, start), len(block), pool, block.shape[1])
    return results


def chunk_of(options: Options, queries: int, gallery: int) -> int:
    """Queries whose float32 scores fill a block of the size that the options allow; at least one."""
    fitting = options.chunk or max(1, options.memory_mib * 2**20 // (4 * max(1, gallery)))
    return min(fitting, max(1, queries))


def _by_each_thread(
    query: Grid,
    gallery: Grid,
    options: Options,
    threads: int,
    rows: int,
    finish: Callable[[Block], Block],
    work_within: Callable[[float], Work[Result]],
) -> list[Result]:
    count = len(query.vectors)
    blocks = -(-count // max(1, rows // threads))
    rows = -(-count // (-(-blocks // threads) * threads))  # as many blocks for each thread
    bulk = product(query, gallery, rows, options)
    work = work_within(_widened(bulk.bound, query, gallery))

    def done(start: int) -> list[Result]:
        block = finish(bulk.scores(query.vectors[start : start + rows]))
        return [_one(work, block, start, line) for line in range(len(block))]

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return [result for part in pool.map(done, range(0, count, rows)) for result in part]


def _one(work: Work[Result], block: Block, start: int, line: int) -> Result:
    return work(start + line, block[line])


def _widened(bound: float, query: Grid, gallery: Grid) -> float:
    """A product's bound with what subtracting half norms adds."""
    return (bound + rounding_of_halves(query, gallery)) * (1 + 1e-6) if bound else 0.0
