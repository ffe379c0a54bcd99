"""How often each batch normalisation has run, counted on the host and told to its counter once a step.

torch adds 1 to a counter on the device at every pass: a hundred operations a step, for numbers that only a state dict
reads. Here the passes of all of them are added in one operation.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_COUNTER = "num_batches_tracked"


class _Counting:
    """Before a batch normalisation in its bases: its passes in training mode are counted in `passes`."""

    training: bool
    passes: int
    _buffers: dict[str, Tensor | None]

    def forward(self, *values: Any, **options: Any) -> Any:
        counter = self._buffers[_COUNTER]
        if not self.training:
            return super().forward(*values, **options)  # type: ignore[misc]
        self._buffers[_COUNTER] = None  # torch then counts nothing
        try:
            made = super().forward(*values, **options)  # type: ignore[misc]
        finally:
            self._buffers[_COUNTER] = counter
        self.passes += 1
        return made


@cache
def _counting(kind: type[nn.Module]) -> type[nn.Module]:
    return cast(type[nn.Module], type(kind.__name__, (_Counting, kind), {}))


class Passes:
    """The batch normalisations of modules, which from now on are counted here. Their state dicts stay what they were,
    once `settle` has been called."""

    def __init__(self, *modules: nn.Module) -> None:
        self._norms = [
            norm
            for module in modules
            for norm in module.modules()
            if isinstance(norm, _BatchNorm) and norm.num_batches_tracked is not None and norm.momentum is not None
        ]
        for norm in self._norms:
            norm.__class__ = _counting(cast(Any, type(norm)))  # type: ignore[assignment]
            norm.passes = 0  # type: ignore[assignment]

    def settle(self) -> None:
        """Add what was counted since the last time to the counters."""
        counters: dict[int, list[Tensor]] = defaultdict(list)
        for norm in self._norms:
            passes = cast(int, norm.passes)
            if passes:
                counters[passes].append(cast(Tensor, norm.num_batches_tracked))
                norm.passes = 0  # type: ignore[assignment]
        for passes, some in counters.items():
            torch._foreach_add_(some, passes)

    def forget(self) -> None:
        """Leave out what was counted since the last time: a pass that was begun and given up."""
        for norm in self._norms:
            norm.passes = 0  # type: ignore[assignment]
