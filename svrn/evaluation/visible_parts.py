"""PVEN's visibility-weighted distance (svrn/data/distances.py), exact to the bit like a plain vector's.

The weights depend on the pair, so no single vector gives this ranking. But with the global feature and every part on
the grid, a pair's K + 1 inner products have one value each (evaluation/grid.py), and what follows is +, -, x, / and
roots in a fixed order, each correctly rounded by IEEE 754: D has one value too. A score is -D.

D falls when any of the inner products rises. So rounded products with known bounds bracket it: D at the inner products
plus their bounds is the least it can be, D at those less their bounds the most. The least is made of all pairs, the
most of the candidates alone.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from svrn.data.distances import Root, VisibleParts
from svrn.errors import UserError
from svrn.evaluation.grid import Floats, Grid, Index, Singles, as_given, on_grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import UNIT32, Block, Buffers, Estimate, Exact, Ints, Product, Shape, product

ROWS = 32  # queries whose distances are made at a time: their squares stay in a core's cache
# Counts outside of these would overflow or underflow in float32 when two are multiplied and divided.
LEAST, MOST = 2.0**-30, 2.0**30
POWERS: dict[Root, int] = {"sqrt": 1, "plain": 1, "none": 2}  # of a part's distance, in D
#: What float32 adds to half a squared distance: the halves rounded, a sum and a difference of numbers below 2.2.
MARGIN = 2.0**-21


@dataclass(frozen=True)
class PartGrid:
    """n vectors with parts.

    features: the global feature and the parts', on the grid at unit length. halves: of each, half the squared norms,
    (n,). counts: how much is seen of each part, (n, K).
    """

    distance: VisibleParts
    features: tuple[Grid, ...]
    halves: tuple[Floats, ...]
    counts: Floats

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def products(self) -> int:
        """How many inner products, and their distance, a pair's score takes."""
        return len(self.features) + 1

    @property
    def dimension(self) -> int:
        """Numbers that a pair's inner products go through."""
        return sum(feature.dimension for feature in self.features)

    def part(self, rows: slice | Index) -> PartGrid:
        """Some of the vectors; not copied, if they are a slice."""
        features = tuple(feature.part(rows) for feature in self.features)
        return PartGrid(self.distance, features, tuple(half[rows] for half in self.halves), self.counts[rows])


def parts_on_grid(
    vectors: Singles, rows: Index, distance: VisibleParts, *, copied: bool = True, threads: int = 1
) -> PartGrid:
    """The vectors `vectors[rows]` with their parts.

    copied: else the gallery is left as it was given, where that can be (evaluation/grid.py).

    Raises:
        UserError: a count is 0 or less, or beyond what can be multiplied.
    """
    put = on_grid if copied else as_given
    features, start = [], 0
    for length in (distance.whole, *distance.parts):
        features.append(put(vectors[:, start : start + length], rows, "cosine", norms=True, threads=threads))
        start += length
    counts = vectors[rows, start:].astype(np.float64)
    if counts.min(initial=MOST) < LEAST or counts.max(initial=LEAST) > MOST:
        bad = int(np.flatnonzero(((counts < LEAST) | (counts > MOST)).any(axis=1))[0])
        raise UserError(
            f"the counts of visible parts in row {int(rows[bad])} are {counts[bad].tolist()}",
            where="embeddings",
            mend="count from 1 up, as PVEN does: a part that is not seen counts 1 (the last numbers of each vector)",
        )
    halves = []
    for feature in features:
        assert feature.half_norms is not None
        halves.append(feature.half_norms)
    return PartGrid(distance, tuple(replace(one, half_norms=None) for one in features), tuple(halves), counts)


class ExactParts:
    """The scores of queries with chosen gallery rows."""

    def __init__(self, query: PartGrid, gallery: PartGrid) -> None:
        self._query, self._gallery = query, gallery
        self._inner = [Exact(one, other) for one, other in zip(query.features, gallery.features, strict=True)]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """None: what a product leaves open is little."""
        return ()

    def of(self, indices: Ints, rows: Ints) -> Floats:
        """The exact scores of the queries at `indices`, each with its gallery row."""
        query, gallery = self._query, self._gallery
        squares = []
        for inner, half, other in zip(self._inner, query.halves, gallery.halves, strict=True):
            squares.append(2 * ((half[indices] + other[rows]) - inner.of(indices, rows)))
        counts = zip(query.counts[indices].T, gallery.counts[rows].T, strict=True)
        return cast(Floats, 0 - distances_of(squares, [one * other for one, other in counts], query.distance))


