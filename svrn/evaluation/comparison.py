"""What compares queries with a gallery: exact scores of chosen pairs, and products over all of them.

The one place that knows of several distances and several products: what ranks, ranks by scores and their bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Protocol

import numpy.typing as npt
from numpy import float64

from svrn.data.distances import VisibleParts
from svrn.evaluation import int8
from svrn.evaluation.exact import Estimate, Exact, Ints
from svrn.evaluation.grid import Distance, Floats, Grid, Index, Singles, as_given, on_grid
from svrn.evaluation.options import Options, multiplies_int8
from svrn.evaluation.product import Pass, Product, Shape, missing, product
from svrn.evaluation.visible_parts import ExactParts, PartGrid, parts_on_grid, parts_product

MANY = 10**12  # multiplications from which a coarse product pays for torch's import and the gallery's levels

AnyGrid = Grid | PartGrid


class PairScores(Protocol):
    """The scores of chosen pairs of a query and a gallery row."""

    def of(self, indices: Ints, rows: Ints) -> npt.NDArray[float64]:
        """The exact ones."""

    @property
    def estimates(self) -> tuple[Estimate, ...]:
        """Quicker ones, from the quickest to the closest."""


def exact_scores(query: AnyGrid, gallery: AnyGrid) -> PairScores:
    """The scores of pairs by the distance that both are made for."""
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        return ExactParts(query, gallery)
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    return Exact(query, gallery)


def placed(
    vectors: Singles,
    rows: Index,
    distance: Distance | VisibleParts,
    *,
    scale: float,
    copied: bool,
    threads: int,
) -> AnyGrid:
    """The vectors `vectors[rows]` as that distance compares them. copied: else left as they were given, where that can
    be (evaluation/grid.py)."""
    if isinstance(distance, VisibleParts):
        return parts_on_grid(vectors, rows, distance, copied=copied, threads=threads)
    return (on_grid if copied else as_given)(vectors, rows, distance, scale=scale, threads=threads)


def passes(
    query: AnyGrid, gallery: AnyGrid, options: Options, open_share: Callable[[Floats], Floats]
) -> Iterator[Pass]:
    """The products by which all queries are ranked: one, or a coarse one for those that it suits, and another.

    open_share: of each query's scores, how many bounds like the given ones would leave open.

    Raises:
        UserError: the device or the precision is not there.
    """
    if options.precision == "int8" and options.device != "cpu":
        raise missing(f"there is no int8 product on {options.device!r}", "use --device cpu or another precision")
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        if options.precision == "int8":
            raise missing("there is no int8 product of visible parts", "use --precision float32")
        yield Pass(slice(None), lambda shape: parts_product(query, gallery, shape, options))
        return
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    many = len(query) * len(gallery) * gallery.dimension >= MANY and int8.fits_int8(gallery.dimension)
    left_open = many and options.precision == "auto" and options.device == "cpu" and multiplies_int8()
    left_open = left_open and find_spec("torch") is not None
    if options.precision == "int8" or left_open:
        yield from int8.passes(query, gallery, options, open_share)
    else:
        yield Pass(slice(None), lambda shape: product(query, gallery, shape, options, there=True))


def two_sided(query: AnyGrid, gallery: AnyGrid, options: Options) -> Callable[[Shape], Product]:
    """A product of which no score is further from the exact one than its query's bound, either way. Of visible parts
    that of float64, which is exact: in any other a pair may lie further below, by a slack of its own.

    Raises:
        UserError: the device or the precision is not there.
    """
    if isinstance(query, PartGrid) and isinstance(gallery, PartGrid):
        exact = options.model_copy(update={"precision": "float64"})
        return lambda shape: parts_product(query, gallery, shape, exact)
    assert isinstance(query, Grid) and isinstance(gallery, Grid)
    return partial(product, query, gallery, options=options)
