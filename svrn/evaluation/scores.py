"""Scores of queries with gallery vectors, and how far they lie from the exact ones.

Two ways: a product over all pairs, rounded, with a bound for each query; and chosen pairs, from quick estimates with a
known error to exact ones, whatever computes the bulk of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.errors import UserError
from svrn.evaluation.grid import UNIT, Floats, Grid, Singles, take_rows
from svrn.evaluation.options import Options

TILE = 4096  # gallery vectors whose scores with a block of queries stay in a processor's cache
SUMMED = 512  # terms of an inner product that a float32 product sums by themselves
CELLS = 2**17  # numbers of chosen pairs' vectors at a time: in float64 they stay in a core's cache
UNIT32, UNIT64 = 2.0**-24, 2.0**-53
NEAR_UNIT = 2.0**-20  # so near to 1, a divisor is not worth a pass through the scores

Block = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Product:
    """`scores(asked, part)` gives the scores of some queries with a part of the gallery, shape (asked, part), in a
    buffer that the calling thread's next call may reuse.

    bounds: no exact score of a query is further above the given one than this, shape (queries,); or further below,
        where there is no `slack`.
    slack: what to allow below beside that, of pairs of a query, by its number in `asked`, with a row of the gallery:
        for the `asked` and `part` of the calling thread's last call.
    there: whether the scores are tensors on a device, to be counted there (evaluation/on_device.py).
    factors: where they were asked for, what the scores are yet to be multiplied with, by row of the gallery.
    """

    scores: Callable[[slice, slice], Block]
    bounds: Floats
    slack: Callable[[Ints, Ints], Block] | None = None
    there: bool = False
    factors: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Pass:
    """Some of the queries, and the product by which they are ranked."""

    queries: Ints | slice
    made: Callable[[Shape], Product]


@dataclass(frozen=True)
class Shape:
    """At most so many queries and gallery vectors are multiplied at once."""

    rows: int
    width: int


class Buffers:
    """A buffer for each thread, of which a block is a part that lies together."""

    def __init__(self, shape: Shape, kind: type[np.number[Any]]) -> None:
        self._shape, self._kind, self._local = shape, kind, threading.local()

    def block(self, rows: int, width: int) -> npt.NDArray[Any]:
        """Memory of that shape, in which this thread's last block lay too."""
        if not hasattr(self._local, "memory"):
            self._local.memory = np.empty(self._shape.rows * self._shape.width, dtype=self._kind)
        whole: npt.NDArray[Any] = self._local.memory
        return whole[: rows * width].reshape(rows, width)


def accumulation(dimension: int, unit: float = UNIT32) -> float:
    """gamma_n = n u / (1 - n u): the relative error of an inner product of n terms, summed in any order, with
    or without fused multiply-add, against the sum of the terms' absolute values (Higham, Accuracy and
    Stability, 3.1)."""
    spread = dimension * unit
    return spread / (1 - spread)


def product(
    query: Grid, gallery: Grid, shape: Shape, options: Options, *, there: bool = False, factored: bool = False
) -> Product:
    """The product that `options` ask for: of float32, where they leave it open.

    there: leave the scores on the device, where they are made on one. factored: leave its factors, if it has any, to
    whoever goes through the scores anyway.

    Raises:
        UserError: the device or the precision is not there.
    """
    if options.device != "cpu" or options.precision in ("bfloat16", "tf32"):
        from svrn.evaluation.torch_product import torch_product  # torch takes seconds to import

        return torch_product(query, gallery, shape, options, there=there and options.device != "cpu")
    if options.precision == "float64":
        return less_half_norms(_double(query, gallery, shape), query, gallery)
    return less_half_norms(_single(query, gallery, shape, factored), query, gallery)


