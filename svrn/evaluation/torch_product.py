"""The product over all pairs by torch: on a GPU, or in bfloat16 or TF32, with the bound that its rounding
has.

The ranking that follows is the same for every product: what a bound leaves open is worked out again in
float64.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svrn.errors import UserError
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options
from svrn.evaluation.scores import (
    Product,
    Shape,
    accumulation,
    bound_in_float32,
    bounds_less_half_norms,
    factors_of,
    less_half_norms,
)

ROWS = 4096
# Unit roundoff of the rounded inputs: bfloat16 rounds to nearest at 8 bits; TF32 keeps 11 and may cut the
# rest off.
UNIT_BF16 = 2.0**-8
UNIT_TF32 = 2.0**-10
# Tensor cores cut off what they add instead of rounding it, at a few bits beyond float32's.
UNIT_TENSOR = 2.0**-22


def torch_product(query: Grid, gallery: Grid, shape: Shape, options: Options, *, there: bool = False) -> Product:
    """The product that `options` ask for, the gallery resting on the device.

    there: leave the scores on the device, tensors in the kind of numbers that they were made in.

    Raises:
        UserError: the device is not there, or cannot do the precision.
    """
    device = checked_device(options.device)
    if options.precision == "tf32" and device.type != "cuda":
        raise UserError(
            "tf32 is a GPU's number format",
            where="--precision",
            mend="use --device cuda or another precision",
        )
    if options.precision == "bfloat16":
        made = _bfloat16(query, gallery, device)
    elif options.precision == "float64":
        made = _wide(gallery, device)
    elif options.precision == "tf32":
        made = _tf32(query, gallery, device)
    else:
        made = _single(query, gallery, device)
    bounds = np.full(len(query), made.bound)
    scores = _tiles(made, query, shape, device, there=there)
    if gallery.half_norms is None:
        return Product(scores, bounds, there=there)
    if not there:
        return less_half_norms(Product(scores, bounds), query, gallery)
    halves = torch.from_numpy(gallery.half_norms).to(device, made.kind)
    bounds = bounds_less_half_norms(bounds, query, gallery)
    return Product(lambda asked, part: scores(asked, part).sub_(halves[part]), bounds, there=True)


@dataclass(frozen=True)
class _Made:
    """How a product is made: what of the queries is sent, and the product of that with a part of the gallery, put in
    `out` or given by itself. kind: of the numbers of `out`. bound: no score is further from the exact one."""

    kind: torch.dtype
    bound: float
    sent: Callable[[Tensor], Tensor]
    multiplied: Callable[[Tensor, slice, Tensor], None]


def _single(query: Grid, gallery: Grid, device: torch.device) -> _Made:
    """The gallery as it was given: its factors are taken into account afterwards (evaluation/scores.py)."""
    resident = torch.empty((len(gallery), gallery.dimension), dtype=torch.float32, device=device)
    for part in _parts(len(gallery)):
        resident[part] = torch.from_numpy(gallery.stored[part].copy()).to(device)
    known = factors_of(gallery)
    factors = None if known is None else torch.from_numpy(known).to(device)

    def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
        torch.mm(block, resident[part].T, out=out)
        if factors is not None:
            out *= factors[part]

    return _Made(torch.float32, bound_in_float32(query, gallery), lambda block: block.to(device), multiplied)


def _wide(gallery: Grid, device: torch.device) -> _Made:
    """Exact, so the bound is 0."""
    resident = torch.empty((len(gallery), gallery.dimension), dtype=torch.float64, device=device)
    for part in _parts(len(gallery)):
        resident[part] = torch.from_numpy(gallery.vectors(part)).to(device)

    def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
        torch.mm(block, resident[part].T, out=out)

    return _Made(torch.float64, 0.0, lambda block: block.to(device, torch.float64), multiplied)


def _tf32(query: Grid, gallery: Grid, device: torch.device) -> _Made:
    resident = torch.empty((len(gallery), gallery.dimension), dtype=torch.float32, device=device)
    for part in _parts(len(gallery)):
        resident[part] = torch.from_numpy(gallery.vectors(part)).to(device)
    bound = accumulation(query.dimension, UNIT_TENSOR) * query.greatest * gallery.greatest
    bound += (2 * UNIT_TF32 + UNIT_TF32**2) * (1 + bound) * query.greatest * gallery.greatest
    switch = threading.Lock()  # of torch's TF32, which is one for all threads

    def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
        with switch, _tf32_on():
            torch.mm(block, resident[part].T, out=out)

    return _Made(torch.float32, bound, lambda block: block.to(device), multiplied)


def _tiles(
    made: _Made, query: Grid, shape: Shape, device: torch.device, *, there: bool
) -> Callable[[slice, slice], Any]:
    """Tiles of a product: tensors on the device, or arrays in the calling thread's own memory here (page-locked: a copy
    out of other memory takes several times as long)."""
    local = threading.local()

    def scores(asked: slice, part: slice) -> Any:
        if not hasattr(local, "there"):
            local.asked = slice(0, 0)
            local.there = torch.empty(shape.rows * shape.width, dtype=made.kind, device=device)
            local.here = local.there
            if device.type == "cuda" and not there:
                local.here = torch.empty(len(local.there), dtype=made.kind, pin_memory=True)
        if local.asked != asked:  # one block's tiles come after one another
            local.asked, local.block = asked, made.sent(torch.from_numpy(query.vectors(asked)))
        size = len(local.block), part.stop - part.start
        tile, here = (whole[: size[0] * size[1]].view(size) for whole in (local.there, local.here))
        made.multiplied(local.block, part, tile)
        if there:
            return tile
        if here.data_ptr() != tile.data_ptr():
            here.copy_(tile)
        return here.numpy()

    return scores


def checked_device(name: str) -> torch.device:
    """The torch device of that name.

    Raises:
        UserError: no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"there is no device {name!r}", where="--device", mend="cpu, cuda or cuda:N") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {name!r} is not there, {torch.cuda.device_count()} GPUs are",
            where="--device",
            mend="use --device cpu",
        )
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"device {name!r} is not supported", where="--device", mend="cpu, cuda or cuda:N")
    return device


