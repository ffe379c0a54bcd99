"""Embeddings on a fixed grid, on which inner products are exact in float64 in whatever order they are summed.

Ranking by floating-point scores depends on the order in which a library adds: on the chunk, the thread count,
the device. Here each coordinate is rounded once to a multiple of 2^-26 (float32 holds every such number that
occurs). Then q_i g_i is a multiple of 2^-52 and, norms being at most 1, every partial sum of an inner product
is below 2^53 such units (Cauchy-Schwarz): float64 holds it exactly. So a score has one value, equal scores
are true ties, and a faster, rounded product may decide all pairs that its error bound allows, leaving the
rest to float64.

The rounding moves a score of unit vectors by about 6e-9 (standard deviation), less than a float32 product
does.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

GRID_BITS = 26
UNIT = 2.0**-GRID_BITS
BLOCK = 64  # two copies in float64 stay in a core's cache
NARROW = 64
# Between these, float32 inner products with vectors as they were given neither overflow nor lose digits to underflow.
LEAST, GREATEST = 2.0**-60, 2.0**60

Distance = Literal["cosine", "euclidean"]
Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Index = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Grid:
    """n vectors on the grid.

    stored: float32, shape (n, D): the vectors; or, where there are `divisors`, the vectors as they were given,
        of which row i stands for rint(stored[i] / divisors[i]) grid units in float32 (not copied: a gigabyte costs
        more to touch than to round the rows that are looked at exactly).
    half_norms: of each, half the squared norm (None for cosine).
    scale: what the given vectors were multiplied with (euclidean; for cosine each is divided by its own
        norm).
    greatest: no vector's norm is above this.
    """

    stored: Singles
    divisors: Floats | None
    half_norms: Floats | None
    scale: float
    greatest: float

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def dimension(self) -> int:
        return int(self.stored.shape[1])

    @property
    def products(self) -> int:
        """How many inner products a pair's score takes."""
        return 1

    @property
    def looseness(self) -> float:
        """How far a stored row, over its divisor, is from its vector: half a unit a coordinate, and a rounding."""
        return 0.0 if self.divisors is None else float(np.sqrt(self.dimension)) * UNIT / 2 + 2.0**-24 * self.greatest

    def part(self, rows: slice | Index) -> Grid:
        """Some of the vectors; not copied, if they are a slice."""
        divisors = None if self.divisors is None else self.divisors[rows]
        halves = None if self.half_norms is None else self.half_norms[rows]
        return Grid(self.stored[rows], divisors, halves, self.scale, self.greatest)

    def vectors(self, rows: slice | Index = slice(None)) -> Singles:
        """The vectors of some rows, shape (rows, D)."""
        if self.divisors is None:
            return self.stored[rows]
        stored = self.stored[rows]
        out = np.empty_like(stored)
        _round(stored.astype(np.float64), self.divisors[rows], out)
        return out

    def round(self, wide: Floats, rows: Index, scratch: Singles) -> None:
        """Make stored rows in float64 the vectors themselves, in place."""
        if self.divisors is not None:
            _round(wide, self.divisors[rows], scratch)
            np.copyto(wide, scratch)


def take_rows(vectors: Singles, rows: Index, out: Singles) -> None:
    """Put `vectors[rows]` in `out`; take is quicker, but first copies all vectors where they do not lie together."""
    if vectors.flags.c_contiguous:
        np.take(vectors, rows, axis=0, out=out, mode="clip")
    else:
        out[...] = vectors[rows]


def squared_norms(block: Floats, scratch: Floats | None = None) -> Floats:
    """Sums of squares by rows, folded in halves: the same additions in the same order on every platform."""
    squares = np.multiply(block, block, out=scratch)
    width = squares.shape[1]
    while width > NARROW:
        half = (width + 1) // 2
        squares[:, : width - half] += squares[:, half:width]
        width = half
    columns = np.ascontiguousarray(squares[:, :width].T)  # the same folding, over lines that lie together
    while width > 1:
        half = (width + 1) // 2
        columns[: width - half] += columns[half:width]
        width = half
    return columns[0]


def common_scale(*sides: tuple[Singles, Index]) -> float:
    """The power of two that brings the greatest norm among the vectors `vectors[rows]` of all sides below 1/2."""
    greatest = 0.0
    for vectors, rows in sides:
        for start in range(0, len(rows), BLOCK):
            block = vectors[rows[start : start + BLOCK]].astype(np.float64)
            greatest = max(greatest, float(squared_norms(block).max()))
    return float(2.0 ** -(np.frexp(np.sqrt(greatest))[1] + 1)) if greatest else 1.0