def less_half_norms(inner: Product, query: Grid, gallery: Grid) -> Product:
    """Scores from inner products: less half the squared norm of the gallery's vector, where near is Euclidean."""
    halves = gallery.half_norms
    if halves is None:
        return inner

    def scores(asked: slice, part: slice) -> Block:
        block = inner.scores(asked, part)
        block -= halves[part].astype(block.dtype)
        return block

    return replace(inner, scores=scores, bounds=bounds_less_half_norms(inner.bounds, query, gallery))


def bounds_less_half_norms(bounds: Floats, query: Grid, gallery: Grid) -> Floats:
    """The bounds of scores less half norms; a product without error is followed by work without."""
    return np.where(bounds > 0, (bounds + rounding_of_halves(query, gallery)) * (1 + 1e-6), 0.0)


def rounding_of_halves(query: Grid, gallery: Grid) -> float:
    """How far taking |g|^2 / 2 off in float32 can move a score: half norm and difference are rounded."""
    if gallery.half_norms is None:
        return 0.0
    return 2.0**-23 * (query.greatest * gallery.greatest + gallery.greatest**2)


def _single(query: Grid, gallery: Grid, shape: Shape, factored: bool) -> Product:
    """Long sums in pieces: a term then goes through the additions of its piece and those of the pieces, so the bound is
    a few times less, and less is left open, for a twentieth more time."""
    buffers, pieces = Buffers(shape, np.float32), Buffers(shape, np.float32)
    factors, dimension = factors_of(gallery), gallery.dimension
    starts = range(SUMMED, dimension, SUMMED)

    def scores(asked: slice, part: slice) -> Block:
        block, stored = query.vectors(asked), gallery.stored[part]
        out = buffers.block(len(block), len(stored))
        np.matmul(block[:, :SUMMED], stored[:, :SUMMED].T, out=out)
        for start in starts:
            among = slice(start, start + SUMMED)
            out += np.matmul(block[:, among], stored[:, among].T, out=pieces.block(*out.shape))
        if factors is not None and not factored:
            out *= factors[part]
        return out

    additions = min(dimension, SUMMED) + len(starts)
    bounds = np.full(len(query), bound_in_float32(query, gallery, additions))
    return Product(scores, bounds, factors=factors if factored else None)


def bound_in_float32(query: Grid, gallery: Grid, additions: int | None = None) -> float:
    """How far a float32 inner product with stored vectors, over their divisors or, where these are near 1, not, can be
    from the exact one: the factor's two roundings and its own product's are three more terms.

    additions: that a term goes through; all, in whatever order, where it is not given.
    """
    loose = gallery.looseness + (min(from_unit(gallery), NEAR_UNIT) if gallery.divisors is not None else 0.0)
    summed = accumulation((additions or gallery.dimension) + 3) * (gallery.greatest + loose)
    return query.greatest * (summed + loose) * (1 + 1e-6)


def factors_of(gallery: Grid) -> npt.NDArray[np.float32] | None:
    """What float32 scores with stored vectors are multiplied with; None where that is as good as 1."""
    if gallery.divisors is None or from_unit(gallery) <= NEAR_UNIT:
        return None
    return (UNIT / gallery.divisors).astype(np.float32)


def from_unit(gallery: Grid) -> float:
    """How far the greatest or least of the divisors of stored vectors is from 1."""
    assert gallery.divisors is not None
    return float(np.abs(gallery.divisors / UNIT - 1).max())


def _double(query: Grid, gallery: Grid, shape: Shape) -> Product:
    """Exact, so the bounds are 0: see evaluation/grid.py."""
    buffers = Buffers(shape, np.float64)

    def scores(asked: slice, part: slice) -> Block:
        first, last, _ = part.indices(len(gallery))
        wide = query.vectors(asked).astype(np.float64)
        out = buffers.block(len(wide), last - first)
        for start in range(first, last, TILE):
            tile = gallery.vectors(slice(start, min(start + TILE, last))).astype(np.float64)
            out[:, start - first : start - first + len(tile)] = wide @ tile.T
        return out

    return Product(scores, np.zeros(len(query)))


