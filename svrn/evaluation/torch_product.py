"""The product over all pairs by torch: on a GPU, or in bfloat16 or TF32, with the bound that its rounding
has.

The ranking that follows is the same for every product: what a bound leaves open is worked out again in
float64.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from svrn.errors import UserError
from svrn.evaluation.grid import Grid
from svrn.evaluation.options import Options
from svrn.evaluation.product import UNIT32, Block, Buffers, Product, Shape, accumulation

ROWS = 4096
# Unit roundoff of the rounded inputs: bfloat16 rounds to nearest at 8 bits; TF32 keeps 11 and may cut the
# rest off.
UNIT_BF16 = 2.0**-8
UNIT_TF32 = 2.0**-10
# Tensor cores cut off what they add instead of rounding it, at a few bits beyond float32's.
UNIT_TENSOR = 2.0**-22


def torch_product(query: Grid, gallery: Grid, shape: Shape, options: Options) -> Product:
    """The product that `options` ask for, the gallery resting on the device.

    Raises:
        UserError: the device is not there, or cannot do the precision.
    """
    device = checked_device(options.device)
    if options.precision == "bfloat16":
        return _bfloat16(query, gallery, shape, device)
    if options.precision == "tf32" and device.type != "cuda":
        raise UserError(
            "tf32 is a GPU's number format",
            where="--precision",
            mend="use --device cuda or another precision",
        )
    kind = torch.float64 if options.precision == "float64" else torch.float32
    resident = torch.empty((len(gallery), gallery.dimension), dtype=kind, device=device)
    for part in _parts(len(gallery)):
        resident[part] = torch.from_numpy(gallery.vectors(part)).to(device)
    dimension = query.dimension
    unit = UNIT_TENSOR if options.precision == "tf32" else UNIT32
    bound = 0.0 if kind == torch.float64 else accumulation(dimension, unit) * query.greatest * gallery.greatest
    if options.precision == "tf32":
        bound += (2 * UNIT_TF32 + UNIT_TF32**2) * (1 + bound) * query.greatest * gallery.greatest
    switch = threading.Lock()  # of torch's TF32, which is one for all threads

    def sent(block: Tensor) -> Tensor:
        return block.to(device, kind)

    def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
        with switch, _tf32(options.precision == "tf32"):
            torch.mm(block, resident[part].T, out=out)

    return Product(_brought_back(sent, multiplied, query, shape, kind, device), np.full(len(query), bound))


def _brought_back(
    sent: Callable[[Tensor], Tensor],
    multiplied: Callable[[Tensor, slice, Tensor], None],
    query: Grid,
    shape: Shape,
    kind: torch.dtype,
    device: torch.device,
) -> Callable[[slice, slice], Block]:
    """A product made on a device, its scores then in the calling thread's own memory here (page-locked: a copy out of
    other memory takes several times as long)."""
    local = threading.local()

    def scores(asked: slice, part: slice) -> Block:
        if not hasattr(local, "here"):
            local.asked = slice(0, 0)
            local.there = torch.empty(shape.rows * shape.width, dtype=kind, device=device)
            cuda = device.type == "cuda"
            local.here = torch.empty(len(local.there), dtype=kind, pin_memory=True) if cuda else local.there
        if local.asked != asked:  # one block's tiles come after one another
            local.asked, local.block = asked, sent(torch.from_numpy(query.vectors(asked)))
        size = len(local.block), part.stop - part.start
        there, here = (whole[: size[0] * size[1]].view(size) for whole in (local.there, local.here))
        multiplied(local.block, part, there)
        if here is not there:
            here.copy_(there)
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


def _bfloat16(query: Grid, gallery: Grid, shape: Shape, device: torch.device) -> Product:
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

    if device.type == "cuda":

        def sent(block: Tensor) -> Tensor:
            return block.to(device, torch.bfloat16)

        def multiplied(block: Tensor, part: slice, out: Tensor) -> None:
            torch.mm(block, resident[part].T, out_dtype=torch.float32, out=out)

        scores = _brought_back(sent, multiplied, query, shape, torch.float32, device)
        return Product(scores, np.full(len(query), bound * (1 + 1e-6)))

    buffers = Buffers(shape, np.float32)
    turn = threading.Lock()  # each product takes all of torch's threads

    def widened(asked: slice, part: slice) -> Block:
        with turn:
            narrow = torch.from_numpy(query.vectors(asked)).to(torch.bfloat16) @ resident[part].T
        out = buffers.block(*narrow.shape)
        torch.from_numpy(out).copy_(narrow)
        return out

    return Product(widened, np.full(len(query), bound * (1 + 1e-6)))


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
def _tf32(on: bool) -> Iterator[None]:
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = on
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
