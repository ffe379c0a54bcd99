"""Exact scores of chosen pairs, whatever computes the bulk of them."""

from __future__ import annotations

import threading

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import UNIT, Grid
from svrn.evaluation.product import accumulation

ROWS = 32
UNIT64 = 2.0**-53

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer[np.signedinteger]]


class Exact:
    """The scores of a query with chosen gallery rows, in float64.

    closeness: `close` is never further than this from `of`; 0 where they are the same.
    """

    def __init__(self, query: Grid, gallery: Grid) -> None:
        self._query, self._gallery = query, gallery
        self._factors = None if gallery.divisors is None else UNIT / gallery.divisors
        self._local = threading.local()
        summed = accumulation(gallery.dimension + 4, UNIT64) * (gallery.greatest + gallery.looseness)
        loose = (query.greatest * (gallery.looseness + summed) + UNIT64 * gallery.greatest**2) * (1 + 1e-6)
        self.closeness = loose if gallery.looseness else 0.0

    def of(self, index: int, rows: Ints) -> Floats:
        """The exact scores (evaluation/grid.py) of the query at `index` with gallery rows."""
        return self._scores(index, rows, rounding=True)

    def close(self, index: int, rows: Ints) -> Floats:
        """The scores with the gallery's vectors before they are put on the grid: quicker than `of`."""
        return self._scores(index, rows, rounding=False)

    def _scores(self, index: int, rows: Ints, *, rounding: bool) -> Floats:
        gallery, local = self._gallery, self._local
        if not hasattr(local, "given"):
            # This thread's buffers: memory asked for afresh costs more than the sums.
            local.given = np.empty((ROWS, gallery.dimension), dtype=np.float32)
            local.doubled = np.empty(local.given.shape)
        wide = self._query.vectors(slice(index, index + 1))[0].astype(np.float64)
        out = np.empty(len(rows))
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            given, doubled = local.given[: len(part)], local.doubled[: len(part)]
            np.take(gallery.stored, part, axis=0, out=given, mode="clip")
            np.copyto(doubled, given)
            if rounding:
                gallery.round(doubled, part)
            # Not one BLAS call for all: many threads are here at once, and each would start as many again.
            np.vecdot(doubled, wide, out=out[start : start + ROWS])
        if self._factors is not None and not rounding:
            out *= self._factors[rows]
        return out if gallery.half_norms is None else out - gallery.half_norms[rows]


def rounding_of_halves(query: Grid, gallery: Grid) -> float:
    """How far taking |g|^2 / 2 off in float32 can move a score: half norm and difference are rounded."""
    if gallery.half_norms is None:
        return 0.0
    return 2.0**-23 * (query.greatest * gallery.greatest + gallery.greatest**2)