@dataclass(frozen=True)
class Estimate:
    """Scores of chosen pairs that are quicker than the exact ones, and never further than `within` from them."""

    score: Callable[[Ints, Ints], Block]
    within: float


class Exact:
    """The scores of queries, each with a chosen gallery row.

    quickness, closeness: `quick` and `close` are never further than this from `of`; 0 where `close` is the same.
    """

    def __init__(self, query: Grid, gallery: Grid) -> None:
        self._query, self._gallery = query, gallery
        self._factors = None if gallery.divisors is None else UNIT / gallery.divisors
        self._local, self._rows = threading.local(), max(1, CELLS // gallery.dimension)
        summed = accumulation(gallery.dimension + 4, UNIT64) * (gallery.greatest + gallery.looseness)
        loose = (query.greatest * (gallery.looseness + summed) + UNIT64 * gallery.greatest**2) * (1 + 1e-6)
        self.closeness = loose if gallery.looseness else 0.0
        self.quickness = bound_in_float32(query, gallery) + rounding_of_halves(query, gallery)

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """From the quickest to the closest."""
        rough = Estimate(self.quick, self.quickness), Estimate(self.close, self.closeness)
        return tuple(one for one in rough if one.within)

    def of(self, indices: Ints, rows: Ints) -> Floats:
        """The exact scores (evaluation/grid.py) of the queries at `indices`, each with its gallery row."""
        return self._less_halves(self._inner(indices, rows, np.float64, rounded=True), rows)

    def close(self, indices: Ints, rows: Ints) -> Floats:
        """In float64 with the gallery's vectors before they are put on the grid: quicker than `of`."""
        return self._less_halves(self._scaled(self._inner(indices, rows, np.float64), rows), rows)

    def quick(self, indices: Ints, rows: Ints) -> Singles:
        """In float32: quicker than `close`."""
        return self._less_halves(self._scaled(self._inner(indices, rows, np.float32), rows), rows)

    def _inner(
        self, indices: Ints, rows: Ints, kind: type[np.floating[Any]], *, rounded: bool = False
    ) -> npt.NDArray[Any]:
        """Inner products in numbers of that kind; rounded: with the gallery's vectors on the grid, not as stored."""
        gallery, out = self._gallery, np.empty(len(rows), dtype=kind)
        for start in range(0, len(rows), self._rows):
            part = slice(start, start + self._rows)
            stored, doubled, asked = self._buffers(len(rows[part]))
            take_rows(gallery.stored, rows[part], stored)
            left: npt.NDArray[Any] = stored
            right: npt.NDArray[Any] = self._query.vectors(indices[part])
            if kind is np.float64:
                np.copyto(doubled, left)
                np.copyto(asked, right)
                left, right = doubled, asked
            if rounded:
                gallery.round(left, rows[part], stored)
            # Not one BLAS call for all: many threads are here at once, and each would start as many again.
            np.vecdot(left, right, out=out[part])
        return out

    def _scaled(self, inner: npt.NDArray[Any], rows: Ints) -> npt.NDArray[Any]:
        """What inner products with stored vectors are with the vectors themselves, but for the grid."""
        return inner if self._factors is None else inner * self._factors[rows].astype(inner.dtype)

    def _less_halves(self, inner: npt.NDArray[Any], rows: Ints) -> npt.NDArray[Any]:
        halves = self._gallery.half_norms
        return inner if halves is None else inner - halves[rows].astype(inner.dtype)

    def _buffers(self, rows: int) -> tuple[Singles, Floats, Floats]:
        """This thread's: memory asked for afresh costs more than the sums."""
        if not hasattr(self._local, "buffers"):
            shape = self._rows, self._gallery.dimension
            self._local.buffers = np.empty(shape, dtype=np.float32), np.empty(shape), np.empty(shape)
        stored, doubled, asked = self._local.buffers
        return stored[:rows], doubled[:rows], asked[:rows]


def missing(what: str, mend: str) -> UserError:
    """The error of a precision or device that is not there."""
    return UserError(what, where="evaluation options", mend=mend)
