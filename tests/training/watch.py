"""What a step of a training may not do where it is to be captured, and a captured step on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

#: Operations whose result, or whose shape, the host has to wait for.
_WAITS = (
    "aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.unique", "aten._unique", "aten.bincount",
    "aten.is_nonzero", "aten.equal", "aten.item", "aten.histc", "aten.repeat_interleave.Tensor",
)  # fmt: skip
#: What `torch.tensor(...)` does to data of Python's: on a GPU a copy that cannot be captured.
_BROUGHT = ("aten.lift_fresh",)


class Waits(AssertionError):
    """A step asked for a value, or for a shape that depends on values."""


class NoWaiting(TorchDispatchMode):
    """Within it, an operation that a GPU's host would wait for fails the test that did it."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        if name.startswith(_WAITS) or name.startswith(_BROUGHT):
            raise Waits(name)
        if name.startswith(("aten.index.", "aten.index_put")) and any(_by_mask(one) for one in args[1]):
            raise Waits(f"{name} by a mask")
        return function(*args, **(kwargs or {}))


def _by_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        if not function.is_view:
            self.calls.append((function, args, kwargs or {}, made))
        return made


class Tape:
    """What a CUDA graph is, on a CPU: the operations of one run of a function, done again on the same tensors.

    Nothing of the function's Python runs again: what it decided, counted or read on the host stays as it was.
    state: what the function changes in place. Recording leaves it as it was, as recording on a GPU does.
    """

    def __init__(self, state: Sequence[Tensor]) -> None:
        self.state = state

    def warming(self) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, function: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        before = [one.clone() for one in self.state]
        try:
            with NoWaiting(), _Recording() as recording:
                made = function()
        finally:
            for one, value in zip(self.state, before, strict=True):
                one.copy_(value)
        return made, lambda: _replay(recording.calls)


@torch.no_grad()
def _replay(calls: list[tuple[Any, Any, Any, Any]]) -> None:
    for function, args, kwargs, before in calls:
        now = function(*args, **kwargs)
        for old, new in zip(_tensors(before), _tensors(now), strict=True):
            if old is not new and old.data_ptr() != new.data_ptr():
                old.copy_(new)


def _tensors(tree: Any) -> list[Tensor]:
    if isinstance(tree, Tensor):
        return [tree]
    return [one for part in tree for one in _tensors(part)] if isinstance(tree, (tuple, list)) else []
