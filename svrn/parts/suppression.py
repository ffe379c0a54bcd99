"""Suppress: which cells a stage hides from the next one, and hiding them (section III-A, Algorithm 1, equation 5)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from svrn.errors import UserError
from svrn.parts.grid import upsample


def cells_to_suppress(alpha: float, cells: int) -> int:
    """n of Algorithm 1: alpha * cells, rounded half up (line 3; it may be 0, then nothing is suppressed).

    Raises:
        UserError: alpha is not in [0, 1).
    """
    if not 0 <= alpha < 1:
        raise UserError(f"alpha must be in [0, 1), got {alpha}", where="model.salience.alphas")
    return math.floor(alpha * cells + 0.5 + 1e-9)  # 0.15 * 10 is 1.4999999999999998: the 1e-9 undoes it


def salience_mask(
    scores: Tensor,
    alpha: float,
    rule: Literal["top_n", "literal"] = "top_n",
    before: Tensor | None = None,
) -> Tensor:
    """Algorithm 1: M [B, g, g] float32 of 0 (suppressed) and 1 (kept) from scores [B, g, g].

    `top_n` suppresses the n cells of highest score, ties decided by the lowest index in row order. `literal` suppresses
    the cells strictly above the n-th highest value, as printed: n - 1 cells where no two scores are equal (reading 10).
    before: an earlier mask [B, g, g]; its cells are not chosen again and stay suppressed (reading 11).
    No gradient passes through.
    """
    batch, grid, _ = scores.shape
    flat = scores.detach().reshape(batch, -1).float()
    number = cells_to_suppress(alpha, flat.shape[1])
    mask = torch.ones_like(flat)
    if before is not None:
        mask = before.detach().reshape(batch, -1).to(flat)
        flat = flat.masked_fill(mask == 0, -math.inf)
    if number > 0:
        values, order = torch.sort(flat, dim=1, descending=True, stable=True)
        if rule == "top_n":
            mask = mask.scatter(1, order[:, :number], 0.0)
        else:
            mask = mask.masked_fill(flat > values[:, number - 1 : number], 0.0)
    return mask.reshape(batch, grid, grid)


def suppress(features: Tensor, mask: Tensor, fill: Literal["zero", "mean"] = "zero", strength: float = 1.0) -> Tensor:
    """X_{t+1} = O_t x Up(M_t) (equation 5): [B, C, h, w] with the pixels of suppressed cells filled.

    `zero` fills with zeros, as printed; `mean` with the image's own channel means over the whole map, which suits
    backbones whose blocks end without an activation, where zero is a value like any other. strength: 1 replaces a
    suppressed pixel by its filling, as printed; less mixes the two, a soft mask.
    """
    kept = upsample(mask, *features.shape[-2:]).to(features.dtype)
    if strength < 1:
        kept = 1 - strength * (1 - kept)
    if fill == "zero":
        return features * kept
    mean = features.mean((2, 3), keepdim=True)
    return mean + (features - mean) * kept


def check_alphas(alphas: tuple[float, ...], grid: int, cumulative: bool) -> None:
    """Refuse suppression percentages that leave a stage nothing to see.

    Raises:
        UserError: a stage would have every cell suppressed, or an alpha is not in [0, 1).
    """
    cells = grid * grid
    numbers = [cells_to_suppress(alpha, cells) for alpha in alphas]
    hidden = sum(numbers) if cumulative else max(numbers, default=0)
    if hidden >= cells:
        raise UserError(
            f"alphas {list(alphas)} suppress all {cells} cells of the {grid}x{grid} grid",
            where="model.salience.alphas",
            mend="choose smaller alphas, or a finer model.salience.grid",
        )