def parts_product(query: PartGrid, gallery: PartGrid, shape: Shape, options: Options) -> Product:
    """The scores of all pairs, from K + 1 products as the options ask for: the most that each can be.

    Raises:
        UserError: the device or the precision is not there.
    """
    sides = zip(query.features, gallery.features, strict=True)
    inner = [product(asked, sheet, shape, options, factored=True) for asked, sheet in sides]
    rounded = bool(inner[0].bounds.any())
    kind: type[np.floating[Any]] = np.float32 if rounded else np.float64
    # Half squared distances are within these, by query.
    errors = [one.bounds + (MARGIN if rounded else 0.0) for one in inner]
    lesser, greater = ([half + sign * e for half, e in zip(query.halves, errors, strict=True)] for sign in (-1, 1))
    halves = [half.astype(kind) for half in gallery.halves]
    asked_counts, counts = query.counts.astype(kind), np.ascontiguousarray(gallery.counts.T, dtype=kind)
    buffers, local = Buffers(shape, kind), threading.local()

    def scores(asked: slice, part: slice) -> Block:
        planes = [one.scores(asked, part) for one in inner]
        out = buffers.block(*planes[0].shape)
        local.last = planes, out, asked, part
        for start in range(0, len(out), ROWS):
            lines = slice(start, start + ROWS)
            for plane, one in zip(planes, inner, strict=True):
                if one.factors is not None:
                    plane[lines] *= one.factors[part]
            seen = asked_counts[asked][lines]
            squares = [
                squares_of(half[asked][lines, None].astype(kind), other[part], plane[lines])
                for half, other, plane in zip(lesser, halves, planes, strict=True)
            ]
            weights = [seen[:, k, None] * counts[k, part] for k in range(len(counts))]
            np.negative(distances_of(squares, weights, query.distance), out=out[lines])
        return out

    def slack(lines: Ints, rows: Ints) -> Block:
        planes, out, asked, part = local.last
        cells = lines * out.shape[1] + (rows - part.start)  # one number a pair: looked up much quicker than two
        squares = [
            squares_of(half[asked].astype(kind)[lines], other[rows], plane.reshape(-1)[cells])
            for half, other, plane in zip(greater, halves, planes, strict=True)
        ]
        weights = [one[lines] * two[rows] for one, two in zip(asked_counts[asked].T, counts, strict=True)]
        most = out.reshape(-1)[cells]
        most[np.isinf(most)] = 0  # the query's own, taken out
        return distances_of(squares, weights, query.distance) + most

    bound = _rounding(query, gallery) if rounded else 0.0
    return Product(scores, np.full(len(query), bound), slack if rounded else None)


def squares_of(half: Block, other: Block, inner: Block) -> Block:
    """Squared distances from half the squared norms and the inner products."""
    squares = half + other
    squares -= inner
    np.maximum(squares, 0, out=squares)
    squares *= 2
    return squares


def distances_of(squares: Sequence[Block], weights: Sequence[Block], distance: VisibleParts) -> Block:
    """D from the squared distances of the global features and of the parts, which are used up, and from v_k v'_k."""
    whole, *parts = squares
    above, below = None, None
    for square, weight in zip(parts, weights, strict=True):
        roots: dict[Root, int] = {"sqrt": 2, "plain": 1, "none": 0}
        for _ in range(roots[distance.root]):
            np.sqrt(square, out=square)
        square *= weight
        above = square if above is None else np.add(above, square, out=above)
        below = weight if below is None else np.add(below, weight, out=below)
    assert above is not None and below is not None
    above /= below
    if distance.root == "sqrt":
        above *= above
    above *= above.dtype.type(distance.weight)
    above += whole
    return above


def furthest(distance: VisibleParts) -> float:
    """No distance is above this: on the grid no feature is longer than 1 by more than a thousandth."""
    longest = 2 * (1 + 1e-3)
    return float(longest**2 + distance.weight * longest ** POWERS[distance.root])


def _rounding(query: PartGrid, gallery: PartGrid) -> float:
    """How far float32 arithmetic moves D: each of its terms is above 0, so each rounding is a share of D."""
    greatest = [one.greatest + other.greatest for one, other in zip(query.features, gallery.features, strict=True)]
    most = greatest[0] ** 2 + query.distance.weight * max(greatest[1:]) ** POWERS[query.distance.root]
    steps = 4 * (len(query.distance.parts) + 8)
    return float(steps * UNIT32 * most)
