"""The product over all pairs in 8-bit whole numbers: coarse, and in a quarter of float32's time where the processor
multiplies them (VNNI).

A vector is cut into steps: x = s (z + o) + e, the levels z whole numbers from -127 to 127, the step s of its own, the
offset o one for all vectors of a side (127 where no coordinate is negative, so that all levels are used). Then

    q.g = s_q s_g (z_q.z_g + o_g sum(z_q) + o_q sum(z_g) + D o_q o_g) + e_q.g + (q - e_q).e_g,

where the first term is exact, and the others are within |e_q||g| + (|q| + |e_q|)|e_g|: the norms of what was lost are
measured.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from svrn.evaluation.grid import UNIT, Floats, Grid, Index, Singles
from svrn.evaluation.options import Options
from svrn.evaluation.scores import (
    UNIT32,
    Block,
    Buffers,
    Ints,
    Pass,
    Product,
    Shape,
    less_half_norms,
    missing,
    product,
)

ROWS = 128  # made levels at a time: they stay in a core's cache
MOST = 127
OFFSETS = (0, 32, 64, 96, 127)
WIDEST = (2**31 - 1) // (2 * MOST) ** 2  # dimensions whose sums int32 holds
NARROWEST = 2  # torch's product of one is not made at all
# What of a query's scores may be left open: a pair worked out again costs some forty of a float32 product's.
MOST_OPEN = 0.01


def passes(query: Grid, gallery: Grid, options: Options, open_share: Callable[[Floats], Floats]) -> Iterator[Pass]:
    """The coarse product for the queries of which it decides nearly all, after float32's for the others.

    open_share: of each query's scores, how many bounds like the given ones would leave open.

    Raises:
        UserError: there is no such product of these dimensions, or int8 is asked for and not exact here.
    """
    coarse = Coarse(query, gallery, options.thread_count())
    settled = open_share(coarse.bounds + coarse.slack.mean()) <= MOST_OPEN
    others, suited = np.flatnonzero(~settled), np.flatnonzero(settled)

    def plainly(queries: Ints) -> Pass:
        return Pass(queries, lambda shape: product(query.part(queries), gallery, shape, options))

    # The coarse product is torch's, which takes seconds to import: in the meantime the other works.
    imported = threading.Thread(target=importlib.import_module, args=("torch",))
    imported.start()
    if len(others):
        yield plainly(others)
    imported.join()
    if int8_is_exact(gallery.dimension):
        with threads_of_torch_kept():
            if len(suited):
                yield Pass(suited, lambda shape: coarse.product(suited, shape))
    elif options.precision == "int8":
        raise missing("products in int8 are not exact on this processor", "use --precision float32")
    elif len(suited):
        yield plainly(suited)


@dataclass(frozen=True)
class Levels:
    """Vectors cut into steps: int8 levels (n, D), steps (n,), one offset, the levels' sums (n,), and the norm that each
    vector is at most away from its levels (n,)."""

    levels: npt.NDArray[np.int8]
    steps: Singles
    offset: int
    sums: npt.NDArray[np.int32]
    lost: Floats

    def part(self, rows: Index) -> Levels:
        """The levels of some vectors, copied."""
        return Levels(self.levels[rows], self.steps[rows], self.offset, self.sums[rows], self.lost[rows])


def fits_int8(dimension: int) -> bool:
    """Whether there are 8-bit products of so many dimensions."""
    return NARROWEST <= dimension <= WIDEST


def levels_of(grid: Grid, threads: int) -> Levels:
    """The vectors of a grid, cut into steps."""
    count, dimension = len(grid), grid.dimension
    levels = np.empty((count, dimension), dtype=np.int8)
    steps, sums, lost = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int32), np.empty(count)
    factors = None if grid.divisors is None else (UNIT / grid.divisors).astype(np.float32)
    offset = _offset(grid.vectors(np.arange(0, count, max(1, count // 1024))))

    def some(starts: range) -> None:
        cut, scratch = (np.empty((ROWS, dimension), dtype=np.float32) for _ in range(2))
        for start in starts:
            part = slice(start, min(start + ROWS, count))
            given = grid.stored[part]
            if factors is not None:
                given = np.multiply(given, factors[part, None], out=scratch[: len(given)])
            steps[part], lost[part] = _cut(given, offset, cut[: len(given)])
            levels[part] = cut[: len(given)]
            sums[part] = levels[part].sum(axis=1, dtype=np.int32)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(some, [range(first * ROWS, count, threads * ROWS) for first in range(threads)]))
    # What float32 arithmetic here adds: some roundings of each coordinate, and the sum of squares.
    lost = lost * (1 + 1e-3) + 8 * UNIT32 * grid.greatest + grid.looseness
    return Levels(levels, steps, offset, sums, lost)


def _offset(sample: Singles) -> int:
    """That of which the steps are the least."""
    return min(OFFSETS, key=lambda offset: float(np.square(_steps(sample, offset)).sum()))


def _steps(vectors: Singles, offset: int) -> Singles:
    """The least step of each vector with which its coordinates are within the levels: infinite where none is."""
    highest, lowest = vectors.max(axis=1), vectors.min(axis=1)
    above = np.maximum(highest, 0) / np.float32(MOST + offset)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.where(lowest < 0, -lowest / np.float32(MOST - offset), np.float32(0))
    return np.maximum(above, below).astype(np.float32)


def _cut(vectors: Singles, offset: int, out: Singles) -> tuple[Singles, Floats]:
    """Put the vectors' levels in `out`; their steps, and the norms of what is lost."""
    steps = _steps(vectors, offset)
    # A negative coordinate where the sample had none is cut off, and counts as lost.
    steps = np.where(np.isfinite(steps), steps, np.maximum(vectors.max(axis=1), 0) / np.float32(MOST + offset))
    steps[steps == 0] = 1
    np.divide(vectors, steps[:, None], out=out)
    np.rint(out, out=out)
    np.clip(out, offset - MOST, offset + MOST, out=out)
    rest = vectors - out * steps[:, None]
    out -= offset
    return steps, np.sqrt(np.vecdot(rest, rest).astype(np.float64))


