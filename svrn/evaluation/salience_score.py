"""Does salience fall where an identity shows itself? Scored against maps of an identity's own details.

The embedded benchmark knows, for every image, how much of each cell of a 16x16 map the details fill that tell this
vehicle from its near-duplicates. A stage is scored by how much detail lies in the cells that it chose to suppress,
against what the same number of cells chosen by chance would hold: among the cells that were still free to choose, so
that a later stage is not blamed for what earlier ones took.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from svrn.errors import UserError
from svrn.parts.output import Output


@dataclass(frozen=True)
class StageSalience:
    """One stage over many images (only those with any detail in the cells that were free).

    stage: from 1. images: how many. chosen: mean part of a chosen cell that details fill. chance: the same of a free
    cell. lift: chosen / chance, 1 for a blind choice. gain: mean over images of chosen - chance, with gain_error, its
    standard error. correlation: mean over images of the rank correlation (Spearman) of scores and detail over the free
    cells, None where the stage has no scores.
    """

    stage: int
    images: int
    chosen: float
    chance: float
    lift: float
    gain: float
    gain_error: float
    correlation: float | None


@dataclass(frozen=True)
class _PerImage:
    chosen: Tensor
    chance: Tensor
    correlation: Tensor | None


def on_grid(coverage: Tensor, grid: int) -> Tensor:
    """Area-weighted means of a coverage map on another grid: [B, m, m] -> [B, grid, grid].

    Both cut the same image into equal cells, so a cell takes from every map cell the part that lies in it.
    """
    size = coverage.shape[-1]
    edges = torch.arange(grid + 1, dtype=torch.float64) / grid
    fine = torch.arange(size + 1, dtype=torch.float64) / size
    overlap = torch.minimum(edges[1:, None], fine[None, 1:]) - torch.maximum(edges[:-1, None], fine[None, :-1])
    weights = (overlap.clamp(min=0) * grid).to(coverage.device)  # [grid, m], rows add up to 1
    return (weights @ coverage.double() @ weights.T).float()


def score_salience(batches: Iterable[tuple[Output, Tensor]]) -> tuple[StageSalience, ...]:
    """Score every stage that suppresses cells.

    batches: the network's outputs, each with its images' coverage maps [B, m, m] in [0, 1].

    Raises:
        UserError: no stage suppresses anything, or no image shows any detail.
    """
    found: dict[int, list[_PerImage]] = {}
    for output, coverage in batches:
        before: Tensor | None = None
        for number, stage in enumerate(output.branches, 1):
            if stage.mask is None:
                continue
            mask = stage.mask.detach().float().cpu()
            detail = on_grid(coverage.cpu(), mask.shape[-1])
            found.setdefault(number, []).append(_score_images(mask, before, stage.scores, detail))
            before = mask
    if not found:
        raise UserError("no stage of this network suppresses anything: there is no salience to score")
    return tuple(_stage(number, parts) for number, parts in sorted(found.items()))


def _score_images(mask: Tensor, before: Tensor | None, scores: Tensor | None, detail: Tensor) -> _PerImage:
    """Per image, NaN where it says nothing: no cell chosen, or no detail in any free cell."""
    free = torch.ones_like(mask) if before is None else before
    newly = free * (1 - mask)
    if before is not None and bool((mask > before).any()):  # masks that do not accumulate: every cell is free again
        free, newly = torch.ones_like(mask), 1 - mask
    chance = _mean(detail, free)
    chosen = _mean(detail, newly)
    silent = chance == 0
    correlation = None
    if scores is not None:
        ranked = [_spearman(*one) for one in zip(scores.detach().float().cpu(), detail, free > 0, strict=True)]
        correlation = torch.tensor(ranked).masked_fill(silent, torch.nan)
    return _PerImage(chosen.masked_fill(silent, torch.nan), chance.masked_fill(silent, torch.nan), correlation)


def _mean(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum((1, 2)) / where.sum((1, 2))  # 0 / 0 is NaN: nothing was chosen


def _spearman(scores: Tensor, detail: Tensor, free: Tensor) -> float:
    """Rank correlation over the free cells; NaN where either is constant."""
    one, other = _ranks(scores[free]), _ranks(detail[free])
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / (one.norm() * other.norm()))


def _ranks(values: Tensor) -> Tensor:
    """Ranks, ties sharing their mean rank."""
    _, place, count = torch.unique(values, return_inverse=True, return_counts=True)
    last = count.cumsum(0).double()
    return (last - (count.double() - 1) / 2)[place]


def _stage(number: int, parts: list[_PerImage]) -> StageSalience:
    chosen = torch.cat([part.chosen for part in parts]).double()
    chance = torch.cat([part.chance for part in parts]).double()
    told = ~(chosen.isnan() | chance.isnan())
    if not bool(told.any()):
        raise UserError(f"no image shows detail in a cell that stage {number} could choose: nothing to score")
    chosen, chance = chosen[told], chance[told]
    gain = chosen - chance
    error = float(gain.std(correction=1)) / len(gain) ** 0.5 if len(gain) > 1 else float("nan")
    ranked = [part.correlation for part in parts if part.correlation is not None]
    return StageSalience(
        stage=number,
        images=len(gain),
        chosen=float(chosen.mean()),
        chance=float(chance.mean()),
        lift=float(chosen.mean() / chance.mean()),
        gain=float(gain.mean()),
        gain_error=error,
        correlation=float(torch.cat(ranked).double().nanmean()) if ranked else None,
    )
