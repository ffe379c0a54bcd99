"""The grid-based critic: what masking each cell costs the classifier, for all cells in one pass (equations 2 and 3).

Masking a cell sets its pixels of X to zero. The reduction layer is a 1x1 convolution, so the masked pixels become one
constant vector z0 = ReLU(BN(0)) and all others stay as they were: the pooled sum changes by the cell's own share,
`sum - share(i, j) + pixels(i, j) * z0`. So the g x g masked losses follow from the map that the forward pass already
made. BN statistics are those that the forward pass used, held fixed (reading 8); nothing here has a gradient.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F

from svrn.parts.classification import ClassificationBlock, Classified
from svrn.parts.grid import cell_counts, cell_sums

#: Masked logits are made in pieces of at most this many numbers (256 MB in float32).
_PIECE = 64 * 1024 * 1024


@torch.no_grad()
def masked_losses(block: ClassificationBlock, made: Classified, labels: Tensor, grid: int) -> Tensor:
    """C_s of equation 2: [B, g, g] float32, the cross entropy of every image with one cell masked.

    block: the stage's classification block; made: what it gave for X_t; labels: [B] int64.
    """
    with torch.autocast(made.reduced.device.type, enabled=False):
        pooled = _masked_features(block, made, grid)  # [B, g*g, R]
        weight, bias = _frozen_classifier(block, made)
        batch, cells, _ = pooled.shape
        images = max(1, _PIECE // (cells * weight.shape[0]))
        losses = []
        for start in range(0, batch, images):
            piece = pooled[start : start + images]
            logits = F.linear(piece.flatten(0, 1), weight, bias)
            targets = labels[start : start + images].repeat_interleave(cells)
            losses.append(F.cross_entropy(logits, targets, reduction="none").view(-1, grid, grid))
        return torch.cat(losses)


def reward(losses: Tensor) -> Tensor:
    """R_score of equation 3: C_s [B, g, g] scaled to [0, 1] over the cells of each image (reading 9).

    An image whose cells all cost the same gets 0 everywhere: no cell stands out.
    """
    low = losses.amin((1, 2), keepdim=True)
    span = losses.amax((1, 2), keepdim=True) - low
    return torch.where(span > 0, (losses - low) / span.clamp(min=torch.finfo(losses.dtype).tiny), 0.0)


def _masked_features(block: ClassificationBlock, made: Classified, grid: int) -> Tensor:
    """F of every masked map: [B, g*g, R]."""
    height, width = made.reduced.shape[-2:]
    powered = block.pooling.power(made.reduced.float())
    shares = cell_sums(powered, grid).flatten(2).transpose(1, 2)  # [B, g*g, R]
    total = shares.sum(1, keepdim=True)  # the cells partition the map
    counts = cell_counts(height, width, grid, powered.device).reshape(1, -1, 1)
    hole = block.pooling.power(_response_to_zero(block.reduction_bn, made.convolved))  # [R]
    return block.pooling.root((total - shares + counts * hole) / (height * width))


def _response_to_zero(norm: nn.Module, convolved: Tensor) -> Tensor:
    """z0 [R]: what the reduction layer answers at a pixel of zeros, under the statistics that it just used."""
    mean, variance = frozen_statistics(norm, convolved)
    norm = cast(nn.BatchNorm2d, norm)
    return F.relu(norm.bias.float() - mean * norm.weight.float() * torch.rsqrt(variance + norm.eps))


def _frozen_classifier(block: ClassificationBlock, made: Classified) -> tuple[Tensor, Tensor]:
    """BN and classifier as one linear map of F: weight [N, R], bias [N]."""
    mean, variance = frozen_statistics(block.neck, made.feature)
    scale = block.neck.weight * torch.rsqrt(variance + block.neck.eps)
    shift = block.neck.bias - mean * scale
    weight = block.classifier.weight.float()
    bias = F.linear(shift, weight, block.classifier.bias)
    return weight * scale, bias


def frozen_statistics(norm: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance [C] that the batch normalisation `norm` used on `inputs` [B, C, ...].

    The running ones in evaluation mode; in training the batch's own, over all processes where `norm` synchronises.
    """
    norm = cast(nn.BatchNorm2d, norm)
    if not norm.training:
        return cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    values = inputs.detach()
    over_all = isinstance(norm, nn.SyncBatchNorm) or getattr(norm, "synchronised", False)
    if over_all and distributed.is_available() and distributed.is_initialized():
        return _statistics_of_all(values.float(), [0, *range(2, inputs.dim())])
    mean, variance = torch.ops.aten.batch_norm_update_stats(values, None, None, 0.0)  # 20 times as fast as var_mean
    return mean.float(), variance.float()


def _statistics_of_all(values: Tensor, dims: list[int]) -> tuple[Tensor, Tensor]:
    channels = values.shape[1]
    number = values.new_tensor([values.numel() / channels])
    sums = torch.cat([values.sum(dims), number])
    distributed.all_reduce(sums)
    mean = sums[:channels] / sums[-1]
    shape = [1, channels] + [1] * (values.dim() - 2)
    squares = (values - mean.view(shape)).square().sum(dims)
    distributed.all_reduce(squares)
    return mean, squares / sums[-1]
