"""Exact scores of chosen pairs, whatever computes the bulk of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import Grid

ROWS = 32

Exact = Callable[[int, npt.NDArray[np.int64]], npt.NDArray[np.float64]]


def exact_scores(query: Grid, gallery: Grid) -> Exact:
    """A function of a query's index and gallery rows that gives their exact scores (evaluation/grid.py)."""
    local = threading.local()

    def scores(index: int, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        if not hasattr(local, "given"):
            # This thread's buffers: memory asked for afresh costs more than the sums.
            local.given = np.empty((ROWS, gallery.vectors.shape[1]), dtype=np.float32)
            local.doubled = np.empty(local.given.shape)
        wide = query.vectors[index].astype(np.float64)
        out = np.empty(len(rows))
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            given, doubled = local.given[: len(part)], local.doubled[: len(part)]
            np.take(gallery.vectors, part, axis=0, out=given, mode="clip")
            np.copyto(doubled, given)
            # Not one BLAS call for all: many threads are here at once, and each would start as many again.
            np.vecdot(doubled, wide, out=out[start : start + ROWS])
        return out if gallery.half_norms is None else out - gallery.half_norms[rows]

    return scores


def rounding_of_halves(query: Grid, gallery: Grid) -> float:
    """How far taking |g|^2 / 2 off in float32 can move a score: half norm and difference are rounded."""
    if gallery.half_norms is None:
        return 0.0
    return 2.0**-23 * (query.greatest * gallery.greatest + gallery.greatest**2)
