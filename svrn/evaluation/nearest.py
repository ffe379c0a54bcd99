"""The k nearest of each vector, exact: the same for every chunk, thread count, device and precision of the
product."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svrn.evaluation.candidates import rounded_down
from svrn.evaluation.comparison import Work, each_block
from svrn.evaluation.grid import Floats, Grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import Block, Exact, Ints, Product
from svrn.evaluation.spread import WORTH

SAMPLE = 4096  # scores by which most are left out: the k-th of a sample is never above that of the whole


@dataclass(frozen=True)
class Nearest:
    """rows[i]: gallery rows nearest to query i, nearest first, equal scores by row, shape (n, k); scores:
    theirs.

    lowest[i]: the least score of query i with any row of the gallery.
    """

    rows: npt.NDArray[np.int32]
    scores: Floats
    lowest: Floats


def nearest(query: Grid, gallery: Grid, k: int, options: Options) -> Nearest:
    """The `k` gallery rows with the highest scores for each query (all of them where there are fewer)."""
    count, size = len(query), len(gallery)
    k = min(k, size)
    found = Nearest(np.empty((count, k), dtype=np.int32), np.empty((count, k)), np.empty(count))
    exact = Exact(query, gallery)

    def work(product: Product) -> Work[None]:
        def block(asked: range, tiles: Iterator[tuple[slice, Block]]) -> list[None]:
            for _, lines in tiles:  # one, of the whole gallery
                for index, line in zip(asked, lines, strict=True):
                    bound = float(product.bounds[index])
                    found.rows[index], found.scores[index] = _highest(index, line, k, bound, exact)
                    low = np.flatnonzero(line <= float(line.min()) + 2 * bound)
                    found.lowest[index] = exact.of(np.full(len(low), index), low).min()
            return []

        return block

    each_block(query, gallery, options, [slice(0, size)], work, worth=WORTH)
    return found


def _highest(index: int, line: Block, k: int, bound: float, exact: Exact) -> tuple[Ints, Floats]:
    sample = line[:: max(1, len(line) // SAMPLE)]
    floor = float(np.partition(sample, len(sample) - k)[len(sample) - k]) if len(sample) >= k else -np.inf
    scores = line[_reaching(line, floor)]
    edge = float(np.partition(scores, len(scores) - k)[len(scores) - k]) - 2 * bound
    found = _reaching(line, edge)
    values = exact.of(np.full(len(found), index), found)
    order = np.lexsort((found, -values))[:k]
    return found[order], values[order]


def _reaching(line: Block, edge: float) -> Ints:
    """Where the line is at least `edge`, compared in its own precision."""
    return np.flatnonzero(line >= rounded_down(np.array(edge), line.dtype))
