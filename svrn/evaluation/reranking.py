"""Re-ranking with k-reciprocal neighbours (Zhong et al., Re-ranking Person Re-identification with
k-reciprocal Encoding).

It looks at all queries and the whole gallery together, so its numbers stand apart from the headline. The
weights that the published code keeps in N x N matrices are sparse here (a few hundred a row), neighbours are
found in chunks and exactly (evaluation/nearest.py), and the last distances are made for one query at a time:
memory grows with N, not N^2.

The distance that goes in is the squared Euclidean one (of unit vectors for cosine), as torchreid's and
TransReID's evaluators give it to the published code, which squares it once more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import sparse

from svrn.config.strict import Strict
from svrn.evaluation.grid import Floats, Grid
from svrn.evaluation.nearest import nearest
from svrn.evaluation.options import Options
from svrn.evaluation.scores import Block, Exact, Ints
from svrn.evaluation.spread import each

ROWS = 4096


class KReciprocal(Strict):
    """The parameters of the published code, with its defaults."""

    k1: int = Field(20, ge=1, description="neighbours that may be reciprocal")
    k2: int = Field(6, ge=1, description="neighbours over which weights are averaged; 1: none")
    original: float = Field(0.3, ge=0, le=1, description="lambda: the share of the original distance")


@dataclass(frozen=True)
class Distances:
    """Original distances of the union of queries and gallery: squared, squared again, over the row's
    greatest.

    halves[i]: half the squared norm; greatest[i]: what row i is divided by.
    """

    halves: Floats
    greatest: Floats

    def of(self, index: int, scores: Floats) -> Floats:
        """Distances from row `index` for scores (q.g - |g|^2 / 2, or the cosine)."""
        squared = self.halves[index] - scores
        squared *= 2
        np.maximum(squared, 0, out=squared)
        squared *= squared
        squared /= self.greatest[index]
        return squared


def k_reciprocal(union: Grid, queries: int, parameters: KReciprocal, options: Options) -> Reciprocal:
    """Encode queries (the first `queries` rows of `union`) and gallery (the others) by their k-reciprocal
    neighbours."""
    found = nearest(union, union, parameters.k1 + 1, options)
    halves = np.ones(len(union)) if union.half_norms is None else union.half_norms
    greatest = (2 * (halves - found.lowest)) ** 2
    distances = Distances(halves, np.where(greatest > 0, greatest, 1.0))
    weights = _encoded(union, found.rows, distances, parameters.k1, options)
    if parameters.k2 > 1:
        weights = _mean_of_neighbours(found.rows[:, : parameters.k2]) @ weights
        weights.sort_indices()
    return Reciprocal(distances, weights[:queries], weights[queries:].tocsc(), parameters.original)


class Reciprocal:
    """The adjustment of scores that ranks by (1 - lambda) Jaccard distance + lambda original distance,
    negated."""

    def __init__(
        self, distances: Distances, query: sparse.csr_array, gallery: sparse.csc_array, original: float
    ) -> None:
        self.distances, self.query, self.gallery, self.original = distances, query, gallery, original
        self.local = threading.local()

    def line(self, index: int, line: Block) -> Block:
        """Adjusted scores of the whole gallery."""
        self.local.jaccard = self._jaccard(index)
        return self._blend(index, line.astype(np.float64), self.local.jaccard)

    def exact(self, index: int, items: Ints, scores: Floats) -> Floats:
        """Adjusted scores of some items, of the query that `line` was called for last in this thread."""
        return self._blend(index, scores.copy(), self.local.jaccard[items])

    def bound(self, bound: float) -> float:
        """A score off by e moves d = 2 (h - s) by 2 e and d^2 / M, with d^2 <= M, by 4 e / sqrt(M) + 4 e^2 /
        M."""
        if bound == 0:
            return 0.0
        least = float(self.distances.greatest[: self.query.shape[0]].min())
        return self.original * (4 * bound / np.sqrt(least) + 4 * bound**2 / least) * (1 + 1e-6) + 1e-14

    def _blend(self, index: int, scores: Floats, jaccard: Floats) -> Floats:
        blended = self.distances.of(index, scores)
        blended *= -self.original
        blended -= (1 - self.original) * jaccard
        return blended

    def _jaccard(self, index: int) -> Floats:
        """1 - sum of minima / sum of maxima of the weights of a query and of each gallery image."""
        own = slice(self.query.indptr[index], self.query.indptr[index + 1])
        columns, weights = self.query.indices[own], self.query.data[own]
        starts = self.gallery.indptr[columns]
        lengths = self.gallery.indptr[columns + 1] - starts
        entries = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        shared = np.minimum(np.repeat(weights, lengths), self.gallery.data[entries])
        common = np.bincount(self.gallery.indices[entries], shared, self.gallery.shape[0])
        return 1 - common / (2 - common)


def _encoded(
    union: Grid, neighbours: npt.NDArray[np.int32], distances: Distances, k1: int, options: Options
) -> sparse.csr_array:
    """Row i: exp(-distance) to the expanded k-reciprocal neighbours of i, over their sum."""
    exact = Exact(union, union)
    near = _mutual(neighbours[:, : k1 + 1])
    half = _mutual(neighbours[:, : int(np.around(k1 / 2.0)) + 1])

    def weights(start: int, pattern: sparse.csr_array, row: int) -> Floats:
        columns = pattern.indices[pattern.indptr[row] : pattern.indptr[row + 1]]
        values = np.exp(-distances.of(start + row, exact.close(np.full(len(columns), start + row), columns)))
        return values / values.sum()

    parts = []
    with ThreadPoolExecutor(options.thread_count()) as pool:
        for start, pattern in _expanded(near, half):
            numbers = len(pattern.indices) // pattern.shape[0] * union.dimension
            data = np.concatenate(each(partial(weights, start, pattern), pattern.shape[0], pool, numbers))
            parts.append(sparse.csr_array((data, pattern.indices, pattern.indptr), shape=pattern.shape))
    return sparse.csr_array(sparse.vstack(parts, format="csr"))


def _expanded(near: sparse.csr_array, half: sparse.csr_array) -> Iterator[tuple[int, sparse.csr_array]]:
    """Patterns, some rows at a time: the reciprocal neighbours of i, and those of each candidate among them
    of whose own reciprocal neighbours, at half the k, more than two thirds are neighbours of i."""
    sizes = np.diff(half.indptr)
    for start in range(0, near.shape[0], ROWS):
        own = near[start : start + ROWS]
        shared = sparse.csr_array((own @ half.T).multiply(own))
        taken = shared.data > 2.0 / 3 * sizes[shared.indices]
        candidates = sparse.csr_array((taken.astype(np.int32), shared.indices, shared.indptr), shape=shared.shape)
        pattern = sparse.csr_array(own + candidates @ half)
        pattern.eliminate_zeros()
        pattern.sort_indices()
        yield start, pattern


def _mutual(neighbours: npt.NDArray[np.int32]) -> sparse.csr_array:
    """Ones where each of two rows is among the other's neighbours."""
    count, k = neighbours.shape
    indptr = np.arange(0, count * k + 1, k)
    near = sparse.csr_array((np.ones(count * k, dtype=np.int32), neighbours.reshape(-1), indptr), (count, count))
    both = sparse.csr_array(near.multiply(near.T))
    both.sort_indices()
    return both


def _mean_of_neighbours(neighbours: npt.NDArray[np.int32]) -> sparse.csr_array:
    count, k = neighbours.shape
    indptr = np.arange(0, count * k + 1, k)
    return sparse.csr_array((np.full(count * k, 1 / k), neighbours.reshape(-1), indptr), (count, count))
