"""The k nearest of each vector, exact: the same for every chunk, thread count, device and precision of the
product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svrn.evaluation.exact import Exact, exact_scores
from svrn.evaluation.grid import Grid
from svrn.evaluation.lines import Work, each_line
from svrn.evaluation.options import Options
from svrn.evaluation.product import Block
from svrn.evaluation.ranking import Floats, Ints, floor_of_nearest, reaching


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
    count, size = len(query.vectors), len(gallery.vectors)
    k = min(k, size)
    found = Nearest(np.empty((count, k), dtype=np.int32), np.empty((count, k)), np.empty(count))
    exact = exact_scores(query, gallery)

    def finish(block: Block) -> Block:
        if gallery.half_norms is not None:
            block -= gallery.half_norms.astype(block.dtype)
        return block

    def within(bound: float) -> Work[None]:
        def one(index: int, line: Block) -> None:
            found.rows[index], found.scores[index] = _highest(index, line, k, bound, exact)
            low = np.flatnonzero(line <= float(line.min()) + 2 * bound)
            found.lowest[index] = exact(index, low).min()

        return one

    each_line(query, gallery, options, finish, within)
    return found


def _highest(index: int, line: Block, k: int, bound: float, exact: Exact) -> tuple[Ints, Floats]:
    scores = line[reaching(line, floor_of_nearest(line, k))]
    edge = float(np.partition(scores, len(scores) - k)[len(scores) - k]) - 2 * bound
    found = reaching(line, edge)
    values = exact(index, found)
    order = np.lexsort((found, -values))[:k]
    return found[order], values[order]
