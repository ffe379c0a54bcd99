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

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

GRID_BITS = 26
UNIT = 2.0**-GRID_BITS
BLOCK = 64  # two copies in float64 stay in a core's cache
NARROW = 64

Distance = Literal["cosine", "euclidean"]


@dataclass(frozen=True)
class Grid:
    """Vectors on the grid, float32, shape (n, D), with their half squared norms (None for cosine).

    scale: what the given vectors were multiplied with (euclidean; for cosine each is divided by its own
        norm).
    greatest: no vector's norm is above this.
    """

    vectors: npt.NDArray[np.float32]
    half_norms: npt.NDArray[np.float64] | None
    scale: float
    greatest: float

    def part(self, rows: slice) -> Grid:
        """Some of the vectors, not copied."""
        halves = None if self.half_norms is None else self.half_norms[rows]
        return Grid(self.vectors[rows], halves, self.scale, self.greatest)


def squared_norms(
    block: npt.NDArray[np.float64], scratch: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.float64]:
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


def common_scale(vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.intp]) -> float:
    """The power of two that brings the greatest norm among `vectors[rows]` below 1/2."""
    greatest = 0.0
    for start in range(0, len(rows), BLOCK):
        block = vectors[rows[start : start + BLOCK]].astype(np.float64)
        greatest = max(greatest, float(squared_norms(block).max()))
    return float(2.0 ** -(np.frexp(np.sqrt(greatest))[1] + 1)) if greatest else 1.0


def on_grid(
    vectors: npt.NDArray[np.float32],
    rows: npt.NDArray[np.intp],
    distance: Distance,
    *,
    scale: float = 1.0,
    threads: int = 1,
) -> Grid:
    """The vectors `vectors[rows]`, (n, D), made unit (cosine) or scaled (euclidean) and rounded to the grid.

    A vector of zeros stays one: its cosine with any other is 0.
    """
    out = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    halves = np.empty(len(rows)) if distance == "euclidean" else None

    def some(starts: range) -> None:
        # One set of buffers a thread: memory asked for afresh costs more than the arithmetic.
        given = np.empty((BLOCK, vectors.shape[1]), dtype=np.float32)
        wide, scratch = np.empty(given.shape), np.empty(given.shape)
        for start in starts:
            target = out[start : start + BLOCK]
            count = len(target)
            np.take(vectors, rows[start : start + BLOCK], axis=0, out=given[:count], mode="clip")
            np.copyto(wide[:count], given[:count])
            _round(wide[:count], scratch[:count], distance, scale)
            target[:] = wide[:count]
            target *= np.float32(UNIT)
            if halves is not None:
                np.copyto(wide[:count], target)
                halves[start : start + BLOCK] = squared_norms(wide[:count], scratch[:count]) / 2

    shares = [range(first * BLOCK, len(rows), threads * BLOCK) for first in range(threads)]
    if threads > 1 and len(rows) > threads * BLOCK:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, shares))
    else:
        some(range(0, len(rows), BLOCK))
    if halves is None:
        greatest = 1 + np.sqrt(vectors.shape[1]) * UNIT
    else:
        greatest = np.sqrt(2 * halves.max(initial=0)) * (1 + 1e-12)
    return Grid(out, halves, scale, float(greatest))


def _round(block: npt.NDArray[np.float64], scratch: npt.NDArray[np.float64], distance: Distance, scale: float) -> None:
    """Make the block's rows whole numbers of grid units, in place."""
    if distance == "cosine":
        norms = np.sqrt(squared_norms(block, scratch))
        norms[norms == 0] = 1
        block /= (norms * UNIT)[:, None]
    else:
        block *= scale / UNIT
    np.rint(block, out=block)
