"""Which class each number names, as a table."""

from __future__ import annotations

import torch
from torch import Tensor


def one_of(numbers: Tensor, classes: int) -> Tensor:
    """[..., classes] bool: true where the number [...] is the class; nowhere for one that is none of them, such as -1.

    `F.one_hot` without its look at the values, for which a GPU would have to be waited for.
    """
    return numbers.unsqueeze(-1) == torch.arange(classes, device=numbers.device)


def counts_of(numbers: Tensor, classes: int) -> Tensor:
    """How many of the numbers [n] name each class: [classes] float32. `torch.bincount` likewise."""
    return torch.zeros(classes, device=numbers.device).index_add_(
        0, numbers, torch.ones_like(numbers, dtype=torch.float32)
    )
