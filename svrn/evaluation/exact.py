"""Scores of chosen pairs, from quick ones with a known error to exact ones, whatever computes the bulk of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import UNIT, Floats, Grid, Singles, take_rows
from svrn.evaluation.product import Block, accumulation, bound_in_float32, rounding_of_halves

CELLS = 2**17  # numbers of pairs' vectors at a time: in float64 they stay in a core's cache
UNIT64 = 2.0**-53

Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Estimate:
    """Scores of pairs that are quicker than the exact ones, and never further than `within` from them."""

    score: Callable[[Ints, Ints], Block]
    within: float


class Exact:
    """The scores of a query with chosen gallery rows.

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

    def of(self, indices: Ints, rows: Ints) -> Floats:
        """The exact scores (evaluation/grid.py) of the queries at `indices`, each with its gallery row."""
        gallery, out = self._gallery, np.empty(len(rows))
        for part in self._parts(len(rows)):
            given, doubled, asked = self._buffers(len(rows[part]))
            take_rows(gallery.stored, rows[part], given)
            np.copyto(doubled, given)
            gallery.round(doubled, rows[part], given)
            np.copyto(asked, self._query.vectors(indices[part]))
            # Not one BLAS call for all: many threads are here at once, and each would start as many again.
            np.vecdot(doubled, asked, out=out[part])
        return out if gallery.half_norms is None else out - gallery.half_norms[rows]

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """From the quickest to the closest."""
        rough = Estimate(self.quick, self.quickness), Estimate(self.close, self.closeness)
        return tuple(one for one in rough if one.within)

    def close(self, indices: Ints, rows: Ints) -> Floats:
        """The scores of pairs with the gallery's vectors before they are put on the grid: quicker than `of`."""
        gallery, out = self._gallery, np.empty(len(rows))
        for part in self._parts(len(rows)):
            given, doubled, asked = self._buffers(len(rows[part]))
            take_rows(gallery.stored, rows[part], given)
            np.copyto(doubled, given)
            np.copyto(asked, self._query.vectors(indices[part]))
            np.vecdot(doubled, asked, out=out[part])
        if self._factors is not None:
            out *= self._factors[rows]
        return out if gallery.half_norms is None else out - gallery.half_norms[rows]

    def quick(self, indices: Ints, rows: Ints) -> Singles:
        """The scores of pairs in float32: quicker than `close`."""
        gallery = self._gallery
        out = np.empty(len(rows), dtype=np.float32)
        for part in self._parts(len(rows)):
            given, _, _ = self._buffers(len(rows[part]))
            take_rows(gallery.stored, rows[part], given)
            np.vecdot(given, self._query.vectors(indices[part]), out=out[part])
        if self._factors is not None:
            out *= self._factors[rows].astype(np.float32)
        return out if gallery.half_norms is None else out - gallery.half_norms[rows].astype(np.float32)

    def _parts(self, pairs: int) -> Iterator[slice]:
        return (slice(start, start + self._rows) for start in range(0, pairs, self._rows))

    def _buffers(self, rows: int) -> tuple[Singles, Floats, Floats]:
        """This thread's: memory asked for afresh costs more than the sums."""
        if not hasattr(self._local, "buffers"):
            shape = self._rows, self._gallery.dimension
            self._local.buffers = np.empty(shape, dtype=np.float32), np.empty(shape), np.empty(shape)
        given, doubled, asked = self._local.buffers
        return given[:rows], doubled[:rows], asked[:rows]