class Coarse:
    """The product of queries' and a gallery's levels.

    bounds, slack: no inner product of a query and a gallery vector is further than the sum of theirs from the exact
    one, shapes (queries,) and (N,).
    """

    def __init__(self, query: Grid, gallery: Grid, threads: int) -> None:
        """Raises:
        UserError: too many dimensions, or one.
        """
        dimension = query.dimension
        if not fits_int8(dimension):
            raise missing(f"there are no int8 products of {dimension} dimensions", "use --precision float32")
        self._grids = query, gallery
        self.query, self.gallery = levels_of(query, threads), levels_of(gallery, threads)
        self.slack = (query.greatest + float(self.query.lost.max())) * self.gallery.lost * (1 + 1e-6)
        most = (2 * MOST) ** 2 * dimension
        rounded = 8 * UNIT32 * (most * float(self.gallery.steps.max()) * self.query.steps + 1)
        self.bounds = (self.query.lost * gallery.greatest + rounded) * (1 + 1e-6)

    def product(self, queries: Index, shape: Shape) -> Product:
        """That of some queries, where int8 sums are exact: the greatest that a score can be, but for its bound."""
        import torch  # takes seconds

        query, gallery, dimension = self.query.part(queries), self.gallery, self.query.levels.shape[1]
        whole, single = Buffers(shape, np.int32), Buffers(shape, np.float32)
        local = threading.local()
        rows = (gallery.offset * query.sums + dimension * query.offset * gallery.offset).astype(np.int32)
        columns = torch.from_numpy((query.offset * gallery.sums).astype(np.float32) * gallery.steps)
        steps, left, right = (torch.from_numpy(x) for x in (gallery.steps, query.levels, gallery.levels))
        slack = np.nextafter(self.slack.astype(np.float32), np.float32(np.inf))

        def scores(asked: slice, part: slice) -> Block:
            if not hasattr(local, "started"):
                torch.set_num_threads(1)  # this thread's; the others make products of their own
                local.started = True
            count, width = asked.stop - asked.start, part.stop - part.start
            sums, out = whole.block(count, width), single.block(count, width)
            torch._int_mm(left[asked], right[part].T, out=torch.from_numpy(sums))
            sums += rows[asked, None]
            np.copyto(out, sums, casting="same_kind")
            made = torch.from_numpy(out)
            torch.addcmul(columns[part], made, steps[part], out=made)
            out *= query.steps[asked, None]
            out += slack[part]
            return out

        made = Product(scores, self.bounds[queries], lambda _, items: 2 * slack[items])
        return less_half_norms(made, *self._grids)


@contextmanager
def threads_of_torch_kept() -> Iterator[None]:
    """torch's threads, which products set to one for each of theirs, afterwards as they were."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def int8_is_exact(dimension: int) -> bool:
    """Whether torch's greatest sums come out right: without instructions for them, pairs are cut off at 16 bits."""
    import torch

    ends = np.full((2, dimension), MOST, dtype=np.int8)
    ends[1, ::2] = -MOST
    made = torch._int_mm(torch.from_numpy(ends), torch.from_numpy(ends).T).numpy()
    wide = ends.astype(np.int64)
    return bool((made == wide @ wide.T).all())