def _bfloat16(query: Grid, gallery: Grid, device: torch.device) -> _Made:
    """Rounded inputs, float32 sums; on the CPU a rounded result, for it has no other.

    With q = q' + e and g = g' + f (q', g' rounded), |q.g - q'.g'| <= |e||g| + |q'||f|: the norms of what the rounding
    took away are measured, which is tighter than the worst case. The sum errs by gamma_n |q'||g'|.
    """
    resident = torch.empty((len(gallery), gallery.dimension), dtype=torch.bfloat16, device=device)
    lost_gallery = _round_into(gallery, resident)
    lost_query = _round_into(query, None)
    rounded_query, rounded_gallery = query.greatest + lost_query, gallery.greatest + lost_gallery
    inputs = lost_query * gallery.greatest + rounded_query * lost_gallery
    sums = accumulation(query.dimension, UNIT_TENSOR) * rounded_query * rounded_gallery
    bound = inputs + sums
    if device.type == "cpu":
        bound += UNIT_BF16 * (rounded_query * rounded_gallery + sums)
    turn = threading.Lock()  # on a CPU each product takes all of torch's threads

    def sent(block: Tensor) -> Tensor:
        return block.to(device, torch.bfloat16)

    def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
        if device.type == "cuda":
            torch.mm(block, resident[part].T, out_dtype=torch.float32, out=out)
            return
        with turn:
            out.copy_(block @ resident[part].T)

    return _Made(torch.float32, bound * (1 + 1e-6), sent, multiplied)


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + ROWS, count)) for start in range(0, count, ROWS))


def _round_into(vectors: Grid, out: torch.Tensor | None) -> float:
    """Round into `out`, where there is one; the greatest norm of what was lost in a row."""
    greatest = 0.0
    for part in _parts(len(vectors)):
        exact = torch.from_numpy(vectors.vectors(part))
        rounded = exact.to(torch.bfloat16)
        if out is not None:
            out[part] = rounded
        greatest = max(greatest, float((exact - rounded.to(torch.float32)).double().norm(dim=1).max()))
    return greatest * (1 + 1e-9)


@contextmanager
def _tf32_on() -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
