"""Several processes for one run: the batch, its statistics and its mining are those of the whole batch.

Each process runs the network on its part of a P x K batch. The stages' results are then gathered with their gradient
and every process computes the same loss over all of them; batch normalisation takes its statistics over all parts.
So 1, 2 and 4 devices train alike, up to rounding.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

T = TypeVar("T")

_TIMEOUT = timedelta(minutes=30)  # building a cache of decoded images can take that long


@dataclass(frozen=True)
class Group:
    """The processes of one run, seen from one of them."""

    rank: int = 0
    world: int = 1

    @property
    def main(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether any process says yes; every process gets the same answer."""
        if self.world == 1:
            return flag
        votes = torch.tensor([float(flag)], device=_collective_device())
        dist.all_reduce(votes)
        return bool(votes.item() > 0)

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()


def _collective_device() -> torch.device:
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")


def join_group(rank: int, world: int, meeting: Path, cuda: bool) -> Group:
    """Enter the group of `world` processes that meet at the file `meeting` (on a shared or local disk)."""
    if not cuda:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all on this machine: no network is needed
    backend = "nccl" if cuda else "gloo"
    dist.init_process_group(backend, init_method=f"file://{meeting}", rank=rank, world_size=world, timeout=_TIMEOUT)
    return Group(rank, world)


class _Gather(torch.autograd.Function):
    """All processes' parts, one after the other.

    Every process then computes the same loss, so the gradient of its own part is already whole: it is cut out, times
    the number of processes, because DistributedDataParallel takes the mean over them.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:  # type: ignore[override]
        world = dist.get_world_size()
        parts = [torch.empty_like(part) for _ in range(world)]
        dist.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        world, rank = dist.get_world_size(), dist.get_rank()
        return gradient.chunk(world)[rank].contiguous() * world


def gather(part: Tensor) -> Tensor:
    """The whole batch's [B, ...] from every process's part [B / world, ...], with its gradient."""
    return _Gather.apply(part)  # type: ignore[no-any-return]


def gathered(tree: T, group: Group) -> T:
    """What all processes have, from what this one has: every tensor in a tree of dataclasses, tuples and mappings.

    Each tensor is per image, [b, ...]. Fields marked as not gathered (for eyes alone) are left at their defaults.
    """
    return tree if group.world == 1 else _gathered(tree)  # type: ignore[no-any-return]


def _gathered(tree: Any) -> Any:
    if isinstance(tree, Tensor):
        return gather(tree)
    if isinstance(tree, tuple):
        return tuple(_gathered(one) for one in tree)
    if isinstance(tree, Mapping):
        return {name: _gathered(tree[name]) for name in sorted(tree)}
    if dataclasses.is_dataclass(tree):
        kept = [one for one in dataclasses.fields(tree) if one.metadata.get("gathered", True)]
        values = {one.name: _gathered(getattr(tree, one.name)) for one in kept}
        return cast(Any, type(tree))(**values)
    return tree


class GlobalBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over all processes' parts where torch's own needs a GPU: differentiable sums over gloo."""

    synchronised = True  # read by the grid critic, which holds the statistics of the whole batch fixed

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected [B, C, ...], got {tuple(input.shape)}")

    def forward(self, values: Tensor) -> Tensor:
        """values: [B, C] or [B, C, H, W]; as nn.BatchNorm in evaluation mode."""
        if not self.training:
            return nn.functional.batch_norm(
                values, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        number, mean, variance = _global_statistics(values.float())
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (number / (number - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        shape = [1, -1] + [1] * (values.dim() - 2)
        scale = torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -mean * scale
        if self.bias is not None:
            shift = shift + self.bias
        return (values.float() * scale.view(shape) + shift.view(shape)).to(values.dtype)


def _global_statistics(values: Tensor) -> tuple[float, Tensor, Tensor]:
    """Number of values a channel, mean and biased variance [C] over all processes, in two passes."""
    dims = [0, *range(2, values.dim())]
    shape = [1, -1] + [1] * (values.dim() - 2)
    number = float(values.numel() // values.shape[1] * dist.get_world_size())
    mean = _Sum.apply(values.sum(dims)) / number
    variance = _Sum.apply((values - mean.view(shape)).square().sum(dims)) / number
    return number, mean, variance


class _Sum(torch.autograd.Function):
    """The sum of all processes' values; what each of them makes of it comes back to all."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


def with_global_batch_norm(network: nn.Module, cuda: bool) -> None:
    """Make every batch normalisation in `network` take its statistics over all processes; parameters stay the same."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                module.register_module(name, _synchronised(child, cuda))


def _synchronised(norm: nn.modules.batchnorm._BatchNorm, cuda: bool) -> nn.modules.batchnorm._BatchNorm:
    kind = nn.SyncBatchNorm if cuda else GlobalBatchNorm
    changed = kind(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    changed.weight, changed.bias = norm.weight, norm.bias
    changed.running_mean, changed.running_var = norm.running_mean, norm.running_var
    changed.num_batches_tracked = norm.num_batches_tracked
    return changed.train(norm.training)
