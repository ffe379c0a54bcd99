"""Products over all pairs, each with a bound on how far its scores lie from the exact ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from svrn.errors import UserError
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options

TILE = 4096
UNIT32 = 2.0**-24

Block = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Product:
    """`scores(q)` gives the inner products of query vectors (m, D) with the whole gallery, shape (m, N), in a
    buffer that the calling thread's next call may reuse.

    bound: no score is further than this from the exact inner product, for the queries given to `product`.
    """

    scores: Callable[[npt.NDArray[np.float32]], Block]
    bound: float


def accumulation(dimension: int, unit: float = UNIT32) -> float:
    """gamma_n = n u / (1 - n u): the relative error of an inner product of n terms, summed in any order, with
    or without fused multiply-add, against the sum of the terms' absolute values (Higham, Accuracy and
    Stability, 3.1)."""
    spread = dimension * unit
    return spread / (1 - spread)


def product(query: Grid, gallery: Grid, chunk: int, options: Options) -> Product:
    """The product that `options` ask for of up to `chunk` queries at a time.

    Raises:
        UserError: the device or the precision is not there.
    """
    if options.device != "cpu" or options.precision in ("bfloat16", "tf32"):
        from svrn.evaluation.torch_product import torch_product  # torch takes seconds to import

        return torch_product(query, gallery, chunk, options)
    if options.precision == "float64":
        return _double(gallery.vectors, chunk)
    return _single(query, gallery, chunk)


def for_each_thread(options: Options) -> bool:
    """Whether several threads may call the product that `options` ask for at once, each with a buffer of its own.

    torch's bfloat16 product on a CPU is made by all threads together.
    """
    return options.device != "cpu" or options.precision != "bfloat16"


def _single(query: Grid, gallery: Grid, chunk: int) -> Product:
    local = threading.local()

    def scores(block: npt.NDArray[np.float32]) -> Block:
        if not hasattr(local, "buffer"):
            local.buffer = np.empty((chunk, len(gallery.vectors)), dtype=np.float32)
        return np.matmul(block, gallery.vectors.T, out=local.buffer[: len(block)])

    return Product(scores, accumulation(query.vectors.shape[1]) * query.greatest * gallery.greatest)


def _double(gallery: npt.NDArray[np.float32], chunk: int) -> Product:
    """Exact, so the bound is 0: see evaluation/grid.py."""
    local = threading.local()

    def scores(block: npt.NDArray[np.float32]) -> Block:
        if not hasattr(local, "buffer"):
            local.buffer = np.empty((chunk, len(gallery)))
        wide, out = block.astype(np.float64), local.buffer[: len(block)]
        for start in range(0, len(gallery), TILE):
            part = gallery[start : start + TILE].astype(np.float64)
            out[:, start : start + TILE] = wide @ part.T
        return out

    return Product(scores, 0.0)


def missing(what: str, mend: str) -> UserError:
    """The error of a precision or device that is not there."""
    return UserError(what, where="evaluation options", mend=mend)
