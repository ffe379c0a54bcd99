"""Rotary positions: what turns queries and keys in every layer by the places of their patches (DINOv3, EVA-02)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from svrn.errors import UserError


class Rotary(nn.Module):
    """timm's rotary embedding for maps of any size, one table for all layers; it holds nothing that learns.

    positions: timm's module, made without a fixed size. Chance that some networks' recipes put into places in training
    is left out: what is drawn for a batch is drawn once for all its processes, and these draw by themselves.
    """

    def __init__(self, positions: nn.Module) -> None:
        super().__init__()
        self.positions = positions.eval()
        self._kept: dict[tuple[int, int, torch.device], Tensor] = {}

    def train(self, mode: bool = True) -> Rotary:
        """Always in evaluation mode, see above."""
        return super().train(False)

    def forward(self, grid: tuple[int, int], device: torch.device) -> Tensor:
        """The table [rows * columns, 2 * head's width] of a map of `grid` (rows, columns)."""
        if torch.compiler.is_compiling():
            return self._table(grid).to(device)
        key = (*grid, device)
        if key not in self._kept:
            self._kept = {key: self._table(grid).to(device)}  # one size: a run has one
        return self._kept[key]

    def _table(self, grid: tuple[int, int]) -> Tensor:
        made: Tensor = cast(Any, self.positions).get_embed(shape=list(grid))
        return made.detach()


def is_rotary(name: str) -> bool:
    """Whether timm's network `name` belongs to those that may have rotary positions."""
    import timm

    known: bool = timm.models.is_model_in_modules(name, ["eva"])
    return known


def rotary_of(network: Any, name: str) -> Rotary | None:
    """The rotary positions of timm's `Eva`, whose layers then see patches alone; None where it has absolute ones only.

    Raises:
        UserError: positions that learn in each layer, layers that norm after adding, or pooling by attention.
    """
    from timm.models.eva import EvaBlock

    plain = all(type(layer) is EvaBlock for layer in network.blocks) and network.attn_pool is None
    if not plain or network.rope_mixed:
        raise UserError(
            f"timm:{name} has rotary positions of its own in each layer, or other layers than EVA-02 and DINOv3",
            where="model.backbone.name",
            mend="choose one like timm:vit_small_patch16_dinov3 or timm:eva02_small_patch14_224",
        )
    for layer in network.blocks:
        layer.attn.num_prefix_tokens = 0  # class token and registers are left out: every token is a patch
    return None if network.rope is None else Rotary(network.rope)