def on_grid(
    vectors: Singles,
    rows: Index,
    distance: Distance,
    *,
    scale: float = 1.0,
    norms: bool = False,
    threads: int = 1,
) -> Grid:
    """The vectors `vectors[rows]`, (n, D), made unit (cosine) or scaled (euclidean) and rounded to the grid.

    A vector of zeros stays one: its cosine with any other is 0. norms: give half norms for cosine too.
    """
    out = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    _, halves = _measured(vectors, rows, distance, scale, norms, threads, out)
    return Grid(out, None, halves, scale, _greatest(halves, vectors.shape[1]))


def as_given(
    vectors: Singles,
    rows: Index,
    distance: Distance,
    *,
    scale: float = 1.0,
    norms: bool = False,
    threads: int = 1,
) -> Grid:
    """What `on_grid` gives, without a copy of the vectors: where the rows follow one another, and no size among them
    makes float32 inner products overflow or underflow. Else what `on_grid` gives."""
    if len(rows) and (np.diff(rows) == 1).all():
        divisors, halves = _measured(vectors, rows, distance, scale, norms, threads, None)
        if divisors.min() / UNIT >= LEAST and divisors.max() / UNIT <= GREATEST:
            stored = vectors[rows[0] : rows[-1] + 1]
            return Grid(stored, divisors, halves, scale, _greatest(halves, vectors.shape[1]))
    return on_grid(vectors, rows, distance, scale=scale, norms=norms, threads=threads)


def _measured(
    vectors: Singles,
    rows: Index,
    distance: Distance,
    scale: float,
    norms: bool,
    threads: int,
    out: Singles | None,
) -> tuple[Floats, Floats | None]:
    """The divisors of the vectors `vectors[rows]`, and half norms where they are asked for or Euclidean; the vectors on
    the grid are put in `out`, where there is one."""
    divisors = np.empty(len(rows))
    halves = np.empty(len(rows)) if norms or distance == "euclidean" else None

    def some(part: slice, given: Singles, wide: Floats, scratch: Floats) -> None:
        divisors[part] = _divisors(wide, scratch, distance, scale)
        if out is None and halves is None:
            return
        rounded = given if out is None else out[part]
        _round(wide, divisors[part], rounded)
        if halves is not None:
            np.copyto(wide, rounded)
            halves[part] = squared_norms(wide, scratch) / 2

    _each_block(vectors, rows, threads, some)
    return divisors, halves


def _each_block(
    vectors: Singles, rows: Index, threads: int, work: Callable[[slice, Singles, Floats, Floats], None]
) -> None:
    """`work` of every block: where it lies, its vectors as given, in float64, and a scratch of their shape."""

    def some(starts: range) -> None:
        # One set of buffers a thread: memory asked for afresh costs more than the arithmetic.
        given = np.empty((BLOCK, vectors.shape[1]), dtype=np.float32)
        wide, scratch = np.empty(given.shape), np.empty(given.shape)
        for start in starts:
            part = rows[start : start + BLOCK]
            count = len(part)
            take_rows(vectors, part, given[:count])
            np.copyto(wide[:count], given[:count])
            work(slice(start, start + count), given[:count], wide[:count], scratch[:count])

    shares = [range(first * BLOCK, len(rows), threads * BLOCK) for first in range(threads)]
    if threads > 1 and len(rows) > threads * BLOCK:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, shares))
    else:
        some(range(0, len(rows), BLOCK))


def _divisors(block: Floats, scratch: Floats, distance: Distance, scale: float) -> Floats:
    """What makes each row grid units of itself."""
    if distance == "euclidean":
        return np.full(len(block), UNIT / scale)
    norms = np.sqrt(squared_norms(block, scratch))
    norms[norms == 0] = 1
    return norms * UNIT


def _round(wide: Floats, divisors: Floats, out: Singles) -> None:
    """Put in `out` what rows stand for: whole grid units, of 24 bits; `wide` is used up."""
    wide /= divisors[:, None]
    np.rint(wide, out=wide)
    np.copyto(out, wide, casting="same_kind")
    out *= np.float32(UNIT)


def _greatest(halves: Floats | None, dimension: int) -> float:
    if halves is None:
        return float(1 + (np.sqrt(dimension) + 4) * UNIT)
    return float(np.sqrt(2 * halves.max(initial=0)) * (1 + 1e-12))
